"""Old files keep drawings in the spare upper bits of their pixels (retired in DICOM 2004)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plugins.dicom.header import number

if TYPE_CHECKING:
    from pydicom import Dataset

    from inference.series import Array

GROUPS = range(0x6000, 0x6020, 2)
BIT_POSITION = 0x0102


def in_spare_bits(header: Dataset) -> bool:
    """Whether an overlay lies in the bits above those of the image."""
    stored = number(header, "BitsStored", 16)
    places = (header.get((group, BIT_POSITION)) for group in GROUPS)
    return any(_number(place.value) >= stored for place in places if place is not None)


def without_spare_bits(values: Array, header: Dataset) -> Array:
    """The image alone."""
    bits = int(number(header, "BitsStored", 0))
    if values.dtype.kind != "u" or not 0 < bits < 8 * values.itemsize or not in_spare_bits(header):
        return values
    return np.asarray(values & values.dtype.type(2**bits - 1))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int) else 0.0
