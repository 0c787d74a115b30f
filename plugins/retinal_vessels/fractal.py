"""Generalised (Rényi) fractal dimensions of a mask by box counting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

OCTAVES = 4
"""Box sides run over this many octaves, up to a quarter of the mask: from about the calibre of the
largest retinal vessels, below which boxes would measure calibre instead of branching. Sides
relative to the mask make images of different resolution comparable."""
OFFSETS = 4
"""Grid positions tried along each axis for every box side."""


def dimensions(mask: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Capacity D0, information D1 and correlation dimension D2 of a mask (y, x).

    Slopes of log boxes, entropy and -log sum p² against log box side, each with the grid position
    that covers the mask best (Rényi 1970; Stošić & Stošić, IEEE Trans. Med. Imaging 25 (2006)
    1101); NaN for a mask less than 64 pixels across.
    """
    mask = _cropped(mask)
    sides = _sides(max(mask.shape))
    if sides[0] < 1:
        return float("nan"), float("nan"), float("nan")
    sums = np.pad(mask.cumsum(axis=0, dtype=np.int32).cumsum(axis=1), ((1, 0), (1, 0)))
    moments = np.array([_moments(sums, side) for side in sides])
    capacity, information, correlation = -np.polyfit(np.log(sides), moments, 1)[0]
    return float(capacity), float(information), float(correlation)


def _cropped(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return mask[:0, :0]
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _sides(length: int) -> list[int]:
    """Box sides, px, half an octave apart."""
    return [round(length / 4 / 2 ** (step / 2)) for step in range(2 * OCTAVES, -1, -1)]


def _moments(sums: NDArray[np.int32], side: int) -> NDArray[np.float64]:
    """log boxes, entropy and -log sum p² of the tightest cover by boxes of one side."""
    offsets = np.unique(np.linspace(0, side, OFFSETS, endpoint=False).astype(int))
    rows, columns = ([_edges(n - 1, side, offset) for offset in offsets] for n in sums.shape)
    found = [_of_grid(sums[np.ix_(y, x)]) for y in rows for x in columns]
    best: NDArray[np.float64] = np.min(found, axis=0)
    return best


def _edges(length: int, side: int, offset: int) -> NDArray[np.int64]:
    """Where boxes of a grid begin and end along an axis, cut off at the mask."""
    return np.clip(np.arange(-offset, length + side, side), 0, length)


def _of_grid(corners: NDArray[np.int32]) -> tuple[float, float, float]:
    """Of boxes whose sums lie between the `corners` of a summed-area table."""
    boxes = np.diff(np.diff(corners, axis=0), axis=1)
    share = boxes[boxes > 0] / boxes.sum()
    return float(np.log(len(share))), -float(share @ np.log(share)), -float(np.log(share @ share))
