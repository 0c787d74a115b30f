"""Which files a folder, a DICOMDIR or a file stands for; nothing leads out of its folder."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from inference.arrivals import listener
from inference.errors import UserError
from inference.folders import below, leads_out
from inference.parallel import in_order
from plugins.dicom.parse import read_header
from plugins.dicom.sniff import is_dicom, is_named_dicom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydicom import Dataset

DIRECTORY = "DICOMDIR"


def files_of(path: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The files to read, in order, and what is missing or was left out; raises UserError."""
    if path.is_dir():
        return _in_folder(path)
    header = read_header(path)
    if "DirectoryRecordSequence" in header:
        return _listed(path, header)
    return [path], ()


def _in_folder(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    if among := listener().among:
        files = [file for file in among if file.is_file()]
        gone = f"{len(among) - len(files)} of {len(among)} files are no longer there."
        return files, (gone,) if len(files) < len(among) else ()
    everything = [file for file in below(folder) if not file.name.upper().startswith(DIRECTORY)]
    root = folder.resolve()
    inside = [file for file in everything if not leads_out(file, root)]
    known = dict(zip(inside, in_order(is_dicom, inside), strict=True))
    files = [file for file, dicom in known.items() if dicom]
    hollow = sum(not dicom and is_named_dicom(file) for file, dicom in known.items())
    links = len(everything) - len(inside)
    notes = {
        f"{links} links lead out of {folder.name} and were not followed.": links,
        f"{hollow} of the files named like DICOM hold none: they are empty or damaged.": hollow,
    }
    return files, tuple(note for note, count in notes.items() if count)


def _listed(path: Path, header: Dataset) -> tuple[list[Path], tuple[str, ...]]:
    """The files that a DICOMDIR lists, all inside its folder, and what is missing."""
    records = header.DirectoryRecordSequence or ()
    listed = [_parts(record) for record in records if "ReferencedFileID" in record]
    if not listed:
        raise UserError(f"{path.name} lists no files: open the folder with the images instead.")
    root = path.parent.resolve()
    names = lru_cache(_names)
    files = [_place(root, parts, names) for parts in listed]
    inside = [file for file in files if file.resolve().is_relative_to(root)]
    there = [file for file in inside if file.is_file()]
    some, barred = f"the {len(files)} files that {path.name} lists", len(files) - len(inside)
    if not there:
        why = " in its folder: what leads out of it is refused" if barred else ""
        raise UserError(f"None of {some} is there{why}.")
    absent = len(inside) - len(there)
    missing = f"{absent} of {some} are missing."
    refused = f"{barred} of {some} lead out of its folder and were not read."
    return there, (*([missing] if absent else []), *([refused] if barred else []))


def _parts(record: Dataset) -> list[str]:
    value = record.ReferencedFileID
    return [value] if isinstance(value, str) else [str(part) for part in value]


def _place(root: Path, parts: list[str], names: Callable[[Path], dict[str, str]]) -> Path:
    """A listed file; discs are copied with names in small letters or with version numbers."""
    place = root
    for part in parts:
        exact = place / part
        known = exact.exists() or part == ".."
        place = exact if known else place / names(place).get(_plain(part), part)
    return place


def _names(folder: Path) -> dict[str, str]:
    entries = folder.iterdir() if folder.is_dir() else ()
    return {_plain(entry.name): entry.name for entry in entries}


def _plain(name: str) -> str:
    return name.partition(";")[0].casefold()
