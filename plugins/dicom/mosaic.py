"""Siemens mosaics: all slices of a volume as tiles of one picture."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inference.errors import UserError
from inference.reading import sha256
from plugins.dicom.header import number, plane, text
from plugins.dicom.parse import read_whole
from plugins.dicom.pixels import decode, shown
from plugins.dicom.stacks import build

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

    from inference.series import Array, Geometry, Series
    from plugins.dicom.header import Slice

CREATOR, CSA = "SIEMENS MR HEADER", "SIEMENS CSA HEADER"
TOLD = "It is a mosaic of {count} slices: they were put above each other."
CSA_HEAD, CSA_TAG, CSA_ITEM = "<4s4sII", "<64si4siii", "<4i"


@dataclass(frozen=True, slots=True)
class Mosaic:
    """How many tiles there are, and how many fit into a row of the square picture."""

    count: int
    across: int

    def unfolded(self, picture: Array) -> Array:
        """(slices, rows, columns) of a picture (rows, columns)."""
        rows, columns = picture.shape[0] // self.across, picture.shape[1] // self.across
        tiles = picture.reshape(self.across, rows, self.across, columns).swapaxes(1, 2)
        return np.ascontiguousarray(tiles.reshape(-1, rows, columns)[: self.count])


def mosaic(header: Dataset) -> Mosaic | None:
    """The tiles of a picture, None if it is no mosaic."""
    if "MOSAIC" not in text(header, "ImageType").upper():
        return None
    try:
        count = int(header.private_block(0x0019, CREATOR)[0x0A].value)
    except (KeyError, TypeError, ValueError):
        return None
    across = math.ceil(math.sqrt(max(count, 1)))
    rows, columns = int(number(header, "Rows", 0)), int(number(header, "Columns", 0))
    fits = count > 1 and rows % across == 0 and columns % across == 0
    return Mosaic(count, across) if fits and plane(header) else None


def read_mosaic(entry: Slice) -> list[Series]:
    """The volume in a mosaic; raises UserError."""
    tiles, header = mosaic(entry.header), entry.header
    if tiles is None:
        raise UserError(f"{entry.path.name} is no mosaic.")
    stored = decode(entry.path, read_whole(entry.path))
    digest = sha256(stored.values)
    look = shown(stored, [header])
    voxels = tiles.unfolded(look.values[0])
    notes = (*stored.notes, *look.notes, TOLD.format(count=tiles.count))
    place = _geometry(header, tiles)
    return [build([entry], "volume", voxels, look, place, sha256=digest, warnings=notes)]


def _geometry(header: Dataset, tiles: Mosaic) -> Geometry:
    """Of the tiles: the header's position is that of a single slice as large as the mosaic."""
    found = plane(header)
    if found is None:
        raise UserError("The mosaic does not say where it lies.")
    normal = found.normal
    stated = _slice_normal(header)
    if stated is not None and stated @ normal < 0:
        normal = -normal
    step = number(header, "SpacingBetweenSlices", 0) or number(header, "SliceThickness", 1) or 1.0
    geometry = found.geometry(normal * step)
    size = np.array([number(header, "Rows", 0), number(header, "Columns", 0)])
    excess = (size - size / tiles.across) / 2
    geometry.affine[:3, 3] += geometry.affine[:3, 1:3] @ excess
    return geometry


def _slice_normal(header: Dataset) -> NDArray[np.float64] | None:
    """The direction in which the tiles go on, (x, y, z), as the CSA header tells it."""
    try:
        data = header.private_block(0x0029, CSA)[0x10].value
        values = _csa_values(data, "SliceNormalVector")
        return np.array([float(value) for value in values[:3]]) if len(values) >= 3 else None
    except (KeyError, TypeError, ValueError, struct.error):
        return None


def _csa_values(data: bytes, wanted: str) -> list[str]:
    """The texts of one element of a CSA header; format after nibabel's `nicom/csareader.py`."""
    kind, _, count, _ = struct.unpack_from(CSA_HEAD, data)
    if kind != b"SV10":
        return []
    place = struct.calcsize(CSA_HEAD)
    for _ in range(min(count, 1000)):
        name, _, _, _, items, _ = struct.unpack_from(CSA_TAG, data, place)
        place += struct.calcsize(CSA_TAG)
        values = []
        for _ in range(items):
            length = struct.unpack_from(CSA_ITEM, data, place)[1]
            place += struct.calcsize(CSA_ITEM)
            values.append(_text(data[place : place + length]))
            place += (length + 3) // 4 * 4
        if _text(name) == wanted:
            return [value for value in values if value]
    return []


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("ascii", "replace").strip()
