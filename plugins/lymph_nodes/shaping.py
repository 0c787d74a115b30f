"""Nodes taken apart, and grown from a click; masks are (z, y, x), spacing (z, y, x) mm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from inference.box import Box
from inference.errors import UserError
from inference.morphology import distance, smooth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference.series import Array

CORNERS = np.ones((3, 3, 3), bool)
DEPTHS = 24
"""At so many depths a mask is looked at for a waist."""
SMALLEST_SHARE = 0.08
"""A part with less of a mask is no node of its own."""
REACH_MM = 25.0
"""From the click: no node that one click outlines reaches further."""
HINT = 0.05
"""Probability from which the network has something to say about a click."""
TOLERANCE_HU = 35.0
"""Of tissue about its middle; noise may widen it."""
SOLID_HU = -300.0
"""Below lies more lung or air than tissue: no outline reaches there."""
SEED_MM = 2.0
"""Round a click, what the tissue looks like: its rim is half lung or fat."""
ROUGH_MM = 1.5
"""Outlines of tissue are rounded off by so much."""
LONGER = 1.7
"""A node reaches so many times the radius of the largest ball in it from that ball's middle."""
LONGEST = 2.2
"""… or as far as the click, up to this: an oval one was clicked at its end."""
HOLE_MM3 = 500.0
"""Of fat or chalk in a node; what is larger is no part of it."""
FAT_HU, BRIGHT_HU = -50.0, 180.0
"""Tissue of nodes lies between: fat below, contrast medium and bone above."""
THICKEST_MM = 32.0
"""The largest ball in a node that one click outlines: what is thicker is heart or muscle."""
NECK = 0.7
"""Where a node touches other tissue, that is so much narrower than the node or less."""
ATTACHED_MM = 16.0
"""In tissue that goes on, such as a vessel, a node is no thicker than this round the click."""


class NoNodeError(UserError):
    """What was clicked cannot be told from what is no node; whoever sees one there draws it."""


def split(mask: Array, spacing: Sequence[float]) -> Array:
    """Parts of a mask, numbered from 1, the largest first: at its waist, else across its length."""
    numbers = _apart(mask)
    if numbers is None:
        numbers = _at_waist(mask, spacing)
    if numbers is None:
        numbers = _across(mask, spacing)
    sizes = np.bincount(numbers[mask > 0])
    order = np.argsort(-sizes, kind="stable")
    lookup = np.zeros(len(sizes), np.uint8)
    kept = [number for number in order if number and sizes[number]]
    lookup[kept] = np.arange(1, len(kept) + 1)
    return np.asarray(lookup[numbers] * (mask > 0))


def _apart(mask: Array) -> Array | None:
    """The pieces of a mask that do not touch; None if it is one."""
    numbers, count = ndimage.label(mask, CORNERS)
    return np.asarray(numbers) if count > 1 else None


def _at_waist(mask: Array, spacing: Sequence[float]) -> Array | None:
    """The parts that come apart first when a mask is worn away; None if none do."""
    depth = distance(np.pad(mask > 0, 1), spacing)[1:-1, 1:-1, 1:-1]
    least = SMALLEST_SHARE * np.count_nonzero(mask)
    for level in np.linspace(0, float(depth.max()), DEPTHS, endpoint=False)[1:]:
        seeds, count = ndimage.label(depth > level, CORNERS)
        if count < 2:
            continue
        basins = np.asarray(watershed(-depth, seeds, mask=mask > 0))  # type: ignore[no-untyped-call]
        if np.sort(np.bincount(basins[mask > 0], minlength=3))[-2] >= least:
            return basins
    return None


def _across(mask: Array, spacing: Sequence[float]) -> Array:
    """Two halves of a mask on both sides of its middle."""
    points = np.argwhere(mask) * np.asarray(spacing)
    centred = points - points.mean(axis=0)
    _, _, directions = np.linalg.svd(centred.T @ centred)
    numbers = np.zeros(mask.shape, np.uint8)
    numbers[mask > 0] = 1 + (centred @ directions[0] > 0)
    return numbers


def grown(
    volume: Array,
    probability: Array | None,
    seed: Sequence[int],
    spacing: Sequence[float],
    free: Array,
) -> tuple[Box, Array, bool]:
    """The node at a click (z, y, x): its box, its mask, and whether that is all of it.

    By the network if it sees anything there, else by the tissue. Arrays cover the whole volume,
    HU; only `free` voxels are taken. Raises NoNodeError.
    """
    reach = [int(REACH_MM / step) + 1 for step in spacing]
    box = Box(tuple(seed), tuple(n + 1 for n in seed)).grown(reach, volume.shape)
    place = tuple(n - first for n, first in zip(seed, box.start, strict=True))
    part = volume[box.slices]
    values = ndimage.gaussian_filter(part.astype(np.float32), [1.0 / step for step in spacing])
    tissue = _tissue(values, place, spacing)
    if tissue > BRIGHT_HU:
        raise NoNodeError("No node is this bright: it is bone, or contrast medium in a vessel.")
    if tissue < FAT_HU:
        raise NoNodeError("This is as dark as fat: click in the middle of the node.")
    seen = None if probability is None else probability[box.slices].astype(np.float32)
    mask, whole = _by_network(seen, place, spacing) if seen is not None else None, True
    if mask is None:
        mask, whole = _by_tissue(values, tissue, place, spacing)
    allowed = np.array(free[box.slices], bool)
    allowed[place] = True
    allowed &= part > SOLID_HU
    mask = smooth(mask & allowed, ROUGH_MM, spacing) | _rim(mask, part)
    mask = _touching(mask & allowed, place)
    tight = Box.of(mask) or Box(place, tuple(n + 1 for n in place))
    return tight.shifted(box.start), mask[tight.slices], whole


def _by_network(seen: Array, place: tuple[int, ...], spacing: Sequence[float]) -> Array | None:
    """What is at least half as likely as the likeliest voxel near the click; None if nothing is."""
    near = Box(place, tuple(n + 1 for n in place)).grown(
        [max(1, int(3.0 / step)) for step in spacing], seen.shape
    )
    most = float(seen[near.slices].max())
    if most < HINT or seen[place] < most / 2:
        return None
    mask = _touching(seen >= most / 2, place)
    touches = any(mask.take(end, axis).any() for axis in range(3) for end in (0, -1))
    return None if touches else mask


def _by_tissue(
    values: Array, tissue: float, place: tuple[int, ...], spacing: Sequence[float]
) -> tuple[Array, bool]:
    """The body of like tissue round a click, and True; if it has no end, what fits there, False.

    A body ends where it is narrowed on all sides. Raises NoNodeError where none can be told.
    """
    like = np.abs(values - tissue) < TOLERANCE_HU
    like[place] = True
    like = _filled(_touching(like, place), spacing) & (values > SOLID_HU)
    depth = distance(np.pad(like, 1, mode="edge"), spacing)[1:-1, 1:-1, 1:-1]  # it may go on there
    depth = np.minimum(depth, 2 * REACH_MM)
    mask, radius = _body(like, depth, place, spacing)
    if radius <= THICKEST_MM / 2 and mask[place] and _opening(mask, like, depth) <= NECK * radius:
        return mask, True
    if 2 * depth[place] > ATTACHED_MM:
        raise NoNodeError("The tissue here goes on like a large vessel, the heart or muscle.")
    around = _away(like.shape, place, spacing) < max(LONGER * float(depth[place]), max(spacing))
    return np.asarray(like & around), False


def _body(
    like: Array, depth: Array, place: tuple[int, ...], spacing: Sequence[float]
) -> tuple[Array, float]:
    """The roundest piece of tissue round a click, and the radius of the largest ball in it, mm."""
    smoothed = ndimage.gaussian_filter(depth, [1.0 / step for step in spacing])
    peaks = peak_local_max(  # type: ignore[no-untyped-call]
        smoothed, max(1, round(4.0 / min(spacing))), exclude_border=False, labels=like
    )
    if not len(peaks):
        return like, float(depth.max())
    seeds = np.zeros(like.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    basins = np.asarray(watershed(-smoothed, seeds, mask=like))  # type: ignore[no-untyped-call]
    middle = tuple(peaks[max(int(basins[place]) - 1, 0)])
    away, radius = _away(like.shape, middle, spacing), float(depth[middle])
    end = min(float(away[place]), LONGEST * radius) + max(spacing)
    reach = max(LONGER * radius, end)
    return np.asarray((basins == basins[place]) & (away < reach)), radius


def _filled(mask: Array, spacing: Sequence[float]) -> Array:
    """A mask with its small holes closed: rims of vessels of its brightness enclose others."""
    numbers, _ = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    small = np.bincount(numbers.ravel()) * np.prod(spacing) <= HOLE_MM3
    small[0] = False
    return np.asarray(mask | small[numbers])


def _opening(mask: Array, like: Array, depth: Array) -> float:
    """Half the width, mm, of the widest place at which a piece goes on into more of its tissue."""
    edge = np.ones(mask.shape, bool)
    edge[1:-1, 1:-1, 1:-1] = False
    goes_on = (ndimage.binary_dilation(mask, CORNERS) & ~mask & like) | (mask & edge)
    return float(depth[goes_on].max(initial=0))


def _away(shape: tuple[int, ...], place: Sequence[int], spacing: Sequence[float]) -> Array:
    """From every voxel to a place, mm."""
    offset = (np.indices(shape) - np.reshape(place, (3, 1, 1, 1))).T * np.asarray(spacing)
    return np.asarray(np.linalg.norm(offset, axis=-1).T)


def _rim(mask: Array, volume: Array) -> Array:
    """Voxels of a mask's border with lung, which are darker than it for they are half lung."""
    beside_lung = ndimage.binary_dilation(volume <= SOLID_HU)
    return np.asarray(mask | (ndimage.binary_dilation(mask) & beside_lung))


def _tissue(values: Array, place: tuple[int, ...], spacing: Sequence[float]) -> float:
    """HU of what was clicked: the upper median round it, for at a rim the rest is lung or fat.

    On fat, of the brightest beside it: that was meant.
    """
    margin = [max(1, round(SEED_MM / step)) for step in spacing]
    near = Box(place, tuple(n + 1 for n in place)).grown(margin, values.shape)
    inside = values[near.slices]
    if values[place] < FAT_HU:
        return float(inside.max())
    solid = inside[inside > values[place] - TOLERANCE_HU]
    middle = float(np.median(solid))
    return middle if abs(middle - values[place]) < 2 * TOLERANCE_HU else float(values[place])


def _touching(mask: Array, place: tuple[int, ...]) -> Array:
    """The piece of a mask at a place, or the place alone."""
    numbers, _ = ndimage.label(mask, CORNERS)
    if not numbers[place]:
        alone = np.zeros(mask.shape, bool)
        alone[place] = True
        return alone
    return np.asarray(numbers == numbers[place])
