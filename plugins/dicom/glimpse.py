"""The first picture of what is being opened, long before all files are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inference.arrivals import Glimpse, listener
from inference.errors import UserError
from plugins.dicom.header import has_image, modality, number, pixel_spacing, window
from plugins.dicom.parse import read_header, read_whole
from plugins.dicom.pixels import decode, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom import Dataset

    from inference.series import Array

FEWEST = 8  # files, below which all are there at once
TRIES = 3
SOFT_TISSUE = (40.0, 400.0)  # HU


def glimpse(files: Sequence[Path]) -> Path | None:
    """Tell a picture from the middle of many files, which is of most scans the middle slice."""
    if len(files) < FEWEST or listener().only or not listener().looks:
        return None
    for file in files[len(files) // 2 :][:TRIES]:
        try:
            header = read_header(file)
            if not has_image(header) or number(header, "NumberOfFrames", 1) > 1:
                continue
            listener().tell(Glimpse(_picture(file, header), pixel_spacing(header) or (1.0, 1.0)))
        except UserError:
            continue
        except Exception:  # noqa: BLE001  what is wrong is told when the file itself is read
            continue
        return file
    return None


def _picture(file: Path, header: Dataset) -> Array:
    look = shown(decode(file, read_whole(file)), [header])
    values = look.values[0]
    if look.rgb:
        return np.asarray(values, np.uint8)
    low, high = np.percentile(values, (1, 99.5))
    automatic = SOFT_TISSUE if modality(header) == "CT" else ((low + high) / 2, high - low)
    centre, width = window(header) or automatic
    light = (values.astype(np.float32) - (centre - width / 2)) / max(width, 1e-6)
    return np.asarray(np.clip(light, 0, 1) * 255, np.uint8)
