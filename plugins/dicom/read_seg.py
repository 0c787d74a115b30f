"""DICOM segmentations as label maps; by highdicom."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import UserError
from inference.label_files import Layer
from inference.series import Geometry, Series
from inference.writing import Segment
from plugins.dicom.header import text
from plugins.dicom.parse import read_header

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")


def read_labels(path: Path) -> list[Layer]:
    """The segments of a DICOM SEG file as one label map; raises UserError."""
    if path.is_dir() or text(read_header(path), "SOPClassUID") not in CLASSES:
        raise UserError(f"{path.name} is no DICOM segmentation: open it with File, Open image.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote the patient's data
        try:
            return [_layer(path)]
        except Exception as error:  # highdicom raises many kinds on what it does not support
            raise UserError(
                f"{path.name} cannot be placed on an even grid of slices: it is damaged, of a "
                "kind that has no clear borders, or its slices lie unevenly."
            ) from error


def _layer(path: Path) -> Layer:
    from highdicom.seg import segread

    seg = segread(path)
    volume = seg.get_volume(
        combine_segments=True, skip_overlap_checks=True, allow_missing_positions=True
    )
    geometry = Geometry(np.asarray(volume.affine, float), known=True)
    series = Series(np.asarray(volume.array), "volume", "SEG", (path,), geometry)
    numbers = [int(number) for number in seg.segment_numbers if number]
    return Layer(series, tuple(_segment(seg, number) for number in numbers))


def _segment(seg: Any, number: int) -> Segment:
    from highdicom.color import CIELabColor

    about = seg.get_segment_description(number)
    lab = about.get("RecommendedDisplayCIELabValue")
    color = ""
    if lab is not None and len(lab) == 3:
        rgb = CIELabColor.from_dicom_value(tuple(map(int, lab))).to_rgb()
        color = "#" + "".join(f"{part:02x}" for part in rgb)
    return Segment(number, str(about.segment_label), color)
