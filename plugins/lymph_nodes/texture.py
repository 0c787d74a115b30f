"""The noise of a scan, measured where its tissue is even, and more noise of the same kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.signal import fftconvolve

if TYPE_CHECKING:
    from inference.series import Array

EDGE = 12
"""Of the cubes in which noise is measured, voxels."""
EVEN = 24
"""So many cubes, those that vary least, stand for the scan."""
TISSUE_HU = (0.0, 260.0)


def kernel(volume: Array) -> Array:
    """What turns white noise into the scan's: float32 (EDGE, EDGE, EDGE), HU.

    The square root of the mean power spectrum of even cubes of tissue.
    """
    cubes = even_cubes(volume)
    power = np.mean([np.abs(np.fft.fftn(cube - cube.mean())) ** 2 for cube in cubes], axis=0)
    power[0, 0, 0] = 0
    found = np.fft.fftshift(np.real(np.fft.ifftn(np.sqrt(power / EDGE**3))))
    return np.asarray(found, np.float32)


def even_cubes(volume: Array) -> list[Array]:
    """Cubes of soft tissue or blood without an edge in them."""
    values = volume.astype(np.float32)
    mean = ndimage.uniform_filter(values, EDGE)
    varied = ndimage.uniform_filter(values**2, EDGE) - mean**2
    varied[(mean < TISSUE_HU[0]) | (mean > TISSUE_HU[1])] = np.inf
    half = EDGE // 2
    inner = tuple(slice(half, n - half, half) for n in values.shape)
    order = np.argsort(varied[inner], axis=None)[:EVEN]
    starts = np.stack(np.unravel_index(order, varied[inner].shape), axis=1) * half
    return [values[z : z + EDGE, y : y + EDGE, x : x + EDGE] for z, y, x in starts]


def noise(rng: np.random.Generator, shape: tuple[int, ...], kernel: Array) -> Array:
    """Noise of the scan that `kernel` was measured in, float32, HU."""
    white = rng.standard_normal(shape).astype(np.float32)
    return np.asarray(fftconvolve(white, kernel, mode="same"), np.float32)
