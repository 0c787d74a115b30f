#!/usr/bin/env bash
# On macOS, after pyinstaller: dist/Limn.app -> dist/Limn.dmg, to drag into Applications.
# Not run in this repository's own tests, which need Linux. Signing and notarising take a
# certificate of Apple: set CODESIGN_IDENTITY to sign.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -R dist/Limn.app "$folder"
if [ -n "${CODESIGN_IDENTITY:-}" ]; then
    codesign --deep --force --options runtime --sign "$CODESIGN_IDENTITY" "$folder/Limn.app"
fi
ln -s /Applications "$folder/Applications"
hdiutil create -volname Limn -srcfolder "$folder" -ov -format UDZO dist/Limn.dmg
