"""What the correction tools compute: label arrays and places in, masks and edits out.

scipy and scikit-image are imported where they are used: the window comes up sooner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gui.voxel_edit import VoxelEdit
from inference.box import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Labels = NDArray[np.uint8]
    Mask = NDArray[np.bool_]
    Change = Callable[[Mask, Sequence[float]], Mask]  # mask and spacing in, mask out


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of an array."""

    axis: int
    index: int

    def box(self, shape: Sequence[int]) -> Box:
        """Where it lies in an array of this shape."""
        start, stop = [0] * len(shape), list(shape)
        start[self.axis], stop[self.axis] = self.index, self.index + 1
        return Box(tuple(start), tuple(stop))


def stroke(
    start: Sequence[float],
    end: Sequence[float],
    radius: float,
    scale: Sequence[float],
    shape: Sequence[int],
    flat: int | None = None,
) -> tuple[Box, Mask]:
    """The voxels within `radius` mm of the line from `start` to `end`, voxels.

    `flat` is the axis across which the brush is one slice thick, None for a ball. A brush
    finer than a voxel still leaves an unbroken line.
    """
    axes = [axis for axis in range(len(shape)) if axis != flat]
    radius = max(radius, max(scale[axis] for axis in axes) / 2)
    reach = [0 if axis == flat else radius / scale[axis] for axis in range(len(shape))]
    ends = list(zip(start, end, reach, strict=True))
    low = tuple(int(np.ceil(min(a, b) - r - 1e-6)) for a, b, r in ends)
    high = tuple(int(np.floor(max(a, b) + r + 1e-6)) + 1 for a, b, r in ends)
    if flat is not None:
        low = _with(low, flat, round(start[flat]))
        high = _with(high, flat, low[flat] + 1)
    box = Box(low, high).clipped(shape)
    return box, _near_line(box, start, end, radius, scale, axes)


def _with(values: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    return (*values[:place], value, *values[place + 1 :])


def _near_line(
    box: Box,
    start: Sequence[float],
    end: Sequence[float],
    radius: float,
    scale: Sequence[float],
    axes: Sequence[int],
) -> Mask:
    """Voxels of a box within `radius` mm of a line, measured along `axes`."""
    grid = np.ogrid[box.slices]
    offset = {a: ((grid[a] - start[a]) * scale[a]).astype(np.float32) for a in axes}
    line = {a: (end[a] - start[a]) * scale[a] for a in axes}
    length = sum(step * step for step in line.values())
    along: NDArray[np.float32] | float = 0.0
    if length > 0:
        along = np.clip(sum(offset[a] * line[a] for a in axes) / length, 0, 1)
    square = sum((offset[a] - along * line[a]) ** 2 for a in axes)
    return np.broadcast_to(np.asarray(square <= radius * radius * (1 + 1e-5)), box.shape)


def paint(
    labels: Labels, box: Box, mask: Mask, object_id: int, *, over: bool, title: str
) -> VoxelEdit:
    """Give a mask to an object; `over`: also where other objects are."""
    now = labels[box.slices]
    chosen = mask if over else mask & (now == 0)
    return VoxelEdit.painted(labels, box, chosen, object_id, title)


def erase(labels: Labels, box: Box, mask: Mask, object_id: int, title: str) -> VoxelEdit:
    """Take a mask away from an object."""
    return VoxelEdit.painted(labels, box, mask & (labels[box.slices] == object_id), 0, title)


def between_levels(values: NDArray[Any], lower: float, upper: float) -> Mask:
    """Where an image lies between two levels, both included."""
    inside: Mask = (values >= lower) & (values <= upper)
    return inside


def enclosed(plane: Labels, seed: tuple[int, int]) -> Mask | None:
    """The region of one label round a pixel; None if it is unlabelled and reaches the edge."""
    from scipy import ndimage

    parts, _ = ndimage.label(plane == plane[seed])
    region: Mask = parts == parts[seed]
    edges = (region[0], region[-1], region[:, 0], region[:, -1])
    if plane[seed] == 0 and any(edge.any() for edge in edges):
        return None
    return region


def outlined(points: Sequence[Sequence[float]], shape: tuple[int, int]) -> tuple[Box, Mask]:
    """The pixels inside a closed outline of (down, right) points."""
    from skimage.draw import polygon

    rows, columns = np.asarray(points, float).T
    inside = polygon(rows, columns, shape)  # type: ignore[no-untyped-call]
    if not len(inside[0]):
        return Box((0, 0), (0, 0)), np.zeros((0, 0), bool)
    low = tuple(int(place.min()) for place in inside)
    box = Box(low, tuple(int(place.max()) + 1 for place in inside))
    mask = np.zeros(box.shape, bool)
    mask[inside[0] - low[0], inside[1] - low[1]] = True
    return box, mask


def change_object(
    labels: Labels,
    object_id: int,
    scale: Sequence[float],
    change: Change,
    *,
    title: str,
    reach: float = 0.0,
    only: Slice | None = None,
    frames: bool = False,
) -> VoxelEdit:
    """Apply `change` to the mask of an object, of which it adds only what is unlabelled.

    `reach`: how far it may grow, mm. `only`: within one slice. `frames`: each (t) by itself.
    """
    region = only.box(labels.shape) if only else Box.whole(labels.shape)
    found = Box.of(labels[region.slices] == object_id)
    if found is None:
        return VoxelEdit.of(labels, region, labels[region.slices], title)
    margin = [int(reach / step) + 2 for step in scale]
    box = _within(found.shifted(region.start).grown(margin, labels.shape), region)
    now = labels[box.slices]
    mask = now == object_id
    axis = only.axis if only else 0 if frames else None
    changed = change(mask, scale) if axis is None else _in_slices(mask, axis, scale, change)
    values = np.where(mask & ~changed, np.uint8(0), now)
    values[changed & (now == 0)] = object_id
    return VoxelEdit.of(labels, box, values, title)


def _within(box: Box, region: Box) -> Box:
    start = tuple(map(max, box.start, region.start))
    return Box(start, tuple(map(min, box.stop, region.stop)))


def _in_slices(mask: Mask, axis: int, scale: Sequence[float], change: Change) -> Mask:
    """Change every slice across an axis by itself."""
    flat = [step for place, step in enumerate(scale) if place != axis]
    return np.stack([change(part, flat) for part in np.moveaxis(mask, axis, 0)], axis)
