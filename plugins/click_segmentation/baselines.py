"""What outlines by clicks without learning: random walker, GrabCut and region growing.

Each is called as the network is, with a slice, all clicks so far and the mask before. They see the
same stretched grey values as the network, at most `SIDE` pixels long: larger ones take seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
from skimage.segmentation import random_walker

from plugins.click_segmentation.prepare import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from plugins.click_segmentation.prompts import Prompt

    Image = NDArray[Any]
    Mask = NDArray[np.bool_]
    Marks = NDArray[np.uint8]
    Method = Callable[[NDArray[np.float32], Marks, Mask], Mask]

SIDE = 192
FREE, INSIDE, OUTSIDE = 0, 1, 2  # what the clicks say of a pixel
RADIUS = 2  # px of a click
BETA = 130.0  # of the random walker: how much an edge holds it up
ROUNDS = 3  # of GrabCut
TOLERANCES = (0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03)  # of region growing; grey is -1 to 1
USUAL = 0.18  # before any click on the background


class Segmenter(Protocol):
    """What answers clicks on a slice (down, right[, 3]) of `spacing` mm."""

    def __call__(
        self,
        image: Image,
        prompts: Sequence[Prompt],
        previous: Image | None,
        spacing: Sequence[float],
    ) -> Mask:
        """Return the mask of the whole slice."""


class Baseline:
    """A method at reduced size, with clicked pixels on their side."""

    def __init__(self, method: Method) -> None:
        self.method = method

    def __call__(
        self,
        image: Image,
        prompts: Sequence[Prompt],
        previous: Image | None,
        spacing: Sequence[float],
    ) -> Mask:
        """Return the mask of the whole slice; `spacing` is not looked at."""
        height, width = image.shape[:2]
        scale = min(1.0, SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        grey = _resized(normalise(image)[1], size)
        before = np.zeros((height, width), np.float32) if previous is None else previous != 0
        marks = _marks(prompts, (size[1] / height, size[0] / width), (size[1], size[0]))
        found = self.method(grey, marks, _resized(before, size) > 0.5)
        found = (found | (marks == INSIDE)) & (marks != OUTSIDE)
        return np.asarray(_resized(found, (width, height)) > 0.5)


def walk(grey: NDArray[np.float32], marks: Marks, before: Mask) -> Mask:
    """Random walker (Grady, PAMI 2006); the slice's border is background where nothing else is."""
    seeds = marks.astype(np.int32)
    for edge in (seeds[0], seeds[-1], seeds[:, 0], seeds[:, -1]):
        edge[edge == FREE] = OUTSIDE
    return np.asarray(
        random_walker(grey, seeds, beta=BETA, mode="cg_j", tol=1e-3, prob_tol=0.1) == INSIDE
    )


def cut(grey: NDArray[np.float32], marks: Marks, before: Mask) -> Mask:
    """GrabCut (Rother et al., SIGGRAPH 2004); what is connected with the clicks."""
    picture = np.repeat(((grey + 1) * 127).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    likely = before | _near(marks == INSIDE, max(grey.shape) // 12)
    mask = np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    mask[marks == INSIDE], mask[marks == OUTSIDE] = cv2.GC_FGD, cv2.GC_BGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    found, *_ = cv2.grabCut(picture, mask, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    return _connected((found == cv2.GC_FGD) | (found == cv2.GC_PR_FGD), marks == INSIDE)


def grow(grey: NDArray[np.float32], marks: Marks, before: Mask) -> Mask:
    """Region growing: as tolerant as the clicks on the background allow."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    seeds = np.argwhere(marks == INSIDE)
    if not len(seeds):
        return before
    middle = float(np.median(smooth[marks == INSIDE]))
    apart = np.min([np.abs(smooth - level) for level in _levels(smooth, marks, middle)], axis=0)
    outside = marks == OUTSIDE
    choices = TOLERANCES if outside.any() else (USUAL,)
    for tolerance in choices:
        found = _connected(apart <= tolerance, marks == INSIDE)
        if not (found & outside).any():
            break
    return (
        np.asarray(cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3)))) > 0
    )


def _levels(smooth: Image, marks: Marks, middle: float) -> list[float]:
    """The grey value at each click on the object."""
    count, parts = cv2.connectedComponents((marks == INSIDE).astype(np.uint8))
    return [middle, *(float(np.median(smooth[parts == part])) for part in range(1, count))]


METHODS: dict[str, Segmenter] = {
    "random walker": Baseline(walk),
    "GrabCut": Baseline(cut),
    "region growing": Baseline(grow),
}


def _marks(prompts: Sequence[Prompt], scale: tuple[float, float], shape: tuple[int, int]) -> Marks:
    """Discs round clicks; a later one covers an earlier one."""
    marks = np.zeros(shape, np.uint8)
    for prompt in prompts:
        down, right = ((p + 0.5) * s - 0.5 for p, s in zip(prompt.points[0], scale, strict=True))
        value = INSIDE if prompt.positive else OUTSIDE
        cv2.circle(marks, (round(right), round(down)), RADIUS, value, cv2.FILLED)
    return marks


def _near(mask: Mask, reach: int) -> Mask:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def _connected(mask: Mask, seeds: Mask) -> Mask:
    """The components of a mask that hold seeds."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    return np.asarray(mask & np.isin(parts, np.unique(parts[seeds & mask])))


def _resized(plane: Image, size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize to (width, height)."""
    shrinks = size[0] < plane.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane.astype(np.float32), size, interpolation=how), np.float32)
