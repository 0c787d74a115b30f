"""Slices of a tilted gantry moved back above each other, so that the grid has right angles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from inference.series import Geometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference.series import Array


def straightened(voxels: Array, geometry: Geometry) -> tuple[Array, Geometry]:
    """The volume (z, y, x) on a grid whose slices advance along their normal.

    It is enlarged so that nothing is lost; what no slice shows is as dark as the darkest voxel.
    Values between pixels are linear; nothing is mixed between slices.
    """
    shifts = np.arange(len(voxels))[:, None] * _lean(geometry)
    low = np.floor(shifts.min(axis=0)).astype(int)
    high = np.ceil(shifts.max(axis=0)).astype(int)
    dark = voxels.min()
    result = np.full((len(voxels), *(voxels.shape[1:] + high - low)), dark, voxels.dtype)
    for index, picture in enumerate(voxels):
        result[index] = _moved(picture, shifts[index] - low, result.shape[1:], dark)
    return result, _right_angled(geometry, low)


def _lean(geometry: Geometry) -> NDArray[np.float64]:
    """How far each slice lies beside the one before, (rows, columns), px."""
    step, down, across = geometry.affine[:3, :3].T
    lean = [step @ down / (down @ down), step @ across / (across @ across)]
    return np.round(lean, 3)  # headers round positions: nothing is moved by a trifle


def _right_angled(geometry: Geometry, low: Any) -> Geometry:
    step, down, across = geometry.affine[:3, :3].T
    rows, columns = _lean(geometry)
    affine = geometry.affine.copy()
    affine[:3, 0] = step - rows * down - columns * across
    affine[:3, 3] += low[0] * down + low[1] * across
    return Geometry(affine, geometry.known)


def _moved(picture: Array, shift: Any, shape: tuple[int, ...], dark: Any) -> Array:
    """The picture in a dark frame, moved by (rows, columns), px, none of them negative."""
    frame = np.full(shape, dark, np.float32)
    frame[: picture.shape[0], : picture.shape[1]] = picture
    moved = ndimage.shift(frame, shift, order=1, mode="constant", cval=float(dark))
    kind = picture.dtype
    return np.asarray(np.rint(moved) if kind.kind in "iu" else moved, kind)
