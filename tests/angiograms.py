"""Small angiograms whose truth is known, for the tests of subtraction, curves and maps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Motion = Callable[[Array, Array], tuple[Any, Any]]

SIZE = 256
BLUR = 0.8  # px, of the detector


def still(y: Array, x: Array) -> tuple[Any, Any]:
    """No motion."""
    return 0.0, 0.0


def shifted(dy: float, dx: float) -> Motion:
    """The patient moves as a whole, px."""
    return lambda y, x: (dy, dx)


@lru_cache(maxsize=4)
def _anatomy(seed: int, size: int) -> Array:
    """Attenuation (2 size, 2 size): soft tissue, ribs and a skull-like edge, twice as fine."""
    rng = np.random.default_rng(seed)
    fine = 2 * size
    y, x = np.mgrid[:fine, :fine] / fine
    soft = sum(
        ndimage.zoom(rng.normal(size=(n, n)), fine / n, order=3)[:fine, :fine] * 0.5 / n
        for n in (4, 8, 16, 32, 64)
    )
    bones = np.zeros((fine, fine))
    for centre in np.linspace(-0.1, 1.0, 6):
        arc = y - centre - 0.35 * (x - 0.4) ** 2
        bones += 0.25 * np.clip(1 - (arc / 0.03) ** 2, 0, 1) ** 0.5
    bones += 0.4 * ((y - 0.5) ** 2 + (x - 0.45) ** 2 > 0.47**2)
    return ndimage.gaussian_filter(soft + bones, 2 * BLUR)


@lru_cache(maxsize=4)
def _vessels(seed: int, size: int) -> tuple[Array, Array]:
    """Full density (2 size, 2 size) of a vessel tree, and how far from its root each pixel is."""
    rng = np.random.default_rng(seed + 1)
    fine = 2 * size
    density, way = np.zeros((fine, fine)), np.full((fine, fine), np.inf)
    y, x = np.mgrid[:fine, :fine]
    starts = [(0.95, 0.5, -np.pi / 2, 0.0, 0.014)]
    for _ in range(9):
        row, column, angle, gone, radius = starts.pop(0)
        for _ in range(96):
            row, column = row + np.sin(angle) * 0.004, column + np.cos(angle) * 0.004
            angle, gone = angle + rng.normal(0, 0.07), gone + 0.004
            cut = slice(*np.clip([(row - 0.05) * fine, (row + 0.05) * fine], 0, fine).astype(int))
            across = slice(
                *np.clip([(column - 0.05) * fine, (column + 0.05) * fine], 0, fine).astype(int)
            )
            far = np.hypot(y[cut, across] / fine - row, x[cut, across] / fine - column) / radius
            disc = 45 * radius * np.sqrt(np.clip(1 - far**2, 0, 1))
            new = disc > density[cut, across]
            way[cut, across] = np.where(new, gone, way[cut, across])
            density[cut, across] = np.maximum(density[cut, across], disc)
        starts += [(row, column, angle + turn, gone, radius * 0.75) for turn in (-0.6, 0.5)]
    return density, way


@dataclass(frozen=True)
class Angiogram:
    """A run and what is true about it."""

    frames: Array  # uint16 (t, y, x)
    times: Array  # ms
    contrast: Array  # natural-log density (t, y, x) that the contrast adds, positive
    peak: Array  # ms, (y, x), NaN without contrast
    motions: tuple[Motion, ...]


def bolus(times: Array, arrival: Array | float, rise: float, shape: float = 3.0) -> Array:
    """A gamma variate of peak 1, `rise` ms after its arrival."""
    since = np.maximum(times - arrival, 0) / rise
    return np.where(np.isfinite(since), since**shape * np.exp(shape * (1 - since)), 0.0)


def angiogram(
    times: Array,
    motions: tuple[Motion, ...] = (),
    photons: float = 4000.0,
    size: int = SIZE,
    seed: int = 0,
    start: float = 500.0,
    speed: float = 1500.0,
    rise: float = 900.0,
) -> Angiogram:
    """Frames at `times` ms; `speed` ms from the root across the frame; Poisson noise."""
    rng = np.random.default_rng(seed + 2)
    anatomy, (density, way) = _anatomy(seed, size), _vessels(seed, size)
    arrival = np.where(np.isfinite(way), start + speed * way, 1e12)
    motions = motions or (still,) * len(times)
    frames, contrast = [], []
    for time, motion in zip(times, motions, strict=True):
        added = density * bolus(time, arrival, rise)
        clean = _seen(anatomy + added, motion, size)
        contrast.append(clean - _seen(anatomy, motion, size))
        frames.append(rng.poisson(photons * np.exp(-clean)).clip(0, 65535).astype(np.uint16))
    peak = np.where(np.isfinite(way), arrival + rise, np.nan)[1::2, 1::2]
    return Angiogram(np.stack(frames), times, np.stack(contrast), peak, motions)


def _seen(fine: Array, motion: Motion, size: int) -> Array:
    """A picture twice as fine as the detector sees it after a motion (y, x), px of the detector."""
    y, x = np.mgrid[:size, :size].astype(float)
    dy, dx = motion(y, x)
    at = np.stack([2 * (y - dy) + 0.5, 2 * (x - dx) + 0.5])
    return ndimage.map_coordinates(fine, at, order=3, mode="nearest")
