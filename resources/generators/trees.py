"""Branching vessels for invented pictures: growth by a random walk, radii by Murray's law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.interpolate import CubicSpline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Steer = Callable[[Floats, float], float]  # (position, heading) -> turn per step, radians

MURRAY = 3.0  # the cubes of the children's radii add up to the parent's


@dataclass(frozen=True, slots=True)
class Branch:
    """Points (n, 2) in y, x and the radius at each, px; `start` is the path length before it."""

    points: Floats
    radii: Floats
    start: float


@dataclass(frozen=True, slots=True)
class Growth:
    """How a tree grows; lengths in px."""

    length: float = 30  # of a branch, in radii
    wander: float = 0.06  # random turn per px, radians
    spread: float = 0.6  # angle between parent and child, radians
    thinnest: float = 0.6
    taper: float = 0.9985  # of the radius per px
    side: float = 0.45  # radius of a side branch over that of its parent


def grow(
    rng: np.random.Generator,
    start: Floats,
    heading: float,
    radius: float,
    steer: Steer,
    growth: Growth,
    before: float = 0,
) -> Iterator[Branch]:
    """A branch from `start` and everything that leaves it."""
    steps = int(growth.length * radius * rng.uniform(0.7, 1.3)) + 6
    points = np.empty((steps, 2))
    radii: Floats = radius * growth.taper ** np.arange(float(steps))
    position, turn = start, 0.0
    for step in range(steps):
        points[step] = position
        turn = 0.9 * turn + rng.normal(0, growth.wander) * 0.3
        heading += turn + steer(position, heading)
        position = position + np.array((np.sin(heading), np.cos(heading)))
    yield Branch(points, radii, before)
    if radii[-1] < growth.thinnest:
        return
    share = rng.uniform(0.35, 0.65) if rng.random() < 0.5 else growth.side
    side = rng.choice((-1, 1))
    for part, angle in ((1 - share, -side * share), (share, side * (1 - share))):
        child = radii[-1] * part ** (1 / MURRAY)
        if child > growth.thinnest:
            turned = heading + growth.spread * 1.6 * angle
            yield from grow(rng, position, turned, child, steer, growth, before + steps)


def trunk(
    rng: np.random.Generator, course: Floats, radius: float, steer: Steer, growth: Growth
) -> Iterator[Branch]:
    """A vessel through the points of `course` (n, 2), thinning to its end, and its branches."""
    way = np.concatenate(([0], np.cumsum(np.hypot(*np.diff(course, axis=0).T))))
    steps = np.arange(0, way[-1])
    points = CubicSpline(way, course)(steps)
    wobble = [smooth_noise(rng, steps.shape, 14), smooth_noise(rng, steps.shape, 14)]
    points += 3.0 * np.stack(wobble, axis=-1) * np.minimum(steps / 60, 1)[:, None]
    radii = radius * (1 - 0.62 * steps / way[-1])
    yield Branch(points, radii, 0)
    at, side = int(rng.uniform(30, 60)), rng.choice((-1, 1))
    while at < len(points) - 10:
        ahead = points[at + 5] - points[at]
        heading = np.arctan2(*ahead) + side * rng.uniform(0.6, 1.15)
        child = radii[at] * rng.uniform(0.38, 0.7)
        yield from grow(rng, points[at], heading, child, steer, growth, float(at))
        at, side = at + int(rng.uniform(18, 48)), -side


def thickness(shape: tuple[int, int], branches: list[Branch], fine: int = 3) -> Floats:
    """How far a ray passes through the vessels at each pixel, px (the widest branch counts)."""
    canvas = np.zeros((shape[0] * fine, shape[1] * fine))
    for branch in branches:
        for point, radius in zip(branch.points, branch.radii, strict=True):
            _stamp(canvas, point * fine, radius * fine)
    return _blocks(canvas, fine) / fine


def _blocks(canvas: Floats, fine: int) -> Floats:
    rows, columns = canvas.shape[0] // fine, canvas.shape[1] // fine
    means: Floats = canvas.reshape(rows, fine, columns, fine).mean(axis=(1, 3))
    return means


def _stamp(canvas: Floats, centre: Floats, radius: float) -> None:
    """The chord lengths of a ball."""
    low = np.floor(centre - radius).astype(int)
    high = np.ceil(centre + radius).astype(int) + 1
    if (high <= 0).any() or (low >= canvas.shape).any():
        return
    low, high = np.maximum(low, 0), np.minimum(high, canvas.shape)
    y, x = np.ogrid[low[0] : high[0], low[1] : high[1]]
    inside = radius**2 - (y - centre[0]) ** 2 - (x - centre[1]) ** 2
    part = canvas[low[0] : high[0], low[1] : high[1]]
    np.maximum(part, 2 * np.sqrt(np.maximum(inside, 0)), out=part)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], size: float) -> Floats:
    """Gaussian noise of the given correlation length, px, mean 0 and deviation 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), size, mode="reflect")
    return np.asarray((noise - noise.mean()) / noise.std())
