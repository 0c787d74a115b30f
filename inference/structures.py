"""Structures drawn as closed contours anywhere in the patient, brought onto the grid of an image.

Where the contours lie in slices of the grid, a voxel belongs to a structure if its centre lies
inside an odd number of them: what was written from voxels comes back as these. Between contours
that lie further apart than slices, the nearest one counts. Contours in other planes are filled on
a finer grid of their own, of which each voxel takes the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inference.outlines import filled
from inference.series import Geometry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inference.writing import Algorithm

    Floats = NDArray[np.float64]

FLAT = 0.1  # voxels by which the points of a contour may leave the slice that it lies in
SAME = 0.02  # voxels between contours of one plane
GAP = 1.5  # times the usual step: further apart, there is nothing between two contours
FINER = 0.5  # of the voxels of an image: voxels of a grid for contours that lie across it
MOST = 2e8  # voxels of such a grid


@dataclass(frozen=True, slots=True)
class Structure:
    """One structure; each contour (n, 3) is closed and flat, LPS (x, y, z), mm."""

    name: str
    color: str  # "#rrggbb", "" if none is stated
    contours: tuple[Floats, ...]
    slab: float = 0.0  # mm across a contour that it stands for; 0: as far as to the next ones
    algorithm: Algorithm | None = None  # None: drawn by hand, or nobody knows


def voxels(structure: Structure, grid: Geometry) -> tuple[NDArray[np.bool_], Geometry]:
    """The box that holds a structure, and where that lies; on `grid`, where contours lie in it."""
    axis, lattice = _lattice(structure.contours, grid)
    to_index = np.linalg.inv(lattice.affine)
    rings = [ring @ to_index[:3, :3].T + to_index[:3, 3] for ring in structure.contours]
    planes = distinct([float(ring[:, axis].mean()) for ring in rings])
    step = structure.slab * float(np.linalg.norm(to_index[axis, :3])) or usual_step(planes)
    points = np.concatenate(rings)
    start = np.floor(points.min(axis=0)).astype(int)
    stop = np.ceil(points.max(axis=0)).astype(int) + 1
    start[axis] = int(np.ceil(planes[0] - max(1.0, step) / 2 - SAME))
    stop[axis] = max(int(np.ceil(planes[-1] + max(1.0, step) / 2 - SAME)), start[axis] + 1)
    moved = [ring - start for ring in rings]
    mask = _stacked(moved, planes - start[axis], axis, tuple(stop - start), step)
    affine = lattice.affine.copy()
    affine[:3, 3] = lattice.to_patient(start)
    return mask, Geometry(affine, known=True)


def distinct(places: Sequence[float], tolerance: float = SAME) -> Floats:
    """Places without those that are nearly the same, sorted."""
    ordered = np.sort(np.asarray(places, np.float64))
    return ordered[np.insert(np.diff(ordered) > tolerance, 0, True)]


def usual_step(planes: Floats) -> float:
    """From plane to plane, in slices, at least one."""
    return max(1.0, float(np.median(np.diff(planes)))) if len(planes) > 1 else 1.0


def nearest_planes(planes: Floats, count: int, step: float) -> NDArray[np.intp]:
    """For each of `count` slices the plane (sorted, in slices) that it shows, or -1 for none.

    A plane reaches half a step to either side, at least half a slice; slices between two planes
    that lie at most `GAP` steps apart show the nearer one.
    """
    slices = np.arange(count)
    right = np.clip(np.searchsorted(planes, slices), 0, len(planes) - 1)
    left = np.maximum(right - 1, 0)
    nearer = np.where(slices - planes[left] <= planes[right] - slices, left, right)
    away, reach = slices - planes[nearer], max(1.0, step) / 2
    between = (slices > planes[0]) & (slices < planes[-1])
    bridged = between & (planes[right] - planes[left] <= GAP * max(1.0, step))
    return np.where(bridged | ((away >= -reach - SAME) & (away < reach - SAME)), nearer, -1)


def _stacked(
    rings: Sequence[Floats], planes: Floats, axis: int, shape: tuple[int, ...], step: float
) -> NDArray[np.bool_]:
    flat = [i for i in range(3) if i != axis]
    size = shape[flat[0]], shape[flat[1]]
    members: dict[int, list[Floats]] = {}
    for ring in rings:
        plane = int(np.abs(planes - ring[:, axis].mean()).argmin())
        members.setdefault(plane, []).append(ring[:, flat])
    masks = {plane: filled(inside, size) for plane, inside in members.items()}
    stacked = np.zeros((shape[axis], *size), bool)
    for index, plane in enumerate(nearest_planes(planes, len(stacked), step)):
        if plane >= 0:
            stacked[index] = masks[int(plane)]
    return np.moveaxis(stacked, 0, axis)


def _lattice(contours: Sequence[Floats], grid: Geometry) -> tuple[int, Geometry]:
    """The grid and its axis across the contours; for contours across all axes a grid of theirs."""
    to_index = np.linalg.inv(grid.affine)[:3, :3]
    leaves = np.max([np.ptp(ring @ to_index.T, axis=0) for ring in contours], axis=0)
    axis = int(leaves.argmin())
    return (axis, grid) if leaves[axis] <= FLAT else (0, _own_grid(contours, grid))


def _own_grid(contours: Sequence[Floats], grid: Geometry) -> Geometry:
    """With its first axis across the contours."""
    widest = max(contours, key=lambda ring: float(np.ptp(ring, axis=0).sum()))
    middle = widest.mean(axis=0)
    directions = np.linalg.svd(widest - middle, full_matrices=False)[2][::-1]
    room = float(np.ptp(np.concatenate(contours) @ directions.T, axis=0).prod())
    affine = np.eye(4)
    affine[:3, :3] = directions.T * max(min(grid.spacing) * FINER, (room / MOST) ** (1 / 3))
    affine[:3, 3] = middle
    return Geometry(affine, known=True)
