"""Where to look: crops of a slice at a scale that fits the object.

Boxes are in pixels of the slice (down, right), `spacing` in mm for one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from inference.box import Box
from plugins.click_segmentation.prepare import Crop, crop_of
from plugins.click_segmentation.prompts import Prompt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

FILL = 0.6
"""An outlined object's longer side takes so much of the crop's."""

SEEN = 0.15
"""An object that takes less of a crop is looked at more closely before it is believed."""

CLOSER = 0.36
"""Each closer look has so much of the side of the one before."""

NARROWEST = 48
"""No crop has a shorter side than so many pixels of the slice."""

GRID = 8
"""Crops begin and end at eighths of their side, so that the next click may find the same one."""


def looks(
    shape: tuple[int, ...],
    prompts: Sequence[Prompt],
    spacing: Sequence[float],
    size: int,
    widest: float = np.inf,
) -> Iterator[Crop]:
    """From wide to close: crops for an object of unknown size, each round its prompts.

    The first is the whole slice, or `widest` mm wide.
    """
    places = points(prompts)
    whole = max(n * mm for n, mm in zip(shape, spacing, strict=True))
    hints = [_extent(p, spacing) / FILL for p in prompts if p.positive and p.kind in AREAS]
    side = min([whole, widest, *hints])
    low, high = places.min(0), places.max(0) + 1
    least = max(NARROWEST * min(spacing), max((high - low) * spacing) / FILL)
    while True:
        yield crop_of(_square((low + high) / 2, side, spacing, shape), spacing, size)
        if side <= least:
            return
        side = max(side * CLOSER, least)


AREAS = ("box", "lasso")


def fitted(
    mask: NDArray[Any], prompts: Sequence[Prompt], spacing: Sequence[float], size: int
) -> Crop:
    """The crop that fits a mask, which must not be empty, and the prompts."""
    found = Box.of(mask)
    corners = [] if found is None else [found.start, found.stop]
    places = np.concatenate([np.reshape(corners, (-1, 2)), points(prompts)])
    low, high = places.min(0), places.max(0)
    side = max(max((high - low) * spacing) / FILL, NARROWEST * min(spacing))
    return crop_of(_square((low + high) / 2, side, spacing, mask.shape), spacing, size)


def fill(mask: NDArray[Any], crop: Crop, spacing: Sequence[float]) -> float:
    """How much of a crop's longer side a mask of the slice takes."""
    found = Box.of(mask)
    if found is None:
        return 0.0
    sides = np.array([found.shape, crop.box.shape]) * spacing
    return float(sides[0].max() / sides[1].max())


def middle(mask: NDArray[Any]) -> Prompt:
    """A click where a mask, which must not be empty, is farthest from its outline."""
    down, right = np.unravel_index(int(depth(mask).argmax()), mask.shape)
    return Prompt("click", ((float(down), float(right)),))


def depth(mask: NDArray[Any]) -> NDArray[np.float32]:
    """Distance to the outside of a mask, px; the border of the picture is outside."""
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance[1:-1, 1:-1], np.float32)


def points(prompts: Sequence[Prompt]) -> NDArray[np.float64]:
    """All points of the prompts, (n, 2)."""
    return np.array([point for prompt in prompts for point in prompt.points], float).reshape(-1, 2)


def _extent(prompt: Prompt, spacing: Sequence[float]) -> float:
    return float(max(np.ptp(points([prompt]), axis=0) * spacing))


def _square(
    middle: NDArray[np.float64], side: float, spacing: Sequence[float], shape: tuple[int, ...]
) -> Box:
    """A square of about `side` mm that does not leave the slice, moved inwards at its border."""
    start, stop = [], []
    for centre, mm, length in zip(middle, spacing, shape, strict=True):
        step = max(1, int(side / mm / GRID))
        low = int((centre - side / mm / 2) // step) * step
        wide = min(length, -int(-side / mm // step) * step)
        low = min(max(0, low), length - wide)
        start.append(low)
        stop.append(low + wide)
    return Box(tuple(start), tuple(stop))
