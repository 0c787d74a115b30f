#!/usr/bin/env bash
# Packs the built program (first argument) into a Debian package; prints the package's path.
# dist/limn -> dist/limn_<version>_<architecture>.deb
set -euo pipefail
program=$(realpath "${1:-dist/limn}")
cd "$(dirname "$0")/debian"

version=$(sed --quiet 's/^VERSION = "\(.*\)"/\1/p' ../../inference/version.py)
architecture=$(dpkg --print-architecture)
package=$(dirname "$program")/limn_${version}_${architecture}.deb
root=$(mktemp --directory --tmpdir="$(dirname "$program")")
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

mkdir --parents "$root"/{DEBIAN,opt,usr/bin}
cp --recursive --link "$program" "$root/opt/limn" # the same files: a copy takes its time and room
ln --symbolic /opt/limn/limn "$root/usr/bin/limn"
install -D --mode=644 limn.desktop "$root/usr/share/applications/limn.desktop"
install -D --mode=644 limn.xml "$root/usr/share/mime/packages/limn.xml"
install -D --mode=644 ../../resources/icons/limn.svg \
    "$root/usr/share/icons/hicolor/scalable/apps/limn.svg"
install -D --mode=644 ../../resources/icons/limn.png \
    "$root/usr/share/icons/hicolor/512x512/apps/limn.png"
install -D --mode=644 copyright "$root/usr/share/doc/limn/copyright"
mkdir --parents "$root/usr/share/man/man1"
gzip --best --no-name --stdout limn.1 >"$root/usr/share/man/man1/limn.1.gz"

libc=$(getconf GNU_LIBC_VERSION | cut --delimiter=" " --fields=2) # what the libraries were built for
sed "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@LIBC@/$libc/
    s/@SIZE@/$(du --summarize --block-size=1K "$root" | cut --fields=1)/" \
    control >"$root/DEBIAN/control"
dpkg-deb --root-owner-group -Zzstd -z9 --build "$root" "$package" >/dev/null
echo "$package"
