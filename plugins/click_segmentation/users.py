"""Robot users: where somebody who knows the truth would click next. Masks are (down, right), bool.

`careful` clicks the middle of the largest mistake, as in RITM (arXiv 2102.06583); `random` clicks
anywhere in what is missing or too much, deep places more often, as in DeepGrow (arXiv 1903.08205
through its open implementation). Random users make a method look better than it is
(arXiv 2404.01816): careful ones are the measure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from plugins.click_segmentation.prompts import Prompt
from plugins.click_segmentation.zoom import depth

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    User = Callable[[Mask, Mask], Prompt | None]  # (truth, found) -> what to click next

STEEPEST = 30.0
"""px: deeper places are not likelier, so that the exponential stays finite."""


def careful(truth: Mask, found: Mask) -> Prompt | None:
    """Click the place farthest from the border of the largest wrong component."""
    missed, extra = (_largest(truth & ~found), _largest(found & ~truth))
    wrong = missed if missed.sum() >= extra.sum() else extra
    if not wrong.any():
        return None
    place = np.unravel_index(int(depth(wrong).argmax()), wrong.shape)
    return _click(place, bool(truth[place]))


def random(rng: np.random.Generator) -> User:
    """A user who clicks with a chance proportional to exp(distance to the border) - 1."""

    def click(truth: Mask, found: Mask) -> Prompt | None:
        missed, extra = truth & ~found, found & ~truth
        wrong = missed if missed.sum() >= extra.sum() else extra
        if not wrong.any():
            return None
        chance = np.expm1(np.minimum(depth(wrong).astype(float), STEEPEST)).ravel()
        place = np.unravel_index(rng.choice(chance.size, p=chance / chance.sum()), wrong.shape)
        return _click(place, bool(truth[place]))

    return click


def _largest(mask: Mask) -> Mask:
    """The component with the most pixels."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count <= 2:
        return mask
    return np.asarray(parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()))


def _click(place: tuple[Any, ...], positive: bool) -> Prompt:
    return Prompt("click", ((float(place[0]), float(place[1])),), positive)
