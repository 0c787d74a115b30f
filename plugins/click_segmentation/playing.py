"""A robot user and a segmenter work on one slice, or through a volume, and what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.box import Box
from inference.metrics import confusion, surface_distances
from plugins.click_segmentation.prompts import Prompt
from plugins.click_segmentation.stretches import nearest, plan
from plugins.click_segmentation.users import careful
from plugins.click_segmentation.volume import fill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from plugins.click_segmentation.baselines import Segmenter
    from plugins.click_segmentation.predict import Outliner
    from plugins.click_segmentation.users import User

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]

CLICKS = 15
COUNTS = (1, 3, 5, 10, 15)  # clicks after which results are told
ENOUGH = 0.985  # Dice at which nobody clicks on; what was reached stands for the clicks left
LEAST, LEAST_SHARE = 30, 0.05  # px of a structure in a slice, and of its largest slice
PROMPTS = 12  # in a volume
WANTED = (0.90, 0.93)  # Dice of a volume that are told; at the last, its user stops


@dataclass(frozen=True, slots=True)
class Played:
    """One slice: Dice after each of CLICKS clicks, mm of distance after COUNTS, ms of clicks."""

    dice: tuple[float, ...]
    distance: tuple[float, ...]
    milliseconds: tuple[float, ...]

    def needed(self, dice: float) -> int:
        """Clicks to that Dice (NoC); CLICKS if it was not reached."""
        return next((n for n, found in enumerate(self.dice, 1) if found >= dice), CLICKS)


@dataclass(frozen=True, slots=True)
class Followed:
    """One volume: Dice after each prompt until it does, and the seconds all of them took."""

    dice: tuple[float, ...]
    seconds: float

    def needed(self, dice: float) -> int | None:
        """Prompts to that Dice; None if it was not reached."""
        return next((n for n, found in enumerate(self.dice, 1) if found >= dice), None)


def slices(mask: Mask, most: int) -> list[int]:
    """Which slices (first axis) of a structure are played: `most`, evenly spread; 0: all.

    Only those count that show LEAST pixels and LEAST_SHARE of the structure's largest slice.
    """
    areas = mask.sum((1, 2))
    shown = np.flatnonzero(areas >= max(LEAST, LEAST_SHARE * areas.max()))
    if not most or len(shown) <= most:
        return [int(index) for index in shown]
    places = (np.arange(most) + 0.5) / most * len(shown)
    return [int(index) for index in shown[places.astype(int)]]


def play(
    segmenter: Segmenter,
    image: Array,
    truth: Mask,
    spacing: Sequence[float],
    user: User,
    until: float = ENOUGH,
) -> Played:
    """Click up to CLICKS times, or until a Dice is reached."""
    found, prompts = np.zeros(truth.shape, bool), list[Prompt]()
    dice, distance, milliseconds = list[float](), list[float](), list[float]()
    for count in range(1, CLICKS + 1):
        click = None if dice and dice[-1] >= until else user(truth, found)
        if click is not None:
            prompts.append(click)
            start = time.perf_counter()
            found = segmenter(image, prompts, found, spacing)
            milliseconds.append(1000 * (time.perf_counter() - start))
        dice.append(confusion(found, truth).dice)
        if count in COUNTS:
            distance.append(boundary_distance(found, truth, spacing))
    return Played(tuple(dice), tuple(distance), tuple(milliseconds))


def boundary_distance(found: Mask, truth: Mask, spacing: Sequence[float]) -> float:
    """Mean distance between both outlines, both ways, mm; NaN if one of them is empty."""
    box = Box.of(found | truth)
    if box is None or not found.any() or not truth.any():
        return float("nan")
    part = box.grown([1, 1], truth.shape).slices
    both = surface_distances(found[part], truth[part], spacing)
    return float(np.concatenate(both).mean())


class Volume:
    """An object in a volume, prompt by prompt, as the window shows it."""

    def __init__(self, outliner: Outliner, image: Array, spacing: Sequence[float]) -> None:
        self.outliner, self.image = outliner, image
        self.step, self.spacing = spacing[0], spacing[1:]
        self.mask = np.zeros(image.shape[:3], bool)
        self.prompts: dict[int, list[Prompt]] = {}

    def add(self, index: int, prompt: Prompt) -> None:
        """Answer a prompt, in pixels of an axial slice, and follow round that anew."""
        said = self.prompts.setdefault(index, [])
        said.append(prompt)
        before = self.mask[index]
        beside = nearest(self.mask, True, index, self.step)
        found = self.outliner.outline(self.image[index], said, before, self.spacing, beside=beside)
        self.mask[index] = found.mask
        known = [i for i in sorted(self.prompts) if self.mask[i].any()]
        ends = [i for i in sorted(self.prompts) if i not in known]
        planned = plan(known, ends, len(self.mask), (index - 1, index + 1))
        fill(self.outliner, self.image, self.mask, self.spacing, planned)


def play_volume(
    outliner: Outliner, image: Array, truth: Mask, spacing: Sequence[float]
) -> Followed:
    """Click where the largest mistake of any axial slice lies, up to PROMPTS times."""
    volume, dice, start = Volume(outliner, image, spacing), list[float](), time.perf_counter()
    while len(dice) < PROMPTS and (not dice or dice[-1] < max(WANTED)):
        wrong = (truth ^ volume.mask).sum((1, 2))
        index = int(wrong.argmax())
        click = careful(truth[index], volume.mask[index])
        if click is None:
            break
        volume.add(index, click)
        dice.append(confusion(volume.mask, truth).dice)
    return Followed(tuple(dice), time.perf_counter() - start)
