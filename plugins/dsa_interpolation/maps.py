"""Maps of flow: when contrast comes to each pixel, when it peaks, how much, for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from plugins.dsa_interpolation.curves import Timing, smoother, timing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference.series import Array

    Picture = NDArray[np.float32]

BLUR = 0.8
"""Of each density, px, against noise."""
CLEAR = 5.0
"""Standard deviations of the noise that contrast must reach."""
FAINTEST = 0.02
"""Density below which nothing is taken for contrast."""
SMALLEST = 12
"""Connected pixels below which contrast is taken for noise."""
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


def flow_maps(stack: Array, times: Array) -> Maps:
    """Of densities (t, y, x), vessels negative, at `times` (t,), ms."""
    times = np.asarray(times, np.float64)
    calm = np.stack([-ndimage.gaussian_filter(frame, BLUR, mode="nearest") for frame in stack])
    inside = _contrast(calm, times)
    found = _timing(times, calm, inside)
    pictures = {}
    for name in Maps.__dataclass_fields__:
        picture = np.full(inside.shape, np.nan, np.float32)
        picture[inside] = getattr(found, name)
        pictures[name] = picture
    return Maps(**pictures)


def _timing(times: Array, calm: Picture, inside: Array) -> Timing:
    columns = calm[:, inside]
    starts = range(0, max(columns.shape[1], 1), CHUNK)
    parts = [timing(times, columns[:, start : start + CHUNK]) for start in starts]
    return Timing(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _contrast(calm: Picture, times: Array) -> NDArray[np.bool_]:
    """Where (y, x) contrast came: over the noise, and not in specks."""
    rows = smoother(times)
    strongest = np.full(calm.shape[1:], -np.inf, np.float32)
    for row in rows:
        near = np.flatnonzero(row)
        strongest = np.maximum(strongest, np.tensordot(row[near], calm[near], 1))
    least = calm[np.argmin(times)]
    noise = _noise(calm) * np.sqrt(2 * (rows**2).sum(axis=1).mean())
    return _without_specks(strongest - least > max(CLEAR * noise, FAINTEST))


def _noise(calm: Picture) -> float:
    """Standard deviation of one pixel of one frame, from how frames jump about their neighbours."""
    if len(calm) < 3:
        return 0.0
    some = calm[:, ::4, ::4]
    jump = some[1:-1] - (some[:-2] + some[2:]) / 2
    noise: float = np.median(np.abs(jump)).item() / 0.6745 / 1.5**0.5
    return noise


def _without_specks(found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, count = ndimage.label(found, np.ones((3, 3)))
    large = np.bincount(parts.ravel(), minlength=count + 1) >= SMALLEST
    large[0] = False
    return np.asarray(large[parts])
