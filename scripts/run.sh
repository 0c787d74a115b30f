#!/usr/bin/env bash
# Opens the window with the sample studies. Without a display, a scripted user does the same under
# Xvfb and leaves screenshots and results in out/.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || [ "$(uname)" = Darwin ]; then
    exec .venv/bin/python app.py resources/samples
fi
printf 'No display: a tour of the program follows instead of a window.\n'
exec xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24" \
    .venv/bin/python -m scripts.tour --out out
