"""Label maps from files, brought onto the grid of an image that is open."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference import registry
from inference.box import Box
from inference.errors import UserError
from inference.writing import Segment, to_itk

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from inference.series import Array, Geometry, Series
    from inference.worker import JobContext

    Labels = NDArray[np.uint8]

MOST = 255  # objects that an image holds
SAME = 2e-2  # mm that corners of two grids may differ and still be the same
READ = "limn-{}.read_labels"  # the command of each plugin that reads labels


@dataclass(frozen=True, slots=True)
class Layer:
    """One label map of a file; a file has several where its objects overlap."""

    series: Series  # the labels as its voxels
    segments: tuple[Segment, ...]  # by the values in it; color "" where the file states none


@dataclass(frozen=True, slots=True)
class Found:
    """Labels (0 to 255) over the canonical grid of an image, and what each stands for."""

    labels: Labels
    segments: tuple[Segment, ...]
    notes: tuple[str, ...]


def read_job(context: JobContext, path: str, grid: Geometry, shape: tuple[int, ...]) -> Found:
    """The objects in a file, on the canonical grid of an image; raises UserError."""
    context.progress(0, 2, "Reading")
    file = Path(path)
    layers = _read(file)
    context.progress(1, 2, "Placing")
    labels, notes = np.zeros(shape, np.uint8), []
    segments: list[Segment] = []
    for layer in layers:
        values, note = _numbered(file, layer, len(segments))
        placed, moved = onto(replace(layer.series, voxels=values), grid, shape)
        labels = np.where(labels == 0, placed, labels)
        segments += note
        notes += moved
    drawn = np.bincount(labels.reshape(-1), minlength=256)
    segments = [segment for segment in segments if drawn[segment.value]]
    if not segments:
        raise UserError(f"No object of {file.name} lies in this image: it belongs to another one.")
    return Found(labels, tuple(segments), tuple(dict.fromkeys(notes)))


def onto(found: Series, grid: Geometry, shape: tuple[int, ...]) -> tuple[Labels, list[str]]:
    """Stored labels on the grid of an image; a note if they were resampled."""
    turned = found.canonical()
    if not (found.geometry.known and grid.known):
        if turned.shape != shape:
            raise UserError(
                f"{found.path.name} has another size than the image, and does not say where it "
                "lies: export the mask with its geometry, as NIfTI or NRRD."
            )
        return np.ascontiguousarray(turned, np.uint8), []
    if len(shape) != 3 or turned.ndim != 3:
        raise UserError(f"{found.path.name} and the image are not both volumes.")
    start = _start(found, grid, shape)
    if start is not None:
        return _pasted(turned, start, shape), []
    return _resampled(turned, found, grid, shape), [
        f"{found.path.name} has another grid than the image: its labels were resampled to the "
        "nearest voxel."
    ]


def _start(found: Series, grid: Geometry, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The index at which a part of the same grid begins; None for another grid."""
    here = found.canonical_geometry.affine
    apart = np.abs(here[:3, :3] - grid.affine[:3, :3]).max(axis=0) @ np.asarray(shape)
    place = np.linalg.solve(grid.affine, here[:, 3])[:3]
    whole = np.rint(place)
    off = np.abs(place - whole) @ np.asarray(grid.spacing)
    return tuple(whole.astype(int).tolist()) if max(apart, off) <= SAME else None


def _pasted(labels: Array, start: tuple[int, ...], shape: tuple[int, ...]) -> Labels:
    """Labels that begin at `start` of an array of this shape, cut off at its borders."""
    whole = np.zeros(shape, np.uint8)
    box = Box(start, tuple(a + n for a, n in zip(start, labels.shape, strict=True)))
    inside = box.clipped(shape)
    whole[inside.slices] = labels[inside.shifted([-a for a in start]).slices]
    return whole


def _resampled(turned: Array, found: Series, grid: Geometry, shape: tuple[int, ...]) -> Labels:
    import SimpleITK as sitk

    image = to_itk(np.ascontiguousarray(turned, np.uint8), found.canonical_geometry)
    there = to_itk(np.zeros((1, 1, 1), np.uint8), grid)
    moved = sitk.Resample(
        image, shape[::-1], sitk.Transform(3, sitk.sitkIdentity), sitk.sitkNearestNeighbor,
        there.GetOrigin(), there.GetSpacing(), there.GetDirection(), 0, sitk.sitkUInt8,
    )  # fmt: skip
    labels: Labels = sitk.GetArrayFromImage(moved)
    return labels


def _read(path: Path) -> list[Layer]:
    for reader in registry.readers():
        if reader.accepts(path):
            read: Callable[[Path], list[Layer]] = registry.command(READ.format(reader.name))
            return read(path)
    raise UserError(
        f"{path.name} is no mask that Limn opens: give DICOM SEG, NIfTI, NRRD, MHA or PNG."
    )


def _numbered(path: Path, layer: Layer, taken: int) -> tuple[Labels, list[Segment]]:
    """The labels of a layer under numbers that follow those taken; raises UserError."""
    voxels = layer.series.voxels
    whole: Any = voxels.astype(np.int64) if voxels.dtype.kind == "f" else voxels
    if layer.series.rgb or (voxels.dtype.kind == "f" and not np.array_equal(whole, voxels)):
        raise UserError(f"{path.name} is an image, not a mask: open it with File, Open image.")
    values, places = np.unique(whole, return_inverse=True)
    used = values[values != 0]
    if len(used) + taken > MOST:
        raise UserError(
            f"{path.name} holds {len(used)} values, and an image holds {MOST} objects at most: "
            "is it a mask?"
        )
    known = {segment.value: segment for segment in layer.segments}
    numbers = {int(value): taken + place for place, value in enumerate(used, 1)}
    table = np.array([numbers.get(int(value), 0) for value in values], np.uint8)
    segments = [
        replace(known.get(value, Segment(value, f"Object {value}", "")), value=number)
        for value, number in numbers.items()
    ]
    return table[places].reshape(voxels.shape), segments
