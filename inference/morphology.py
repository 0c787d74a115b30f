"""Shapes of masks in millimetres: spacing per array axis, mm; masks are bool, 2D or 3D."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING

import edt
import numpy as np
from scipy import ndimage

from inference.box import Box

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Spacing = Sequence[float]

TILE = 64  # voxels: a distance map holds Python's lock, so it is made in short pieces
CHUNK = 1 << 23


def distance(mask: Mask, spacing: Spacing) -> NDArray[np.float32]:
    """From each voxel of a mask to the nearest voxel outside it, mm; 0 outside, inf if none is."""
    found: NDArray[np.float32] = edt.edt(np.ascontiguousarray(mask), anisotropy=tuple(spacing))
    return found


def signed_distance(mask: Mask, spacing: Spacing) -> NDArray[np.float32]:
    """Distance from the border of a mask, mm, positive inside; finite."""
    far = float(np.dot(mask.shape, spacing))
    inside, outside = distance(mask, spacing), distance(~mask, spacing)
    return np.minimum(inside, far) - np.minimum(outside, far)


def grow(mask: Mask, millimetres: float, spacing: Spacing) -> Mask:
    """All voxels within a distance of a mask."""
    margin = [int(millimetres / step) + 1 for step in spacing]
    grown = np.zeros_like(mask)
    for start in product(*(range(0, n, TILE) for n in mask.shape)):
        tile = Box(start, tuple(first + TILE for first in start)).clipped(mask.shape)
        wide = tile.grown(margin, mask.shape)
        if mask[tile.slices].all() or not mask[wide.slices].any():
            grown[tile.slices] = mask[tile.slices]
            continue
        inside = tile.shifted([-first for first in wide.start])
        near = distance(~mask[wide.slices], spacing)[inside.slices]
        grown[tile.slices] = near <= millimetres
    return grown


def shrink(mask: Mask, millimetres: float, spacing: Spacing) -> Mask:
    """The voxels further inside than a distance; the edge of the image is no border."""
    return ~grow(~mask, millimetres, spacing)


def smooth(mask: Mask, radius: float, spacing: Spacing) -> Mask:
    """Round off what is finer than `radius` mm, keeping the size: a Gaussian cut at one half."""
    sigma = [radius / 2 / step for step in spacing]
    blurred = ndimage.gaussian_filter(mask.astype(np.float32), sigma, mode="nearest")
    return np.asarray(blurred > 0.5)


def remove_islands(mask: Mask, smallest: int) -> Mask:
    """Without the separate parts of fewer than `smallest` voxels."""
    parts, sizes = _parts(mask, corners=True)
    kept: Mask = (sizes >= smallest)[parts]
    return kept


def keep_largest(mask: Mask) -> Mask:
    """The largest part alone."""
    parts, sizes = _parts(mask, corners=True)
    if not sizes.any():
        return mask.copy()
    return np.asarray(parts == np.argmax(sizes))


def fill_holes(mask: Mask, largest: float = np.inf) -> Mask:
    """With the enclosed holes of at most `largest` voxels."""
    parts, sizes = _parts(~mask, corners=False)
    hole = (sizes > 0) & (sizes <= largest)
    for axis in range(mask.ndim):
        for end in (0, -1):
            hole[np.unique(parts.take(end, axis))] = False
    filled: Mask = mask | hole[parts]
    return filled


def _parts(mask: Mask, *, corners: bool) -> tuple[NDArray[np.signedinteger], NDArray[np.int64]]:
    """Numbered separate parts and the voxels of each number; number 0, the rest, counts none."""
    structure = ndimage.generate_binary_structure(mask.ndim, mask.ndim if corners else 1)
    parts, found = ndimage.label(mask, structure)
    sizes = np.zeros(found + 1, np.int64)
    flat = parts.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        sizes += np.bincount(flat[start : start + CHUNK], minlength=found + 1)
    sizes[0] = 0
    return parts, sizes


def between(first: Mask, last: Mask, steps: int, spacing: Spacing) -> Iterator[Mask]:
    """The `steps - 1` slices between two drawn ones, one after the other.

    Shape-based interpolation of signed distances (Raya and Udupa, IEEE TMI 1990), both shapes
    moved along the line between their centres, so that an oblique tube keeps its width.
    """
    ends = [signed_distance(mask, spacing) for mask in (first, last)]
    centres = [np.array(ndimage.center_of_mass(mask)) for mask in (first, last)]
    for step in range(1, steps):
        part = step / steps
        here = centres[0] * (1 - part) + centres[1] * part
        moved = (
            ndimage.shift(end, here - centre, order=1, mode="nearest")
            for end, centre in zip(ends, centres, strict=True)
        )
        before, after = moved
        yield (1 - part) * before + part * after > 0


def interpolate_slices(mask: Mask, axis: int, spacing: Spacing) -> Mask:
    """A 3D mask with the empty slices along `axis` filled in between the drawn ones."""
    turned = np.moveaxis(mask, axis, 0)
    filled = turned.copy()
    flat = tuple(step for i, step in enumerate(spacing) if i != axis)
    drawn = np.flatnonzero(turned.any(axis=(1, 2)))
    for low, high in pairwise(drawn):
        if high - low > 1:
            made = between(turned[low], turned[high], int(high - low), flat)
            filled[low + 1 : high] = list(made)
    return np.moveaxis(filled, 0, axis)
