"""The first picture of what is being opened, long before all of it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inference.arrivals import Glimpse, listener
from inference.errors import UserError
from inference.windowing import SOFT_TISSUE, auto_window, windowed
from plugins.dicom.first_frame import first_frame
from plugins.dicom.header import aspect, group, has_image, modality, number, pixel_spacing, window
from plugins.dicom.parse import read_header, read_whole
from plugins.dicom.pixels import decode, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom import Dataset

    from inference.series import Array

FEWEST = 8  # files, below which all are there at once
LARGE = 2**25  # bytes of a single file, above which its first frame comes before the others
TRIES = 3


def glimpse(files: Sequence[Path]) -> Path | None:
    """Tell a picture from the middle of many files, which is of most scans the middle slice.

    Of a single large file, tell its first frame.
    """
    if listener().only or not listener().looks:
        return None
    if len(files) == 1:
        return files[0] if _tell_first_frame(files[0]) else None
    for file in files[len(files) // 2 :][:TRIES] if len(files) >= FEWEST else ():
        try:
            header = read_header(file)
            if not has_image(header) or number(header, "NumberOfFrames", 1) > 1:
                continue
            _tell(picture_of(file, read_whole(file)), header)
        except UserError:
            continue
        except Exception:  # noqa: BLE001  what is wrong is told when the file itself is read
            continue
        return file
    return None


def _tell_first_frame(file: Path) -> bool:
    try:
        if file.stat().st_size < LARGE:
            return False
        with file.open("rb") as source:
            dataset = first_frame(source)
        if dataset is None:
            return False
        _tell(picture_of(file, dataset), dataset)
    except Exception:  # noqa: BLE001  what is wrong is told when the file itself is read
        return False
    return True


def _tell(picture: Array, header: Dataset) -> None:
    listener().tell(Glimpse(picture, proportions(header)))


def proportions(header: Dataset) -> tuple[float, float]:
    """(down, across): how large a pixel is, of which only the ratio counts."""
    measures = group(header, "PixelMeasuresSequence") or header
    return pixel_spacing(measures) or aspect(header)


def picture_of(file: Path, dataset: Dataset, *, in_file: bool = True) -> Array:
    """uint8 (y, x) or (y, x, 3) of the first frame as the file wants it shown; raises UserError."""
    look = shown(decode(file, dataset, in_file=in_file), [dataset])
    values = look.values[0]
    if look.rgb:
        return np.asarray(values, np.uint8)
    automatic = SOFT_TISSUE if modality(dataset) == "CT" else auto_window(values)
    return windowed(values, window(dataset) or automatic)
