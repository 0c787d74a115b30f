"""DICOM segmentations, of every kind and on any slices, as label maps."""

from __future__ import annotations

import warnings
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from inference.box import Box
from inference.errors import UserError
from inference.label_files import Layer
from inference.series import Geometry, Series
from inference.structures import distinct, nearest_planes, usual_step
from inference.writing import Segment
from plugins.dicom.drawn import RT_STRUCTURE_SET, SEGMENTATIONS
from plugins.dicom.header import items, number, numbers, text
from plugins.dicom.parse import read_header, read_whole
from plugins.dicom.pixels import Shown
from plugins.dicom.read_rtstruct import algorithm, structures
from plugins.dicom.seg_frames import Places, pixels, places, segment_numbers, times
from plugins.dicom.stacks import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

    from inference.series import Array, Kind
    from inference.structures import Structure
    from inference.writing import Algorithm
    from plugins.dicom.header import Slice

MOST = 255  # that a label map of 8 bit can hold
HALF = "{} states fractions: voxels of one half and more belong to an object."
EVEN = 0.05  # of a step that slices may lie off an even grid
SAME_PLACE = 0.01  # mm


def read_labels(path: Path) -> list[Layer] | list[Structure]:
    """The objects in a DICOM SEG or RT structure set; raises UserError."""
    kind = "" if path.is_dir() else text(read_header(path), "SOPClassUID")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote the patient's data
        if kind == RT_STRUCTURE_SET:
            return structures(path, read_header(path))
        if kind in SEGMENTATIONS:
            return _layers(path, read_whole(path))
    raise UserError(
        f"{path.name} is no DICOM segmentation or RT structure set: open it with File, Open image."
    )


def on_own_grid(entry: Slice) -> Series | None:
    """The objects of a SEG as a picture, where their image is missing; None if they lie nowhere.

    Its sha256 is that of the stored frames. Raises UserError.
    """
    seg = read_whole(entry.path)
    if places(entry.path, seg) is None:
        return None
    layers = _layers(entry.path, seg)
    frame, digest = pixels(entry.path, seg), sha256()
    for index in range(entry.frames):
        digest.update(np.ascontiguousarray(frame(index)).data)
    voxels, geometry = _united([layer.series for layer in layers])
    look = Shown(voxels, rgb=False, unit="")
    return build(
        [entry], "volume", voxels, look, geometry, sha256=digest.hexdigest(),
        warnings=layers[0].notes,
    )  # fmt: skip


def _united(parts: Sequence[Series]) -> tuple[Array, Geometry]:
    """Label maps on parts of one grid in one; the later over the earlier."""
    grid = parts[0].geometry
    corners = [np.linalg.solve(grid.affine, part.geometry.affine[:, 3])[:3] for part in parts]
    starts = [np.rint(corner).astype(int) for corner in corners]
    stops = [start + part.voxels.shape for start, part in zip(starts, parts, strict=True)]
    first = np.min(starts, axis=0)
    voxels = np.zeros(np.max(stops, axis=0) - first, parts[0].voxels.dtype)
    for start, stop, part in zip(starts, stops, parts, strict=True):
        here = voxels[Box(tuple(start - first), tuple(stop - first)).slices]
        np.copyto(here, part.voxels, where=part.voxels != 0)
    return voxels, _moved(grid, first)


def _layers(path: Path, seg: Dataset) -> list[Layer]:
    """One for all segments, or one for each where they overlap."""
    where, owners = places(path, seg), segment_numbers(seg)
    slices, geometry = _in_time(seg) if where is None else _grid(where)
    if len(owners) != len(slices):
        raise UserError(f"{path.name} does not describe all of its frames: it is damaged.")
    frame, high = pixels(path, seg), max(owners) > MOST
    shape = max(map(max, filter(None, slices)), default=0) + 1, *frame(0).shape
    kind: Kind = "volume" if where is not None else "image" if shape[0] == 1 else "run"
    notes = (HALF.format(path.name),) if text(seg, "SegmentationType") == "FRACTIONAL" else ()
    half = number(seg, "MaximumFractionalValue", 1) / 2

    def shown(index: int) -> Array:
        values = frame(index)
        return (values >= half).view(np.uint8) if notes and owners[index] else values

    def layer(voxels: Array, start: Sequence[int], segments: Sequence[Segment]) -> Layer:
        placed = voxels[0] if kind == "image" else voxels
        series = Series(placed, kind, "SEG", (path,), _moved(geometry, start))
        return Layer(series, tuple(segments), notes)

    known = _segments(seg)
    voxels = np.zeros(shape, np.uint16 if high or frame(0).dtype.itemsize > 1 else np.uint8)
    if _paint(voxels, shown, owners, slices):
        return [layer(voxels, (0, 0, 0), known)]
    return [layer(*found) for found in _apart(voxels, shown, owners, slices, known)]


def _paint(
    voxels: Array,
    shown: Callable[[int], Array],
    owners: Sequence[int],
    slices: Sequence[Sequence[int]],
) -> bool:
    """Paint all frames into one label map; False if two segments claim a voxel."""
    for index, owner in enumerate(owners):
        frame = shown(index)
        for place in slices[index]:
            here = voxels[place]
            if np.any((here != 0) & (frame != 0)):
                return False
            here += frame if not owner else frame * here.dtype.type(owner)
    return True


def _apart(
    voxels: Array,
    shown: Callable[[int], Array],
    owners: Sequence[int],
    slices: Sequence[Sequence[int]],
    known: Sequence[Segment],
) -> Iterator[tuple[Array, tuple[int, ...], list[Segment]]]:
    """The box of each segment, where it starts, and the segment; `voxels` serves as a board."""
    for segment in known:
        voxels[:] = 0
        for index in (i for i, owner in enumerate(owners) if owner == segment.value):
            for place in slices[index]:
                voxels[place] |= shown(index)
        box = Box.of(voxels)
        if box is not None:
            yield voxels[box.slices] * voxels.dtype.type(segment.value), box.start, [segment]


def _in_time(seg: Dataset) -> tuple[list[list[int]], Geometry]:
    return [[time] for time in times(seg)], Geometry()


def _grid(where: Places) -> tuple[list[list[int]], Geometry]:
    """The slices of an even grid that show each frame, and where that grid lies."""
    along = where.corners @ where.normal
    planes = distinct(along.tolist(), SAME_PLACE)
    plane_of = np.abs(planes - along[:, None]).argmin(axis=1)
    corners = [
        where.corners[np.flatnonzero(plane_of == plane)[0]] for plane in (0, len(planes) - 1)
    ]
    indices, steps, first = _even(planes, where.thickness)
    across = (corners[1] - corners[0]) / steps if steps else where.normal * (where.thickness or 1.0)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([across, where.down, where.across], axis=1)
    affine[:3, 3] = corners[0] - first * across
    return [indices[plane] for plane in plane_of], Geometry(affine, known=True)


def _even(planes: NDArray[np.float64], thickness: float) -> tuple[list[list[int]], float, int]:
    """The slices of an even grid that show each plane, the steps from first to last, the first.

    Where planes lie unevenly, the grid has half their smallest step, each slice the nearest plane.
    """
    gaps = np.diff(planes)
    if not gaps.size:
        return [[0]], 0.0, 0
    for step in filter(None, (thickness, float(gaps.min()))):
        hops = gaps / step
        if np.abs(hops - np.rint(hops)).max() <= EVEN and np.rint(hops).min() >= 1:
            index = np.concatenate([[0], np.cumsum(np.rint(hops))]).astype(int)
            return [[int(place)] for place in index], float(index[-1]), 0
    places_ = (planes - planes[0]) / gaps.min() * 2
    usual = usual_step(places_)
    first = int(np.ceil(usual / 2))  # a plane reaches half a step beyond itself
    nearest = nearest_planes(places_ + first, int(places_[-1]) + 2 * first + 1, usual)
    slices = [np.flatnonzero(nearest == index).tolist() for index in range(len(planes))]
    return slices, float(places_[-1]), first


def _moved(geometry: Geometry, start: Sequence[int]) -> Geometry:
    affine = geometry.affine.copy()
    affine[:3, 3] = geometry.to_patient(np.asarray(start))
    return Geometry(affine, geometry.known)


def _segments(seg: Dataset) -> list[Segment]:
    """What each number stands for; 0 is the background of label maps."""
    found = [_segment(item) for item in items(seg, "SegmentSequence")]
    return [segment for segment in found if segment.value]


def _segment(about: Dataset) -> Segment:
    from highdicom.color import CIELabColor

    lab, color = numbers(about, "RecommendedDisplayCIELabValue"), ""
    if len(lab) == 3:
        rgb = CIELabColor.from_dicom_value(tuple(map(int, lab))).to_rgb()
        color = "#" + "".join(f"{part:02x}" for part in rgb)
    value = int(number(about, "SegmentNumber", 0))
    name = text(about, "SegmentLabel") or f"Segment {value}"
    return Segment(value, name, color, _algorithm(about))


def _algorithm(about: Dataset) -> Algorithm | None:
    kind = text(about, "SegmentAlgorithmType")
    if kind in {"", "MANUAL"}:
        return None
    told = text(about, "SegmentAlgorithmName")
    return algorithm(
        about, "SegmentationAlgorithmIdentificationSequence", told, by_itself=kind == "AUTOMATIC"
    )
