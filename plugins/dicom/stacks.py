"""Single-frame files to series: volumes where slices form one, single images where not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.arrivals import listener
from inference.errors import UserError
from inference.reading import require_memory
from inference.series import INSTANCES, Geometry, Series
from plugins.dicom import stacking
from plugins.dicom.acquisition import FLUOROSCOPY
from plugins.dicom.header import (
    Plane,
    Slice,
    aspect,
    identity,
    modality,
    number,
    plane,
    text,
    window,
)
from plugins.dicom.native import read_slices
from plugins.dicom.parse import read_whole
from plugins.dicom.phases import file_order, file_traits, phases
from plugins.dicom.pixels import Shown, Stored, decode, shown
from plugins.dicom.projection import spacing_in_patient
from plugins.dicom.straighten import straightened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pydicom import Dataset

    from inference.series import Array, Kind

OWN = ("InstanceNumber", "ImagePositionPatient", "AcquisitionNumber", "ContentTime")
ALIKE = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber",
         "FrameOfReferenceUID", "Rows", "Columns", "SamplesPerPixel",
         "PhotometricInterpretation", "BitsAllocated", "PixelRepresentation")  # fmt: skip
SINGLE = "They were opened as single images."
SPLIT = "Its series has slices of several orientations or sizes and was split by them."
ONE_FRAME = "One frame alone is no run: it was opened as an image."


@dataclass(frozen=True, slots=True)
class Part:
    """Files that are read together, and what sets them apart from others of their series."""

    slices: list[Slice]
    read: Callable[[], Iterable[Series]]  # raises UserError
    label: str = ""
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """(slices or frames, rows, columns), as the headers claim."""
        header = self.slices[0].header
        count = sum(entry.frames for entry in self.slices)
        return count, int(number(header, "Rows", 0)), int(number(header, "Columns", 0))

    @property
    def nbytes(self) -> float:
        """Of the stored values."""
        header = self.slices[0].header
        each = number(header, "BitsAllocated", 8) * number(header, "SamplesPerPixel", 1) / 8
        return float(np.prod([float(n) for n in self.shape])) * each


def slice_parts(slices: Sequence[Slice]) -> list[Part]:
    """What to read one after the other: each group of files that may make a stack."""
    groups = _groups(slices)
    placed = [group for group in groups if group[0].plane]
    counts = Counter(text(group[0].header, "SeriesInstanceUID") for group in placed)
    return [
        replace(part, notes=(*part.notes, SPLIT))
        if counts[text(group[0].header, "SeriesInstanceUID")] > 1
        else part
        for group in groups
        for part in _parts(group)
    ]


def without_copies(slices: Sequence[Slice]) -> tuple[list[Slice], tuple[str, ...]]:
    """Each instance once, and how many files were left out."""
    unique: dict[tuple[str, ...], Slice] = {}
    for entry in slices:
        uid = text(entry.header, "SOPInstanceUID") or str(entry.path)
        # careless programs give all images one identifier
        unique.setdefault((uid, *(text(entry.header, name) for name in OWN)), entry)
    copies = len(slices) - len(unique)
    several = f"{copies} files are copies of others and were left out."
    one = "One file is a copy of another and was left out."
    return list(unique.values()), (one if copies == 1 else several,) * bool(copies)


def build(
    slices: Sequence[Slice], kind: Kind, voxels: Array, look: Shown, geometry: Geometry, **more: Any
) -> Series:
    """A series of these files, described by the first one's header."""
    header = slices[0].header
    instances = tuple(text(entry.header, "SOPInstanceUID") for entry in slices)
    details = {INSTANCES: instances} | more.pop("details", {})
    proposed = window(header)
    inverted = text(header, "PhotometricInterpretation").upper() == "MONOCHROME1"
    if proposed and inverted:
        proposed = (float(voxels.max()) + float(voxels.min()) - proposed[0], proposed[1])
    return Series(
        voxels, kind, modality(header) or "OT", tuple(s.path for s in slices), geometry,
        rgb=look.rgb, identity=identity(header), window=None if look.rgb else proposed,
        unit=look.unit, details=details, **more,
    )  # fmt: skip


def image_geometry(header: Dataset) -> Geometry:
    """Of one picture: in the patient if the header says where, else its pixel spacing if known."""
    found = plane(header)
    if found is not None:
        return found.geometry(found.normal * (number(header, "SliceThickness", 1) or 1))
    spacing, _ = spacing_in_patient(header)
    affine = np.eye(4)[[2, 1, 0, 3]]
    affine[1, 1], affine[0, 2] = spacing or aspect(header)
    return Geometry(affine, known=spacing is not None)


def spacing_notes(header: Dataset) -> tuple[str, ...]:
    """A warning where lengths are known at the detector only."""
    return () if plane(header) else spacing_in_patient(header)[1]


def _groups(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Files of one series with one size and orientation."""
    groups: list[tuple[tuple[str, ...], Any, list[Slice]]] = []
    for entry in slices:
        key, where = tuple(text(entry.header, name) for name in ALIKE), entry.plane
        for known, there, members in groups:
            if known == key and where and there and stacking.same_orientation(where, there):
                members.append(entry)
                break
        else:
            groups.append((key, where, [entry]))
    return [members for _, _, members in groups]


def _parts(group: list[Slice]) -> list[Part]:
    """One part for each stack that files of one size and orientation may make."""
    planes = _planes(group)
    if len(group) == 1 or len(planes) < len(group):
        return [Part(group, partial(_read_images, group))]
    headers = [entry.header for entry in group]
    found, how = phases(planes, file_traits(headers), lambda index: file_order(group[index]))
    members = [[group[index] for index in phase.members] for phase in found]
    return [
        Part(part, partial(_read_part, part), phase.label, (how,) if how else ())
        for phase, part in zip(found, members, strict=True)
    ]


def _read_part(members: list[Slice]) -> list[Series]:
    """The volume that these slices form, or each for itself."""
    arranged = stacking.stack(_planes(members))
    if isinstance(arranged, str):
        return [series.warned(f"{arranged} {SINGLE}") for series in _read_images(members)]
    return [_read_volume([members[i] for i in arranged.order], arranged)]


def _planes(slices: Sequence[Slice]) -> list[Plane]:
    return [entry.plane for entry in slices if entry.plane is not None]


def _read_images(entries: Sequence[Slice]) -> list[Series]:
    """Each file for itself; broken ones are told, and refused if there are no others."""
    found: list[Series] = []
    broken: list[str] = []
    for entry in entries:
        try:
            found.append(_read_image(entry))
        except UserError as error:
            broken.append(str(error))
    if not found:
        raise UserError(broken[0])
    return [series.warned(*broken) for series in found]


def _read_image(entry: Slice) -> Series:
    stored = decode(entry.path, read_whole(entry.path))
    digest = stored.sha256
    look = shown(stored, [entry.header])
    header = entry.header
    alone = (ONE_FRAME,) if text(header, "Modality") in FLUOROSCOPY and not plane(header) else ()
    series = build(
        [entry], "image", look.values[0], look, image_geometry(header),
        sha256=digest,
        warnings=(*stored.notes, *look.notes, *alone, *spacing_notes(header)),
    )  # fmt: skip
    return _view_named(series, header)


def _view_named(series: Series, header: Dataset) -> Series:
    """With side and view, by which the pictures of one series are told apart."""
    side = text(header, "ImageLaterality") or text(header, "Laterality")
    view, said = text(header, "ViewPosition"), series.identity.series_description
    if not view or view in said:
        return series
    return labelled(series, f"{side} {view}".strip())


def labelled(series: Series, label: str) -> Series:
    """With what tells it from others of its DICOM series, after its description."""
    said = " · ".join(filter(None, (series.identity.series_description, label)))
    return replace(series, identity=replace(series.identity, series_description=said))


def _read_volume(slices: list[Slice], arranged: stacking.Stack) -> Series:
    stored, broken = decode_each(slices)
    whole = [slices[index] for index in stored.frames]
    if broken:
        left = stacking.stack(_planes(whole))
        if isinstance(left, str):
            raise UserError(f"{broken[0]} {left}")
        arranged = left
    digest = stored.sha256
    look = shown(stored, [entry.header for entry in whole])
    voxels, geometry = placed(look, look.values, arranged)
    details = {} if arranged.even else {"slice_places": arranged.places}
    return build(
        whole, "volume", voxels, look, geometry, sha256=digest,
        warnings=(*broken, *look.notes, *arranged.notes), details=details,
    )  # fmt: skip


def placed(look: Shown, slices: Array, arranged: stacking.Stack) -> tuple[Array, Geometry]:
    """Ordered slices on an even grid with right angles; colours stay sheared."""
    grid = stacking.onto_grid(slices, arranged)
    if arranged.tilted and not look.rgb:
        return straightened(grid, arranged.geometry)
    return grid, arranged.geometry


def decode_each(entries: Sequence[Slice]) -> tuple[Stored, tuple[str, ...]]:
    """One frame of each readable file, and a sentence about the others; raises UserError."""
    if (plain := read_slices(entries)) is not None:
        return plain, ()
    frames: dict[int, Stored] = {}
    broken: list[str] = []
    for index, entry in enumerate(entries):
        listener().progress(index, len(entries), "Reading")
        try:
            frames[index] = decode(entry.path, read_whole(entry.path))
        except UserError as error:
            broken.append(str(error))
            continue
        if len(frames) == 1:
            shape = (len(entries), *frames[index].values.shape[1:])
            require_memory(entry.path.parent, shape, frames[index].values.dtype)
    if not frames:
        raise UserError(broken[0])
    notes = tuple(dict.fromkeys(note for part in frames.values() for note in part.notes))
    left_out = f"{len(broken)} of {len(entries)} files were left out: {' '.join(broken)}"
    stored = _joined(frames)
    return stored, (*notes, left_out) if broken else notes


def _joined(frames: dict[int, Stored]) -> Stored:
    """All frames in one block; each is let go as soon as it is copied."""
    first, places = next(iter(frames.values())), tuple(frames)
    kind = np.result_type(*{part.values.dtype for part in frames.values()})
    values = np.empty((len(places), *first.values.shape[1:]), kind)
    for index, place in enumerate(places):
        values[index] = frames.pop(place).values[0]
    return Stored(values, first.photometric, places)
