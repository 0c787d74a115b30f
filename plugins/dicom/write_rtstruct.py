"""Objects as an RT structure set: closed contours on the slices of their series.

Our own writer on pydicom: rt-utils 1.2.7 takes the two pixel spacings for one another, draws
through pixel centres (half a pixel too small all round), cuts two pixels for the way to a hole, and
knows neither multi-frame sources nor tilted slices. Holes are keyholes: the contour reaches them by
a channel of no width, which programs that fill each contour by itself understand as well.
"""

from __future__ import annotations

import re
import warnings
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.tag import Tag
from pydicom.uid import (
    ImplicitVRLittleEndian,
    RTStructureSetStorage,
    generate_uid,
)

from inference.errors import UserError
from inference.outlines import polygons
from inference.version import VERSION
from inference.writing import NOTICE, atomic
from plugins.dicom.derived import code_item
from plugins.dicom.header import number
from plugins.dicom.read_rtstruct import set_slab
from plugins.dicom.references import PATIENT_AND_STUDY, evidence, referred, shown, sources
from plugins.dicom.terminology import SIDES, term
from plugins.dicom.write_seg import FAMILY, LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inference.object_files import Objects
    from inference.writing import Segment
    from plugins.dicom.references import Shown

    Place = tuple[slice, ...]  # of an object in the stored grid (z, y, x)

DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"  # the class by which a structure set names its study
CONTOUR_DATA = Tag("ContourData")
SHORT = 16  # characters of a label


def write_rtstruct(objects: Objects, stem: Path) -> list[Path]:
    """A structure for each object that has voxels; raises UserError."""
    path = stem.with_name(f"{stem.name}_rtstruct.dcm")
    segments = objects.drawn
    if not segments:
        raise UserError("No object has voxels yet, so there are no contours to save.")
    from scipy.ndimage import find_objects

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote the patient's data
        found = sources(objects.series)
        pictures = shown(found, objects.series)
        made = _header(found[0])
        made.FrameOfReferenceUID = found[0].FrameOfReferenceUID
        made.PositionReferenceIndicator = found[0].get("PositionReferenceIndicator")
        made.ReferencedFrameOfReferenceSequence = [_frame_of_reference(found)]
        made.StructureSetROISequence = [
            _structure(place, segment, found[0]) for place, segment in enumerate(segments, 1)
        ]
        boxes = find_objects(objects.labels)
        made.ROIContourSequence = [
            _contours(place, segment, boxes[segment.value - 1], objects, pictures)
            for place, segment in enumerate(segments, 1)
        ]
        made.RTROIObservationsSequence = [
            _observation(place, segment) for place, segment in enumerate(segments, 1)
        ]
        with atomic(path) as part:
            made.save_as(part, enforce_file_format=True)
    return [path]


def _header(source: Dataset) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(None)
    meta.TransferSyntaxUID = ImplicitVRLittleEndian  # else 64 KiB is the most a contour may take
    made = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    for keyword in (*PATIENT_AND_STUDY, "StudyInstanceUID", "PatientAge", "StudyDescription"):
        if keyword in source:
            made.add(source[keyword])
    now = datetime.now()  # DICOM states the time of the place
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = RTStructureSetStorage, meta.MediaStorageSOPInstanceUID
    made.Modality, made.SeriesInstanceUID = "RTSTRUCT", generate_uid(None)
    made.SeriesNumber = int(number(source, "SeriesNumber", 0)) + 1000
    made.SeriesDescription, made.InstanceNumber = "Structures (Limn)", 1
    made.OperatorsName = None
    made.Manufacturer = made.ManufacturerModelName = "Limn"
    made.SoftwareVersions = made.DeviceSerialNumber = VERSION
    made.StructureSetLabel, made.StructureSetName = "Limn", "Objects of Limn"
    made.StructureSetDescription = NOTICE
    made.InstanceCreationDate = made.SeriesDate = made.StructureSetDate = now.strftime("%Y%m%d")
    made.InstanceCreationTime = made.SeriesTime = made.StructureSetTime = now.strftime("%H%M%S")
    made.ApprovalStatus = "UNAPPROVED"
    return made


def _frame_of_reference(found: Sequence[Dataset]) -> Dataset:
    """Which images the contours lie on."""
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = found[0].SeriesInstanceUID
    series.ContourImageSequence = [referred(source) for source in evidence(found)]
    study.ReferencedSOPClassUID = DETACHED_STUDY
    study.ReferencedSOPInstanceUID = found[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = found[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _structure(place: int, segment: Segment, source: Dataset) -> Dataset:
    by = segment.algorithm
    item = Dataset()
    item.ROINumber, item.ROIName = place, segment.name[:LONGEST]
    item.ReferencedFrameOfReferenceUID = source.FrameOfReferenceUID
    item.ROIGenerationAlgorithm = (
        "MANUAL" if by is None else "AUTOMATIC" if by.by_itself else "SEMIAUTOMATIC"
    )
    if by is not None:
        item.ROIGenerationDescription = f"{by.name} {by.version}"[:LONGEST]
        item.ROIDerivationAlgorithmIdentificationSequence = [_identified(by.name, by.version)]
    return item


def _identified(name: str, version: str) -> Dataset:
    item = Dataset()
    item.AlgorithmFamilyCodeSequence = [code_item(FAMILY)]
    item.AlgorithmName, item.AlgorithmVersion = name[:LONGEST], version or VERSION
    return item


def _contours(
    place: int, segment: Segment, box: Place, objects: Objects, pictures: Sequence[Shown]
) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber, item.ROIDisplayColor = place, list(segment.rgb)
    item.ContourSequence = list(_on_slices(segment.value, box, objects, pictures))
    across = np.linalg.inv(objects.series.geometry.affine)[0, :3]  # slices a mm
    set_slab(item, 1 / float(np.linalg.norm(across)))
    return item


def _on_slices(
    value: int, box: Place, objects: Objects, pictures: Sequence[Shown]
) -> Iterator[Dataset]:
    slices, *inside = box
    for picture in pictures:
        if slices.start <= picture.index < slices.stop:
            mask = objects.labels[picture.index][tuple(inside)] == value
            for ring in polygons(mask):
                moved = ring + [part.start for part in inside]
                index = np.insert(moved, 0, picture.corner[0], axis=1)
                yield _contour(objects.series.geometry.to_patient(index), picture)


def _contour(points: NDArray[np.float64], picture: Shown) -> Dataset:
    item, image = Dataset(), referred(picture.source)
    if picture.frame_number is not None:
        image.ReferencedFrameNumber = picture.frame_number
    item.ContourImageSequence = [image]
    item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
    values = points.ravel().tolist()
    text = ("\\".join(["%.4f"] * len(values)) % tuple(values)).encode("ascii")
    text += b" " * (len(text) % 2)
    item[CONTOUR_DATA] = RawDataElement(CONTOUR_DATA, "DS", len(text), text, 0, True, True)
    item.set_original_encoding(True, True, "iso8859")  # so that these bytes are written as they are
    return item


def _observation(place: int, segment: Segment) -> Dataset:
    known = term(segment.kind or segment.name)
    kind = code_item(Code(known.code[0], "SCT", known.code[1]))
    if known.side:
        side = code_item(Code(SIDES[known.side], "SCT", known.side))
        kind.RTROIIdentificationCodeModifierSequence = [side]
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = place
    item.ROIObservationLabel = re.sub(r"\W+", " ", segment.name)[:SHORT].strip() or f"{place}"
    item.RTROIIdentificationCodeSequence = [kind]
    item.RTROIInterpretedType, item.ROIInterpreter = "", ""
    return item
