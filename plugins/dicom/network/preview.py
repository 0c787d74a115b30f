"""A small picture of a received file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plugins.dicom.load import load_series

if TYPE_CHECKING:
    from pathlib import Path

    from inference.series import Array, Series

EDGE = 256  # px: its longer side
SAMPLES = 100_000  # values that the window is taken from


def picture(path: Path) -> Array:
    """uint8 (y, x), or (y, x, 3), of its middle frame in its proportions; raises UserError."""
    [series, *_] = load_series(path)
    image = series.canonical()
    flat = image if series.kind == "image" else image[len(image) // 2]
    height, width = flat.shape[0] * series.scale[-2], flat.shape[1] * series.scale[-1]
    size = EDGE / max(height, width)
    rows = np.linspace(0, flat.shape[0] - 1, max(1, round(height * size))).astype(int)
    columns = np.linspace(0, flat.shape[1] - 1, max(1, round(width * size))).astype(int)
    small = flat[np.ix_(rows, columns)].astype(np.float32)
    centre, span = _window(series)
    light = np.nan_to_num((small - centre + span / 2) / max(span, 1e-6) * 255)
    return np.asarray(np.clip(light, 0, 255), np.uint8)


def _window(series: Series) -> tuple[float, float]:
    """Centre and width: what the file asks for, else most of its values."""
    if series.rgb:
        return 127.5, 255.0
    if series.window is not None:
        return series.window
    values = series.voxels.reshape(-1)
    low, high = np.percentile(values[:: max(1, values.size // SAMPLES)], (1, 99.5))
    return float(low + high) / 2, float(high - low)
