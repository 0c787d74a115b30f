"""Where a mask lies in each frame: sub-pixel, of the whole frame and of its parts.

Gauss-Newton on the log intensities from coarse to fine (Lucas and Kanade 1981), with weights that
take contrast for outliers: a vessel darkens a frame, which no motion does on both sides of an edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from plugins.dsa_interpolation.subtraction import Subtraction, Subtractor, reduced
from plugins.dsa_interpolation.warping import hats, moved, spread

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from inference.series import Acquisition, Array
    from plugins.dsa_interpolation.subtraction import Picture

LARGEST = 512
"""Rows and columns worked on: twice as many cost four times the time and gain little."""
SMALLEST = 48
"""Rows or columns of the coarsest level; one of its pixels is the motion that is found at once."""
BLUR = 1.0
"""Of each level, px: calms the noise, and lets linear interpolation do."""
PARTS = 9
"""Grid points along the longer side for the motion of parts."""
SLOW = 8.0
"""Size of what may differ in brightness without having moved, such as blush, px of each level."""
MARGIN = 0.08
"""Share of rows and columns left out at each edge: collimators stay when the patient moves."""
OUTLIER = 2.5
"""Standard deviations from which a darker pixel is contrast."""
BEND = 0.3
"""Expected second difference of the motion at neighbouring grid points, px of the finest level."""
REACH = 3.0
"""Expected motion of a part beyond that of the whole, px of the finest level."""
ALIKE = 4 * np.pi * BLUR**2
"""Pixels that share their noise after the blur: what one of them tells counts that much less."""
STEPS = 8
LONGEST, SHORTEST = 2.0, 0.01
"""Steps are cut to the one and end the search below the other, px of the level."""
STILL = np.zeros(2, np.float32)


@dataclass(frozen=True, slots=True)
class Registration:
    """Motion of the mask to each frame, px, as `Subtraction` takes it."""

    shifts: Picture  # (t, 2): (y, x)
    fields: Picture | None  # (t, gy, gx, 2), beyond `shifts`


class _Level(NamedTuple):
    """A frame at one size."""

    picture: Picture  # log intensity (y, x)
    known: Picture  # 0 where blanked, saturated or at the edge, else 1


def register(
    voxels: Array,
    mask: tuple[int, ...],
    acquisition: Acquisition | None = None,
    piecewise: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Registration:
    """The motion of the averaged mask frames to every frame of a run (t, y, x)."""
    run = Subtractor(voxels, acquisition, Subtraction(mask=mask))
    factor = -(-max(voxels.shape[1:]) // LARGEST)
    ours = _levels(run.mask, voxels[mask[0]], factor)
    grid = _grid(PARTS, ours[-1].picture)
    shifts = np.zeros((len(voxels), 2), np.float32)
    fields = np.zeros((len(voxels), *grid, 2), np.float32) if piecewise else None
    for index, stored in enumerate(voxels):
        progress(index, len(voxels))
        if mask == (index,):
            continue
        theirs = _levels(run.log(stored), stored, factor)
        whole = _whole(ours, theirs)
        shifts[index] = factor * whole
        if fields is not None:
            fields[index] = factor * _found(ours, theirs, grid, whole)
    progress(len(voxels), len(voxels))
    return Registration(shifts, fields)


def _whole(mask: list[_Level], frame: list[_Level]) -> Picture:
    """One shift (y, x), px of the finest level: a far one only if it explains more than a near one.

    A diaphragm is all that coarse levels see; it must not drag ribs and spine along.
    """
    shifts: list[Picture] = [_found(mask[n:], frame[n:], (1, 1))[0, 0] for n in (-1, 0)]
    near, far = shifts
    if np.abs(near - far).max() < SHORTEST:
        return near
    known = mask[-1].known * frame[-1].known
    there = [frame[-1].picture - moved(mask[-1].picture, _pair(shift)) for shift in (near, far)]
    differences = [difference - _slow(difference, known) for difference in there]
    noise = min(_noise(difference, known) for difference in differences)
    left = [
        (known * np.minimum(np.abs(difference / (OUTLIER * noise)), 1)).sum()
        for difference in differences
    ]
    return far if left[1] < left[0] else near


def _found(
    mask: list[_Level], frame: list[_Level], grid: tuple[int, int], shift: Picture = STILL
) -> Picture:
    """A field (gy, gx, 2) beyond `shift` (y, x), px of the finest level."""
    field = np.zeros((*grid, 2), np.float32)
    for level, (ours, theirs) in enumerate(zip(mask, frame, strict=True)):
        there = _pair(shift * 0.5 ** (len(mask) - 1 - level))
        field = _fitted(ours, theirs, there, 2 * field)
    return field


def _fitted(mask: _Level, frame: _Level, shift: tuple[float, float], field: Picture) -> Picture:
    """The field (gy, gx, 2) beyond `shift` that makes the mask most like the frame."""
    known = moved(mask.known, shift) * frame.known
    weights = known
    for _ in range(STEPS):
        there = _there(mask.picture, shift, field)
        difference = frame.picture - there
        difference -= _slow(difference, weights)
        noise = _noise(difference, known)
        weights = known * _trust(difference / (OUTLIER * noise))
        slopes = [slope - _slow(slope, weights) for slope in np.gradient(there / noise)]
        step = _step(difference / noise, weights, slopes, field)
        field = field + step
        if np.abs(step).max() < SHORTEST:
            break
    return field


def _there(mask: Picture, shift: tuple[float, float], field: Picture) -> Picture:
    if field.size > 2:
        return moved(mask, shift, field)
    return moved(mask, _pair(field[0, 0] + shift))


def _pair(shift: Picture) -> tuple[float, float]:
    return float(shift[0]), float(shift[1])


def _step(difference: Picture, weights: Picture, slopes: list[Picture], field: Picture) -> Picture:
    """One Gauss-Newton step (gy, gx, 2); all pictures in units of the noise."""
    grid = field.shape[0], field.shape[1]
    rows, columns = (hats(n, size) for n, size in zip(grid, difference.shape, strict=True))
    down, right = weights * slopes[0], weights * slopes[1]
    cross = _products(down * slopes[1], rows, columns)
    normal = np.block(
        [
            [_products(down * slopes[0], rows, columns), cross],
            [cross, _products(right * slopes[1], rows, columns)],
        ]
    )
    prior = np.kron(np.eye(2), _bending(*grid) / BEND**2 + np.eye(len(cross)) / REACH**2)
    drive = [(rows @ (slope * difference) @ columns.T).ravel() for slope in (down, right)]
    now = field.reshape(-1, 2).T.ravel()
    pull = -np.concatenate(drive) / ALIKE - prior @ now
    step = np.linalg.solve(normal / ALIKE + prior, pull).clip(-LONGEST, LONGEST)
    found: Picture = step.reshape(2, *grid).transpose(1, 2, 0).astype(np.float32)
    return found


def _products(values: Picture, rows: Picture, columns: Picture) -> NDArray[np.float64]:
    """Sums of values times the weights of every two grid points, both in rows."""
    pairs = [(hat[:, None] * hat).reshape(-1, hat.shape[1]) for hat in (rows, columns)]
    sums = (pairs[0] @ values @ pairs[1].T).astype(np.float64)
    tall, wide = len(rows), len(columns)
    ordered = sums.reshape(tall, tall, wide, wide).transpose(0, 2, 1, 3)
    return ordered.reshape(tall * wide, tall * wide)


def _trust(deviation: Picture) -> Picture:
    """Weights of differences in units of an outlier: none for what is much darker, contrast.

    Tukey's for darker pixels, Cauchy's for brighter ones, which only motion makes.
    """
    square = deviation * deviation
    darker = np.maximum(1 - square, 0) ** 2
    trust: Picture = np.where(deviation < 0, darker, 1 / (1 + square))
    return trust


def _noise(difference: Picture, known: Picture) -> float:
    """Standard deviation by the median, which contrast does not reach."""
    seen = np.abs(difference[::2, ::2][known[::2, ::2] > 0])
    return max(float(np.median(seen)) / 0.6745, 1e-6) if seen.size else 1.0


def _slow(difference: Picture, weights: Picture) -> Picture:
    """What differs over large areas: weighted means on a coarse grid, spread again."""
    grid = _grid(max(difference.shape) / SLOW, difference)
    rows, columns = (hats(n, size) for n, size in zip(grid, difference.shape, strict=True))
    total, counted = (rows @ values @ columns.T for values in (difference * weights, weights))
    means = np.asarray(total / (counted + 1e-3), np.float32)
    return spread(means, (difference.shape[0], difference.shape[1]))


@lru_cache(maxsize=8)
def _bending(rows: int, columns: int) -> NDArray[np.float64]:
    """The energy of a field's bends, over its points in rows; shear and rotation are free."""

    def chain(count: int) -> NDArray[np.float64]:
        bends = np.diff(np.eye(count), 2, axis=0)
        return np.asarray(bends.T @ bends)

    return np.kron(chain(rows), np.eye(columns)) + np.kron(np.eye(rows), chain(columns))


def _levels(picture: Picture, stored: Array, factor: int) -> list[_Level]:
    """From coarse to fine."""
    known = _known(stored)
    picture, known = reduced(picture, factor), reduced(known, factor)
    found = []
    while True:
        blurred = ndimage.gaussian_filter(picture, BLUR, mode="nearest", truncate=3)
        found.append(_Level(blurred, (ndimage.minimum_filter(known, 5) == 1).astype(np.float32)))
        if min(picture.shape) < 2 * SMALLEST:
            return found[::-1]
        picture, known = reduced(picture, 2), reduced(known, 2)


def _known(stored: Array) -> Picture:
    """1 where a frame shows the patient, 0 at its edge and where it is black or white."""
    inside = np.zeros(stored.shape, bool)
    rows, columns = (round(MARGIN * size) for size in stored.shape)
    inside[rows : stored.shape[0] - rows, columns : stored.shape[1] - columns] = True
    known: Picture = (inside & (stored > stored.min()) & (stored < stored.max())).astype(np.float32)
    return known


def _grid(points: float, picture: Picture) -> tuple[int, int]:
    """About square cells, `points` points along the longer side."""
    cell = max(picture.shape) / (points - 1)
    return max(2, round(picture.shape[0] / cell) + 1), max(2, round(picture.shape[1] / cell) + 1)
