"""Uncompressed slices straight from their files into a volume, a few files at a time."""

from __future__ import annotations

import struct
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from inference.arrivals import listener
from inference.handover import empty
from inference.parallel import in_order
from inference.reading import require_memory
from plugins.dicom.header import number, text
from plugins.dicom.overlays import in_spare_bits
from plugins.dicom.pixels import Stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from inference.series import Array
    from plugins.dicom.header import Slice

PIXEL_DATA = b"\xe0\x7f\x10\x00"
HEADS = {ExplicitVRLittleEndian: 12, ImplicitVRLittleEndian: 8}  # bytes before the pixels
OPEN_LENGTH = 0xFFFFFFFF


def read_slices(entries: Sequence[Slice]) -> Stored | None:
    """The stored values (slices, rows, columns), or None if these need more than to be copied.

    Whatever is unusual, such as a cut-off file, is left to the decoders, which can tell it.
    """
    formats = {_format(entry.header) for entry in entries}
    if len(formats) > 1 or None in formats or any(not entry.pixels_at for entry in entries):
        return None
    (rows, columns, kind) = formats.pop() or (0, 0, "")
    shape = (len(entries), rows, columns)
    require_memory(entries[0].path.parent, shape, kind)
    values, digest = empty(shape, kind), sha256()
    places = zip(entries, values, strict=True)
    for done, whole in enumerate(in_order(_read_into, places), 1):
        if not whole:
            return None
        digest.update(values[done - 1].data)  # while others are being read
        listener().progress(done, len(entries), "Reading")
    photometric = text(entries[0].header, "PhotometricInterpretation")
    return Stored(values, photometric, digest=digest.hexdigest())


def _read_into(place: tuple[Slice, Array]) -> bool:
    """Fill a slice; False if the file holds something else."""
    entry, target = place
    head = HEADS[entry.header.file_meta.TransferSyntaxUID]
    try:
        with entry.path.open("rb", buffering=0) as file:
            file.seek(entry.pixels_at)
            start = file.read(head)
            if start[:4] != PIXEL_DATA or len(start) < head:
                return False
            (length,) = struct.unpack("<I", start[-4:])
            if length == OPEN_LENGTH or not 0 <= length - target.nbytes <= 1:
                return False
            return file.readinto(target.reshape(-1).view(np.uint8).data) == target.nbytes
    except OSError:
        return False


def _format(header: Dataset) -> tuple[int, int, str] | None:
    """Rows, columns and type of plain grey values in whole words; None for all else."""
    value = partial(number, header, default=-1)
    allocated, stored = value("BitsAllocated"), value("BitsStored")
    plain = (
        not in_spare_bits(header)
        and header.file_meta.TransferSyntaxUID in HEADS
        and allocated in {8, 16, 32}
        and 0 < stored <= allocated
        and value("HighBit") == stored - 1
        and value("SamplesPerPixel") == 1
        and value("PixelRepresentation") in {0, 1}
        and text(header, "PhotometricInterpretation") in {"MONOCHROME1", "MONOCHROME2"}
    )
    if not plain:
        return None
    sign = "i" if value("PixelRepresentation") else "u"
    return int(value("Rows")), int(value("Columns")), f"<{sign}{int(allocated) // 8}"
