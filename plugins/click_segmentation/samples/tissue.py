"""What a scan shows without anybody's drawing: tissues, lungs, and regions that stand out.

Image in HU (z, y, x), spacing (z, y, x) in mm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Volume = NDArray[np.int16]
    Mask = NDArray[np.bool_]
    Labels = NDArray[np.uint8]

# Labels of tissues; those of organs are below.
GAS, FAT, SOFT, BRIGHT, BONE = 200, 201, 202, 203, 204
LUNG_LEFT, LUNG_RIGHT = 198, 199
EDGES = (-300, -30, 90, 220)  # HU between these five, after smoothing
GRID = 2.2  # mm
LEVELS = (0.6, 1.4, 3.0)  # depths of watersheds that separate regions, in codes of HU


def body(image: Volume, spacing: Sequence[float]) -> Mask:
    """The patient without the table: the largest part above -400 HU in each slice, filled."""
    found = np.zeros(image.shape, bool)
    radius = max(1, round(3 / spacing[1]))
    disk = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1]) <= radius
    for index, plane in enumerate(image):
        opened = ndimage.binary_opening(plane > -400, disk)
        parts, count = ndimage.label(opened)
        if count:
            largest = 1 + np.bincount(parts.ravel())[1:].argmax()
            found[index] = ndimage.binary_fill_holes(parts == largest)
    return found


def tissues(image: Volume, inside: Mask, spacing: Sequence[float]) -> Labels:
    """Gas, fat, soft tissue, what is brighter and bone inside the body; 0 outside."""
    sigma = [0.8 / step for step in spacing]
    smooth = ndimage.gaussian_filter(image.astype(np.float32), sigma)
    return np.where(inside, GAS + np.digitize(smooth, EDGES), 0).astype(np.uint8)


def lungs(image: Volume, inside: Mask, spacing: Sequence[float]) -> Labels:
    """Both lungs with their vessels; split down the middle, patients' left is at high x."""
    smooth = ndimage.gaussian_filter(image.astype(np.float32), [1 / step for step in spacing])
    air = (smooth < -400) & ndimage.binary_erosion(inside, iterations=2)
    parts, count = ndimage.label(air)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:] * np.prod(spacing) / 1000
    kept = np.isin(parts, 1 + np.flatnonzero(sizes > 200))  # ml: no bowel, no windpipe alone
    kept = closed(_without_windpipe(kept, smooth, spacing), spacing, 6.0)
    centre = np.argwhere(inside)[::97].mean(0)[2]
    left = np.arange(image.shape[2]) > centre
    return np.where(kept, np.where(left, LUNG_LEFT, LUNG_RIGHT), 0).astype(np.uint8)


def _without_windpipe(air: Mask, smooth: NDArray[np.float32], spacing: Sequence[float]) -> Mask:
    """Without the small parts of a slice that hold pure gas."""
    found = air.copy()
    for index, plane in enumerate(air):
        parts, count = ndimage.label(plane)
        for value in range(1, count + 1):
            part = parts == value
            area = part.sum() * spacing[1] * spacing[2]
            if area < 900 and np.median(smooth[index][part]) < -900:
                found[index][part] = False
    return found


def closed(mask: Mask, spacing: Sequence[float], reach: float) -> Mask:
    """Closed by a disk of `reach` mm in each slice, holes filled."""
    result = np.zeros_like(mask)
    for index, plane in enumerate(mask):
        if plane.any():
            margin = int(np.ceil(reach / spacing[1])) + 1
            padded = np.pad(plane, margin)
            near = ndimage.distance_transform_edt(~padded, sampling=spacing[1:]) <= reach
            back = ndimage.distance_transform_edt(near, sampling=spacing[1:]) > reach
            inner = slice(margin, -margin)
            result[index] = ndimage.binary_fill_holes(back[inner, inner] | plane)
    return result


def watersheds(
    codes: NDArray[np.uint8], inside: Mask, spacing: Sequence[float]
) -> tuple[NDArray[np.uint16], ...]:
    """Regions at several levels of detail, 0 outside the body.

    Morphological watersheds of the gradient of the smoothed codes of HU, which are finer in soft
    tissue than elsewhere: an edge between organs counts as much as one between bone and fat.
    Found on a grid of GRID mm, where noise is low, and enlarged.
    """
    zoom = [min(1.0, step / GRID) for step in spacing]
    small = ndimage.zoom(codes.astype(np.float32), zoom, order=1, grid_mode=True, mode="nearest")
    picture = sitk.GetImageFromArray(small)
    steps = [float(step / factor) for step, factor in zip(spacing, zoom, strict=True)]
    picture.SetSpacing(steps[::-1])
    smooth = sitk.CurvatureAnisotropicDiffusion(picture, 0.06, 3.0, 1, 5)
    edges = sitk.GradientMagnitudeRecursiveGaussian(smooth, 0.6 * GRID)
    return tuple(_watershed(edges, level, inside) for level in LEVELS)


def _watershed(edges: sitk.Image, level: float, inside: Mask) -> NDArray[np.uint16]:
    parts = sitk.GetArrayFromImage(sitk.MorphologicalWatershed(edges, level, False, False))
    parts = np.where(inside, _enlarged(parts, inside.shape), 0)
    sizes = np.bincount(parts.ravel())
    kept = np.flatnonzero(sizes >= 60)
    kept = kept[kept > 0][np.argsort(sizes[kept[kept > 0]])[::-1][:65000]]
    table = np.zeros(sizes.size, np.uint16)
    table[kept] = np.arange(1, kept.size + 1)
    return np.asarray(table[parts])


def _enlarged(parts: NDArray[np.uint32], shape: tuple[int, ...]) -> NDArray[np.uint32]:
    """The nearest part at each voxel of a finer grid."""
    pairs = zip(shape, parts.shape, strict=True)
    places = [(np.arange(n) + 0.5) * m // n for n, m in pairs]
    found: NDArray[np.uint32] = parts[np.ix_(*(place.astype(int) for place in places))]
    return found
