"""The files of a series as objects made from them refer to them, and which voxels each shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from inference.box import Box
from inference.errors import UserError
from inference.series import FRAMES
from plugins.dicom.derived import sound
from plugins.dicom.frame_planes import frame_planes
from plugins.dicom.header import number, plane, text
from plugins.dicom.parse import read_header
from plugins.dicom.stacking import MIN_SLICES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from inference.series import Array, Series
    from plugins.dicom.header import Plane

PATIENT_AND_STUDY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
REFERRED = (
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID",
    "SeriesInstanceUID", "FrameOfReferenceUID", "PositionReferenceIndicator", "Modality", "Rows",
    "Columns", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "SliceThickness", "SpacingBetweenSlices", "NumberOfFrames", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "DimensionOrganizationSequence",
    "DimensionIndexSequence", "GridFrameOffsetVector", "DetectorInformationSequence",
    "SliceVector", "ImageType", "Manufacturer", "ManufacturerModelName", "SoftwareVersions",
    "DeviceSerialNumber", "InstitutionName", "StudyDescription", "PatientAge", "PatientSize",
    "PatientWeight", "Laterality", "ImageLaterality",
)  # fmt: skip

NO_PLACES = (
    "Not every slice of this series says where it lies, so that no DICOM object can refer "
    "to it: export NIfTI or NRRD instead."
)
NO_FRAMES = (
    "{name} has frames that could not be read, so that no DICOM object can refer to it: "
    "export NIfTI or NRRD instead."
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One slice or frame of a source, and where on the series' stored grid it lies."""

    source: Dataset
    frame: int  # from 0; 0 of a file with one picture
    corner: tuple[float, float, float] = (0.0, 0.0, 0.0)  # (z, y, x) of its first pixel on the grid
    plane: Plane | None = None  # where it lies in the patient

    @property
    def index(self) -> int:
        """Along the first axis of the grid."""
        return round(self.corner[0])

    def cut(self, labels: Array) -> Array:
        """The labels of its pixels: slices of a tilted gantry are moved on the grid."""
        rows, columns = int(self.source.Rows), int(self.source.Columns)
        slice_ = labels[self.index]
        start = round(self.corner[1]), round(self.corner[2])
        if start == (0, 0) and slice_.shape == (rows, columns):
            return np.asarray(slice_)
        here = Box(start, (start[0] + rows, start[1] + columns))
        held = here.clipped(slice_.shape)
        found = np.zeros((rows, columns), labels.dtype)
        found[held.shifted((-start[0], -start[1])).slices] = slice_[held.slices]
        return found

    @property
    def frame_number(self) -> int | None:
        """As a reference names it, from 1; None for a file with one picture."""
        return self.frame + 1 if is_multi_frame(self.source) else None


def sources(series: Series, whereto: str = "NIfTI or NRRD") -> list[Dataset]:
    """What an object made from a series repeats of each of its files; raises UserError.

    `whereto` names what to export instead.
    """
    if not series.identity.series_uid:
        raise UserError(
            f"{series.path.name} is no DICOM series, to whose slices a DICOM file has to refer: "
            f"export {whereto} instead."
        )
    try:
        headers = [read_header(path) for path in series.paths]
    except UserError as error:
        raise UserError(
            f"{series.path.name} cannot be read any more: what is made from it refers to its "
            f"slices. Put the files back, or export {whereto} instead."
        ) from error
    return [_source(header, series) for header in headers]


def is_multi_frame(source: Dataset) -> bool:
    """Whether references to it name a frame."""
    return "NumberOfFrames" in source


def frames(source: Dataset) -> int:
    """How many pictures a file holds."""
    return max(1, int(number(source, "NumberOfFrames", 1)))


def shown(found: Sequence[Dataset], series: Series) -> list[Shown]:
    """The slice of the series' stored grid that each of its slices or frames shows; UserError."""
    pictures = [
        Shown(source, frame, plane=where)
        for source in found
        for frame, where in enumerate(_planes(source))
    ]
    chosen = series.details.get(FRAMES, range(len(pictures)))
    if max(chosen) >= len(pictures):
        raise UserError(NO_FRAMES.format(name=series.path.name))
    pictures = [pictures[index] for index in chosen]
    if series.kind != "volume":
        return [replace(picture, corner=(i, 0, 0)) for i, picture in enumerate(pictures)]
    positions = [picture.plane.position for picture in pictures if picture.plane is not None]
    if len(positions) < max(len(pictures), MIN_SLICES):
        raise UserError(NO_PLACES)
    to_index = np.linalg.inv(series.geometry.affine)
    corners = np.asarray(positions) @ to_index[:3, :3].T + to_index[:3, 3]
    return [
        replace(picture, corner=(float(z), float(y), float(x)))
        for picture, (z, y, x) in zip(pictures, corners, strict=True)
    ]


def _planes(source: Dataset) -> list[Plane | None]:
    """Where each picture of a file lies."""
    count = frames(source)
    return (
        list(frame_planes(source, range(count)) if count > 1 else [plane(source)]) or [None] * count
    )


def nearest(found: Sequence[Shown], series: Series, place: Sequence[float]) -> Shown:
    """The source picture at a voxel of the canonical grid."""
    at = float(stored_places(series, [place])[0, 0])
    return min(found, key=lambda entry: abs(entry.index - at))


def stored_places(series: Series, places: Sequence[Sequence[float]]) -> Array:
    """Voxels (n, 3) of the stored grid for those of the canonical one; of a picture, z is 0."""
    if series.kind != "volume":
        found = np.asarray(places, float)
        return np.pad(found, ((0, 0), (3 - found.shape[1], 0)))
    patient = series.canonical_geometry.to_patient(np.asarray(places, float))
    to_index = np.linalg.inv(series.geometry.affine)
    return np.asarray(patient @ to_index[:3, :3].T + to_index[:3, 3])


def referred(source: Dataset) -> Dataset:
    """An item that names a file."""
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    return item


def evidence(found: Sequence[Dataset]) -> Iterator[Dataset]:
    """Each file once."""
    yield from {source.SOPInstanceUID: source for source in found}.values()


def _source(header: Dataset, series: Series) -> Dataset:
    source = Dataset()
    for keyword in (*PATIENT_AND_STUDY, *REFERRED):
        element = sound(header, Tag(keyword)) if keyword in header else None
        if element is not None:
            source.add(element)
    for keyword in PATIENT_AND_STUDY:
        if keyword not in source:
            setattr(source, keyword, None)
    source.SeriesNumber = int(number(header, "SeriesNumber", 0))
    if series.kind == "volume":
        _complete_volume(source, series)
    source.file_meta = FileMetaDataset()
    source.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return source


def _complete_volume(source: Dataset, series: Series) -> None:
    if not is_multi_frame(source):
        step = 1 / float(np.linalg.norm(np.linalg.inv(series.geometry.affine)[0, :3]))
        source.SpacingBetweenSlices = f"{step:.8g}"
        if not text(source, "SliceThickness"):
            source.SliceThickness = source.SpacingBetweenSlices
    if not text(source, "FrameOfReferenceUID"):  # of an old file: the series is its own frame
        source.FrameOfReferenceUID = generate_uid(entropy_srcs=[series.identity.series_uid])
