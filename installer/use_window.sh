#!/usr/bin/env bash
# Uses the window of a program by mouse and keyboard: opens a picture (second argument), draws an
# object on it, exports that into the home folder and quits. Fails if the program does, or if
# something does not come within the time. Needs an X display, and xdotool.
set -euo pipefail
program=$1
picture=$2
patience=180 # s, for each step

await() { # COMMAND ...: until it succeeds
    local end=$((SECONDS + patience))
    until "$@"; do
        if [ $SECONDS -gt $end ] || ! kill -0 "$started" 2>/dev/null; then
            echo "window: in vain: $*" >&2
            kill "$started" 2>/dev/null || true
            exit 1
        fi
        sleep 0.2
    done
}

shows() { xdotool search --onlyvisible --name "$1" windowfocus >/dev/null 2>&1; }

draw_and_ask() { # to export; does nothing before the picture is open
    shows '^Export results' && return
    shows 'Limn'
    xdotool key ctrl+n b
    xdotool mousemove 700 400 mousedown 1 mousemove 740 430 mousemove 760 480 mouseup 1
    xdotool key ctrl+e
    sleep 1
    shows '^Export results'
}

is_exported() { compgen -G "$HOME/$(basename "${picture%%.*}")*.json" >/dev/null; }

"$program" "$picture" &
started=$!
begun=$(date +%s%N)
await shows 'Limn'
echo "window: shown after $((($(date +%s%N) - begun) / 1000000)) ms" >&2
await draw_and_ask
xdotool key Return
await is_exported
shows 'Limn'
xdotool key ctrl+q
(sleep $patience && kill "$started" 2>/dev/null) & # hanging is failing
wait "$started"
