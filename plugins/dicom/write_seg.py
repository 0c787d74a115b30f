"""Objects as DICOM segmentations that refer to the slices of their series; by highdicom."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from inference.errors import UserError
from inference.version import VERSION
from inference.writing import NOTICE, atomic
from plugins.dicom.derived import code_item, sound
from plugins.dicom.header import number, plane, text
from plugins.dicom.parse import read_header
from plugins.dicom.terminology import SIDES, term

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from highdicom.content import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from numpy.typing import NDArray

    from inference.object_files import Objects
    from inference.series import Array, Series
    from inference.writing import Algorithm, Segment

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
    "DimensionIndexSequence", "Manufacturer", "ManufacturerModelName", "SoftwareVersions",
    "DeviceSerialNumber", "InstitutionName", "StudyDescription", "PatientAge", "PatientSize",
    "PatientWeight",
)  # fmt: skip
FAMILY = Code("123109", "DCM", "Artificial Intelligence")
LONGEST = 64  # characters of a name in a DICOM file


def write_binary(objects: Objects, stem: Path) -> list[Path]:
    """A bit plane for each object and slice, which every reader of segmentations knows."""
    return [_write(objects, stem.with_name(f"{stem.name}_seg.dcm"), "BINARY")]


def write_labelmap(objects: Objects, stem: Path) -> list[Path]:
    """One label map, as DICOM has it since 2024."""
    return [_write(objects, stem.with_name(f"{stem.name}_labelmap_seg.dcm"), "LABELMAP")]


def _write(objects: Objects, path: Path, kind: str) -> Path:
    """Raises UserError, such as where the slices of the series are gone."""
    series = objects.series
    drawn = np.bincount(objects.labels.reshape(-1), minlength=256)
    segments = [segment for segment in objects.segments if drawn[segment.value]]
    if not segments:
        raise UserError("No object has voxels yet, so there is no segmentation to save.")
    if not series.identity.series_uid:
        raise UserError(
            f"{series.path.name} is no DICOM series, to whose slices a DICOM SEG has to refer: "
            "export NIfTI or NRRD instead."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote the patient's data
        made = _segmentation(_sources(series), objects, segments, kind)
        with atomic(path) as part:
            made.save_as(part, enforce_file_format=True)
    return path


def _segmentation(
    sources: list[Dataset], objects: Objects, segments: Sequence[Segment], kind: str
) -> Dataset:
    from highdicom.seg import Segmentation

    table = np.zeros(256, np.uint8)
    for place, segment in enumerate(segments, 1):
        table[segment.value] = place
    places = _places(sources, objects.series)
    frames = table[objects.labels[places]]
    try:
        return Segmentation(
            sources,
            frames,
            kind,
            [_described(place, segment) for place, segment in enumerate(segments, 1)],
            series_instance_uid=generate_uid(None),
            series_number=int(number(sources[0], "SeriesNumber", 0)) + 1000,
            sop_instance_uid=generate_uid(None),
            instance_number=1,
            manufacturer="Limn",
            manufacturer_model_name="Limn",
            software_versions=VERSION,
            device_serial_number=VERSION,
            content_label="SEGMENTATION",
            content_description=NOTICE,
            series_description="Segmentation (Limn)",
            specific_character_set="ISO_IR 192",
            transfer_syntax_uid=ExplicitVRLittleEndian,
        )
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise UserError(
            "The headers of this series do not allow a DICOM SEG to refer to it: "
            "export NIfTI or NRRD instead."
        ) from error


def _sources(series: Series) -> list[Dataset]:
    """What the segmentation repeats of each file of the series; raises UserError."""
    try:
        headers = [read_header(path) for path in series.paths]
    except UserError as error:
        raise UserError(
            f"{series.path.name} cannot be read any more: a segmentation refers to its slices. "
            "Put the files back, or export NIfTI or NRRD instead."
        ) from error
    return [_source(header, series) for header in headers]


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
    if "NumberOfFrames" not in source and not text(source, "SliceThickness"):
        source.SliceThickness = f"{series.geometry.spacing[0]:.8g}"
    if not text(source, "FrameOfReferenceUID"):  # of an old file: the series is its own frame
        source.FrameOfReferenceUID = generate_uid(entropy_srcs=[series.identity.series_uid])
    source.file_meta = FileMetaDataset()
    source.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return source


def _places(sources: list[Dataset], series: Series) -> NDArray[np.intp]:
    """The slice of the series' grid that each source slice or frame shows."""
    frames = int(number(sources[0], "NumberOfFrames", 1)) if len(sources) == 1 else 1
    planes = [plane(source, frame) for source in sources for frame in range(frames)]
    positions = [found.position for found in planes if found is not None]
    if len(positions) != len(planes):
        raise UserError(
            "Not every slice of this series says where it lies, so that a DICOM SEG cannot refer "
            "to it: export NIfTI or NRRD instead."
        )
    return _rows(np.linalg.inv(series.geometry.affine), np.asarray(positions))


def _rows(to_index: Array, positions: Array) -> NDArray[np.intp]:
    along: NDArray[np.float64] = positions @ to_index[0, :3] + to_index[0, 3]
    return np.rint(along).astype(np.intp)


def _described(place: int, segment: Segment) -> SegmentDescription:
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription

    known, algorithm = term(segment.name), segment.algorithm
    described = SegmentDescription(
        place,
        segment.name[:LONGEST],
        Code(known.category[0], "SCT", known.category[1]),
        Code(known.code[0], "SCT", known.code[1]),
        "MANUAL" if algorithm is None else "AUTOMATIC" if algorithm.by_itself else "SEMIAUTOMATIC",
        _identified(algorithm),
        tracking_uid=generate_uid(None),
        tracking_id=segment.name[:LONGEST],
        display_color=CIELabColor.from_rgb(*segment.rgb),
    )
    if known.side:
        side = code_item(Code(SIDES[known.side], "SCT", known.side))
        kind = described.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [side]
    return described


def _identified(algorithm: Algorithm | None) -> AlgorithmIdentificationSequence | None:
    from highdicom.content import AlgorithmIdentificationSequence

    if algorithm is None:
        return None
    return AlgorithmIdentificationSequence(algorithm.name, FAMILY, algorithm.version or VERSION)
