"""Old files keep drawings in the spare upper bits of their pixels (retired in DICOM 2004)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plugins.dicom.elements import tag_of
from plugins.dicom.header import number

if TYPE_CHECKING:
    from pydicom import Dataset

    from inference.series import Array

BIT_POSITIONS = [tag_of(group << 16 | 0x0102) for group in range(0x6000, 0x6020, 2)]


def in_spare_bits(header: Dataset) -> bool:
    """Whether an overlay lies in the bits above those of the image."""
    stored = number(header, "BitsStored", 16)
    return any(_number(header[tag].value) >= stored for tag in BIT_POSITIONS if tag in header)


def without_spare_bits(values: Array, header: Dataset) -> Array:
    """The image alone."""
    bits = int(number(header, "BitsStored", 0))
    if values.dtype.kind != "u" or not 0 < bits < 8 * values.itemsize or not in_spare_bits(header):
        return values
    return np.asarray(values & values.dtype.type(2**bits - 1))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int) else 0.0
