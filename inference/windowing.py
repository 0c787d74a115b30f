"""Grey levels: in which window a picture is first shown, and what it looks like in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from inference.series import Array, Series

Window = tuple[float, float]  # centre, width

SOFT_TISSUE: Window = (40.0, 400.0)  # HU
SAMPLES = 400_000  # voxels looked at to find grey levels


def first_window(series: Series) -> Window:
    """What the file asks for, else soft tissue for CT, the full range for 8 bit, percentiles."""
    if series.window is not None:
        return series.window
    if series.rgb or (series.voxels.dtype == np.uint8 and series.voxels.max(initial=0) > 1):
        return 127.5, 255.0
    if series.unit == "HU":
        return SOFT_TISSUE
    return auto_window(series.voxels)


def auto_window(voxels: Array) -> Window:
    """Centre and width between the 1st and 99.5th percentile of a regular sample."""
    flat = voxels.reshape(-1) if voxels.flags.c_contiguous else voxels.ravel(order="K")
    sample = flat[:: max(1, flat.size // SAMPLES)]
    sample = sample[np.isfinite(sample)].astype(np.float64)
    if not sample.size:
        return 0.5, 1.0
    low, high = (float(value) for value in np.percentile(sample, (1, 99.5)))
    return (low + high) / 2, max(high - low, 1e-6)


def windowed(pixels: Array, window: Window) -> Array:
    """A picture of any shape as uint8, from the lowest to the highest grey of a window."""
    centre, width = window
    scaled = (pixels.astype(np.float32) - (centre - width / 2)) * (255 / max(width, 1e-6))
    grey: Array = np.clip(np.rint(np.nan_to_num(scaled)), 0, 255).astype(np.uint8)
    return grey
