#!/usr/bin/env bash
# Prepares .venv and the system libraries. Quick when nothing has changed; needs Debian or Ubuntu
# only to install system packages, elsewhere it expects them to be there.
set -euo pipefail
cd "$(dirname "$0")/.."

lock=requirements.lock
installed=.venv/requirements.lock # a copy of the lock that .venv was made from

# What Qt 6 and OpenGL load at run time, and a virtual display for machines without one.
system_packages=(
    libdbus-1-3 libegl1 libfontconfig1 libgl1 libgl1-mesa-dri libglib2.0-0 libgssapi-krb5-2
    libx11-xcb1 libxcb-cursor0 libxcb-glx0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1
    libxcb-randr0 libxcb-render-util0 libxcb-render0 libxcb-shape0 libxcb-shm0 libxcb-sync1
    libxcb-util1 libxcb-xfixes0 libxcb-xkb1 libxkbcommon-x11-0 libxkbcommon0 xauth xvfb
)

# For tests: an archive of DICOM files, a validator of such files, one of menu entries, a hand at
# mouse and keyboard for the trial of a build; what needs them is left out without. Debian starts
# the archive as a service, so only continuous integration gets them unasked.
test_packages=(desktop-file-utils dicom3tools orthanc orthanc-dicomweb xdotool)

say() { printf 'setup: %s\n' "$*" >&2; }

is_installed() { # newer Debian and Ubuntu releases rename some libraries to NAMEt64
    dpkg -s "$1" >/dev/null 2>&1 || dpkg -s "${1}t64" >/dev/null 2>&1
}

install_packages() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            say "system packages are missing and need an administrator. Give this, then try again:"
            say "    sudo apt-get update && sudo apt-get install --yes $*"
            exit 1
        fi
        as_root=(sudo)
    fi
    say "installing system packages: $*"
    "${as_root[@]}" apt-get update --quiet --quiet
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --quiet --quiet --yes --no-install-recommends "$@"
}

install_system_packages() {
    local package missing=()
    for package in "${system_packages[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ "${#missing[@]}" -gt 0 ]; then install_packages "${missing[@]}"; fi
    if [ "${CI:-}" = true ]; then install_test_packages; fi
}

install_test_packages() { # not every release has them
    local package
    for package in "${test_packages[@]}"; do
        if ! is_installed "$package"; then
            (install_packages "$package") || say "going on without $package"
        fi
    done
}

find_python() { # prints the first Python that is new enough and can make environments
    local name
    for name in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        if "$name" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    return 1
}

make_environment() {
    local package python
    for package in python3-venv python3.11-venv; do
        find_python >/dev/null && break
        if [ "$has_apt" = yes ]; then install_packages "$package"; fi
    done
    if ! python=$(find_python); then
        say "Limn needs Python 3.11 or newer with the venv module. Install it, or name it:"
        say "    make run PYTHON=/path/to/python3"
        exit 1
    fi
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
}

has_apt=no
if command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
    has_apt=yes
    install_system_packages
fi
if [ ! -x .venv/bin/python ]; then make_environment; fi
if ! cmp --silent "$lock" "$installed"; then
    say "installing the exact versions of $lock into .venv (a few minutes)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement "$lock"
    cp "$lock" "$installed"
fi
