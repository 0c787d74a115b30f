"""The first of several frames, from the beginning of a file of which the rest need not be there."""

from __future__ import annotations

import struct
import warnings
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEGExtended12Bit

from plugins.dicom.decoders import OPEN_LENGTH, RETIRED_JPEG, fragments
from plugins.dicom.header import number
from plugins.dicom.native import HEADS, PIXEL_DATA

if TYPE_CHECKING:
    from pydicom import Dataset

WHOLE_FILE = (*RETIRED_JPEG, JPEGExtended12Bit)  # their decoder takes nothing less


def first_frame(source: BinaryIO) -> Dataset | None:
    """Header and pixels as if the file held its first frame alone.

    None where it holds no more than one anyway, where that frame has not come yet, or where it
    cannot be told from the others.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote the patient's data
            header = dcmread(source, force=True, stop_before_pixels=True)
            syntax = UID(header.file_meta.TransferSyntaxUID)
            several = number(header, "NumberOfFrames", 1) > 1
            pixels = _pixels(source, header, syntax) if several else None
    except Exception:  # noqa: BLE001  pydicom lets many kinds pass from a file that is cut off
        return None
    if pixels is None:
        return None
    header.PixelData, header.NumberOfFrames = pixels, 1
    header["PixelData"].VR = "OB" if syntax.is_encapsulated else "OW"
    return header


def _pixels(source: BinaryIO, header: Dataset, syntax: UID) -> bytes | None:
    """Of the first frame; `source` stands at the element with all of them."""
    if syntax in HEADS:
        head = source.read(HEADS[syntax])
        size = _bytes_of_frame(header)
        frame = source.read(size) if head[:4] == PIXEL_DATA else b""
        return frame + b"\0" * (size % 2) if size and len(frame) == size else None
    if not syntax.is_encapsulated or syntax in WHOLE_FILE:
        return None
    head = source.read(12)
    return _fragment(source) if head[:4] == PIXEL_DATA and head[8:] == OPEN_LENGTH else None


def _bytes_of_frame(header: Dataset) -> int:
    keys = {"Rows": 0, "Columns": 0, "SamplesPerPixel": 1, "BitsAllocated": 8}
    rows, columns, samples, bits = (int(number(header, key, keys[key])) for key in keys)
    halved = str(header.get("PhotometricInterpretation", "")).endswith("_422")
    return 0 if bits % 8 or halved else rows * columns * samples * bits // 8


def _fragment(source: BinaryIO) -> bytes | None:
    """The compressed frame, of one fragment, or of as many as the table of offsets says."""
    table, *first = islice(fragments(source), 2)
    offsets = struct.unpack(f"<{len(table) // 4}I", table)
    if not first:
        return None
    length = offsets[1] - offsets[0] if len(offsets) > 1 else len(first[0]) + 8
    parts, taken = first, len(first[0]) + 8
    for part in fragments(source) if taken < length else ():
        parts, taken = [*parts, part], taken + len(part) + 8
        if taken >= length:
            break
    return encapsulate([b"".join(parts)], has_bot=False) if taken == length else None
