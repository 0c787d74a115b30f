"""Move pictures by parts of a pixel: as a whole, or by a field given on a coarse grid."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.float32]

LOBES = 3
"""Of the Lanczos kernel: 2 x 3 taps keep bone edges sharp where linear interpolation blurs them."""
STRIP = 64
"""Rows worked on at once, so that they stay in the processor's cache."""


def moved(picture: Picture, shift: tuple[float, float], field: Picture | None = None) -> Picture:
    """(y, x) moved by `shift` (y, x), px, then by a field (gy, gx, 2), px; edges are repeated."""
    for axis, distance in enumerate(shift):
        picture = _moved_along(picture, distance, axis)
    return picture if field is None else _moved_by_field(picture, field)


def spread(grid: Picture, shape: tuple[int, int]) -> Picture:
    """Grid values (gy, gx), the outer ones on the outer pixels, between them linear, at (y, x)."""
    rows, columns = hats(grid.shape[0], shape[0]), hats(grid.shape[1], shape[1])
    dense: Picture = rows.T @ grid.astype(np.float32) @ columns
    return dense


@lru_cache(maxsize=64)
def hats(count: int, length: int) -> Picture:
    """(count, length): how much each of `count` grid points weighs in each of `length` pixels."""
    if count == 1:
        return np.ones((1, length), np.float32)
    position = np.linspace(0, count - 1, length)
    distance = np.abs(position - np.arange(count)[:, None])
    weights: Picture = np.maximum(0, 1 - distance).astype(np.float32)
    return weights


def _moved_along(picture: Picture, distance: float, axis: int) -> Picture:
    whole = int(np.floor(distance))
    part = distance - whole
    taps = range(1 - LOBES, LOBES + 1) if part else range(1)
    wide = _shifted(picture, whole, taps.start, taps.stop - 1, axis)
    if not part:
        return wide
    offsets = np.array(taps) - part
    weights = np.sinc(offsets) * np.sinc(offsets / LOBES)
    return _correlated(wide, (weights / weights.sum()).astype(np.float32), axis)


def _correlated(wide: Picture, weights: Picture, axis: int) -> Picture:
    """Weighted sum of views of `wide`, the first weight on the last view."""
    extra = len(weights) - 1
    shape = [size - extra * (axis == i) for i, size in enumerate(wide.shape)]
    result = np.empty(shape, np.float32)
    for top in range(0, shape[0], STRIP):
        rows = result[top : top + STRIP]
        strip = wide[top : top + STRIP + (extra if axis == 0 else 0)]
        views = [_view(strip, extra - i, axis, rows.shape[axis]) for i in range(extra + 1)]
        np.multiply(views[0], weights[0], out=rows)
        for view, weight in zip(views[1:], weights[1:], strict=True):
            rows += view * weight
    return result


def _moved_by_field(picture: Picture, field: Picture) -> Picture:
    """One axis after the other, which for a smooth field of few pixels is as good as both."""
    for axis in (0, 1):
        distance = spread(field[..., axis], (picture.shape[0], picture.shape[1]))
        low, high = int(np.floor(distance.min())), int(np.ceil(distance.max()))
        wide = _shifted(picture, 0, low, high, axis)
        picture = _blended(wide, distance, low, high, axis)
    return picture


def _blended(wide: Picture, distance: Picture, low: int, high: int, axis: int) -> Picture:
    """Linear interpolation at a distance of each pixel's own, as a sum over whole distances."""
    result = np.zeros_like(distance)
    for top in range(0, len(result), STRIP):
        rows, far = result[top : top + STRIP], distance[top : top + STRIP]
        strip = wide[top : top + STRIP + ((high - low) if axis == 0 else 0)]
        for whole in range(int(np.floor(far.min())), int(np.ceil(far.max())) + 1):
            weight = np.maximum(1 - np.abs(far - whole), 0)
            rows += weight * _view(strip, high - whole, axis, rows.shape[axis])
    return result


def _shifted(picture: Picture, whole: int, low: int, high: int, axis: int) -> Picture:
    """Moved by `whole` px and wider, so that views of it are moved by `low` to `high` px more."""
    size = picture.shape[axis]
    index = np.clip(np.arange(-high - whole, size - low - whole), 0, size - 1)
    return picture.take(index, axis)


def _view(wide: Picture, start: int, axis: int, size: int) -> Picture:
    return wide[start : start + size] if axis == 0 else wide[:, start : start + size]
