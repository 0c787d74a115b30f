"""One object of a whole series from prompts in some of its slices; arrays (z, y, x), mm.

Clicked slices are outlined prompt by prompt, as in the window. Between two of them the object is
followed from both to the middle, outside them until it ends; where only the background was
clicked, it has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import UserError
from plugins.click_segmentation.follow import Far, follow
from plugins.click_segmentation.prompts import flat
from plugins.click_segmentation.stretches import gaps, interpolated, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from plugins.click_segmentation.predict import Outliner
    from plugins.click_segmentation.prompts import Prompt
    from plugins.click_segmentation.stretches import Stretch

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]
    Progress = Callable[[int, int, str], None]


def outline_plane(
    outliner: Outliner, image: Array, prompts: Sequence[Prompt], spacing: Sequence[float]
) -> Mask:
    """Outline a slice prompt by prompt, each going on from the mask before."""
    mask = np.zeros(image.shape[:2], bool)
    for count in range(1, len(prompts) + 1):
        mask = outliner.outline(image, prompts[:count], mask, spacing).mask
    return mask


def outline_volume(
    outliner: Outliner,
    image: Array,
    prompts: Sequence[Prompt],
    spacing: Sequence[float],
    through: bool,
    progress: Progress,
) -> Mask:
    """Outline the prompts' slices and, if `through`, follow to the others; raises UserError."""
    axis = _axis(prompts)
    planes = np.moveaxis(image, axis, 0)
    step = [mm for i, mm in enumerate(spacing) if i != axis]
    result = np.zeros(image.shape[:3], bool)
    masks = np.moveaxis(result, axis, 0)
    seeds = sorted({_index(prompt, axis) for prompt in prompts})
    for done, seed in enumerate(seeds):
        progress(done, len(seeds), "Outlining")
        masks[seed] = outline_plane(outliner, planes[seed], flat(prompts, axis, seed), step)
    if through:
        known = [seed for seed in seeds if masks[seed].any()]
        ends = [seed for seed in seeds if seed not in known]
        fill(outliner, planes, masks, step, plan(known, ends, len(planes)), progress)
    return result


def fill(
    outliner: Outliner,
    planes: Array,
    masks: Mask,
    spacing: Sequence[float],
    stretches: Sequence[Stretch],
    progress: Progress = lambda *_: None,
) -> None:
    """Follow stretches anew, in place, and interpolate where two do not meet.

    Arrays have their slices along the first axis; `spacing` is that within one, mm.
    """
    reached = [
        (stretch, _followed(outliner, planes, masks, spacing, stretch, progress))
        for stretch in stretches
    ]
    for low, high in gaps(reached):
        between = interpolated(masks[low], masks[high], high - low, spacing)
        for index, mask in enumerate(between, start=low + 1):
            masks[index] = mask


def _followed(
    outliner: Outliner,
    planes: Array,
    masks: Mask,
    spacing: Sequence[float],
    stretch: Stretch,
    progress: Progress,
) -> int:
    """Follow one stretch; return the last slice with the object. What lies behind goes."""
    ahead, into = stretch.ahead(planes), stretch.ahead(masks)
    scores, seed = list[float](), stretch.seed
    far = None if stretch.far is None else Far(masks[stretch.far], abs(stretch.far - seed))
    for step in follow(outliner, ahead, spacing, masks[seed], {}, planes[seed], far):
        progress(len(scores), stretch.count, "Following")
        if step.end:
            break
        into[len(scores)] = step.mask
        scores.append(step.score)
    last, way = stretch.reached(scores), stretch.direction
    for index in range(last + way, stretch.rest + way, way):
        masks[index] = False
    return last


def _axis(prompts: Sequence[Prompt]) -> int:
    """The axis to follow along: that of what was drawn, else that of the first click."""
    drawn = {prompt.axis for prompt in prompts if prompt.kind != "click"}
    if len(drawn) > 1:
        raise UserError(
            "Boxes, scribbles and lassos in planes of different directions cannot be joined into "
            "one object: draw them in one direction."
        )
    axis = drawn.pop() if drawn else prompts[0].axis
    return 0 if axis is None else axis


def _index(prompt: Prompt, axis: int) -> int:
    return round(prompt.points[0][axis])
