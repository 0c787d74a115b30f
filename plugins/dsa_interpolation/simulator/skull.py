"""The head without contrast: LPS, mm, the brain in the middle."""

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
from plugins.dsa_interpolation.simulator.vessels import Growth, Seeds, Vessels, grow, shell, unit

if TYPE_CHECKING:
    from plugins.dsa_interpolation.simulator.background import Image
    from plugins.dsa_interpolation.simulator.carm import CArm


def skull(rng: np.random.Generator, carm: CArm, shape: tuple[int, int]) -> Image:
    """The head without contrast."""
    scale = rng.uniform(0.97, 1.06)
    soft = shadows(_soft_head(rng), carm, shape)
    bone = shadows(_vault(rng, scale) + _face(rng) + _base(rng) + _neck(rng), carm, shape)
    bone -= tubes(_grooves(rng), carm, shape, 0.5 * BONE)
    bone *= 1 + 0.14 * fractal(rng, shape, 0.7, 0.7) + 0.20 * fractal(rng, shape, 1.5, 2)
    found = soft + bone + 0.04 * fractal(rng, shape, 1.5, 2)
    return warped(rng, ndimage.gaussian_filter(found, 0.7), 1.8 / carm.millimetres)


def _grooves(rng: np.random.Generator) -> Vessels:
    """Sutures and the furrows of vessels on the inside of the vault."""
    growth = Growth(step=0.6, length=60, wander=0.08, thinnest=0.5, taper=0.002, sides=0.8)
    inside = np.array((69.0, 88, 68))
    points = unit(rng.normal(0, 1, (9, 3)) + np.array((0, 0, 0.7))) * inside
    seeds = Seeds(
        points, unit(rng.normal(0, 1, (9, 3))), rng.uniform(0.7, 1.3, 9), *np.zeros((2, 9))
    )
    return grow(rng, seeds, shell(inside, 0.12), growth)


def _soft_head(rng: np.random.Generator) -> list[Body]:
    return [
        Body((0, 2, 4), (80, 100, 82), WATER),
        Body((0, 12, -120), (58, 60, 90), WATER),
        Body((0, -58, -62), (52, 42, 58), 0.9 * WATER),
        Body((0, -78, -40), (10, 14, 26), -0.7 * WATER),
        Body((0, -30, -110), (14, 14, 60), -0.8 * WATER),
    ]


def _vault(rng: np.random.Generator, scale: float) -> list[Body]:
    outer = np.array((74.0, 93, 73)) * scale
    thick = rng.uniform(4.5, 7)
    inner = outer - thick
    found = [
        Body((0, 2, 3), tuple(outer), BONE),
        Body((0, 2, 3), tuple(inner), -BONE),
        Body((0, 2, 3), tuple(outer - 0.36 * thick), -0.45 * BONE),
        Body((0, 2, 3), tuple(outer - 0.64 * thick), 0.45 * BONE),
    ]
    return found + [  # frontal sinus
        Body((9 * side, -84, -18), (10, 5, 9), -0.8 * BONE) for side in (-1, 1)
    ]


def _base(rng: np.random.Generator) -> list[Body]:
    found = [
        Body((0, -14, -46), (12, 9, 7), BONE, (0, 0, 0)),
        Body((0, -18, -40), (8, 6, 4), -BONE),
        Body((0, 10, -56), (16, 22, 6), 0.9 * BONE, (35, 0, 0)),
        Body((0, 40, -62), (44, 40, 6), 0.7 * BONE, (-12, 0, 0)),
    ]
    for side in (-1, 1):
        found += [
            Body((33 * side, 6, -45), (30, 9, 8), 1.2 * BONE, (0, 0, 35 * side)),
            Body((54 * side, 22, -58), (11, 14, 18), 0.6 * BONE),
            Body((34 * side, -34, -38), (34, 3.5, 5), 0.8 * BONE, (0, 10 * side, -15 * side)),
        ]
        cells = rng.uniform((46, 12, -72), (62, 32, -46), (14, 3))
        found += [Body((side * x, y, z), (3, 3, 3), -0.7 * BONE) for x, y, z in cells.tolist()]
    return found


def _face(rng: np.random.Generator) -> list[Body]:
    found = [
        Body((0, -70, -84), (30, 22, 8), 0.6 * BONE),
        Body((0, -62, -112), (46, 30, 11), 0.7 * BONE, (15, 0, 0)),
        Body((0, -54, -109), (38, 27, 14), -0.7 * BONE, (15, 0, 0)),
        Body((0, -76, -58), (1.2, 16, 20), 0.9 * BONE),
    ]
    for side in (-1, 1):
        found += [
            Body((33 * side, -66, -34), (22, 24, 19), 0.5 * BONE),
            Body((33 * side, -68, -34), (20, 26, 17), -0.55 * BONE),
            Body((30 * side, -62, -64), (16, 18, 18), -0.55 * BONE),
            Body((52 * side, -46, -58), (6, 24, 7), 0.8 * BONE, (0, 0, 20 * side)),
            Body((46 * side, -22, -92), (4, 14, 26), 0.8 * BONE),
        ]
        for tooth in range(7):
            a = np.radians(12 + 12 * tooth)
            x, y = 25 * np.sin(a) * side, -88 + 30 * (1 - np.cos(a))
            found += [
                Body((x, y, -90), (3.2, 3.4, 10), 1.1 * BONE),
                Body((x * 0.94, y + 1, -106), (2.8, 3.2, 10), 1.1 * BONE),
            ]
    return found


def _neck(rng: np.random.Generator) -> list[Body]:
    found = []
    for level in range(6):
        z, y = -80 - 18.0 * level, 22.0 + 2 * level
        found += [
            Body((0, y, z), (12, 9, 7), 0.5 * BONE, drum=True),
            Body((0, y + 34, z - 4), (4, 12, 5), 0.6 * BONE, (20, 0, 0)),
            Body((24, y + 8, z), (8, 8, 6), 0.5 * BONE),
            Body((-24, y + 8, z), (8, 8, 6), 0.5 * BONE),
        ]
    return found
