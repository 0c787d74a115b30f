"""Scattered X-rays, which lie over a picture like a veil: taken off by convolution filtering.

What is seen is the primary picture and, `ratio` times as strong, a wide blur of it (Love and Kruger
1987). So a filled vessel seems less dense than it is, and dims what lies around it. How strong
scatter is differs from device to device, and grids hold much of it back, but a run tells: contrast
takes rays away in vessels alone, and what is lost beside them is scatter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from inference.box import Box
from plugins.dsa_interpolation.warping import spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.float32]
    Mask = NDArray[np.bool_]

BLUR = 0.8
"""Of each density, px, against noise."""
MARGIN = 4
"""Px that this needs round a place."""
REACH = 0.12
"""Deviation of the blur, share of the shorter side."""
EVERY = 4
"""So manieth rows and columns tell of what is so wide."""
BESIDE = 2
"""Px next to contrast that tell nothing: a part of it may lie in them."""
LEAST_FREE = 0.02
"""Share of the picture without contrast from which scatter is told; of less, none is taken off."""
STRONG = 0.5
"""Places and frames tell of scatter where its blur is over so much of the strongest."""
MOST = 0.6
"""Share of scatter in an even picture, of what is believed."""
ROUNDS = 5
"""Of the ratio from the primary picture, and of that from the ratio."""
DARKEST = 0.02
"""Share of the primary rays that are left behind contrast, at least."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """Scatter over a run: `ratio` to the primary rays, and the share of it that contrast took."""

    ratio: np.float32
    lost: Picture  # (t, y, x), a coarse grid over each frame

    def lifted(self, index: int, densities: Picture, inside: Mask) -> Picture:
        """Densities (n,) in the n places `inside` (y, x) of a frame as they are behind scatter.

        `densities` (y, x) are natural logarithms, contrast positive, as they are seen. What lies
        behind contrast is taken for even.
        """
        there = spread(self.lost[index], inside.shape)[inside]
        left = (1 + self.ratio) * np.exp(-densities[inside]) - self.ratio * (1 - there)
        return -np.log(np.maximum(left, DARKEST), dtype=np.float32)

    def taken(self, index: int, densities: Picture, inside: Mask) -> Picture:
        """How much (n,) scatter takes from densities (y, x), told by their blur, not by noise."""
        box, calm = Box.of(inside), np.zeros_like(densities)
        if box is not None:
            near = box.grown((MARGIN, MARGIN), inside.shape).slices
            calm[near] = ndimage.gaussian_filter(densities[near], BLUR, mode="nearest")
        return self.lifted(index, calm, inside) - calm[inside]


def estimate(densities: Picture, inside: Mask) -> Scatter:
    """Scatter of a run (t, y, x) with contrast `inside` (y, x)."""
    lost = 1 - np.exp(-densities[:, ::EVERY, ::EVERY])
    free = ~ndimage.binary_dilation(inside, iterations=BESIDE)[::EVERY, ::EVERY]
    vessels = inside[::EVERY, ::EVERY]
    rows, columns = (_blur(length, REACH * min(vessels.shape)) for length in vessels.shape)
    blurred, ratio = np.zeros_like(lost), np.float32(0)
    if free.mean() < LEAST_FREE:
        return Scatter(ratio, blurred)
    for _ in range(ROUNDS):
        blurred = rows @ np.where(vessels, (1 + ratio) * lost - ratio * blurred, 0) @ columns.T
        share = np.float32(np.clip(_share(blurred[:, free], lost[:, free]), 0, MOST))
        ratio = share / (1 - share)
    return Scatter(ratio, blurred)


def _share(beside: Picture, lost: Picture) -> float:
    """How much of the blur (t, n) is lost beside contrast; the median: thin vessels are there."""
    strong = beside > STRONG * beside.max(initial=0)
    return float(np.median(lost[strong] / beside[strong])) if strong.any() else 0.0


def _blur(length: int, deviation: float) -> Picture:
    """(length, length) that makes of samples their Gaussian mean, the outer ones repeated."""
    unit = np.eye(length, dtype=np.float32)
    return np.asarray(ndimage.gaussian_filter1d(unit, deviation, axis=0, mode="nearest"))
