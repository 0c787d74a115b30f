"""An object followed from a slice to its neighbours: where it is there, and where it ends.

Slabs are (n, down, right): the slices in the order in which they are visited.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from inference.box import Box
from inference.metrics import confusion
from inference.morphology import signed_distance
from plugins.click_segmentation.encoding import BESIDE
from plugins.click_segmentation.obedience import obeyed
from plugins.click_segmentation.prepare import as_grey
from plugins.click_segmentation.stretches import interpolated
from plugins.click_segmentation.zoom import fitted, middle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from plugins.click_segmentation.predict import Outliner
    from plugins.click_segmentation.prompts import Prompt

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

SURE = 0.6
"""The network must expect at least this Dice of its outline."""

SHRUNK, GROWN = 0.15, 2.5
"""From one slice to the next an object keeps so much of its area, and has at most so many times."""

NOTHING = "nothing of the object is left"

SMALLEST = 6  # px of the slice: what is smaller has ended

OVERLAP = 0.2
"""So much of the smaller of two neighbouring masks lies on the other."""

STRANGE = 3.0
"""Deviations of the grey values in the slice before that their median may differ."""

ALIKE = 0.75
"""Dice of two hand-made slices from which on the shape between them is a better guide than the
slice before."""

SHAPED = 0.3
"""Between two hand-made slices an outline is so much of the way to the shape between them."""

FLAT = 0.02
"""No deviation is taken to be less than this part of the slice's range."""


@dataclass(frozen=True, slots=True)
class Far:
    """The object in a slice to which it goes on, `steps` slices from the one before the slab."""

    mask: Array
    steps: int


@dataclass(frozen=True, slots=True)
class Step:
    """A mask of the whole slice, the network's trust in it, and why the object ends here, or ""."""

    mask: Mask
    score: float
    end: str


def follow(
    outliner: Outliner,
    slab: Array,
    spacing: Sequence[float],
    previous: Array,
    prompts: Mapping[int, Sequence[Prompt]],
    before: Array | None = None,
    far: Far | None = None,
) -> Iterator[Step]:
    """The object in each slice of the slab; a step with an `end` is the last and not part of it.

    `previous` is its mask in the slice beside the slab, `before` that slice's image if it is at
    hand, and `prompts` what was said of slices of the slab: there the object does not end. If
    `far` is much like `previous`, it is looked for where the shape between both lies.
    """
    mask = previous != 0
    known = None if before is None else _greys(before, mask)
    shapes = _shapes(mask, far, spacing)
    for number, image in enumerate(slab):
        said, shape = prompts.get(number, ()), next(shapes, None)
        if shape is None:
            step = _next(outliner, image, spacing, mask, said, known)
        else:
            step = _between(outliner, image, spacing, shape, said)
        yield step
        if step.end:
            return
        mask, before_now = step.mask, known
        known = _greys(image, mask)
        if before_now is not None:
            known = known[0], min(known[1], before_now[1])


def _shapes(mask: Mask, far: Far | None, spacing: Sequence[float]) -> Iterator[Mask]:
    """The shapes from a slice to another, none if the object changes much on its way."""
    if far is None or confusion(mask, far.mask != 0).dice < ALIKE:
        return iter(())
    return interpolated(mask, far.mask != 0, far.steps, spacing)


def _next(
    outliner: Outliner,
    image: Array,
    spacing: Sequence[float],
    mask: Mask,
    said: Sequence[Prompt],
    known: tuple[float, float] | None,
) -> Step:
    found = _found(outliner, image, spacing, mask, said)
    if said:
        return found
    greys = _greys(image, found.mask)
    return replace(found, end=_end(found.mask, mask, found.score, greys, known))


def _between(
    outliner: Outliner,
    image: Array,
    spacing: Sequence[float],
    shape: Mask,
    said: Sequence[Prompt],
) -> Step:
    """The object where it is about as expected."""
    if not shape.any():
        return Step(shape, 0.0, NOTHING)
    found = _found(outliner, image, spacing, shape, said)
    if not found.mask.any():
        return replace(found, end=NOTHING)
    return found if said else replace(found, mask=_shaped(found.mask, shape, spacing))


def _shaped(found: Mask, shape: Mask, spacing: Sequence[float]) -> Mask:
    """What was found, SHAPED of the way to a shape; neither is empty."""
    box = Box.of(found | shape) or Box((0, 0), (0, 0))
    part = box.grown((2, 2), shape.shape).slices
    inside, expected = (signed_distance(mask[part], spacing) for mask in (found, shape))
    result = np.zeros_like(shape)
    result[part] = (1 - SHAPED) * inside + SHAPED * expected > 0
    return result


def _found(
    outliner: Outliner,
    image: Array,
    spacing: Sequence[float],
    mask: Mask,
    said: Sequence[Prompt],
) -> Step:
    """What the network sees where a mask lies that is not of this slice."""
    derived = [middle(mask), *said]
    crop = fitted(mask, derived, spacing, outliner.size)
    found = outliner.seen(image, crop, derived, mask.astype(np.uint8), BESIDE)
    inside = np.zeros(mask.shape, bool)
    inside[crop.box.slices] = found.mask[crop.box.slices]
    result = _connected(inside, mask)
    return Step(obeyed(inside, said, result) if said else result, found.score, "")


def _connected(found: Mask, mask: Mask) -> Mask:
    """The components that lie on the mask of the slice before."""
    count, labels = cv2.connectedComponents(found.astype(np.uint8), connectivity=8)
    chosen = np.zeros(count, bool)
    chosen[labels[mask]] = True
    chosen[0] = False
    connected: Mask = chosen[labels]
    return connected


def _end(
    result: Mask,
    mask: Mask,
    score: float,
    greys: tuple[float, float],
    known: tuple[float, float] | None,
) -> str:
    """Why the object ends before this slice, "" if it does not."""
    area, last = int(result.sum()), int(mask.sum())
    if area < max(SMALLEST, SHRUNK * last):
        return NOTHING
    if score < SURE:
        return "the outline is not certain"
    if area > GROWN * last + 50:
        return "the outline runs out into its surroundings"
    if (result & mask).sum() < OVERLAP * min(area, last):
        return "the outline jumps"
    if known is not None and abs(greys[0] - known[0]) > STRANGE * known[1]:
        return "the grey values change"
    return ""


def _greys(image: Array, mask: Mask) -> tuple[float, float]:
    """Median and robust deviation inside a mask, which the surroundings do not move at once."""
    grey = as_grey(image)
    values = grey[mask]
    if not values.size:
        return 0.0, np.inf
    middle = float(np.median(values))
    low, high = np.percentile(grey[::4, ::4], (1, 99))
    deviation = 1.48 * float(np.median(np.abs(values - middle)))
    return middle, max(deviation, FLAT * float(high - low))
