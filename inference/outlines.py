"""Masks of a slice as polygons and back; polygons (n, 2) of (row, column) in pixel indices.

The outline of a pixel mask runs half-way between the centres of pixels inside and outside, so
that filling it gives the same pixels again, exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Polygon = NDArray[np.float64]
    Mask = NDArray[np.bool_]


def polygons(mask: Mask) -> Iterator[Polygon]:
    """One closed polygon for each connected part of a mask (y, x), its last point not repeated.

    A hole is part of the polygon around it, which reaches it by a channel of no width (keyhole).
    """
    from scipy import ndimage
    from skimage.measure import find_contours

    parts, _ = ndimage.label(mask)
    for number, box in enumerate(ndimage.find_objects(parts), 1):
        part = np.pad(parts[box] == number, 1)
        found = [_corners(ring[:-1]) for ring in find_contours(part, 0.5)]  # type: ignore[no-untyped-call]
        outer = max(found, key=lambda ring: np.ptp(ring, axis=0).prod())
        holes = [ring for ring in found if ring is not outer]
        yield _keyholed(outer, holes) + [part.start - 1 for part in box]


def filled(rings: Iterable[Polygon], shape: tuple[int, int]) -> Mask:
    """The pixels whose centres lie inside an odd number of closed polygons.

    So inner rings are holes, whether they are separate, as some programs write them, or keyholes.
    """
    crossings = np.zeros((shape[0], shape[1] + 1), np.int32)
    for ring in rings:
        _add_crossings(crossings, ring)
    return np.asarray(np.cumsum(crossings[:, :-1], axis=1) % 2 == 1)


def _add_crossings(crossings: NDArray[np.int32], ring: Polygon) -> None:
    """Count at each row's first column right of each crossing of an edge with that row."""
    rows, columns = crossings.shape[0], crossings.shape[1] - 1
    ends = np.roll(ring, -1, axis=0)
    upward = ring[:, 0] > ends[:, 0]
    low, high = np.where(upward[:, None], ends, ring), np.where(upward[:, None], ring, ends)
    first = np.clip(np.ceil(low[:, 0]), 0, rows).astype(np.intp)
    last = np.clip(np.ceil(high[:, 0]), 0, rows).astype(np.intp)  # from `first` to before `last`
    counts = last - first
    edge = np.repeat(np.arange(len(ring)), counts)
    row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    along = (row - low[edge, 0]) / (high[edge, 0] - low[edge, 0])
    at = low[edge, 1] + along * (high[edge, 1] - low[edge, 1])
    column = np.clip(np.ceil(at), 0, columns).astype(np.intp)
    np.add.at(crossings, (row, column), 1)


def _corners(ring: Polygon) -> Polygon:
    """Without the points on straight lines between others."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return np.asarray(ring[turns])


def _keyholed(outer: Polygon, holes: list[Polygon]) -> Polygon:
    """One ring; each hole is reached to the left of its topmost point, so no centre is touched.

    The higher hole comes first: whatever lies to the left of a hole's top is joined already.
    """
    starts = [np.lexsort((hole[:, 1], hole[:, 0]))[0] for hole in holes]
    turned = [np.roll(hole, -start, axis=0) for hole, start in zip(holes, starts, strict=True)]
    for hole in sorted(turned, key=lambda ring: (ring[0, 0], ring[0, 1])):
        edge, there = _left_of(outer, hole[0])
        way = [outer[: edge + 1], there, hole, hole[:1], there, outer[edge + 1 :]]
        outer = np.concatenate(way)
    return outer


def _left_of(ring: Polygon, point: Polygon) -> tuple[int, Polygon]:
    """The edge of a ring that is nearest to the left of a point, and the place (1, 2) on it."""
    ends = np.roll(ring, -1, axis=0)
    row, column = point
    crosses = (ring[:, 0] <= row) != (ends[:, 0] <= row)
    edges = np.flatnonzero(crosses)
    start, end = ring[edges], ends[edges]
    along = (row - start[:, 0]) / (end[:, 0] - start[:, 0])
    at = start[:, 1] + along * (end[:, 1] - start[:, 1])
    reached = np.where(at < column, at, -np.inf)
    nearest = int(reached.argmax())
    return int(edges[nearest]), np.array([[row, at[nearest]]])
