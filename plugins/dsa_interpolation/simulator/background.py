"""What the rays meet apart from contrast: bone, soft tissue and air, as ellipsoids and textures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

from plugins.dsa_interpolation.simulator.carm import Solid, footprint, volumes
from plugins.dsa_interpolation.simulator.detector import enlarged
from plugins.dsa_interpolation.simulator.vessels import (
    Growth,
    Seeds,
    Vessels,
    course,
    free,
    grow,
    join,
    shell,
    sprout,
    unit,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plugins.dsa_interpolation.simulator.carm import CArm
    from plugins.dsa_interpolation.simulator.vessels import Floats

    Image = NDArray[np.float32]

WATER, BONE = 0.020, 0.034  # absorption per mm at some 75 kV


@dataclass(frozen=True, slots=True)
class Body:
    """An ellipsoid: middle and half axes in LPS, mm; absorption per mm; turns, degrees."""

    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    absorption: float
    turns: tuple[float, float, float] = (0.0, 0.0, 0.0)

    drum: bool = False  # an upright cylinder instead

    def solid(self) -> Solid:
        """Its shape alone."""
        return Solid(np.array(self.centre), np.array(self.axes), turn(self.turns), self.drum)


@lru_cache(maxsize=256)
def turn(degrees: tuple[float, float, float]) -> Floats:
    """(3, 3): rows are the axes of a body turned about x, y and z in turn."""
    x, y, z = np.radians(degrees)
    about_x = np.array(((1, 0, 0), (0, np.cos(x), np.sin(x)), (0, -np.sin(x), np.cos(x))))
    about_y = np.array(((np.cos(y), 0, -np.sin(y)), (0, 1, 0), (np.sin(y), 0, np.cos(y))))
    about_z = np.array(((np.cos(z), np.sin(z), 0), (-np.sin(z), np.cos(z), 0), (0, 0, 1)))
    return np.asarray(about_x @ about_y @ about_z)


def fractal(
    rng: np.random.Generator, shape: tuple[int, int], exponent: float, fine: float
) -> Image:
    """Texture of deviation 1 whose amplitudes fall with frequency; nothing finer than `fine` px."""
    size = tuple(fft.next_fast_len(n, real=True) for n in shape)
    noise = fft.rfft2(rng.standard_normal(size, dtype=np.float32))
    y, x = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None]
    frequency = np.sqrt(y**2 + x**2).astype(np.float32)
    gain = np.maximum(frequency, 4 / min(size)) ** -exponent
    gain *= np.exp(-2 * (np.pi * fine * frequency) ** 2)
    gain[0, 0] = 0
    found = fft.irfft2(noise * gain, size)[: shape[0], : shape[1]]
    return np.asarray(found / found.std(), np.float32)


def shadows(bodies: list[Body], carm: CArm, shape: tuple[int, int]) -> Image:
    """(y, x): what bodies take from the rays, in natural logarithms."""
    found = np.zeros(shape, np.float32)
    for body in bodies:
        box, chords = carm.chords(body.solid(), shape)
        found[box] += np.float32(body.absorption) * chords
    return found


def tubes(vessels: Vessels, carm: CArm, shape: tuple[int, int], absorption: float) -> Image:
    """The shadow of tubes filled evenly."""
    if not len(vessels.radii):
        return np.zeros(shape, np.float32)
    places, scale = carm.seen(vessels.points)
    middle = (np.array(shape) - 1) / 2
    spread = footprint(places + middle, vessels.radii * scale, shape)
    return np.float32(absorption) * spread.image(volumes(vessels, scale))


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
        Body((4, -4, -6), (52, 42, 62), 0.35 * WATER, (-35, 40, 0)),
        Body((-18, -2, 10), (44, 40, 52), 0.25 * WATER, (-20, 20, 0)),
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


def warped(rng: np.random.Generator, layer: Image, deviation: float) -> Image:
    """No two patients alike: places drift by `deviation` px, slowly over the picture."""
    coarse = np.stack([fractal(rng, (16, 16), 2.6, 1.5) for _ in range(2)])
    drift = deviation * enlarged(coarse, layer.shape)
    grid = np.indices(layer.shape, dtype=np.float32) + drift
    found = ndimage.map_coordinates(layer, grid, order=1, mode="nearest", output=np.float32)
    return np.asarray(found)


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


def placed(
    layer: Image, shape: tuple[int, int], shift: Floats, degrees: float = 0, scale: float = 1
) -> Image:
    """The middle `shape` of a layer after a shift, px (y, x), a turn and a stretch."""
    middle, target = (np.array(layer.shape) - 1) / 2, (np.array(shape) - 1) / 2
    a = np.radians(degrees)
    matrix = np.array(((np.cos(a), np.sin(a)), (-np.sin(a), np.cos(a)))) / scale
    offset = middle - matrix @ (target + shift)
    if degrees == 0 and scale == 1:
        return _slid(layer, shape, offset)
    return np.asarray(
        ndimage.affine_transform(layer, matrix, offset, shape, order=1, mode="nearest")
    )


def _slid(layer: Image, shape: tuple[int, int], offset: Floats) -> Image:
    """From `offset` px (y, x) on, by cubic convolution (Keys 1981): keeps what is sharp sharp."""
    limit = np.array(layer.shape) - shape - 3
    offset = np.clip(offset, 1, limit)
    first = np.floor(offset).astype(int)
    y, x = first - 1
    part = layer[y : y + shape[0] + 3, x : x + shape[1] + 3]
    rows, columns = (_taps(float(f)) for f in offset - first)
    part = sum((rows[i] * part[i : i + shape[0]] for i in range(1, 4)), rows[0] * part[: shape[0]])
    found = sum(
        (columns[i] * part[:, i : i + shape[1]] for i in range(1, 4)),
        columns[0] * part[:, : shape[1]],
    )
    return np.asarray(found, np.float32)


def _taps(t: float) -> NDArray[np.float32]:
    """Weights of the four neighbours of a place a share `t` after the second."""
    weights = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2)
    return np.array(weights, np.float32) * np.float32(0.5)
