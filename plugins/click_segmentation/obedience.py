"""What of the network's answer is taken: the user's word comes before the network's.

A place that was clicked lies on its side. A prompt for the object takes nothing away and one for
the background adds nothing, compared with the mask before; and both change only the connected
component that they touch. Masks are (down, right), points in their pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from plugins.click_segmentation.encoding import enclosed, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from plugins.click_segmentation.prompts import Prompt

    Mask = NDArray[np.bool_]


def obeyed(
    found: NDArray[Any],
    prompts: Sequence[Prompt],
    previous: NDArray[Any] | None = None,
    fresh: int | None = None,
    locked: NDArray[Any] | None = None,
) -> Mask:
    """The mask to show, from what the network found, all prompts, and the mask before.

    The newest `fresh` prompts are those that `previous` does not answer yet: all, if not given.
    """
    before = np.zeros(found.shape, bool) if previous is None else previous != 0
    result = before
    old = 0 if fresh is None else len(prompts) - fresh
    for count, prompt in enumerate(prompts[old:], start=old + 1):
        wanted = _as_said(found != 0, prompts[:count])
        if prompt.positive:
            result = result | touched(result | wanted, prompt) & wanted
        else:
            result = result & ~(touched(result, prompt) & ~wanted)
    return result if locked is None else result & (before | (locked == 0))


def places(shape: tuple[int, int], prompt: Prompt) -> Mask:
    """Every pixel of which a prompt speaks."""
    area = prompt.kind in ("box", "lasso")
    return (enclosed(shape, prompt) if area else line(shape, prompt)) > 0


def _as_said(wanted: Mask, prompts: Sequence[Prompt]) -> Mask:
    """With clicked and drawn pixels on their side; what came later holds.

    Boxes and lassos on the object leave out what lies outside them, and those on the background
    what lies inside; their inside need not all belong to the object.
    """
    result, shape = wanted.copy(), (wanted.shape[0], wanted.shape[1])
    areas = [places(shape, p) for p in prompts if p.positive and p.kind in ("box", "lasso")]
    if areas and all(p.kind in ("box", "lasso") for p in prompts if p.positive):
        result &= _wider(np.logical_or.reduce(areas))
    for prompt in prompts:
        if not prompt.positive:
            result &= ~places(shape, prompt)
        elif prompt.kind in ("click", "scribble"):
            result |= places(shape, prompt)
    return result


def _wider(area: Mask) -> Mask:
    """By a twentieth of its width: nobody draws a box to the pixel."""
    reach = 1 + int(0.05 * np.sqrt(area.sum()))
    brush = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return np.asarray(cv2.dilate(area.astype(np.uint8), brush) > 0)


def touched(mask: Mask, prompt: Prompt) -> Mask:
    """The components of a mask on which a prompt lies."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    chosen = np.zeros(count, bool)
    chosen[labels[places((mask.shape[0], mask.shape[1]), prompt)]] = True
    chosen[0] = False
    found: Mask = chosen[labels]
    return found
