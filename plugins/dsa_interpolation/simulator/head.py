"""Arteries and veins of the brain; LPS, mm, the origin in the middle of the brain."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from plugins.dsa_interpolation.simulator.vessels import (
    Growth,
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

    from plugins.dsa_interpolation.simulator.vessels import Floats, Guide

DILUTED = 0.55  # by blood that comes from where nothing was injected
BRAIN = np.array((66.0, 84.0, 62.0))  # half axes, mm
CAROTID = (
    (24, 2, -150), (26, 4, -120), (22, 2, -95), (25, -2, -72), (27, 0, -56), (22, -5, -50),
    (14, -11, -48), (11, -17, -41), (11, -25, -36), (10, -27, -30), (10, -21, -26), (11, -17, -21),
)  # fmt: skip
MIDDLE = ((11, -17, -21), (20, -19, -20), (31, -17, -19), (39, -13, -15))
ANTERIOR = (
    (11, -17, -21), (6, -24, -19), (2.5, -31, -14), (2, -45, -2), (2, -52, 14), (2, -42, 29),
    (2, -18, 36), (2, 10, 36), (2, 34, 30),
)  # fmt: skip
VERTEBRAL = (
    (18, 6, -150), (20, 8, -118), (24, 10, -92), (27, 22, -84), (18, 30, -76), (6, 14, -66),
    (1, 4, -54), (0, -4, -38), (0, -4, -24),
)  # fmt: skip
POSTERIOR = (
    (0, -4, -24), (9, 2, -21), (18, 16, -18), (18, 34, -13), (14, 55, -6), (10, 72, 2)
)  # fmt: skip
CEREBELLAR = ((0, -4, -28), (14, 4, -30), (26, 22, -32), (30, 42, -34), (18, 58, -36))
SINUS = (
    (0, -72, 22), (0, -62, 42), (0, -38, 60), (0, 0, 66), (0, 36, 61), (0, 62, 44), (0, 80, 18),
    (1, 84, -8),
)  # fmt: skip
TRANSVERSE = (
    (1, 84, -8), (18, 80, -14), (38, 66, -19), (50, 44, -23), (50, 30, -34), (42, 22, -48),
    (34, 18, -62), (32, 12, -82), (30, 8, -110), (28, 6, -150),
)  # fmt: skip
DEEP = (
    (2, -12, 4), (2, 2, 9), (2, 20, 8), (1, 34, 6), (0, 46, 14), (0, 62, 8), (0, 84, -8)
)  # fmt: skip


def anterior_circulation(
    rng: np.random.Generator, side: int, growth: Growth, size: float = 1.0
) -> Vessels:
    """What an injection into an internal carotid artery fills; side 1 left, -1 right."""
    growth = _quick(growth)
    carotid = course(rng, _bent(rng, CAROTID, 2.2), (2.4 * size, 1.75 * size), growth, 0, 0.8)
    begin = float(carotid.delays[-1])
    middle = course(rng, _bent(rng, MIDDLE, 1.5), (1.35 * size, 1.15 * size), growth, begin, 0.6)
    parts = [carotid, middle]
    for radius, way in _middle_trunks(rng):
        trunk = course(rng, way, (radius * size, 0.5 * size), growth, float(middle.delays[-1]), 1.6)
        parts += [trunk, *_dressed(rng, trunk, growth, shell(BRAIN, 0.12), 9)]
    if rng.random() < 0.85:
        anterior = course(
            rng, _bent(rng, ANTERIOR, 1.2), (1.15 * size, 0.4 * size), growth, begin, 0.8
        )
        parts += [anterior, *_dressed(rng, anterior, growth, _beside_midline, 11)]
    if rng.random() < 0.2:
        parts += _posterior(rng, growth, 0.8 * size, begin)
    return _sided(join(parts), side)


def posterior_circulation(
    rng: np.random.Generator, side: int, growth: Growth, size: float = 1.0
) -> Vessels:
    """What an injection into a vertebral artery fills."""
    growth = _quick(growth)
    vertebral = course(rng, _bent(rng, VERTEBRAL, 2.0), (1.9 * size, 1.6 * size), growth, 0, 0.7)
    begin = float(vertebral.delays[-1])
    both = [_sided(join(_posterior(rng, growth, size, begin)), s) for s in (1, -1)]
    return join([_sided(vertebral, side), *both])


def _quick(growth: Growth) -> Growth:
    """The brain's arteries carry blood faster than the heart's."""
    return replace(growth, speed=480.0, slowing=0.55)


def _posterior(
    rng: np.random.Generator, growth: Growth, size: float, begin: float
) -> list[Vessels]:
    parts = []
    for way, radius in ((POSTERIOR, 1.15), (CEREBELLAR, 0.85)):
        trunk = course(rng, _bent(rng, way, 3.0), (radius * size, 0.45 * size), growth, begin, 1.4)
        parts += [trunk, *_dressed(rng, trunk, growth, shell(BRAIN * 0.95, 0.06), 9)]
    return parts


def _middle_trunks(rng: np.random.Generator) -> list[tuple[float, Floats]]:
    """Over the insula, out of the fissure and along the surface, as a fan from front to back."""
    trunks: list[tuple[float, Floats]] = []
    for turn in np.linspace(-62, 82, int(rng.integers(5, 9))) + rng.normal(0, 6):
        a = np.radians(turn + rng.normal(0, 5))
        out = np.array((0.0, np.sin(a), np.cos(a)))
        insula = np.array((rng.uniform(36, 44), -6, -8)) + rng.uniform(8, 26) * out
        lip = np.array((55.0, -4, -8)) + rng.uniform(8, 30) * out
        far = [_on_brain(lip + length * out) for length in (16, 36, 52 + rng.uniform(-8, 12))]
        way = np.stack([np.array(MIDDLE[-1], float), insula, _on_brain(lip), *far])
        trunks.append((rng.uniform(0.65, 0.95), way + rng.normal(0, 2.0, way.shape)))
    return trunks


def _on_brain(point: Floats) -> Floats:
    level = np.sqrt(((point[1:] / BRAIN[1:]) ** 2).sum())
    across = BRAIN[0] * np.sqrt(max(1 - min(level, 0.97) ** 2, 0.02))
    inward = min(1.0, 0.97 / max(level, 1e-6))
    return np.array((across, point[1] * inward, point[2] * inward))


def _dressed(
    rng: np.random.Generator, trunk: Vessels, growth: Growth, guide: Guide, spacing: float
) -> list[Vessels]:
    """Large and small branches of a trunk."""
    large = sprout(rng, trunk, spacing, (0.5, 0.85))
    small = sprout(rng, trunk, 0.5 * spacing, (0.25, 0.45))
    far = replace(growth, length=38, wander=0.07)
    return [grow(rng, large, guide, far), grow(rng, small, guide, growth)]


def _beside_midline(positions: Floats, directions: Floats) -> Floats:
    """Vessels of the inner face of a hemisphere, which turn back at its rim."""
    level = np.sqrt(((positions[:, 1:] / BRAIN[1:]) ** 2).sum(1, keepdims=True))
    away = np.array((1, 0, 0)) * (6 - positions[:, :1]) * 0.02
    flat = directions * np.array((0.8, 1, 1))
    back = unit(positions * np.array((0, 1, 1)) / BRAIN**2)
    return np.asarray(flat + away - 0.3 * back * np.clip(8 * (level - 0.88), 0, 1))


def catheter(rng: np.random.Generator, root: Floats) -> Vessels:
    """Its tip in the neck, where the injected artery begins."""
    way = root - np.array(((0, 0, -3), (2, -2, 12), (4, -2, 40)))
    return course(rng, way, (0.8, 0.8), Growth(step=0.4), 0, 0.3)


def veins(
    rng: np.random.Generator, growth: Growth, size: float, through: float, shown: float
) -> Vessels:
    """Both sides' veins and sinuses, which blood reaches after `through` s; the outlet is last."""
    wide = replace(growth, speed=0.55 * growth.speed)
    sinus = course(rng, _bent(rng, SINUS, 1.0), (1.4 * size, 3.4 * size), wide, 0, 0.6)
    parts = [sinus]
    for side, share in ((1, rng.uniform(0.4, 1.1)), (-1, rng.uniform(0.4, 1.1))):
        drain = course(rng, _bent(rng, TRANSVERSE, 1.5), (2.8 * share, 3.3 * share), wide, 0, 0.8)
        parts.append(_sided(drain, side))
    parts.append(course(rng, _bent(rng, DEEP, 1.0), (0.7 * size, 1.7 * size), wide, 0, 0.5))
    for side in (1, -1):
        bridging = sprout(rng, sinus, 11, (0.2, 0.5), (side, 0.1, -0.3))
        straight = replace(wide, length=55, wander=0.035, sides=1.5)
        parts.append(grow(rng, bridging, shell(BRAIN, 0.12), straight))
    return _drained(join(parts), through, DILUTED * shown)


def _drained(found: Vessels, through: float, share: float) -> Vessels:
    """Blood comes from the fine veins on top and in front, and leaves through the neck."""
    heights = found.points[:, 2] / 60 - found.points[:, 1] / 160
    late = 0.9 * np.clip(found.radii / 3, 0, 1) + 0.8 * np.clip(0.6 - heights, 0, 2)
    return replace(found, delays=through + late, lengths=share * found.lengths)


def _bent(rng: np.random.Generator, through: Sequence[Sequence[float]], deviation: float) -> Floats:
    """The course of one patient; its ends stay."""
    moved = np.asarray(through, float)
    moved[1:-1] += rng.normal(0, deviation, moved[1:-1].shape) * np.array((0.8, 1, 1))
    return moved


def _sided(found: Vessels, side: int) -> Vessels:
    return replace(found, points=found.points * np.array((side, 1, 1)))
