"""napari writers for what the window exports; the formats are in `inference.writing`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from inference.errors import UserError
from inference.writing import Segment, write_labels, write_png

COLOR = "#e6194b"


def write_labels_layer(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """A labels layer over a series, as .png (0/255), .nii.gz or .nrrd; raises UserError."""
    series = attributes.get("metadata", {}).get("series")
    if series is None:
        raise UserError("This label layer belongs to no open series: draw on an opened image.")
    target, labels = Path(path), np.asarray(series.from_canonical(np.asarray(data)))
    if target.suffix == ".png":
        write_png(target, labels > 0)
    else:
        values = [int(value) for value in np.unique(labels) if value]
        segments = [Segment(value, f"Segment {value}", COLOR) for value in values]
        write_labels(target, labels.astype(np.uint8), series, segments)
    return [path]
