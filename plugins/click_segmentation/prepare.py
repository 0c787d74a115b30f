"""Before and after the network: what it sees of a slice, how that is normalised, and the way back.

Shared by task, training and evaluation; no torch here. Slices are (down, right[, 3]).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inference.box import Box

    Plane = NDArray[np.float32]
    Mask = NDArray[np.uint8]

STRIDE = 16
"""Height and width of what the network sees are multiples of this many pixels."""

BINS = 512
STEEPEST = 8.0
"""A grey value that fills the crop is stretched at most so many times."""

LARGEST = 1.25
"""Network pixels for one pixel of the slice, at most: grain that is enlarged further looks like
texture of the object."""

WIDEST = 1.5
"""Outliers are cut at this many half ranges from the middle."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of a slice, and the height and width in pixels at which the network sees it."""

    box: Box
    shape: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Network pixels for one pixel of the slice, per axis."""
        (height, width), (rows, columns) = self.shape, self.box.shape
        return height / rows, width / columns

    def take(self, plane: NDArray[Any]) -> Plane:
        """This part of an image or a probability at the network's size, smoothed where smaller."""
        return _resized(as_grey(plane[self.box.slices]), self.shape)

    def back(self, values: Plane) -> Plane:
        """The opposite of `take`: a map of the network's size at that of the box."""
        return _resized(values, (self.box.shape[0], self.box.shape[1]))

    def inside(self, points: Sequence[Sequence[float]]) -> NDArray[np.float64]:
        """Where pixels (n, 2) of the slice lie in the network's grid; centres are whole numbers."""
        found = np.asarray(points, float).reshape(-1, 2) - self.box.start + 0.5
        return np.asarray(found * self.scale - 0.5)


def crop_of(box: Box, spacing: Sequence[float], size: int) -> Crop:
    """A box seen at square pixels (mm), its longer side at `size` pixels or as many as it bears."""
    extent = [n * mm for n, mm in zip(box.shape, spacing, strict=True)]
    longer = min(size, LARGEST * max(extent) / min(spacing))
    height, width = (
        max(2 * STRIDE, round(longer * side / max(extent) / STRIDE) * STRIDE) for side in extent
    )
    return Crop(box, (height, width))


def normalise(image: NDArray[Any]) -> Plane:
    """Two views (2, down, right) of any image: plain, and with its frequent grey values stretched.

    Both lie in about -1 to 1 whatever the modality and its unit. The second is a histogram
    equalisation of limited steepness: soft tissue keeps its contrast beside air, bone and metal.
    """
    grey = np.nan_to_num(as_grey(image), posinf=0, neginf=0)
    low, high = np.percentile(grey, (0.5, 99.5))
    if high <= low:
        low, high = float(grey.min()), float(grey.max())
    if high <= low:
        return np.zeros((2, *grey.shape), np.float32)
    share: Plane = (grey - np.float32(low)) * np.float32(1 / (high - low))
    plain = np.clip(2 * share - 1, -WIDEST, WIDEST)
    return np.stack([plain, _equalised(np.clip(share, 0, 1))]).astype(np.float32)


def as_grey(image: NDArray[Any]) -> Plane:
    """Brightness, float32; colour images have three channels last."""
    if image.ndim == 3:
        return np.asarray(image[..., :3].mean(-1), np.float32)
    return np.asarray(image, np.float32)


def _equalised(share: Plane) -> Plane:
    index = (share * (BINS - 1)).astype(np.int32)
    counts = np.bincount(index.ravel(), minlength=BINS) / share.size
    limited = np.minimum(counts, STEEPEST / BINS)
    limited += (1 - limited.sum()) / BINS
    edges = np.concatenate([[0.0], np.cumsum(limited)])
    value = np.interp(share, np.linspace(0, 1, BINS + 1), edges)
    return np.asarray(2 * value - 1, np.float32)


def _resized(plane: Plane, shape: tuple[int, int]) -> Plane:
    """Bilinear to (down, right) pixels; an axis that shrinks is averaged."""
    for axis in (0, 1):
        if plane.shape[axis] != shape[axis]:
            size = (plane.shape[1], shape[0]) if axis == 0 else (shape[1], plane.shape[0])
            smaller = shape[axis] < plane.shape[axis]
            way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
            plane = np.asarray(cv2.resize(plane, size, interpolation=way))
    return plane
