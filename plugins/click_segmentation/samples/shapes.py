"""Invented shapes: blobs, tubes, rings, trees of vessels, and maps of touching regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from plugins.click_segmentation.samples.framing import field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plugins.click_segmentation.samples.framing import Mask

    Drawing = NDArray[np.uint8]

SHIFT = 4  # binary digits behind the point, for OpenCV's drawing


def regions(size: int, rng: np.random.Generator) -> Drawing:
    """A map of 2 to 14 touching labels from the largest of smooth fields (as SynthMorph does)."""
    count, cells = int(rng.integers(2, 15)), float(rng.uniform(1.5, 9))
    fields = [field(rng, size, max(1, round(cells * rng.uniform(0.6, 1.7)))) for _ in range(count)]
    return np.asarray(np.stack(fields).argmax(0), np.uint8)


def blob(size: int, radius: float, rng: np.random.Generator) -> Mask:
    """A closed outline round the middle: rough or smooth, long or round."""
    angles = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    waves = np.arange(2, 12)
    heights = (
        rng.normal(0, 1, waves.size) * rng.uniform(0.02, 0.45) / waves ** rng.uniform(0.6, 1.6)
    )
    phases = rng.uniform(0, 2 * np.pi, waves.size)
    outline = 1 + (heights[:, None] * np.cos(waves[:, None] * angles + phases[:, None])).sum(0)
    stretch = np.exp(rng.uniform(-0.7, 0.7))
    turn = rng.uniform(0, np.pi)
    y, x = np.sin(angles) * outline * stretch**0.5, np.cos(angles) * outline / stretch**0.5
    points = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 1)
    return polygon(size, size / 2 + radius * points)


def polygon(size: int, points: NDArray[np.float64]) -> Mask:
    """Fill an outline (n, 2), (x, y) in pixels."""
    canvas = np.zeros((size, size), np.uint8)
    fixed = np.rint(points * 2**SHIFT).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], (1,), cv2.LINE_8, SHIFT)
    return canvas.astype(bool)


def tube(size: int, rng: np.random.Generator) -> Mask:
    """A winding band of slowly changing width."""
    canvas = np.zeros((size, size), np.uint8)
    heading, place = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.9, 2) * size
    width = rng.uniform(0.012, 0.09) * size
    wander = rng.uniform(0.02, 0.35)
    for _ in range(int(rng.integers(10, 60))):
        ahead = place + 0.03 * size * np.array([np.cos(heading), np.sin(heading)])
        _line(canvas, place, ahead, width)
        place, heading = ahead, heading + rng.normal(0, wander)
        width = float(np.clip(width * np.exp(rng.normal(0, 0.06)), 1.5, 0.12 * size))
    return canvas.astype(bool)


def tree(size: int, rng: np.random.Generator) -> Mask:
    """Vessels: children thinner than their parent by Murray's law, walking at random."""
    canvas = np.zeros((size, size), np.uint8)
    edge = rng.uniform(0, 1)
    start = np.array([[edge, 0], [edge, 1], [0, edge], [1, edge]][rng.integers(4)]) * size
    middle = size / 2 + rng.normal(0, 0.15 * size, 2)
    heading = float(np.arctan2(*(middle - start)[::-1]))
    pending = [(start, heading, rng.uniform(0.012, 0.04) * size)]
    thinnest, spread, wander = rng.uniform(0.4, 1.0), rng.uniform(0.3, 0.9), rng.uniform(0.03, 0.18)
    for _ in range(70):
        if not pending:
            break
        place, heading, radius = pending.pop(0)
        for _ in range(int(rng.integers(6, 18))):
            ahead = place + max(3.0, radius) * np.array([np.cos(heading), np.sin(heading)])
            _line(canvas, place, ahead, 2 * radius)
            place, heading = ahead, heading + rng.normal(0, wander)
        share = rng.uniform(0.5, 0.95)
        for part, side in ((share, 1), (1 - share, -1)):
            child = radius * part ** (1 / 3)
            if child * 0.93 >= thinnest and np.all((place > -20) & (place < size + 20)):
                turn = side * spread * (1.3 - part) * rng.uniform(0.6, 1.4)
                pending.append((place, heading + turn, child * 0.93))
    return canvas.astype(bool)


def _line(
    canvas: Drawing, start: NDArray[np.float64], end: NDArray[np.float64], width: float
) -> None:
    """Draw a band with round ends, (x, y) pixels."""
    first, second = (tuple(int(v) for v in np.rint(p * 2**SHIFT)) for p in (start, end))
    thick = max(1, round(width))
    cv2.line(canvas, first, second, (1,), thick, cv2.LINE_8, SHIFT)


def shape(size: int, rng: np.random.Generator) -> Mask:
    """Any one of them; somewhere, sometimes with a hole or cut away at one side."""
    kind = rng.random()
    if kind < 0.15:
        return tube(size, rng)
    if kind < 0.2:
        return tree(size, rng)
    radius = float(np.exp(rng.uniform(*np.log((0.03, 0.42))))) * size
    found = moved(blob(size, radius, rng), size / 2 - 0.6 * radius, rng)
    if rng.random() < 0.2:
        hole = blob(size, radius * rng.uniform(0.2, 0.7), rng)
        found &= ~_at(hole, found, rng)
    if rng.random() < 0.12:
        found |= moved(blob(size, radius * rng.uniform(0.4, 1), rng), 0.7 * radius, rng)
    return found


def moved(mask: Mask, reach: float, rng: np.random.Generator) -> Mask:
    """Shift a mask by at most `reach` pixels along each axis; what leaves is lost."""
    reach = max(reach, 0.0)
    return shifted(mask, *(int(v) for v in rng.uniform(-reach, reach, 2)))


def shifted(mask: Mask, down: int, right: int) -> Mask:
    """Shift by whole pixels."""
    height, width = mask.shape
    result = np.zeros_like(mask)
    to = (slice(max(down, 0), height + min(down, 0)), slice(max(right, 0), width + min(right, 0)))
    of = (
        slice(max(-down, 0), height + min(-down, 0)),
        slice(max(-right, 0), width + min(-right, 0)),
    )
    result[to] = mask[of]
    return result


def _at(hole: Mask, mask: Mask, rng: np.random.Generator) -> Mask:
    """Move a hole that lies in the middle to a random place of the mask."""
    places = np.argwhere(mask)
    if not len(places):
        return hole
    down, right = rng.choice(places) - np.array(mask.shape) // 2
    return shifted(hole, int(down), int(right))


def changed(mask: Mask, pixels: float, rng: np.random.Generator) -> Mask:
    """The mask as a neighbouring slice may show it: grown or shrunk unevenly, a little moved."""
    size = mask.shape[0]
    signed = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    signed = signed - cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    uneven = field(rng, size, int(rng.integers(1, 6))) * pixels + rng.normal(0, 0.5) * pixels
    return moved(np.asarray(signed > uneven), 0.5 * pixels, rng)
