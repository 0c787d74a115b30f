"""The chest without contrast: LPS, mm, the heart in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from plugins.dsa_interpolation.simulator.background import (
    BONE,
    WATER,
    Body,
    fractal,
    shadows,
    tubes,
    warped,
)
from plugins.dsa_interpolation.simulator.vessels import (
    Growth,
    Vessels,
    course,
    free,
    grow,
    join,
    sprout,
)

if TYPE_CHECKING:
    from plugins.dsa_interpolation.simulator.background import Image
    from plugins.dsa_interpolation.simulator.carm import CArm
    from plugins.dsa_interpolation.simulator.vessels import Floats


def thorax(rng: np.random.Generator, carm: CArm, shape: tuple[int, int]) -> tuple[Image, Image]:
    """(still, breathing): spine, ribs, skin; and diaphragm, lungs' vessels."""
    middle = np.array((-24.0, 30, 0)) + rng.normal(0, (5, 5, 12))
    scale = rng.uniform(0.9, 1.12)
    still = shadows(_trunk(rng, middle, scale), carm, shape)
    bone = shadows(_spine(rng, middle), carm, shape)
    ribs = _ribs(rng, middle, scale)
    bone += tubes(ribs, carm, shape, BONE - WATER)
    bone -= tubes(_inner(ribs, 0.72), carm, shape, 0.7 * (BONE - WATER))
    still = ndimage.gaussian_filter(still, 5.0)
    bone = ndimage.gaussian_filter(bone, rng.uniform(0.6, 1.4))
    still += bone * (1 + 0.15 * fractal(rng, shape, 0.9, 0.9))
    still += rng.uniform(0.03, 0.09) * fractal(rng, shape, 1.6, 2.5)
    still = warped(rng, still, 3.0 / carm.millimetres)
    breathing = shadows(_domes(rng, middle), carm, shape)
    breathing = warped(rng, ndimage.gaussian_filter(breathing, 1.0), 4.0 / carm.millimetres)
    streaks = tubes(_lung_vessels(rng, middle), carm, shape, rng.uniform(0.7, 1.8) * WATER)
    breathing += ndimage.gaussian_filter(streaks, 0.8)
    breathing += rng.uniform(0.02, 0.06) * fractal(rng, shape, 1.3, 1.2)
    return still, breathing


def heart_shadow(rng: np.random.Generator, carm: CArm, shape: tuple[int, int]) -> Image:
    """The heart's soft border and uneven inside."""
    bodies = [
        Body((4, -4, -6), (52, 42, 62), 0.5 * WATER, (-35, 40, 0)),
        Body((-18, -2, 10), (44, 40, 52), 0.4 * WATER, (-20, 20, 0)),
    ]
    texture = 1 + 0.08 * fractal(rng, shape, 1.5, 2.0)
    found = ndimage.gaussian_filter(shadows(bodies, carm, shape), 4.0)
    return np.asarray(found * texture, np.float32)


def _trunk(rng: np.random.Generator, middle: Floats, scale: float) -> list[Body]:
    x, y, z = middle
    lung = -0.45 * WATER
    return [
        Body((x, y, z), (175 * scale, 118 * scale, 600), WATER),
        Body((x - 78, y - 5, z + 20), (62, 88, 140), lung, (0, 6, 0)),
        Body((x + 80, y + 4, z + 20), (58, 86, 135), lung, (0, -6, 0)),
        Body((x, y - 20, z + 60), (36, 40, 110), 0.35 * WATER),
        Body((x + 16, y + 34, z), (13, 13, 400), 0.22 * WATER),
    ]


def _spine(rng: np.random.Generator, middle: Floats) -> list[Body]:
    x, y, z = middle + np.array((0, 52, rng.uniform(-14, 14)))
    found = []
    for level in range(-6, 7):
        at = z + 27.0 * level
        found += [
            Body((x, y, at), (17, 14, 11), 0.55 * BONE, drum=True),
            Body((x, y, at), (15.5, 12.5, 9.8), -0.28 * BONE, drum=True),
            Body((x, y, at + 11), (19, 16, 1.5), 0.3 * BONE, drum=True),
            Body((x, y, at - 11), (19, 16, 1.5), 0.3 * BONE, drum=True),
            Body((x, y + 38, at - 10), (3.5, 16, 8), 0.8 * BONE, (25, 0, 0)),
        ]
        for side in (-1, 1):
            found += [
                Body((x + 15 * side, y + 14, at + 3), (4, 6, 5.5), 0.9 * BONE),
                Body((x + 28 * side, y + 22, at + 3), (13, 4, 4.5), 0.5 * BONE, (0, -12 * side, 0)),
            ]
    return found


def _ribs(rng: np.random.Generator, middle: Floats, scale: float) -> Vessels:
    growth = Growth(step=1.0)
    parts = []
    for level in range(-6, 7):
        for side in (-1, 1):
            a = np.linspace(0.15, 2.6, 12)
            round_ = np.stack([side * np.sin(a) * 142, np.cos(a) * 98, -34 * a + 27.0 * level], 1)
            way = middle + scale * round_ + np.array((0, 0, 20 + rng.normal(0, 2)))
            parts.append(course(rng, way, (5.0, 4.5), growth, 0, 0.5))
    return join(parts)


def _inner(outer: Vessels, share: float) -> Vessels:
    return Vessels(outer.points, outer.radii * share, outer.lengths, outer.delays)


def _domes(rng: np.random.Generator, middle: Floats) -> list[Body]:
    """Liver and stomach under the diaphragm, seen against the lungs."""
    x, y, z = middle + np.array((0, 0, -145 + rng.uniform(-25, 25)))
    return [
        Body((x - 72, y, z), (80, 92, 85), 0.62 * WATER),
        Body((x + 74, y + 4, z - 14), (74, 88, 85), 0.58 * WATER),
        Body((x + 60, y - 20, z + 30), (24, 30, 18), -0.6 * WATER),
    ]


def _lung_vessels(rng: np.random.Generator, middle: Floats) -> Vessels:
    growth = Growth(step=0.8, length=30, wander=0.05, thinnest=0.6, taper=0.01, sides=1.6)
    parts = []
    for side in (-1, 1):
        start = middle + np.array((28.0 * side, 10, 25))
        for _ in range(12):
            end = start + rng.normal(0, (18, 30, 40)) + np.array((55.0 * side, 0, -20))
            way = np.stack([start, 0.5 * (start + end) + rng.normal(0, 4, 3), end])
            trunk = course(rng, way, (rng.uniform(2, 3.4), 1.3), growth, 0, 1.0)
            parts += [trunk, grow(rng, sprout(rng, trunk, 9, (0.4, 0.8)), free, growth)]
    return join(parts)
