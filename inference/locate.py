"""The images of a project, known by their pixels wherever they lie; jobs of the reader process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference import reading, registry
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from inference.series import Series

MOST_ENTRIES = 50_000  # files and folders that are looked at
DEEPEST = 6  # folders below the first


@dataclass(frozen=True, slots=True)
class Located:
    """Series with the wanted pixels, what was opened to get each, and whether others were there."""

    series: tuple[tuple[str, Series], ...]  # path, series
    changed: bool  # something was read, and had other pixels


def read_job(context: Any, paths: list[str], wanted: list[str]) -> Located:
    """The series with the `wanted` sha256 of pixels at any of these paths, tried in order."""
    missing, found, changed = set(wanted), [], False
    for path in paths:
        if not missing:
            break
        context.progress(0, 0, "Reading")
        for series in _read(Path(path)):
            changed = True
            if series.sha256 in missing:
                found.append((path, series))
                missing.discard(series.sha256)
            if not missing:
                break
    return Located(tuple(found), changed and bool(missing))


def find_job(
    context: Any, folder: str, wanted: list[str], names: list[str] | None = None
) -> dict[str, str]:
    """Where below a folder series with the `wanted` sha256 of pixels are: paths by sha256.

    `names`: only what is called so is read, else everything. What cannot be read is passed over.
    """
    missing, found = set(wanted), {}
    candidates = list(_candidates(Path(folder), names))
    for number, path in enumerate(candidates):
        if not missing:
            break
        context.progress(number, len(candidates), "Looking for images")
        for sha in (series.sha256 for series in _read(path)):
            if sha in missing:
                found[sha] = str(path)
                missing.discard(sha)
    return found


def _read(path: Path) -> Iterator[Series]:
    """Series by series, so that nothing is read beyond the last one that is wanted."""
    try:
        if path.is_file() or path.is_dir():
            yield from reading.stream(path)
    except (UserError, OSError):
        return


def _candidates(folder: Path, names: Collection[str] | None) -> Iterator[Path]:
    """Files and folders that a reader takes; of a folder that is one case, not its files."""
    entries = 0
    for here, folders, files in os.walk(folder):
        folders.sort()
        place = Path(here)
        if len(place.relative_to(folder).parts) >= DEEPEST:
            folders.clear()
        entries += len(folders) + len(files)
        if entries > MOST_ENTRIES:
            return
        whole = any(reader.whole(place) for reader in registry.readers())
        if whole and (names is None or place.name in names):
            yield place
        for name in sorted(files):
            wanted = not whole if names is None else name in names
            if wanted and reading.accepts(place / name):
                yield place / name
