"""How far a correction reaches. Users click in the middle of what is wrong: where the mask before
says the opposite, the mistake goes about as far round the click as to the mask's outline.

The network is moved towards the click there, most where it is undecided; points and masks are of
one crop (down, right), in its pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from plugins.click_segmentation.zoom import points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from plugins.click_segmentation.prompts import Prompt

    Plane = NDArray[np.float32]

PULL = 3.0
"""Added to the logits at a click: a place that is 5 % likely becomes undecided."""

REACH = 0.6
"""Deviation of that Gaussian, as a part of the way to the outline or to a click that opposes."""


def pulled(before: NDArray[np.uint8], prompts: Sequence[Prompt]) -> Plane:
    """What to add to the logits of a crop for the clicks that the mask before contradicts.

    Where the crop shows none of that mask, the mistake may be as large as the crop.
    """
    clicks = [prompt for prompt in prompts if prompt.kind == "click"]
    result = np.zeros(before.shape, np.float32)
    ways = {True: _to_other_side(before == 0), False: _to_other_side(before != 0)}
    for click in clicks:
        place = points([click])[0]
        near = _at(ways[click.positive], place)
        opposing = points([other for other in clicks if other.positive != click.positive])
        far = min([near, *np.hypot(*(opposing - place).T)])
        if far > 1:
            sign = 1 if click.positive else -1
            result += np.float32(sign * PULL) * _hill(before.shape, place, REACH * far)
    return result


def _to_other_side(side: NDArray[np.bool_]) -> Plane:
    """Px to where a mask ends, 0 outside it; the border of the crop is no end."""
    if side.all():
        return np.full(side.shape, max(side.shape), np.float32)
    distance = cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance, np.float32)


def _at(plane: Plane, place: NDArray[np.float64]) -> float:
    """The value at a place, 0 outside the crop."""
    down, right = np.rint(place).astype(int)
    inside = 0 <= down < plane.shape[0] and 0 <= right < plane.shape[1]
    return float(plane[down, right]) if inside else 0.0


def _hill(shape: tuple[int, ...], place: NDArray[np.float64], deviation: float) -> Plane:
    """A Gaussian of height 1."""
    down, right = (
        np.exp(-((np.arange(length) - at) ** 2) / (2 * deviation**2))
        for length, at in zip(shape, place, strict=True)
    )
    return np.asarray(np.outer(down, right), np.float32)
