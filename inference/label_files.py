"""Label maps from files, brought onto the grid of an image that is open."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference import logs, registry
from inference.box import Box
from inference.errors import UserError
from inference.object_files import counts
from inference.series import Series
from inference.structures import Structure, voxels
from inference.writing import Segment, to_itk

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from inference.series import Array, Geometry
    from inference.worker import JobContext

    Labels = NDArray[np.uint8]

MOST = 255  # objects that an image holds
SAME = 2e-2  # mm that corners of two grids may differ and still be the same
SO = ("was", "were")  # one, several
READ = "limn-{}.read_labels"  # the command of each plugin that reads labels

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Layer:
    """One label map of a file; a file has several where its objects overlap."""

    series: Series  # the labels as its voxels
    segments: tuple[Segment, ...]  # by the values in it; color "" where the file states none
    notes: tuple[str, ...] = ()  # what the user should know of how they were read


Entries = list[Layer] | list[Structure]


@dataclass(frozen=True, slots=True)
class Found:
    """Labels (0 to 255) over the canonical grid of an image, and what each stands for."""

    labels: Labels
    segments: tuple[Segment, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """Labels in a box of an image; `note` says how they came onto its grid, if not unchanged."""

    box: Box
    labels: Labels
    note: str = ""


def read_job(context: JobContext, path: str, grid: Geometry, shape: tuple[int, ...]) -> Found:
    """The objects in a file, on the canonical grid of an image; raises UserError."""
    context.progress(0, 2, "Reading")
    file = Path(path)
    entries = _read(file)
    empty = [e.name for e in entries if isinstance(e, Structure) and not e.contours]
    read = [e for e in entries if not isinstance(e, Structure) or e.contours]
    context.progress(1, 2, "Placing")
    segments: list[Segment] = []
    placed: list[Placed] = []
    notes: list[str] = []
    for entry in read:
        layer = _filled(entry, file, grid, shape) if isinstance(entry, Structure) else entry
        values, described = _numbered(file, layer, len(segments))
        placed.append(onto(replace(layer.series, voxels=values), grid, shape))
        segments += described
        notes += [*layer.notes, placed[-1].note]
    labels, overlap = _merged(placed, shape)
    notes += (
        [f"Objects of {file.name} overlap: there, the smaller one is shown."] if overlap else []
    )
    drawn = counts(labels)
    shown = [segment for segment in segments if drawn[segment.value]]
    if not shown:
        raise UserError(f"No object of {file.name} lies in this image: it belongs to another one.")
    notes += _left_out(file, [segment.name for segment in segments if segment not in shown] + empty)
    return Found(labels, tuple(shown), tuple(dict.fromkeys(filter(None, notes))))


def share_inside(found: Series, image: Series) -> float:
    """How much of the box of one volume lies inside another; 0 where nobody knows."""
    if not (found.geometry.known and image.geometry.known):
        return 0.0
    low, high = _extent(found, image.geometry)
    last = np.asarray(image.spatial_shape) - 0.5
    common = np.minimum(high, last) - np.maximum(low, -0.5)
    return float(np.prod(np.clip(common, 0, None) / (high - low)))


def lies_on(found: Series, grid: Geometry, shape: tuple[int, ...]) -> bool:
    """Whether a volume has the same voxels as an image; where no place is told, as many."""
    if found.canonical().shape != shape:
        return False
    placed = found.geometry.known and grid.known
    return not placed or _start(found, grid, shape) == (0, 0, 0)


def _left_out(path: Path, names: list[str]) -> list[str]:
    if not names:
        return []
    few = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return [f"{few} of {path.name} left no voxel in this image, and {SO[len(names) > 1]} left out."]


def _merged(placed: list[Placed], shape: tuple[int, ...]) -> tuple[Labels, bool]:
    """All in one label map, the smaller over the larger; whether any overlap."""
    sizes = [int(np.count_nonzero(entry.labels)) for entry in placed]
    labels = np.zeros(shape, np.uint8)
    for index in np.argsort(sizes, kind="stable")[::-1]:
        here = labels[placed[index].box.slices]
        np.copyto(here, placed[index].labels, where=placed[index].labels != 0)
    return labels, int(np.count_nonzero(labels)) < sum(sizes)


def _filled(structure: Structure, path: Path, grid: Geometry, shape: tuple[int, ...]) -> Layer:
    """A structure as voxels; raises UserError."""
    if not grid.known or len(shape) != 3:
        raise UserError(
            f"{path.name} holds contours in the patient, and this image does not say where it "
            "lies: open the series that they were drawn on."
        )
    mask, place = voxels(structure, grid)
    series = Series(mask.view(np.uint8), "volume", "RTSTRUCT", (path,), place)
    segment = Segment(1, structure.name, structure.color, structure.algorithm)
    return Layer(series, (segment,))


def onto(found: Series, grid: Geometry, shape: tuple[int, ...]) -> Placed:
    """Stored labels on the grid of an image; raises UserError."""
    turned = found.canonical()
    if not (found.geometry.known and grid.known):
        if turned.shape != shape and not _part_of_run(turned, shape, found):
            raise UserError(
                f"{found.path.name} has another size than the image, and does not say where it "
                "lies: export the mask with its geometry, as NIfTI or NRRD."
            )
        return Placed(Box.whole(turned.shape), np.ascontiguousarray(turned, np.uint8))
    if len(shape) != 3 or turned.ndim != 3:
        raise UserError(f"{found.path.name} and the image are not both volumes.")
    start = _start(found, grid, shape)
    if start is not None:
        return _pasted(turned, start, shape)
    note = (
        f"{found.path.name} has another grid than the image: its labels were resampled to the "
        "nearest voxel."
    )
    box = _reached(found, grid, shape)
    return Placed(box, _resampled(turned, found, grid, box), note)


def _part_of_run(turned: Array, shape: tuple[int, ...], found: Series) -> bool:
    """Whether these are the first frames of a run: a file may end with the last drawn one."""
    fits = turned.ndim == len(shape) == 3 and turned.shape[1:] == shape[1:]
    return fits and found.kind == "run" and len(turned) <= shape[0]


def _start(found: Series, grid: Geometry, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The index at which a part of the same grid begins; None for another grid."""
    here = found.canonical_geometry.affine
    apart = np.abs(here[:3, :3] - grid.affine[:3, :3]).max(axis=0) @ np.asarray(shape)
    place = np.linalg.solve(grid.affine, here[:, 3])[:3]
    whole = np.rint(place)
    off = np.abs(place - whole) @ np.asarray(grid.spacing)
    return tuple(whole.astype(int).tolist()) if max(apart, off) <= SAME else None


def _pasted(labels: Array, start: tuple[int, ...], shape: tuple[int, ...]) -> Placed:
    """Labels that begin at `start` of an array of this shape, cut off at its borders."""
    box = Box(start, tuple(a + n for a, n in zip(start, labels.shape, strict=True)))
    inside = box.clipped(shape)
    part = labels[inside.shifted([-a for a in start]).slices]
    return Placed(inside, np.ascontiguousarray(part, np.uint8))


def _reached(found: Series, grid: Geometry, shape: tuple[int, ...]) -> Box:
    """The box of an image that holds all voxels of a series."""
    low, high = _extent(found, grid)
    start, stop = (tuple(end.astype(int).tolist()) for end in (np.floor(low), np.ceil(high) + 1))
    return Box(start, stop).clipped(shape)


def _extent(found: Series, grid: Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest and highest (z, y, x) index of a grid that the corners of a series reach."""
    corners = np.array(list(product(*((-0.5, n - 0.5) for n in found.spatial_shape))))
    patient = found.geometry.to_patient(corners)
    to_index = np.linalg.inv(grid.affine)
    index = patient @ to_index[:3, :3].T + to_index[:3, 3]
    return index.min(axis=0), index.max(axis=0)


def _resampled(turned: Array, found: Series, grid: Geometry, box: Box) -> Labels:
    import SimpleITK as sitk

    size = [stop - start for start, stop in zip(box.start, box.stop, strict=True)]
    if min(size) <= 0:
        return np.zeros([max(0, n) for n in size], np.uint8)
    image = to_itk(np.ascontiguousarray(turned, np.uint8), found.canonical_geometry)
    there = to_itk(np.zeros((1, 1, 1), np.uint8), grid)
    moved = sitk.Resample(
        image, size[::-1], sitk.Transform(3, sitk.sitkIdentity), sitk.sitkNearestNeighbor,
        grid.to_patient(np.array(box.start)).tolist(), there.GetSpacing(), there.GetDirection(),
        0, sitk.sitkUInt8,
    )  # fmt: skip
    labels: Labels = sitk.GetArrayFromImage(moved)
    return labels


def _read(path: Path) -> Entries:
    for reader in registry.readers():
        if reader.accepts(path):
            read: Callable[[Path], Entries] = registry.command(READ.format(reader.name))
            return _understood(read, path)
    raise UserError(
        f"{path.name} is no mask that Limn opens: give DICOM SEG or RT structure set, NIfTI, NRRD, "
        "MHA or PNG."
    )


def _understood(read: Callable[[Path], Entries], path: Path) -> Entries:
    try:
        return read(path)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # headers are malformed in unforeseen ways
        logger.warning("A mask was not understood: %s", logs.stack(error))
        raise UserError(f"{path.name} is damaged: copy it again from its source.") from error


def _numbered(path: Path, layer: Layer, taken: int) -> tuple[Labels, list[Segment]]:
    """The labels of a layer under numbers that follow those taken; raises UserError."""
    stored = layer.series.voxels
    whole: Any = stored.astype(np.int64) if stored.dtype.kind == "f" else stored
    if layer.series.rgb or (stored.dtype.kind == "f" and not np.array_equal(whole, stored)):
        raise UserError(f"{path.name} is an image, not a mask: open it with File, Open image.")
    used = _used(whole)
    if len(used) + taken > MOST:
        raise UserError(
            f"{path.name} holds {len(used)} values, and an image holds {MOST} objects at most: "
            "is it a mask?"
        )
    known = {segment.value: segment for segment in layer.segments}
    numbers = {int(value): taken + place for place, value in enumerate(used, 1)}
    segments = [
        replace(known.get(value, Segment(value, f"Object {value}", "")), value=number)
        for value, number in numbers.items()
    ]
    return _renumbered(whole, numbers), segments


def _used(whole: Array) -> list[int]:
    """The values in it but 0, sorted."""
    if whole.dtype == np.uint8:
        return [int(value) for value in np.flatnonzero(counts(whole)) if value]
    return [int(value) for value in np.unique(whole) if value]


def _renumbered(whole: Array, numbers: dict[int, int]) -> Labels:
    if whole.dtype == np.uint8:
        table = np.zeros(256, np.uint8)
        table[list(numbers)] = list(numbers.values())
        return np.asarray(table[whole])
    labels = np.zeros(whole.shape, np.uint8)
    for value, number in numbers.items():
        labels[whole == value] = number
    return labels
