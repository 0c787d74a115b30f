"""Nodes as a radiologist measures them: short and long axis in the axial slice, volume, HU.

Arrays (z, y, x), spacing (z, y, x) mm. All lengths are taken between points in mm, never from
pixels times a spacing: pixels need not be square.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import cc3d
import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform
from skimage.measure import find_contours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference.series import Array

SPECK_MM3 = 30.0
"""Less than a ball of 4 mm is noise."""
SURER = 2.0
"""A find's likeliest voxel has at least so many times the odds of the threshold."""
MOST = 255
"""Nodes, for label maps of 8 bit."""
POINTS, WAVES = 256, 4
"""An outline is drawn through so many points and has so many waves."""
LEVEL = 0.5
"""Of a mask between 0 and 1, where its outline runs."""
SURE = 90.0
"""Percentile of the probability in a node that is its confidence."""

Line = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axes:
    """The longest diameter of a slice and the largest perpendicular to it; ends (y, x) voxels."""

    long_mm: float
    short_mm: float
    long_ends: Line
    short_ends: Line


@dataclass(frozen=True, slots=True)
class Node:
    """One node; places in voxels of the volume, `axes_3d_mm` of the ellipsoid of its moments."""

    id: int
    centroid: tuple[float, float, float]
    slice: int  # the axial slice with the most of it, in which it is measured
    short_axis_mm: float
    long_axis_mm: float
    long_ends: Line
    short_ends: Line
    axes_3d_mm: tuple[float, float, float]  # the longest first
    volume_ml: float
    mean_hu: float
    confidence: float

    def plain(self) -> dict[str, Any]:
        """For a pipe or a JSON."""
        return asdict(self)


def components(mask: Array, spacing: Sequence[float], smallest_mm3: float = 0.0) -> Array:
    """Separate nodes of a mask, numbered from 1, the largest first; at most `MOST`; uint8.

    Voxels that touch at a corner belong to one node.
    """
    numbers = np.asarray(cc3d.connected_components(mask.astype(np.uint8), connectivity=26))
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    voxel = float(np.prod(spacing))
    least = max(1.0, smallest_mm3 / voxel)
    kept = [i for i in np.argsort(-sizes, kind="stable") if sizes[i] >= least]
    lookup = np.zeros(len(sizes), np.uint8)
    lookup[kept[:MOST]] = np.arange(1, min(len(kept), MOST) + 1)
    return np.asarray(lookup[numbers])


def finds(probability: Array, spacing: Sequence[float], threshold: float) -> Array:
    """Nodes of a probability map, as `components` numbers them, by hysteresis.

    Their border is at the threshold, but what nowhere gets well above it is none.
    """
    numbers = components(probability >= threshold, spacing, SPECK_MM3)
    surely = SURER * threshold / (1 + (SURER - 1) * threshold)
    kept = np.bincount(numbers[probability >= surely], minlength=MOST + 1) > 0
    kept[0] = False
    return np.asarray((np.cumsum(kept) * kept).astype(np.uint8)[numbers])


def nodes(
    labels: Array,
    spacing: Sequence[float],
    volume: Array | None = None,
    probability: Array | None = None,
    offset: Sequence[int] = (0, 0, 0),
    level: float = LEVEL,
) -> list[Node]:
    """Every numbered node; `offset` is where the arrays begin in the volume, voxels."""
    boxes = ndimage.find_objects(labels)
    return [
        one(number, labels, box, spacing, volume, probability, offset, level)
        for number, box in enumerate(boxes, start=1)
        if box is not None
    ]


def one(
    number: int,
    labels: Array,
    box: tuple[slice, ...],
    spacing: Sequence[float],
    volume: Array | None,
    probability: Array | None,
    offset: Sequence[int] = (0, 0, 0),
    level: float = LEVEL,
) -> Node:
    """The node of this number, which lies in `box` of the arrays; cut at `level` of probability."""
    mask = labels[box] == number
    first = np.add([part.start for part in box], offset)
    index = int(mask.sum(axis=(1, 2)).argmax())
    part = (box[0].start + index, *(slice(max(0, p.start - 1), p.stop + 1) for p in box[1:]))
    flat = labels[part] == number
    soft = None if probability is None else _soft(flat, probability[part], level)
    found = axes(flat, spacing[1:], soft)
    shift = np.add([side.start for side in part[1:]], offset[1:])
    place = np.argwhere(mask).mean(axis=0) + first
    return Node(
        number,
        tuple(place.tolist()),
        index + int(first[0]),
        found.short_mm,
        found.long_mm,
        _moved(found.long_ends, shift),
        _moved(found.short_ends, shift),
        axes_3d(mask, spacing),
        float(np.count_nonzero(mask) * np.prod(spacing) / 1000),
        float(volume[box][mask].mean()) if volume is not None else float("nan"),
        float(np.percentile(probability[box][mask], SURE)) if probability is not None else 1.0,
    )


def axes(mask: Array, spacing: Sequence[float], soft: Array | None = None) -> Axes:
    """Of a slice's mask (y, x), by its convex hull: where a node is bent, across the bend.

    `soft` is the mask with its border between voxels, as `outline` takes it.
    """
    hull = outline(mask, soft) * np.asarray(spacing)
    apart = squareform(pdist(hull))
    first, last = np.unravel_index(apart.argmax(), apart.shape)
    along = (hull[last] - hull[first]) / max(apart.max(), 1e-9)
    short = chord(hull, along)
    ends = [_line(points / np.asarray(spacing)) for points in (hull[[first, last]], short)]
    return Axes(float(apart.max()), float(np.linalg.norm(short[1] - short[0])), *ends)


def _soft(mask: Array, probability: Array, level: float) -> Array | None:
    """The mask with a border where the probability passes a level, 0 to 1 on both sides of 0.5.

    None if that is not how the mask was drawn: its outline then knows no more than the voxels.
    """
    found = probability.astype(np.float32)
    if not np.array_equal(mask, found >= level):
        return None
    return np.where(mask, LEVEL + (found - level) / (1 - level) / 2, found / level / 2)


def outline(mask: Array, soft: Array | None = None) -> Array:
    """Corners of the convex hull of a mask's smooth outline, in order, (n, 2) px.

    The outline's lowest frequencies alone: they take the stairs of the voxels away without
    shrinking the shape, as blurring would (Kuhl and Giardina 1982). They are taken where the
    ellipse of the mask's moments is a circle, for that is a single wave, however long the ellipse.
    """
    padded = np.pad(mask if soft is None else soft, 1).astype(np.float32)
    contour = max(find_contours(padded, LEVEL), key=len) - 1  # type: ignore[no-untyped-call]
    inside = np.argwhere(mask)
    middle = inside.mean(axis=0)
    moments = np.cov(inside.T, bias=True) if len(inside) > 1 else np.zeros((2, 2))
    stretch = np.linalg.cholesky(moments + np.eye(2) / 12)  # a pixel's own moments
    rounded = np.linalg.solve(stretch, (contour - middle).T).T
    points = _smoothed(rounded) @ stretch.T + middle
    return np.asarray(points[ConvexHull(points).vertices])


def _smoothed(contour: Array) -> Array:
    """`POINTS` along a closed line (n, 2), of its `WAVES` lowest frequencies."""
    steps = np.linalg.norm(np.diff(contour, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    even = np.linspace(0, at[-1], POINTS, endpoint=False)
    line = np.interp(even, at, contour[:, 0]) + 1j * np.interp(even, at, contour[:, 1])
    waves = np.fft.fft(line)
    waves[np.abs(np.fft.fftfreq(POINTS, 1 / POINTS)) > WAVES] = 0
    smooth = np.fft.ifft(waves)
    return np.stack([smooth.real, smooth.imag], axis=1)


def chord(hull: Array, along: Array) -> Array:
    """The longest chord of a convex polygon (n, 2) perpendicular to a direction; its two ends.

    A chord's length is piecewise linear along the polygon, so the longest ends in a corner.
    """
    across = np.array((-along[1], along[0]))
    position, height = hull @ along, hull @ across
    start, end = int(position.argmin()), int(position.argmax())
    one, other = _side(position, height, start, end), _side(position, height, end, start)
    places = np.clip(position, position[start], position[end])
    heights = np.stack([np.interp(places, *one), np.interp(places, *other)])
    best = int(np.abs(heights[0] - heights[1]).argmax())
    return np.stack([places[best] * along + h * across for h in heights[:, best]])


def _side(position: Array, height: Array, start: int, end: int) -> tuple[Array, Array]:
    """One side of a polygon between two corners, by growing position."""
    count = len(position)
    index = np.arange(start, start + (end - start) % count + 1) % count
    order = np.argsort(position[index], kind="stable")
    return position[index][order], height[index][order]


def axes_3d(mask: Array, spacing: Sequence[float]) -> tuple[float, float, float]:
    """Full axes, mm, of the ellipsoid with the same moments, the longest first."""
    points = np.argwhere(mask) * np.asarray(spacing)
    moments = np.cov(points.T, bias=True) if len(points) > 1 else np.zeros((3, 3))
    least = min(spacing) ** 2 / 12  # of a single voxel
    longest_last = 2 * np.sqrt(5 * np.maximum(np.linalg.eigvalsh(moments), least))
    c, b, a = (float(length) for length in longest_last)
    return a, b, c


def at_threshold(
    probability: Array,
    volume: Array,
    spacing: Sequence[float],
    threshold: float,
    smallest_mm: float = 0.0,
    offset: Sequence[int] = (0, 0, 0),
) -> tuple[Array, list[Node]]:
    """Labels (uint8) and nodes of a probability map whose short axis is at least `smallest_mm`."""
    labels = finds(probability, spacing, threshold)
    found = nodes(labels, spacing, volume, probability, offset, threshold)
    kept = [node for node in found if node.short_axis_mm >= smallest_mm]
    lookup = np.zeros(MOST + 1, np.uint8)
    for number, node in enumerate(kept, start=1):
        lookup[node.id] = number
    renumbered = [replace(node, id=number) for number, node in enumerate(kept, start=1)]
    return np.asarray(lookup[labels]), renumbered


def _line(points: Array) -> Line:
    (y0, x0), (y1, x1) = points.tolist()
    return (y0, x0), (y1, x1)


def _moved(line: Line, shift: Array) -> Line:
    return _line(np.asarray(line) + shift)
