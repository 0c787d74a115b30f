"""What the rays meet apart from contrast: bone, soft tissue and air, as ellipsoids and textures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

from plugins.dsa_interpolation.simulator.carm import Solid, footprint, volumes
from plugins.dsa_interpolation.simulator.detector import enlarged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plugins.dsa_interpolation.simulator.carm import CArm
    from plugins.dsa_interpolation.simulator.vessels import Floats, Vessels

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


def warped(rng: np.random.Generator, layer: Image, deviation: float) -> Image:
    """No two patients alike: places drift by `deviation` px, slowly over the picture."""
    coarse = np.stack([fractal(rng, (16, 16), 2.6, 1.5) for _ in range(2)])
    drift = deviation * enlarged(coarse, layer.shape)
    grid = np.indices(layer.shape, dtype=np.float32) + drift
    found = ndimage.map_coordinates(layer, grid, order=1, mode="nearest", output=np.float32)
    return np.asarray(found)


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
