"""When an answer is not believed. Users click in the middle of what is wrong: that says how large
the mistake is, and an answer that changes much more, or elsewhere, has misunderstood them.

Masks are bool (down, right).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plugins.click_segmentation.obedience import places, touched
from plugins.click_segmentation.zoom import depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from plugins.click_segmentation.prompts import Prompt

    Mask = NDArray[np.bool_]

DEEP = 0.3
"""A click on the background that lies so deep in the mask, as a part of the mask's greatest depth,
says that the mask is mostly wrong: it is then forgotten, not corrected."""

CENTRAL = 0.5
"""A click on the object lies at least so deep in what it added, as a part of its greatest depth."""

MOST = 0.5
"""So much of the mask must be one part for a click deep in that to speak of the whole mask."""

LATE = 0.5
"""After a click on the background, a click on the object adds at most so many times the mask."""

MIDDLE = 0.8
"""A click on the background so deep in a mask of which nothing else was said: it is not here."""


def absent(mask: Mask, prompts: Sequence[Prompt]) -> bool:
    """Whether the only prompts are on the background and the newest in the middle of the mask.

    So a user says of a slice to which an object was followed that it has ended before.
    """
    if not prompts or any(prompt.positive for prompt in prompts):
        return False
    return _centrality(mask, prompts[-1]) > MIDDLE


def misjudged(mask: Mask, prompts: Sequence[Prompt]) -> bool:
    """Whether the newest prompt is on the background and lies deep in most of the mask.

    Without a prompt on the object there is nothing but the mask that tells what is meant; and a
    small part beside others may be mistaken by itself.
    """
    if not any(prompt.positive for prompt in prompts) or prompts[-1].positive:
        return False
    main = touched(mask, prompts[-1]).sum() > MOST * mask.sum()
    return bool(main) and _centrality(mask, prompts[-1]) > DEEP


def overdone(mask: Mask, before: Mask, prompts: Sequence[Prompt]) -> bool:
    """Whether the newest prompt, if on the object, added more than it can have meant.

    That is what does not lie round it, and an island larger than all there was before: the first
    click goes to the largest part. Once the mask was cut back, what is missing is no large part.
    """
    if not prompts or not prompts[-1].positive:
        return False
    added = mask & ~before
    if added.any() and _centrality(added, prompts[-1]) < CENTRAL:
        return True
    cut = any(not prompt.positive for prompt in prompts)
    if cut and touched(added, prompts[-1]).sum() > LATE * before.sum():
        return True
    part = touched(mask, prompts[-1])
    return bool(part.sum() > before.sum()) and not (part & before).any()


def _centrality(mask: Mask, prompt: Prompt) -> float:
    """How deep a prompt lies in its component: 1 farthest from the outline, 0 outside the mask."""
    deep = depth(touched(mask, prompt))
    said = places((mask.shape[0], mask.shape[1]), prompt)
    return float(np.max(deep, where=said, initial=0) / max(float(deep.max()), 1.0))
