"""Organs of scans that came without labels: which regions belong to each, told by a few points.

The points were set by hand on the scans and checked on slices; what grows from them follows the
scan's own edges (`tissue.watersheds`). Points are voxels (z, y, x) of the scan as it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from plugins.click_segmentation.samples.tissue import closed
from plugins.click_segmentation.samples.volumes import LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Point = tuple[int, int, int]

LEAST_HU = -20.0  # fat is left out


@dataclass(frozen=True, slots=True)
class Organ:
    """The regions of one level of detail that hold the points, closed by `reach` mm."""

    name: str
    level: int
    points: tuple[Point, ...]
    reach: float = 3.0
    top: int | None = None  # the highest slice


ORGANS: dict[str, tuple[Organ, ...]] = {
    "crlm_1004": (
        Organ("heart", 0, ((33, 90, 287), (38, 90, 243)), 6.0),
        Organ("liver", 0, ((8, 109, 99), (13, 68, 147), (23, 158, 114), (28, 65, 227))),
        Organ("spleen", 0, ((23, 184, 333), (28, 158, 315))),
        Organ("kidney_right", 1, ((3, 129, 146), (8, 149, 142), (18, 175, 152)), 5.0),
        Organ("kidney_left", 1, ((8, 163, 293), (18, 187, 296)), 5.0),
        Organ("stomach", 0, ((23, 122, 294), (28, 127, 284))),
        Organ("gallbladder", 1, ((8, 78, 146), (13, 88, 152))),
        Organ("inferior_vena_cava", 0, ((8, 122, 199), (18, 130, 186))),
        Organ("aorta", 0, ((8, 122, 237), (23, 150, 229), (38, 177, 223))),
    ),
    "r01_001": (
        Organ("heart", 1, ((65, 79, 148), (65, 83, 106)), 9.0, 98),
        Organ("liver", 0, ((5, 91, 57), (25, 60, 110), (55, 100, 63))),
        Organ("spleen", 1, ((5, 130, 179), (25, 130, 175), (40, 134, 165))),
        Organ("pulmonary_trunk", 0, ((110, 73, 125), (130, 91, 134))),
        Organ("aorta", 0, ((5, 102, 118), (75, 134, 137), (160, 88, 129))),
    ),
    "fnndsc_chest": (
        Organ("heart", 0, ((50, 91, 153), (65, 100, 142), (80, 104, 135)), 5.0, 88),
        Organ("kidney_left", 0, ((3, 152, 162),)),
    ),
    "totalseg_example_aorta_1p5mm": (
        Organ("liver", 0, ((10, 38, 19), (30, 63, 23)), 5.0),
        Organ("spleen", 1, ((10, 98, 95), (30, 83, 96))),
    ),
}


def grown(
    organ: Organ,
    codes: NDArray[np.uint8],
    regions: Sequence[NDArray[np.uint16]],
    spacing: Sequence[float],
    shape: Sequence[int],
) -> Mask:
    """Where the organ is (z, y, x), on the pack's grid; `shape` is that of the scan."""
    found = regions[organ.level]
    values = {int(found[place(point, shape, found.shape)]) for point in organ.points} - {0}
    mask = np.isin(found, sorted(values))
    if organ.top is not None:
        mask[round((organ.top + 1) * len(mask) / shape[0]) :] = False
    mask = closed(mask, spacing, organ.reach)
    smooth = ndimage.gaussian_filter(LEVELS[codes], [0.8 / step for step in spacing])
    mask = ndimage.binary_opening(mask & (smooth > LEAST_HU))
    parts, _ = ndimage.label(mask)
    return np.asarray(parts == 1 + np.bincount(parts.ravel())[1:].argmax())


def place(point: Point, shape: Sequence[int], grid: Sequence[int]) -> tuple[int, ...]:
    """A voxel of the scan in the pack's grid."""
    pairs = zip(point, shape, grid, strict=True)
    return tuple(int((voxel + 0.5) * m / n) for voxel, n, m in pairs)
