#!/usr/bin/env bash
# Builds dist/limn and, on Debian, a .deb of it; then tries both as a user without Python would.
set -euo pipefail
cd "$(dirname "$0")/.."
program=dist/limn
out=out/package
wanted=1000000 # kB at most

say() { printf 'package: %s\n' "$*" >&2; }

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo --non-interactive "$@"; fi; }

look_through() { # nothing twice, and nothing that is not needed
    local unwanted
    unwanted=$(find $program \( -iname '*webengine*' -o -iname 'triton*' -o -path '*/tests/*' -o -xtype l \))
    if [ -n "$unwanted" ]; then say "not to be shipped: $unwanted" && exit 1; fi
    if [ "$(find $program -name 'libtorch_cpu*' -type f | wc -l)" -ne 1 ]; then
        say "there is not exactly one libtorch" && exit 1
    fi
    local size
    size=$(du --summarize --apparent-size --block-size=1000 $program | cut --fields=1)
    say "$size kB installed"
    if [ "$size" -gt $wanted ]; then say "that is more than the $wanted kB that are wanted"; fi
}

install_and_remove() { # the package, where this user may install it
    if ! as_root true 2>/dev/null; then say "the .deb is not tried: that takes root" && return; fi
    as_root dpkg --install "$1"
    installer/try_program.sh /usr/bin/limn $out/installed
    man --warnings limn >/dev/null
    as_root dpkg --remove limn
    if [ -e /opt/limn ] || [ -e /usr/bin/limn ]; then say "remove left something" && exit 1; fi
}

.venv/bin/python -m PyInstaller --noconfirm --log-level ERROR pyinstaller.spec
installer/try_program.sh $program/limn $out/folder
look_through
if command -v dpkg-deb >/dev/null; then
    package=$(installer/deb.sh $program)
    install_and_remove "$package"
    say "$package"
fi
