"""From a vessel mask to its centre lines: pixels, smoothed paths, and the width along them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import edt
import numpy as np
from scipy.ndimage import map_coordinates
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from skimage.morphology import skeletonize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

SMOOTHING = 2.0
"""Standard deviation, in points, that takes the pixel steps out of a centre line."""
SPUR = 3.0
"""A side branch that leaves its vessel's edge by less than this many pixels is a spur."""


@dataclass(frozen=True)
class Centrelines:
    """Paths between branch and end points, one after the other: `starts[i]:starts[i + 1]`.

    `points` (n, 2) smoothed (y, x), px; `widths` (n,) px, NaN where a vessel opens into another.
    """

    points: Floats
    widths: Floats
    starts: Integers

    @cached_property
    def path(self) -> Integers:
        """(n,) number of the path to which each point belongs."""
        return np.repeat(np.arange(self.count), np.diff(self.starts))

    @property
    def count(self) -> int:
        """Number of paths."""
        return len(self.starts) - 1

    @cached_property
    def arc(self) -> Floats:
        """(n,) way along the paths, px, running on from one path into the next."""
        step = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        step[self.starts[1:-1] - 1] = 0.0
        return np.concatenate([np.zeros(min(len(self.points), 1)), np.cumsum(step)])

    @cached_property
    def lengths(self) -> Floats:
        """(paths,) length, px."""
        if not self.count:
            return np.zeros(0)
        lengths: Floats = self.arc[self.starts[1:] - 1] - self.arc[self.starts[:-1]]
        return lengths

    @cached_property
    def chords(self) -> Floats:
        """(paths,) straight distance between the two ends, px."""
        ends = self.points[self.starts[1:] - 1] - self.points[self.starts[:-1]]
        chords: Floats = np.linalg.norm(ends, axis=1)
        return chords

    def within(self, inside: Mask) -> Centrelines:
        """The stretches of at least two points on which `inside` (n,) holds."""
        run = np.cumsum(np.diff(np.where(inside, self.path, -1), prepend=-1) != 0)
        sizes = np.bincount(run, minlength=1)
        keep = inside & (sizes[run] > 1)
        _, counts = np.unique(run[keep], return_counts=True)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Centrelines(self.points[keep], self.widths[keep], starts)

    def sampled(self, image: NDArray[Any]) -> NDArray[Any]:
        """(n,) the values of `image` (y, x) at the nearest pixels."""
        y, x = np.rint(self.points).astype(int).T
        values: NDArray[Any] = image[y, x]
        return values


@dataclass(frozen=True)
class Skeleton:
    """A pruned skeleton: its centre lines and its branch and end points."""

    lines: Centrelines
    branch_points: int
    end_points: int


def trace(mask: Mask) -> Skeleton:
    """The skeleton of a vessel mask (y, x): thinned (Zhang & Suen 1984), spurs off, measured."""
    distance = np.minimum(edt.edt(mask.view(np.uint8), parallel=1), max(mask.shape))
    thin: Mask = skeletonize(mask)  # type: ignore[no-untyped-call]
    pixels = np.argwhere(thin)
    graph = _adjacency(pixels, mask.shape)
    keep = ~_spurs(graph, distance[tuple(pixels.T)])
    pixels, graph = pixels[keep], graph[keep][:, keep]
    degrees = np.diff(graph.indptr)
    nodes, starts = _paths(graph)
    where = pixels[nodes].astype(float)
    points = smoothed(where, starts, SMOOTHING)
    widths = _widths(mask, points, distance[tuple(pixels[nodes].T)], starts)
    forks = graph[degrees > 2][:, degrees > 2]
    branches = connected_components(forks)[0] if forks.shape[0] else 0
    return Skeleton(Centrelines(points, widths, starts), branches, int((degrees == 1).sum()))


def smoothed(points: Floats, starts: Integers, sigma: float) -> Floats:
    """Gaussian mean along each path; the window shrinks towards the ends, which stay in place."""
    index, reach = np.arange(len(points)), round(3 * sigma)
    room = to_ends(starts)
    total, weights = np.zeros_like(points), 0.0
    for offset in range(-reach, reach + 1):
        weight = float(np.exp(-0.5 * (offset / sigma) ** 2))
        total += weight * points[index + np.sign(offset) * np.minimum(abs(offset), room)]
        weights += weight
    smooth: Floats = total / weights
    return smooth


def to_ends(starts: Integers) -> Integers:
    """(n,) points between each point and the nearer end of its path."""
    index, counts = np.arange(starts[-1]), np.diff(starts)
    after_first = index - np.repeat(starts[:-1], counts)
    before_last = np.repeat(starts[1:], counts) - 1 - index
    room: Integers = np.minimum(after_first, before_last)
    return room


def _adjacency(pixels: Integers, shape: tuple[int, int]) -> csr_array[Any]:
    """Neighbours among skeleton pixels; no diagonal beside two straight steps: no triangles."""
    number = np.full((shape[0] + 2, shape[1] + 2), -1)
    y, x = (pixels + 1).T
    number[y, x] = np.arange(len(pixels))
    pairs = [_pairs(number, y, x, 0, 1), _pairs(number, y, x, 1, 0)]
    for dx in (-1, 1):
        corner = (number[y, x + dx] < 0) & (number[y + 1, x] < 0)
        pairs.append(_pairs(number, y[corner], x[corner], 1, dx))
    i, j = np.concatenate(pairs, axis=1)
    size = len(pixels), len(pixels)
    both = np.concatenate([i, j]), np.concatenate([j, i])
    return csr_array((np.ones(2 * len(i)), both), shape=size)


def _pairs(number: Integers, y: Integers, x: Integers, dy: int, dx: int) -> Integers:
    pair = np.stack([number[y, x], number[y + dy, x + dx]])
    return pair[:, pair[1] >= 0]


def _spurs(graph: csr_array[Any], radius: NDArray[np.float32]) -> Mask:
    """Pixels of the short side branches that a bump of the vessel's edge causes."""
    degrees = np.diff(graph.indptr)
    branch = np.flatnonzero(degrees < 3)
    if not len(branch):
        return np.zeros(len(degrees), bool)
    count, member = connected_components(graph[branch][:, branch])
    ends = np.bincount(member, degrees[branch] == 1, count)
    widest = np.zeros(count)
    np.maximum.at(widest, member, radius[branch])
    spur = np.zeros(len(degrees), bool)
    spur[branch] = ((ends == 1) & (np.bincount(member) < widest + SPUR))[member]
    return spur


def _paths(graph: csr_array[Any]) -> tuple[Integers, Integers]:
    """The pixels along every path, path after path, and where each path starts.

    A path runs from one end or branch pixel to the next; what is left then are closed rings.
    """
    neighbours = graph.indices.tolist()
    left = [neighbours[start:stop] for start, stop in pairwise(graph.indptr.tolist())]
    stops = {pixel for pixel, around in enumerate(left) if len(around) != 2}
    paths = [
        _walk(left, stops, first)
        for first in (*sorted(stops), *range(len(left)))
        for _ in range(len(left[first]))
        if left[first]
    ]
    starts = np.cumsum([0, *map(len, paths)], dtype=np.int64)
    return np.fromiter(chain.from_iterable(paths), np.int64, starts[-1]), starts


def _walk(left: list[list[int]], stops: set[int], first: int) -> list[int]:
    """The pixels from `first` to the next stop; the steps taken are gone from `left`."""
    path, here = [first], -1
    while here not in stops and here != first:
        before, here = path[-1], left[path[-1]].pop(0)
        left[here].remove(before)
        path.append(here)
    return path


def _widths(mask: Mask, points: Floats, radius: Any, starts: Integers) -> Floats:
    """Distance between the two edges (mask 1/2, interpolated) across each point, px.

    The distance transform says where to look for the edge. It is no width by itself: it runs to
    pixel centres, so it comes out one pixel short for vessels an even number of pixels wide.
    """
    tangent = _tangents(points, starts)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    ahead = np.maximum(radius - 1.5, 0.0)[:, None] + np.arange(5.0)
    return _edge(mask, points, normal, ahead) + _edge(mask, points, -normal, ahead)


def _edge(mask: Mask, points: Floats, direction: Floats, ahead: Floats) -> Floats:
    """How far from each point `mask` falls below 1/2 in `direction`, px; NaN if nowhere."""
    where = points[:, None] + direction[:, None] * ahead[..., None]
    inside = map_coordinates(mask.astype(np.float32), where.transpose(2, 0, 1), order=1)
    out = inside < 0.5
    at = np.maximum(out.argmax(axis=1), 1)
    row = np.arange(len(points))
    before, after = inside[row, at - 1], inside[row, at]
    share = (before - 0.5) / np.where(before == after, 1, before - after)
    found = out.any(axis=1) & ~out[:, 0]
    return np.where(found, ahead[row, at - 1] + np.clip(share, 0, 1), np.nan)


def _tangents(points: Floats, starts: Integers) -> Floats:
    index, counts = np.arange(len(points)), np.diff(starts)
    before = np.maximum(index - 1, np.repeat(starts[:-1], counts))
    after = np.minimum(index + 1, np.repeat(starts[1:], counts) - 1)
    tangent = points[after] - points[before]
    unit: Floats = tangent / np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    return unit
