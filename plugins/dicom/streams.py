"""Comments and camera data inside compressed pictures, which no DICOM attribute tells of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID

from plugins.dicom.header import number

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True, slots=True)
class Coding:
    """How a kind of stream begins, which marker ends its header, and which segments only tell."""

    start: int
    last: int
    telling: frozenset[int]


JPEG = Coding(0xFFD8, 0xFFDA, frozenset((0xFFFE, 0xFFE1, 0xFFED)))  # comment, Exif, IPTC
JPEG_2000 = Coding(0xFF4F, 0xFF90, frozenset((0xFF64,)))  # comment
CODINGS = {coding.start: coding for coding in (JPEG, JPEG_2000)}


def clear_comments(dataset: Dataset) -> None:
    """Take comments out of every compressed frame; the pixels stay bit for bit."""
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if not syntax.is_encapsulated or "PixelData" not in dataset:
        return
    count = max(1, int(number(dataset, "NumberOfFrames", 1)))
    frames = list(generate_frames(dataset.PixelData, number_of_frames=count))
    plain = [without_comments(frame) for frame in frames]
    if plain != frames:
        dataset.PixelData = encapsulate(plain)
        dataset["PixelData"].VR = "OB"
        for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            if keyword in dataset:
                del dataset[keyword]


def without_comments(stream: bytes) -> bytes:
    """A JPEG, JPEG-LS or JPEG 2000 stream without its telling segments; others as they are."""
    coding = CODINGS.get(_word(stream, 0))
    kept, place = bytearray(stream[:2]), 2
    while coding is not None and place + 4 <= len(stream):
        marker = _word(stream, place)
        if marker == coding.last:
            return bytes(kept) + stream[place:]
        end = place + 2 + _word(stream, place + 2)
        if marker < 0xFF01 or end <= place + 3:
            return stream  # damaged
        if marker not in coding.telling:
            kept += stream[place:end]
        place = end
    return stream


def _word(stream: bytes, place: int) -> int:
    return int.from_bytes(stream[place : place + 2], "big")
