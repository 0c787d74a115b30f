"""Coronary arteries on a beating heart.

The heart's own frame: the origin in the middle of the left ventricle, z towards the apex, x towards
the anterior groove, y towards the lateral wall. Its surface is an ellipsoid, θ counts from the apex
and φ from the anterior groove, both in degrees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from plugins.dsa_interpolation.simulator.vessels import (
    Growth,
    Seeds,
    Vessels,
    course,
    grow,
    join,
    shell,
    sprout,
    unit,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugins.dsa_interpolation.simulator.vessels import Floats

AXES = np.array((41.0, 39.0, 56.0))  # half axes, mm
APEX, GROOVE = np.array((0.62, -0.50, -0.60)), np.array((0.3, -0.8, 0.5))  # LPS
RIGHT_BULGE = 1.22  # the right heart lies outside the ellipsoid
SWAY = (1.5, 2.0, 2.5)  # mm by which the whole heart moves in a beat
RISE, FALL, REST = 0.34, 0.55, 0.85  # shares of a beat: contraction, relaxation, filling


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How the heart moves."""

    rate: float = 1.1  # beats a second
    beat: float = 0.0  # phase at time 0, 0 to 1
    strength: float = 1.0
    unsteady: float = 0.05  # share by which beats differ in length

    def contraction(self, times: Floats) -> Floats:
        """(t,): 0 filled, 1 contracted."""
        drift = self.unsteady * np.sin(2 * np.pi * 0.37 * times + 9 * self.beat)
        phase = (self.rate * times + self.beat + drift) % 1
        knots = (0, 0.08, 0.2, RISE, 0.42, FALL, 0.65, REST, 0.93, 1)
        levels = (0, 0.18, 0.72, 1, 0.82, 0.34, 0.2, 0.14, 0.04, 0)
        return np.asarray(self.strength * _softly(phase, knots, levels))

    def moved(self, points: Floats, contraction: float) -> Floats:
        """Points (n, 3) of the heart's frame, contracted: base to apex, walls inwards, a twist."""
        height = points[:, 2] / AXES[2]
        narrow = 1 - contraction * (0.13 + 0.04 * height)
        twist = np.radians(contraction * (5 * height - 1))
        x, y = points[:, 0] * narrow, points[:, 1] * narrow
        z = AXES[2] - (AXES[2] - points[:, 2]) * (1 - 0.135 * contraction)
        turned = (x * np.cos(twist) - y * np.sin(twist), x * np.sin(twist) + y * np.cos(twist))
        return np.stack([*turned, z], axis=1) + contraction * np.array(SWAY)


def _softly(phase: Floats, knots: Sequence[float], levels: Sequence[float]) -> Floats:
    from scipy.interpolate import PchipInterpolator

    return np.asarray(PchipInterpolator(knots, levels)(phase))


def frame() -> Floats:
    """Rows (3, 3): the heart's axes in the patient (LPS)."""
    apex = APEX / np.linalg.norm(APEX)
    groove = unit(GROOVE - apex * (GROOVE @ apex))
    return np.stack([groove, np.cross(groove, apex), apex])


def surface(places: Sequence[tuple[float, float]] | Floats, level: float = 1.0) -> Floats:
    """(n, 3) mm: of places (θ, φ) in degrees."""
    polar, round_ = np.radians(np.asarray(places, float)).T
    right = (0.5 - 0.5 * np.sin(round_)) ** 2
    flat = np.sin(polar) * level * (1 + (RIGHT_BULGE - 1) * right)
    places_ = [flat * np.cos(round_), flat * np.sin(round_), np.cos(polar)]
    return np.asarray(AXES * np.stack(places_, axis=1))


def coronary(rng: np.random.Generator, side: str, growth: Growth, size: float = 1.0) -> Vessels:
    """The left or the right coronary artery, in the heart's frame, mm."""
    trunks = (_left if side == "left" else _right)(rng, growth, size)
    parts = [trunk for trunk, _, _ in trunks]
    large = replace(growth, length=46, sides=1.4, wander=0.11)
    for trunk, spacing, ratio in trunks:
        if spacing:
            seeds = sprout(rng, trunk, spacing, ratio, _to_apex(side))
            parts.append(_on_its_level(rng, seeds, large))
            fine = sprout(rng, trunk, 0.8 * spacing, (0.15, 0.3))
            parts.append(_on_its_level(rng, fine, replace(growth, length=18, wander=0.16)))
    return join(parts)


def _to_apex(side: str) -> tuple[float, float, float]:
    return (0.0, 0.25 if side == "left" else -0.2, 1.0)


def _on_its_level(rng: np.random.Generator, seeds: Seeds, growth: Growth) -> Vessels:
    """Branches stay as far out as the trunk that they leave."""
    level = float(np.sqrt(((seeds.points / AXES) ** 2).sum(1)).mean())
    return grow(rng, seeds, shell(AXES * level, 0.12), growth)


Trunk = tuple[Vessels, float, tuple[float, float]]  # spacing mm and radii of its branches


def _left(rng: np.random.Generator, growth: Growth, size: float) -> list[Trunk]:
    """Main stem, anterior descending in its groove, circumflex round the base."""
    fork = (93 + rng.uniform(-3, 3), 14 + rng.uniform(-8, 8))
    root = surface([(112, -12)], 0.72)[0]
    at_fork = surface([fork])[0]
    stem = course(rng, [root, 0.5 * (root + at_fork) * 1.03, at_fork], (2.3 * size, 2.0 * size),
                  growth, 0, 0.3)  # fmt: skip
    begin = float(stem.delays[-1])
    reach = rng.uniform(-14, 12)
    way = surface(_jittered(rng, [fork, (80, 6), (62, 0), (44, 0), (26, 2), (reach, 5)], 3))
    descending = course(rng, way, (1.75 * size, 0.55 * size), growth, begin, 1.4)
    end = rng.uniform(95, 175)
    round_ = [(fork[0] + 5, fork[1] + 10), (101, 50), (101, 0.5 * (50 + end)), (98, end)]
    way = surface(_jittered(rng, [fork, *round_], 3))
    circumflex = course(rng, way, (1.6 * size, 0.7 * size), growth, begin, 1.5)
    return [
        (stem, 0, (0, 0)),
        (descending, rng.uniform(11, 19), (0.45, 0.8)),
        (circumflex, rng.uniform(13, 24), (0.5, 0.9)),
    ]


def _right(rng: np.random.Generator, growth: Growth, size: float) -> list[Trunk]:
    """Round the base on the right, to the crux, down the inferior groove and on to the left."""
    root = surface([(112, -25)], 0.75)[0]
    base = [(104, -42), (99, -70), (97, -105), (98, -140), (97, -168), (95, -182)]
    way = np.concatenate([root[None], surface(_jittered(rng, base, 3))])
    main = course(rng, way, (1.9 * size, 1.35 * size), growth, 0, 1.8)
    begin = float(main.delays[-1])
    down = _jittered(rng, [(95, -182), (82, -180), (60, -176), (rng.uniform(25, 45), -178)], 3)
    posterior = course(rng, surface(down), (1.15 * size, 0.4 * size), growth, begin, 1.5)
    on = _jittered(rng, [(95, -182), (96, -200), (86, -222), (62, -230)], 4)
    lateral = course(rng, surface(on), (1.1 * size, 0.4 * size), growth, begin, 1.5)
    return [
        (main, rng.uniform(18, 32), (0.3, 0.6)),
        (posterior, rng.uniform(9, 15), (0.35, 0.7)),
        (lateral, rng.uniform(9, 15), (0.4, 0.8)),
    ]


def _jittered(
    rng: np.random.Generator, places: Sequence[tuple[float, float]], degrees: float
) -> Floats:
    """The first stays."""
    moved = np.asarray(places, float)
    moved[1:] += rng.normal(0, degrees, moved[1:].shape)
    return moved


def catheter(rng: np.random.Generator, root: Floats) -> Vessels:
    """From the aortic arch down to the ostium, in the heart's frame, mm."""
    up = frame() @ np.array((0, 0, 1.0))
    away = frame() @ np.array((-0.6, 0.5, 0.2))
    bends = ((0, 0), (6, 0), (16, 8), (14, 45), (6, 130))
    way = [root + out * away + high * up for out, high in bends]
    return course(rng, np.stack(way), (0.9, 0.9), Growth(step=0.3), 0, 0.6)


def reflux(rng: np.random.Generator, root: Floats) -> Vessels:
    """Contrast that falls back into the aortic root: some clouds about the ostium."""
    count = int(rng.integers(60, 240))
    way = np.cumsum(rng.normal(0, 1.6, (count, 3)), axis=0)
    points = root + 7.0 * np.tanh(way / 10) - np.array((0, 0, 5.0))
    radii = rng.uniform(0.6, 3.0, count)
    lengths = rng.uniform(0.0, 60, count) / count / radii
    return Vessels(points, radii, lengths, rng.uniform(0.0, 0.5, count))
