"""Where to look in a CT: the box round the lungs and, between them, the mediastinum.

Thresholds and morphology on a coarse copy (about 4 mm), so it takes a fraction of a second. Arrays
are (z, y, x) with z to superior, y to posterior, x to left, in HU; spacing (z, y, x), mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cc3d
import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from skimage.morphology import convex_hull_image

from inference.box import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inference.series import Array

    Mask = NDArray[np.bool_]

COARSE = 4.0
"""Grid on which regions are found, mm."""
BODY_HU, AIR_HU = -350, -400
PARENCHYMA_HU = (-960, -500)
"""Bowel gas, the trachea and the air of the room lie below, partial volume above."""
SMALLEST_LUNG = 100_000.0
"""Pieces of air of less are no lung, mm³."""
PARENCHYMA = 0.25
"""At least this share of a lung's voxels is parenchyma, not counting its rim in each slice."""
BESIDE = 0.6
"""Bowel lies below the lungs: more than this share of a lung's height is the other's too."""
WITHIN = 0.6
"""Air of which less lies in the body's hull is that of the room."""
LONE = 0.2
"""A side with less than this share of all lung is missing, collapsed or full of fluid."""
REACH = 90.0
"""Mediastinum and hila lie within this distance of the midline, mm."""
FRONT = 0.78
"""Of the way from the sternum to the back of the lungs: the middle of the vertebral bodies."""
AERATED = 0.4
"""Slices with less lung in the thorax show liver, stomach and spleen."""
MARGIN = 12.0
"""The box is wider than the mask by this, mm."""
CENTRAL = 45.0
"""So near the midline the mediastinum reaches to the sternum, and beside a lung that lacks a part
as far as on the other side, mm."""
BONE_HU = 200
STERNUM = (20.0, 30.0)
"""Its greatest thickness and, with the heads of the clavicles, half its width, mm."""
SEEN = 0.4
"""The sternum shows in a slice with bone over so much of its width."""
APICES = 60.0
"""Where air is less wide, it is that of the trachea, mm."""

INSIDE = 0.25
"""A find with so much of it in the mediastinum is one of its nodes; one with less is cut."""

NO_LUNGS = "No lungs were found: the whole volume was searched, and much of what is marked may be \
something else."
ONE_LUNG = "One lung is missing, collapsed or full of fluid: the mediastinum was taken to reach as \
far on that side as on the other."


@dataclass(frozen=True, slots=True)
class Regions:
    """Boxes in voxels of the volume, the mask on a coarse grid over the whole volume."""

    lungs: Box
    mediastinum: Box
    coarse: Mask
    warning: str | None = None

    def mask(self, shape: Sequence[int]) -> Mask:
        """The mediastinum over `shape`, by nearest voxel."""
        index = [
            np.minimum(np.arange(n) * few // n, few - 1)
            for n, few in zip(shape, self.coarse.shape, strict=True)
        ]
        return np.asarray(self.coarse[np.ix_(*index)])


def find(volume: Array, spacing: Sequence[float]) -> Regions:
    """The lungs' box and the mediastinum of a CT; the whole volume, and a warning, if no lungs."""
    small, step = coarse(volume, spacing)
    body = body_of(small)
    lungs = lungs_of(small, body, step)
    if not lungs.any():
        whole = Box.whole(volume.shape)
        return Regions(whole, whole, np.ones(small.shape, bool), NO_LUNGS)
    filled, alone = both_sides(lungs, body)
    between = mediastinum_of(small, filled, body, step)
    boxes = [_enlarged(mask, step, volume.shape) for mask in (filled, between)]
    return Regions(boxes[0], boxes[1], between, ONE_LUNG if alone else None)


def coarse(volume: Array, spacing: Sequence[float]) -> tuple[Array, tuple[float, ...]]:
    """Every n-th voxel, so that steps are about `COARSE` mm, and the steps."""
    every = [max(1, round(COARSE / step)) for step in spacing]
    small = volume[tuple(slice(n // 2 if n > 1 else 0, None, n) for n in every)]
    lengths = zip(volume.shape, spacing, small.shape, strict=True)
    step = tuple(n * size / few for n, size, few in lengths)
    return np.clip(small, -1024, 3000).astype(np.int16), step


def body_of(small: Array) -> Mask:
    """The patient without table and clothes: the hull of each axial slice, open to a cut edge."""
    solid = sitk.GetImageFromArray((small > BODY_HU).astype(np.uint8))
    opened = sitk.BinaryMorphologicalOpening(solid, [1, 1, 0])
    patient = sitk.GetArrayFromImage(_largest(opened)) > 0
    return np.stack([_hull(cut) for cut in patient])


def lungs_of(small: Array, body: Mask, step: Sequence[float]) -> Mask:
    """Air in large pieces that are parenchyma rather than gas, at the height of the largest."""
    air = sitk.GetImageFromArray((small < AIR_HU).astype(np.uint8))
    pieces = sitk.RelabelComponent(
        sitk.ConnectedComponent(air), int(SMALLEST_LUNG / np.prod(step)) + 1
    )
    numbers = sitk.GetArrayFromImage(pieces)
    low, high = PARENCHYMA_HU
    sizes, within = np.bincount(numbers.ravel()), np.bincount(numbers.ravel(), body.ravel())
    inner = numbers * ndimage.binary_erosion(numbers > 0, np.ones((1, 3, 3), bool))
    inside = np.maximum(np.bincount(inner.ravel(), minlength=len(sizes)), 1)
    parenchyma = inner[(small > low) & (small < high)]  # the rim of bowel gas has such HU, too
    spongy = np.bincount(parenchyma, minlength=len(sizes))
    spongy[0] = 0
    lung = np.flatnonzero((spongy / inside > PARENCHYMA) & (within > WITHIN * sizes))
    if not len(lung):
        return np.zeros(small.shape, bool)
    heights = {n: np.flatnonzero((numbers == n).any(axis=(1, 2))) for n in lung}
    largest = heights[lung[np.argmax(spongy[lung])]]
    beside = [n for n in lung if np.isin(heights[n], largest).mean() > BESIDE]
    return np.isin(numbers, beside)


def both_sides(lungs: Mask, body: Mask) -> tuple[Mask, bool]:
    """The lungs, a missing one replaced by the other's mirror image at the midline; if it was."""
    middle = midline(lungs, body)
    columns = np.arange(lungs.shape[2])
    right = float(lungs[:, :, columns < middle].sum())
    left = float(lungs[:, :, columns >= middle].sum())
    if min(right, left) >= LONE * (right + left):
        return lungs, False
    mirrored = np.rint(2 * middle - columns).astype(int)
    inside = (mirrored >= 0) & (mirrored < lungs.shape[2])
    other = np.zeros_like(lungs)
    other[:, :, inside] = lungs[:, :, mirrored[inside]]
    return lungs | (other & body), True


def midline(lungs: Mask, body: Mask) -> float:
    """The column in the middle of the body, at the lungs' height."""
    rows = np.flatnonzero(lungs.any(axis=(1, 2)))
    across = np.flatnonzero(body[rows].any(axis=(0, 1)))
    return float(across[0] + across[-1]) / 2 if len(across) else lungs.shape[2] / 2


def mediastinum_of(small: Array, lungs: Mask, body: Mask, step: Sequence[float]) -> Mask:
    """What lungs and sternum enclose in axial slices without being lung or far from the midline."""
    alone = np.stack([_hull(cut) for cut in lungs])
    hull = alone | in_front(small, lungs, alone, midline(lungs, body), step)
    lung = sitk.GetImageFromArray(lungs.astype(np.uint8))
    radius = max(1, round(6.0 / step[2]))  # vessels in the lungs are closed, hila stay
    parenchyma = sitk.GetArrayFromImage(sitk.BinaryMorphologicalClosing(lung, [radius] * 2 + [0]))
    tissue = hull & ~(parenchyma > 0)
    inner = (tissue | np.asarray(hull & (small > -150))) & front_of_spine(alone)
    inner &= above_liver(alone, tissue & alone)
    columns = np.abs(np.arange(small.shape[2]) - midline(lungs, body)) * step[2]
    inner &= columns < REACH
    kept = _largest(sitk.GetImageFromArray(inner.astype(np.uint8)))
    found = sitk.GetArrayFromImage(sitk.BinaryDilate(kept, [2, 2, 1])) > 0
    return np.asarray(found & hull) if found.any() else np.asarray(hull & body)


def in_front(small: Array, lungs: Mask, hull: Mask, middle: float, step: Sequence[float]) -> Mask:
    """Near the midline, what lies between the lungs, their mirror images and the sternum's back.

    The lungs' own hull leaves out the fat before the great vessels where the lungs do not meet in
    front of them, and more where a lung lacks a part.
    """
    columns = np.arange(small.shape[2])
    apart = np.abs(columns - middle) * step[2]
    mirrored = np.rint(2 * middle - columns).astype(int)
    both = lungs | (lungs[:, :, np.clip(mirrored, 0, len(columns) - 1)] & (apart < REACH))
    wide = both.any(axis=1).sum(axis=1) * step[2] > APICES  # the trachea is not
    behind = back_of_sternum(small, hull, apart < STERNUM[1], step)
    for height in np.flatnonzero(np.isfinite(behind) & wide):
        row = min(int(behind[height]) + 1, small.shape[1] - 1)
        both[height, row, apart < STERNUM[1]] = True
    near = (apart < CENTRAL) & wide[:, None, None]
    return np.asarray(np.stack([_hull(cut) for cut in both]) & near)


def back_of_sternum(small: Array, hull: Mask, columns: Mask, step: Sequence[float]) -> Array:
    """The row at each height from the widest of the chest on, NaN below and without a sternum.

    It is the first bone from the front. Upwards it comes nearer to the spine: bone that lies
    further forward than below is the chin.
    """
    rows = np.arange(small.shape[1])[None, :, None]
    widest = int(hull.sum(axis=(1, 2)).argmax())
    front = np.where(hull.any(axis=(1, 2)), hull.any(axis=2).argmax(axis=1), 0)
    bone = (small[:, :, columns] > BONE_HU) & (rows <= front[:, None, None])
    bone &= rows <= bone.argmax(axis=1)[:, None] + STERNUM[0] / step[1]
    last = np.where(bone.any(axis=1), (bone * rows).max(axis=1), np.nan)
    seen = np.flatnonzero(np.isfinite(last).mean(axis=1) > SEEN)
    seen = seen[seen >= widest]
    found = np.full(len(small), np.nan)
    if len(seen):
        heights = np.arange(widest, len(small))
        known = np.maximum.accumulate(np.nanmedian(last[seen], axis=1))
        found[widest:] = np.interp(heights, seen, known)
    return found


def front_of_spine(hull: Mask) -> Mask:
    """The part of the thorax from the sternum to the middle of the vertebral bodies."""
    rows = np.arange(hull.shape[1])[None, :, None]
    crossed = np.asarray(hull.any(axis=2))
    first = crossed.argmax(axis=1)[:, None, None]
    last = hull.shape[1] - crossed[:, ::-1].argmax(axis=1)[:, None, None]
    return np.asarray(rows < first + FRONT * (last - first))


def above_liver(hull: Mask, tissue: Mask) -> Mask:
    """Slices in which the lungs are more than a rim round the abdomen."""
    whole = hull.sum(axis=(1, 2))
    lung = 1 - tissue.sum(axis=(1, 2)) / np.maximum(whole, 1)
    aerated = np.flatnonzero((lung > AERATED) & (whole > whole.max() / 2))
    heights = np.arange(len(hull))
    lowest = aerated[0] if len(aerated) else 0
    return np.asarray(heights >= lowest)[:, None, None]


def within(found: Array, mask: Mask, threshold: float) -> Array:
    """A probability inside a mask, and beyond it that of finds of which `INSIDE` or more is inside.

    Many nodes lie across the border of the mediastinum, which is known to some mm only.
    """
    numbers = np.asarray(cc3d.connected_components(found >= threshold, connectivity=26))
    sizes = np.bincount(numbers.ravel())
    inside = np.bincount(numbers[mask], minlength=len(sizes))
    whole = np.append(False, inside[1:] >= INSIDE * sizes[1:])[numbers]
    rim = ndimage.binary_dilation(whole, np.ones((3, 3, 3), bool))
    return np.where(mask | rim, found, np.float32(0))


def _hull(cut: Mask) -> Mask:
    enough = np.count_nonzero(cut) > 3
    return np.asarray(convex_hull_image(cut)) if enough else np.zeros_like(cut)  # type: ignore[no-untyped-call]


def _largest(image: sitk.Image) -> sitk.Image:
    found: sitk.Image = sitk.RelabelComponent(sitk.ConnectedComponent(image)) == 1
    return found


def _enlarged(mask: Mask, step: Sequence[float], shape: Sequence[int]) -> Box:
    """The box round a coarse mask and a margin, in voxels of the volume."""
    box = Box.of(mask) or Box.whole(mask.shape)
    grown = box.grown([int(np.ceil(MARGIN / size)) for size in step], mask.shape)
    scale = [n / few for n, few in zip(shape, mask.shape, strict=True)]
    start = tuple(int(a * s) for a, s in zip(grown.start, scale, strict=True))
    stop = tuple(int(np.ceil(b * s)) for b, s in zip(grown.stop, scale, strict=True))
    return Box(start, stop).clipped(shape)
