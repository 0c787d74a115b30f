#!/usr/bin/env bash
# Uses a built program (first argument) as somebody would who has no Python: on a path without it,
# in an empty home, away from the checkout. Results are left in the folder of the second argument.
set -euo pipefail
program=$(realpath "$1")
out=$(realpath --canonicalize-missing "$2")
here=$(realpath "$(dirname "$0")")
samples=$(realpath "$here/../resources/samples")
home=$(mktemp --directory)
bin=$(mktemp --directory) # the system's programs without any Python
trap 'rm -rf "$home" "$bin"' EXIT
for tool in sh bash awk env cat xauth Xvfb xvfb-run mcookie mktemp rm sed grep getopt tempfile touch \
    kill fold mkdir chmod xkbcomp xdotool basename sleep date; do
    if path=$(command -v "$tool"); then ln -s "$path" "$bin/$tool"; fi
done

say() { printf 'try: %s\n' "$*" >&2; }

frozen() { (cd "$home" && env -i HOME="$home" PATH="$bin" LANG=C.UTF-8 "$@"); }

run() { # TASK SAMPLE RESULT [SETTING ...]: a task in the frozen worker, and what it is to leave
    local task=$1 sample=$2 result=$3 settings=()
    shift 3
    for setting in "$@"; do settings+=(--set "$setting"); done
    say "run $task"
    frozen "$program" run "$task" "$samples/$sample" --out "$out/$task" "${settings[@]}"
    ls "$out/$task"/$result >/dev/null
}

rm -rf "$out" && mkdir -p "$out"
frozen "$program" tasks
frozen "$program" check
frozen "$program" info "$samples"/* --json >"$out/info.json"
frozen "$program" support --out "$out/support.zip"

printf '[{"position": [24, 64, 64], "positive": true}]' >"$out/clicks.json"
run retinal_vessels fundus.jpg "fundus_vessels.png" files=png,csv
run dsa_interpolation dsa_run.dcm "dsa_run_interpolated.dcm"
run click_segmentation ct_phantom.nii.gz "ct_phantom_mask.nii.gz" "clicks=$out/clicks.json" \
    files=nrrd
run lymph_nodes ct_phantom.nii.gz "ct_phantom_nodes.*"

for sample in "$samples"/*; do # the window opens each, paints it and ends with 0
    picture=$out/window_$(basename "$sample" | cut --delimiter=. --fields=1).png
    say "window with $(basename "$sample")"
    frozen xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24" \
        "$program" "$sample" --screenshot "$picture"
    ls "$picture" >/dev/null
done

if command -v xdotool >/dev/null; then # the mouse and the keyboard of whoever uses it
    say "draw, export and quit in the window"
    frozen xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24" \
        "$here/use_window.sh" "$program" "$samples/fundus.jpg"
    mkdir "$out/export" && cp "$home"/fundus* "$out/export"
else
    say "xdotool is not installed: nothing is exported in the window"
fi
say "all is well"
