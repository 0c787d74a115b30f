"""Prompts as users give them, for training: the first one, and those that correct a mistake.

Drawn as published (arXiv 1903.08205 through its open implementation): a place in the region has a
chance proportional to exp(distance to its border) - 1; here half of them, the others fall anywhere
well inside, for users are less careful. Masks are (down, right), 0/1; points in pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from plugins.click_segmentation.prompts import Prompt
from plugins.click_segmentation.zoom import depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.uint8]
    Rng = np.random.Generator

FIRST = {"click": 0.72, "box": 0.1, "scribble": 0.12, "lasso": 0.06}
CORRECTING = {"click": 0.88, "scribble": 0.12}


def first(target: Mask, rng: Rng) -> list[Prompt]:
    """What a user says first of an object; nothing of an empty one."""
    return [] if not target.any() else [_drawn(target, FIRST, True, rng)]


def correction(target: Mask, found: Mask, rng: Rng) -> list[Prompt]:
    """A prompt on the side with the larger error; none where nothing is wrong."""
    missed, extra = (target > found).astype(np.uint8), (found > target).astype(np.uint8)
    positive = bool(missed.sum() > extra.sum())
    wrong = missed if positive else extra
    return [] if not wrong.any() else [_drawn(wrong, CORRECTING, positive, rng)]


def drifted(neighbour: Mask, rng: Rng) -> Mask:
    """A neighbouring slice's mask, half of the time moved and resized as by a thicker slice."""
    if rng.random() < 0.5 or not neighbour.any():
        return neighbour
    down, right = np.argwhere(neighbour).mean(0)
    turn = cv2.getRotationMatrix2D((float(right), float(down)), 0, float(rng.uniform(0.75, 1.35)))
    turn[:, 2] = turn[:, 2] + rng.normal(0, 0.06 * np.sqrt(neighbour.sum()), 2)
    size = neighbour.shape[::-1]
    return np.asarray(cv2.warpAffine(neighbour, turn, size, flags=cv2.INTER_NEAREST), np.uint8)


def spoiled(target: Mask, neighbour: Mask, rng: Rng) -> Mask:
    """A mask such as a user takes up to correct: too small or large, cut, shifted or joined."""
    mask = target.copy()
    width = max(1, int(np.sqrt(target.sum()) * rng.uniform(0.03, 0.25)))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    way = rng.integers(5)
    if way == 0:
        mask = np.asarray(cv2.erode(mask, brush), np.uint8)
    elif way == 1:
        mask = np.asarray(cv2.dilate(mask, brush), np.uint8)
    elif way == 2 and neighbour.any():
        mask = neighbour.copy()
    else:
        mask = np.roll(mask, tuple(rng.integers(-width, width + 1, 2)), (0, 1))
    return _with_a_blob(mask, target, rng)


def _with_a_blob(mask: Mask, target: Mask, rng: Rng) -> Mask:
    """Mostly with a disc added to, or cut from, its outline."""
    if rng.random() < 0.3 or not target.any():
        return mask
    down, right = rng.choice(np.argwhere(target))
    radius = max(2, int(np.sqrt(target.sum()) * rng.uniform(0.1, 0.5)))
    value = int(rng.random() < 0.5)
    shift = rng.integers(-radius, radius + 1, 2) * value
    centre = (int(right + shift[1]), int(down + shift[0]))
    return np.asarray(cv2.circle(mask.copy(), centre, radius, value, -1), np.uint8)


def _drawn(region: Mask, kinds: dict[str, float], positive: bool, rng: Rng) -> Prompt:
    kind = rng.choice(list(kinds), p=list(kinds.values()))
    if kind == "box":
        return _box(region, rng)
    if kind == "lasso":
        return _lasso(region, rng)
    if kind == "scribble":
        return _scribble(region, positive, rng)
    return Prompt("click", (_place(region, rng),), positive)


def _place(region: Mask, rng: Rng) -> tuple[float, float]:
    far = depth(region)
    if rng.random() < 0.5:
        chance = np.where(region > 0, np.expm1(np.minimum(far, 30)), 0)
    else:
        chance = (far > rng.uniform(0, 0.6) * far.max()).astype(np.float32)
    total = np.cumsum(chance.ravel(), dtype=np.float64)
    index = int(np.searchsorted(total, rng.random() * total[-1], side="right"))
    down, right = np.unravel_index(min(index, region.size - 1), region.shape)
    return float(down), float(right)


def _scribble(region: Mask, positive: bool, rng: Rng) -> Prompt:
    """A bent line between places of the region, as far as it stays inside."""
    corners = np.array([_place(region, rng) for _ in range(3)])
    share = np.linspace(0, 2, 25)
    path = np.stack([np.interp(share, range(3), corners[:, axis]) for axis in (0, 1)], axis=1)
    inside = region[tuple(np.rint(path).astype(int).T)] > 0
    kept = path[: int(inside.argmin()) or len(path)] if not inside.all() else path
    return Prompt("scribble", tuple((float(y), float(x)) for y, x in kept), positive)


def _box(region: Mask, rng: Rng) -> Prompt:
    """Round the region, a little too wide or too narrow."""
    places = np.argwhere(region)
    low, high = places.min(0), places.max(0)
    low = low - (high - low + 1) * rng.uniform(-0.03, 0.08, 2)
    high = high + (high - low + 1) * rng.uniform(-0.03, 0.08, 2)
    corners = np.clip([low, high], 0, np.array(region.shape) - 1)
    return Prompt("box", tuple((float(y), float(x)) for y, x in corners))


def _lasso(region: Mask, rng: Rng) -> Prompt:
    """A careless line round the largest part of the region."""
    width = int(1 + np.sqrt(region.sum()) * rng.uniform(0, 0.12))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    wide = cv2.dilate(np.ascontiguousarray(region), brush)
    outlines, _ = cv2.findContours(wide, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=len)[:, 0, ::-1].astype(float)
    chosen = outline[:: max(1, len(outline) // 24)]
    chosen = chosen + rng.normal(0, 0.3 * width, chosen.shape)
    chosen = np.clip(chosen, 0, np.array(region.shape) - 1)
    if len(chosen) < 3:
        return _box(region, rng)
    return Prompt("lasso", tuple((float(y), float(x)) for y, x in chosen))
