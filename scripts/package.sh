#!/usr/bin/env bash
# Builds dist/limn, then tries it as a user without Python would: a task in the frozen worker, and
# the window with a study in it on a virtual display.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$PWD/dist/limn/limn
out=$PWD/out/package
samples=$PWD/resources/samples
home=$(mktemp --directory)
trap 'rm -rf "$home"' EXIT

frozen() { # no Python on the path, no settings of this user, not in the checkout
    (cd "$home" && env -i HOME="$home" PATH=/usr/bin:/bin LANG=C.UTF-8 DISPLAY="${DISPLAY:-}" "$@")
}

.venv/bin/python -m PyInstaller --noconfirm --log-level ERROR pyinstaller.spec
rm -rf "$out" && mkdir -p "$out"

frozen "$program" tasks
frozen "$program" info "$samples"/* --json >/dev/null
frozen "$program" run retinal_vessels "$samples"/*fundus* --out "$out"
ls "$out"/*_vessels.png "$out"/*_probability.png "$out"/*.json
frozen xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24" \
    "$program" "$samples"/*fundus* --screenshot "$out/window.png"
ls "$out/window.png"
du --summarize --human-readable dist/limn
