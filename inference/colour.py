"""Colour pictures that show nothing but grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from inference.series import Array

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601
ALIKE = 1 / 32  # of the brightest possible value: lossy compression tints grey a little
TINTED = 0.02  # share of pixels that may be in colour: letters and arrows drawn into the picture


def is_grey(pixels: Array) -> bool:
    """Whether nearly all pixels (…, 3) have three nearly equal channels."""
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else float(pixels.max())
    spread = pixels.max(axis=-1) - pixels.min(axis=-1)
    return bool(np.mean(spread > top * ALIKE) <= TINTED)


def to_grey(pixels: Array) -> Array:
    """(…, 3) to (…) of the same type, by luminance; equal channels keep their value."""
    weighted = np.zeros(pixels.shape[:-1], np.float32)
    for channel, weight in enumerate(LUMINANCE):
        weighted += pixels[..., channel] * np.float32(weight)
    return np.asarray(np.rint(weighted) if pixels.dtype.kind in "iu" else weighted, pixels.dtype)
