"""Maps of flow: when contrast comes to each pixel, when it peaks, how much, for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from plugins.dsa_interpolation import scatter
from plugins.dsa_interpolation.curves import Timing, smoother, timing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference.series import Array

    Picture = NDArray[np.float32]

CLEAR = 5.0
"""Standard deviations of the noise that contrast must reach."""
FAINTEST = 0.02
"""Density below which nothing is taken for contrast."""
SMALLEST = 12
"""Connected pixels below which contrast is taken for noise."""
NOISE_STEP, NOISE_AREA = 4, 9
"""Every so manieth row and column tells the noise, and so many of them around a place: vessels are
thinner than that, the dark behind a collimator is not."""
RESTLESS = 0.1
"""Jumps from frame to frame, in shares of the peak, beyond which vessels move more than contrast
flows: 0.16 to 0.25 in real coronary runs, 0.03 to 0.05 in simulated runs of still heads."""
OVER_NOISE = 1.8
"""Power of a component of all curves, in units of the noise's, from which it is kept."""
CHUNK = 16384
"""Pixels worked on at once, so that they stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Maps:
    """Pictures (y, x), NaN where no contrast came; definitions as in `curves.Figures`."""

    arrival: Picture  # ms
    time_to_peak: Picture  # ms
    area: Picture  # density x ms
    mean_transit: Picture  # ms
    peak: Picture  # density
    restless: bool = False  # the vessels move, so that times tell of whatever passes by


PICTURES = "arrival", "time_to_peak", "area", "mean_transit", "peak"


def flow_maps(stack: Array, times: Array) -> Maps:
    """Of densities (t, y, x), vessels negative, at `times` (t,), ms."""
    times = np.asarray(times, np.float64)
    calm, noise, inside = _found(stack, times)
    found = scatter.estimate(calm, inside)
    clear = np.stack([found.lifted(i, frame, inside) for i, frame in enumerate(calm)])
    gain = (1 + found.ratio) * np.exp((clear - calm[:, inside]).max(axis=0))  # of noise, at most
    timing = _timing(times, _shared(clear, noise[inside] * gain))
    pictures = {}
    for name in PICTURES:
        picture = np.full(inside.shape, np.nan, np.float32)
        picture[inside] = getattr(timing, name)
        pictures[name] = picture
    return Maps(**pictures, restless=_restless(calm, pictures["peak"]))


def scatter_of(stack: Array, times: Array) -> scatter.Scatter:
    """Scatter over densities (t, y, x), vessels negative, at `times` (t,), ms."""
    calm, _, inside = _found(stack, np.asarray(times, np.float64))
    return scatter.estimate(calm, inside)


def _found(stack: Array, times: Array) -> tuple[Picture, Picture, NDArray[np.bool_]]:
    """Densities (t, y, x), positive and blurred, their noise (y, x), and where contrast came."""
    calm = np.stack(
        [-ndimage.gaussian_filter(frame, scatter.BLUR, mode="nearest") for frame in stack]
    )
    noise = _noise(calm)
    return calm, noise, _contrast(calm, times, noise)


def _restless(calm: Picture, peak: Picture) -> bool:
    """Whether the strongest vessels jump from frame to frame."""
    if len(calm) < 3 or not np.isfinite(peak).any():
        return False
    strong = peak > np.nanpercentile(peak, 80)
    shares = np.abs(_jumps(calm[:, strong])).mean(axis=0) / peak[strong]
    return bool(np.median(shares) > RESTLESS)


def _timing(times: Array, columns: Picture) -> Timing:
    """Of curves (t, n)."""
    starts = range(0, max(columns.shape[1], 1), CHUNK)
    parts = [timing(times, columns[:, start : start + CHUNK]) for start in starts]
    return Timing(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _shared(columns: Picture, noise: Picture) -> Picture:
    """Of curves (t, n) what many of them have in common: principal components over the noise.

    A bolus is later and broader further on, but of one kind; noise is not.
    """
    sizes = np.maximum(noise, 1e-3)
    scaled = columns / sizes
    power, forms = np.linalg.eigh(scaled @ scaled.T / max(columns.shape[1], 1))
    kept = forms[:, power > OVER_NOISE]
    return np.asarray(kept @ (kept.T @ scaled) * sizes, np.float32)


def _contrast(calm: Picture, times: Array, noise: Picture) -> NDArray[np.bool_]:
    """Where (y, x) contrast came: over the noise, and not in specks."""
    rows = smoother(times)
    strongest = np.full(calm.shape[1:], -np.inf, np.float32)
    for row in rows:
        near = np.flatnonzero(row)
        strongest = np.maximum(strongest, np.tensordot(row[near], calm[near], 1))
    least = calm[np.argmin(times)]
    left = noise * np.sqrt(2 * (rows**2).sum(axis=1).mean())
    return _without_specks(strongest - least > np.maximum(CLEAR * left, FAINTEST))


def _noise(calm: Picture) -> Picture:
    """Standard deviation (y, x) of one frame, from how frames jump about their neighbours."""
    if len(calm) < 3:
        return np.zeros(calm.shape[1:], np.float32)
    some = np.median(np.abs(_jumps(calm[:, ::NOISE_STEP, ::NOISE_STEP])), axis=0)
    around = ndimage.median_filter(some / 0.6745 / 1.5**0.5, NOISE_AREA, mode="nearest")
    noise = np.asarray(around, np.float32).repeat(NOISE_STEP, 0).repeat(NOISE_STEP, 1)
    return noise[: calm.shape[1], : calm.shape[2]]


def _jumps(calm: Picture) -> Picture:
    """How frames (t, …) differ from the mean of those before and after."""
    return np.asarray(calm[1:-1] - (calm[:-2] + calm[2:]) / 2, np.float32)


def _without_specks(found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, count = ndimage.label(found, np.ones((3, 3)))
    large = np.bincount(parts.ravel(), minlength=count + 1) >= SMALLEST
    large[0] = False
    return np.asarray(large[parts])
