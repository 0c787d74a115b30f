"""Scattered X-rays, which lie over a picture like a veil: taken off by convolution filtering.

What is seen is the primary picture and, `ratio` times as strong, a wide blur of it (Love and Kruger
1987). So a filled vessel seems less dense than it is, and dims what lies around it. How strong
scatter is differs from device to device, and grids hold much of it back, but a run tells: contrast
takes rays away in vessels alone, and what is lost beside them is scatter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from plugins.dsa_interpolation.warping import spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.float32]
    Mask = NDArray[np.bool_]

REACH = 0.12
"""Deviation of the blur, share of the shorter side."""
EVERY = 4
"""So manieth rows and columns tell of what is so wide."""
BESIDE = 2
"""Px next to contrast that tell nothing: a part of it may lie in them."""
LEAST_FREE = 0.02
"""Share of the picture without contrast from which scatter is told; of less, none is taken off."""
MOST = 0.6
"""Share of scatter in an even picture, of what is believed."""
ROUNDS = 5
"""Of the ratio from the primary picture, and of that from the ratio."""
DARKEST = 0.02
"""Share of the primary rays that are left behind contrast, at least."""


def primary(densities: Picture, inside: Mask) -> tuple[Picture, Picture]:
    """Densities (t, n) in the n places `inside` (y, x) as they are behind scatter.

    `densities` (t, y, x) are natural logarithms, contrast positive, as they are seen. Also how many
    times stronger noise is in them (n,), at most. What lies behind contrast is taken for even.
    """
    few = densities[:, ::EVERY, ::EVERY]
    scattered, ratio = _scattered(1 - np.exp(-few), inside)
    there = np.stack([spread(frame, inside.shape)[inside] for frame in scattered])
    seen = densities[:, inside]
    left = (1 + ratio) * np.exp(-seen) - ratio * (1 - there)
    found = -np.log(np.maximum(left, DARKEST), dtype=np.float32)
    return found, (1 + ratio) * np.exp((found - seen).max(axis=0))


def _scattered(lost: Picture, inside: Mask) -> tuple[Picture, np.float32]:
    """Blur of the share of primary rays that is lost, from `lost` as it is seen, and the ratio."""
    free = ~ndimage.binary_dilation(inside, iterations=BESIDE)[::EVERY, ::EVERY]
    vessels = inside[::EVERY, ::EVERY]
    rows, columns = (_blur(length, REACH * min(vessels.shape)) for length in vessels.shape)
    blurred, ratio = np.zeros_like(lost), np.float32(0)
    if free.mean() < LEAST_FREE:
        return blurred, ratio
    for _ in range(ROUNDS):
        blurred = rows @ np.where(vessels, (1 + ratio) * lost - ratio * blurred, 0) @ columns.T
        beside = blurred[:, free]
        share = (beside * lost[:, free]).sum() / max(np.square(beside).sum(), 1e-12)
        share = np.float32(np.clip(share, 0, MOST))
        ratio = share / (1 - share)
    return blurred, ratio


def _blur(length: int, deviation: float) -> Picture:
    """(length, length) that makes of samples their Gaussian mean, the outer ones repeated."""
    unit = np.eye(length, dtype=np.float32)
    return np.asarray(ndimage.gaussian_filter1d(unit, deviation, axis=0, mode="nearest"))
