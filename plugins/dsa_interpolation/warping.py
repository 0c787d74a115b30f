"""Move pictures by parts of a pixel: as a whole, or by a field given on a coarse grid."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.float32]

LOBES = 3
"""Of the Lanczos kernel: 2 x 3 taps keep bone edges sharp where linear interpolation blurs them."""


def moved(picture: Picture, shift: tuple[float, float], field: Picture | None = None) -> Picture:
    """(y, x) moved by `shift` (y, x), px, then by a field (gy, gx, 2), px; edges are repeated."""
    picture = _moved_as_a_whole(picture, shift)
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


def _moved_as_a_whole(picture: Picture, shift: tuple[float, float]) -> Picture:
    """By whole pixels first, then by the rest along both axes at once."""
    down, right = (int(np.floor(distance)) for distance in shift)
    below, behind = _kernel(shift[0] - down), _kernel(shift[1] - right)
    if down or right:
        rows, columns = (np.clip(np.arange(n) - far, 0, n - 1)
                         for n, far in zip(picture.shape, (down, right), strict=True))  # fmt: skip
        picture = picture.take(rows, 0).take(columns, 1)
    if len(below) == len(behind) == 1:
        return picture
    return np.asarray(
        cv2.sepFilter2D(picture, cv2.CV_32F, behind, below, borderType=cv2.BORDER_REPLICATE)
    )


def _kernel(part: float) -> Picture:
    """Lanczos weights for a move by part of a pixel; its middle tap is the pixel itself."""
    if not part:
        return np.ones(1, np.float32)
    offsets = np.arange(-LOBES, LOBES + 1) + part
    weights = np.sinc(offsets) * np.sinc(offsets / LOBES) * (np.abs(offsets) < LOBES)
    return np.asarray(weights / weights.sum(), np.float32)


def _moved_by_field(picture: Picture, field: Picture) -> Picture:
    down, right = (spread(field[..., axis], picture.shape[:2]) for axis in (0, 1))
    rows, columns = _places(*picture.shape[:2])
    return np.asarray(
        cv2.remap(
            picture, columns - right, rows - down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    )


@lru_cache(maxsize=2)
def _places(height: int, width: int) -> tuple[Picture, Picture]:
    """Row (y, 1) and column (1, x) of each pixel."""
    return np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None]
