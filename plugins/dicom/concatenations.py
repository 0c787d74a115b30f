"""Concatenations: one multi-frame image that was sent in several files (PS3.3 C.7.6.16.2.2.4)."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from inference.reading import require_memory, sha256
from plugins.dicom.header import items, number, text
from plugins.dicom.parse import read_whole
from plugins.dicom.pixels import Stored, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from plugins.dicom.header import Slice

ALIKE = ("SeriesInstanceUID", "ConcatenationUID", "Rows", "Columns", "BitsAllocated",
         "SamplesPerPixel", "PixelRepresentation")  # fmt: skip
PER_FRAME = "PerFrameFunctionalGroupsSequence"
INCOMPLETE = (
    "Of the {total} files that make up this image, {missing} not there: frames are lacking."
)


def parted(entry: Slice) -> bool:
    """Whether a file is one of those that make up an image."""
    return bool(text(entry.header, "ConcatenationUID"))


def gathered(entries: Sequence[Slice]) -> list[list[Slice]]:
    """Multi-frame files, those of one image together and in their order."""
    found: dict[tuple[str, ...], list[Slice]] = {}
    for entry in entries:
        alike = tuple(text(entry.header, name) for name in ALIKE)
        found.setdefault(alike if parted(entry) else (str(entry.path),), []).append(entry)
    return [sorted(files, key=_place) for files in found.values()]


def read(entries: Sequence[Slice]) -> tuple[Dataset, Stored]:
    """Header and pixels of the image that these files make up; raises UserError."""
    headers: list[Dataset] = []
    parts: list[Stored] = []
    for entry in entries:
        headers.append(read_whole(entry.path))
        parts.append(decode(entry.path, headers[-1]))
        if len(entries) > 1 and "PixelData" in headers[-1]:
            del headers[-1].PixelData  # one file after the other: they are large
    if lacking := _lacking(entries):
        parts[0] = replace(parts[0], notes=(lacking, *parts[0].notes))
    return (headers[0], parts[0]) if len(parts) == 1 else _joined(entries, headers, parts)


def _place(entry: Slice) -> tuple[float, float]:
    offset = number(entry.header, "ConcatenationFrameOffsetNumber", 0)
    return offset, number(entry.header, "InConcatenationNumber", 0)


def _lacking(entries: Sequence[Slice]) -> str:
    """A sentence where files are missing, else ""."""
    header = entries[0].header
    total = int(number(header, "InConcatenationTotalNumber", 0))
    there = {int(number(entry.header, "InConcatenationNumber", 0)) for entry in entries}
    missing = sorted(set(range(1, total + 1)) - there)
    if not parted(entries[0]) or not missing:
        return ""
    numbers = ", ".join(map(str, missing))
    which = f"number {numbers} is" if len(missing) == 1 else f"numbers {numbers} are"
    return INCOMPLETE.format(total=total, missing=which)


def _joined(
    entries: Sequence[Slice], headers: list[Dataset], parts: list[Stored]
) -> tuple[Dataset, Stored]:
    header, counts = copy(headers[0]), [entry.frames for entry in entries]
    header.NumberOfFrames = sum(counts)
    groups = [items(part, PER_FRAME)[:count] for part, count in zip(headers, counts, strict=True)]
    if all(len(own) == count for own, count in zip(groups, counts, strict=True)):
        setattr(header, PER_FRAME, [group for own in groups for group in own])
    starts = np.cumsum([0, *counts[:-1]]).tolist()
    frames = [start + i for start, part in zip(starts, parts, strict=True) for i in part.frames]
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    shape = (len(frames), *parts[0].values.shape[1:])
    require_memory(entries[0].path, shape, parts[0].values.dtype)
    values = np.concatenate([part.values for part in parts])
    whole = None if frames == list(range(sum(counts))) else tuple(frames)
    return header, Stored(values, parts[0].photometric, whole, notes, sha256(values))
