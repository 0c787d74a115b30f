"""A small picture of a received file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inference.errors import UserError
from plugins.dicom.first_frame import first_frame
from plugins.dicom.glimpse import picture_of, proportions
from plugins.dicom.load import load_series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from inference.series import Array, Series

EDGE = 256  # px: its longer side
SAMPLES = 100_000  # values that the window is taken from


def picture(path: Path) -> Array:
    """uint8 (y, x), or (y, x, 3), in its proportions; raises UserError.

    Of a file with several frames the first, for which the others need not be read.
    """
    with path.open("rb") as source:
        beginning = first_frame(source)
    if beginning is not None:
        return _small(picture_of(path, beginning), proportions(beginning))
    [series, *_] = load_series(path)
    image = series.canonical()
    flat = image if series.kind == "image" else image[len(image) // 2]
    centre, span = _window(series)
    light = np.nan_to_num((flat.astype(np.float32) - centre + span / 2) / max(span, 1e-6) * 255)
    return _small(np.asarray(np.clip(light, 0, 255), np.uint8), series.scale[-2:])


def picture_of_beginning(beginning: Dataset) -> Array | None:
    """Of a first frame that lies in no file yet; None if it can only be seen in the whole."""
    try:
        found = picture_of(Path("The image"), beginning, in_file=False)
    except UserError:
        return None
    return _small(found, proportions(beginning))


def _small(flat: Array, spacing: Sequence[float]) -> Array:
    height, width = flat.shape[0] * spacing[0], flat.shape[1] * spacing[1]
    size = EDGE / max(height, width)
    rows = np.linspace(0, flat.shape[0] - 1, max(1, round(height * size))).astype(int)
    columns = np.linspace(0, flat.shape[1] - 1, max(1, round(width * size))).astype(int)
    return np.ascontiguousarray(flat[np.ix_(rows, columns)])


def _window(series: Series) -> tuple[float, float]:
    """Centre and width: what the file asks for, else most of its values."""
    if series.rgb:
        return 127.5, 255.0
    if series.window is not None:
        return series.window
    values = series.voxels.reshape(-1)
    low, high = np.percentile(values[:: max(1, values.size // SAMPLES)], (1, 99.5))
    return float(low + high) / 2, float(high - low)
