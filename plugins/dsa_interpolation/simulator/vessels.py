"""Vessels in space: courses through given points, and branches that grow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import CubicSpline

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.floating]
# (positions (n, 3), directions (n, 3)) -> directions that lead where vessels may run
Guide = Callable[[Floats, Floats], Floats]

MURRAY = 3.0  # the cubes of the children's radii add up to the parent's


@dataclass(frozen=True, slots=True)
class Vessels:
    """Points along the middles of vessels, each standing for a short cylinder."""

    points: Floats  # (n, 3), mm
    radii: Floats  # (n,), mm
    lengths: Floats  # (n,), mm
    delays: Floats  # (n,), s that blood takes from the inlet to here


@dataclass(frozen=True, slots=True)
class Seeds:
    """Where branches begin."""

    points: Floats  # (n, 3), mm
    headings: Floats  # (n, 3), unit vectors
    radii: Floats  # (n,), mm
    delays: Floats  # (n,), s
    hidden: Floats  # (n,), mm of their beginning that lie inside the parent

    def chosen(self, which: Floats | NDArray[np.bool_]) -> Seeds:
        """Those at the given indices."""
        return Seeds(*(getattr(self, f.name)[which] for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Growth:
    """How branches grow."""

    step: float = 0.3  # mm between points
    length: float = 26.0  # of a branch, in radii
    wander: float = 0.06  # deviation of the turn, radians per mm
    bend: float = 4.0  # mm over which a turn lasts
    angle: float = 1.2  # between two children, radians
    thinnest: float = 0.18  # mm
    taper: float = 0.004  # loss of radius, per mm
    sides: float = 1.0  # mean number of side branches of a branch
    speed: float = 250.0  # of blood in a vessel of 2 mm radius, mm/s
    slowing: float = 0.7  # speed goes with radius to this power

    def speeds(self, radii: Floats) -> Floats:
        """Of blood in vessels of these radii, mm/s."""
        return np.asarray(self.speed * np.clip(radii / 2, 0.05, 1) ** self.slowing)


def join(parts: Sequence[Vessels]) -> Vessels:
    """All of them."""
    return Vessels(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Vessels)))


def course(
    rng: np.random.Generator,
    through: Sequence[Sequence[float]] | Floats,
    radii: tuple[float, float],
    growth: Growth,
    delay: float = 0.0,
    wobble: float = 1.5,
) -> Vessels:
    """A vessel through points (n, 3), thinning from the first radius to the second, mm."""
    knots = np.asarray(through, float)
    way = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))))
    count = max(4, int(way[-1] / growth.step))
    share = np.linspace(0, 1, count)
    points = CubicSpline(way, knots)(share * way[-1])
    fade = np.minimum(1, 4 * share * way[-1] / max(way[-1], 1e-6))[:, None]
    points = points + wobble * fade * smooth(rng, (count, 3), 2.0 * growth.bend / growth.step)
    radius = radii[0] + (radii[1] - radii[0]) * share
    lengths = np.linalg.norm(np.gradient(points, axis=0), axis=1)
    delays = delay + np.cumsum(lengths / growth.speeds(radius))
    return Vessels(points, radius, lengths, delays)


def thinned(found: Vessels, places: NDArray[np.int_], step: float) -> Vessels:
    """Every n-th point where wide vessels need no more; `places` count along each branch."""
    every = np.maximum(1, 0.5 * found.radii / step).astype(int)
    kept = places % every == 0
    longer = Vessels(found.points, found.radii, found.lengths * every, found.delays)
    return Vessels(*(getattr(longer, f.name)[kept] for f in fields(Vessels)))


def smooth(rng: np.random.Generator, shape: tuple[int, ...], size: float) -> Floats:
    """Noise of deviation 1, smooth along the first axis over `size` places."""
    noise = ndimage.gaussian_filter1d(rng.standard_normal(shape), size, axis=0, mode="reflect")
    return np.asarray(noise * np.sqrt(2 * np.sqrt(np.pi) * max(size, 0.3)))


def sprout(
    rng: np.random.Generator,
    trunk: Vessels,
    spacing: float,
    ratio: tuple[float, float],
    toward: Sequence[float] | None = None,
) -> Seeds:
    """Side branches every `spacing` mm, their radii `ratio` of the trunk's, all ways or one."""
    total = float(trunk.lengths.sum())
    count = max(1, int(total / spacing))
    at = ((np.arange(count) + rng.uniform(0.25, 0.95, count)) / count * len(trunk.radii)).astype(
        int
    )
    at = np.clip(at, 1, len(trunk.radii) - 2)
    along = unit(trunk.points[at + 1] - trunk.points[at - 1])
    side = rng.standard_normal((count, 3)) if toward is None else np.asarray(toward, float)
    side = side + 0.35 * rng.standard_normal((count, 3))
    across = unit(side - along * (side * along).sum(1, keepdims=True))
    angle = rng.uniform(0.6, 1.2, (count, 1))
    radii = trunk.radii[at] * rng.uniform(*ratio, count)
    headings = np.cos(angle) * along + np.sin(angle) * across
    return Seeds(trunk.points[at], headings, radii, trunk.delays[at], 0.8 * trunk.radii[at])


def unit(vectors: Floats) -> Floats:
    """Vectors (n, 3) of length 1."""
    squares = np.einsum("...i,...i->...", vectors, vectors)[..., None]
    return np.asarray(vectors / np.sqrt(np.maximum(squares, 1e-18)))


def grow(rng: np.random.Generator, seeds: Seeds, guide: Guide, growth: Growth) -> Vessels:
    """Everything that grows from the seeds, one generation of branches after the other."""
    found: list[Vessels] = []
    seeds = seeds.chosen(seeds.radii > growth.thinnest)
    while len(seeds.radii):
        walked = _walk(rng, seeds, guide, growth)
        found.append(walked.vessels(seeds, growth))
        seeds = walked.children(rng, growth)
    empty = Vessels(np.empty((0, 3)), np.empty(0), np.empty(0), np.empty(0))
    return join(found or [empty])


@dataclass(frozen=True, slots=True)
class _Walked:
    """One generation: step × branch."""

    points: Floats  # (m, n, 3)
    headings: Floats  # (m, n, 3)
    radii: Floats  # (m, n)
    delays: Floats  # (m, n)
    steps: NDArray[np.int_]  # (n,) of the m that the branch is long

    def vessels(self, seeds: Seeds, growth: Growth) -> Vessels:
        step = np.arange(len(self.radii))[:, None]
        real = (step < self.steps) & (step * growth.step >= seeds.hidden)
        lengths = np.full(int(real.sum()), growth.step)
        found = Vessels(self.points[real], self.radii[real], lengths, self.delays[real])
        return thinned(found, np.broadcast_to(step, real.shape)[real], growth.step)

    def children(self, rng: np.random.Generator, growth: Growth) -> Seeds:
        """Two at the end of each branch, and some on its sides."""
        count = len(self.steps)
        ends = self.steps - 1
        share = rng.uniform(0.15, 0.5, count)
        first = self._turned(rng, ends, np.arange(count), share, growth)
        second = self._turned(rng, ends, np.arange(count), 1 - share, growth, mirrored=first)
        owner = np.repeat(np.arange(count), rng.poisson(growth.sides, count))
        places = (self.steps[owner] * rng.uniform(0.15, 0.9, len(owner))).astype(int)
        shares = rng.uniform(0.05, 0.25, len(owner))
        sides = self._turned(rng, places, owner, shares, growth)
        every = Seeds(
            *(
                np.concatenate([getattr(s, f.name) for s in (first, second, sides)])
                for f in fields(Seeds)
            )
        )
        return every.chosen(every.radii > growth.thinnest)

    def _turned(
        self,
        rng: np.random.Generator,
        step: NDArray[np.int_],
        owner: NDArray[np.int_],
        share: Floats,
        growth: Growth,
        mirrored: Seeds | None = None,
    ) -> Seeds:
        along, parent = self.headings[step, owner], self.radii[step, owner]
        side = along - mirrored.headings if mirrored else rng.standard_normal(along.shape)
        across = unit(side - along * (side * along).sum(1, keepdims=True))
        angle = growth.angle * (1 - share)[:, None] * rng.uniform(0.7, 1.3, (len(step), 1))
        return Seeds(
            self.points[step, owner],
            np.cos(angle) * along + np.sin(angle) * across,
            parent * share ** (1 / MURRAY),
            self.delays[step, owner],
            0.7 * parent,
        )


def _walk(rng: np.random.Generator, seeds: Seeds, guide: Guide, growth: Growth) -> _Walked:
    count = len(seeds.radii)
    wanted = growth.length * np.sqrt(seeds.radii) * rng.uniform(0.5, 1.5, count)
    steps = np.maximum(4, (wanted / growth.step).astype(int))
    most = int(steps.max())
    turns = growth.wander * growth.step * smooth(rng, (most, count, 3), growth.bend / growth.step)
    points, headings = np.empty((2, most, count, 3))
    position, heading = seeds.points, unit(guide(seeds.points, seeds.headings))
    for step in range(most):
        points[step], headings[step] = position, heading
        heading = unit(guide(position, heading + turns[step]))
        position = position + growth.step * heading
    radii = seeds.radii * np.exp(-growth.taper * growth.step * np.arange(most))[:, None]
    delays = seeds.delays + np.cumsum(growth.step / growth.speeds(radii), axis=0)
    return _Walked(points, headings, radii, delays, steps)


def shell(axes: Sequence[float] | Floats, stiffness: float = 0.15) -> Guide:
    """Vessels that run on the ellipsoid with these half axes (3,), mm, about the origin."""
    squares = np.asarray(axes, float) ** 2

    def guide(positions: Floats, directions: Floats) -> Floats:
        level = np.sqrt((positions**2 / squares).sum(1, keepdims=True))
        normal = unit(positions / squares)
        inward = stiffness * np.clip((level - 1) * 20, -2, 2)
        along = directions - normal * (directions * normal).sum(1, keepdims=True)
        return np.asarray(along - inward * normal)

    return guide


def free(positions: Floats, directions: Floats) -> Floats:
    """Vessels that run anywhere."""
    return directions
