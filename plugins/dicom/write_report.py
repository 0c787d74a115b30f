"""Measurements as a structured report of DICOM, template 1500; by highdicom.

Whoever measures hands over a table, `inference.measured.Measured` for each thing, and need not
know DICOM: `write_measurements(series, things, path, segmentation)`, or, from another plugin,
`inference.registry.command("limn-dicom.write_measurements")` with the same arguments. A task
gives its table as `Findings` (`inference.tasks.Task.findings`); the rest is done for it.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from inference.errors import UserError
from inference.version import VERSION
from inference.writing import NOTICE, atomic
from plugins.dicom.header import number, text
from plugins.dicom.parse import read_header
from plugins.dicom.references import nearest, shown, sources, stored_places
from plugins.dicom.write_seg import FAMILY, LONGEST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from highdicom.sr import (
        AlgorithmIdentification,
        Comprehensive3DSR,
        CoordinatesForMeasurement,
        CoordinatesForMeasurement3D,
        FindingSite,
        Measurement,
        MeasurementsAndQualitativeEvaluations,
        ObservationContext,
        SourceImageForMeasurementGroup,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

    from inference import measured
    from inference.measured import Measured, Quantity
    from inference.object_files import Objects
    from inference.series import Series
    from plugins.dicom.references import Shown

    Group = (
        MeasurementsAndQualitativeEvaluations | VolumetricROIMeasurementsAndQualitativeEvaluations
    )

DEVICE = generate_uid(entropy_srcs=["Limn", VERSION])  # the same program is the same observer
PROCEDURE = Code("363679005", "SCT", "Imaging procedure")
HALF_A_SLICE = 0.5 + 1e-3
COMMENT = Code("121106", "DCM", "Comment")


def write_report(objects: Objects, stem: Path) -> list[Path]:
    """What was measured of the objects, and of the image as a whole; raises UserError.

    It refers to the segments of a DICOM SEG that was written with it, else to the source images.
    """
    path = stem.with_name(f"{stem.name}_report.dcm")
    seg = stem.with_name(f"{stem.name}_seg.dcm")
    segmentation = seg if seg in objects.written else None
    write_measurements(objects.series, objects.measured, path, segmentation)
    return [path]


def write_measurements(
    series: Series, things: Sequence[Measured], path: Path, segmentation: Path | None = None
) -> None:
    """A report on what was measured in a series that was read from DICOM; raises UserError.

    Things with the tracking identifier of a segment of the DICOM SEG file `segmentation` refer to
    that; the others refer to the slice or frame at their place, or to the whole series.
    """
    things = [thing for thing in things if thing.quantities]
    if not things:
        raise UserError("Nothing was measured yet, so there is no report to save.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote the patient's data
        made = _report(series, things, None if segmentation is None else read_header(segmentation))
        with atomic(path) as part:
            made.save_as(part, enforce_file_format=True)


def _report(series: Series, things: Sequence[Measured], seg: Dataset | None) -> Comprehensive3DSR:
    from highdicom.sr import Comprehensive3DSR, MeasurementReport

    found = sources(series, "a CSV table")
    pictures = shown(found, series)
    groups = [group for thing in things for group in _groups(thing, pictures, series, seg)]
    content = MeasurementReport(_observer(), PROCEDURE, groups)
    content[0].ContentSequence.append(_comment())
    made = Comprehensive3DSR(
        [*found, *([] if seg is None else [seg])],
        content[0],
        series_instance_uid=generate_uid(None),
        series_number=int(number(found[0], "SeriesNumber", 0)) + 1000,
        sop_instance_uid=generate_uid(None),
        instance_number=1,
        manufacturer="Limn",
        specific_character_set="ISO_IR 192",
        manufacturer_model_name="Limn",
        software_versions=VERSION,
        device_serial_number=VERSION,
    )
    made.SeriesDescription = "Measurements (Limn)"
    made.CodingSchemeIdentificationSequence = [_own_codes()]
    return made


def _own_codes() -> Dataset:
    """What the designator of our own codes stands for."""
    item = Dataset()
    item.CodingSchemeDesignator, item.CodingSchemeName = "99LIMN", "Codes of Limn"
    item.CodingSchemeResponsibleOrganization = "Limn"
    return item


def _observer() -> ObservationContext:
    from highdicom.sr import (
        CodedConcept,
        DeviceObserverIdentifyingAttributes,
        ObservationContext,
        ObserverContext,
    )

    about = DeviceObserverIdentifyingAttributes(
        DEVICE, name="Limn", manufacturer_name="Limn", model_name="Limn", serial_number=VERSION
    )
    device = CodedConcept("121007", "DCM", "Device")
    return ObservationContext(observer_device_context=ObserverContext(device, about))


def _comment() -> Dataset:
    from highdicom.sr import RelationshipTypeValues, TextContentItem

    return TextContentItem(COMMENT, NOTICE, RelationshipTypeValues.CONTAINS)


def _groups(
    thing: Measured, pictures: Sequence[Shown], series: Series, seg: Dataset | None
) -> list[Group]:
    """What is measured of a thing's segment, and apart from it, as TID 1411 wants, its lengths.

    Both have one tracking identifier.
    """
    tracked = replace(thing, tracking_uid=thing.tracking_uid or generate_uid(None))
    segment = _segment_of(thing, seg)
    if seg is None or segment is None:
        return [_in_images(tracked, pictures, series)]
    lengths = tuple(quantity for quantity in thing.quantities if quantity.ends)
    others = tuple(quantity for quantity in thing.quantities if not quantity.ends)
    whole = _of_segment(replace(tracked, quantities=others), pictures, series, seg, segment)
    apart = replace(tracked, quantities=lengths)
    return [whole, _in_images(apart, pictures, series)] if lengths else [whole]


def _in_images(thing: Measured, pictures: Sequence[Shown], series: Series) -> Group:
    from highdicom.sr import MeasurementsAndQualitativeEvaluations

    images = _images(thing, pictures, series)
    about = _about(thing, pictures, series)
    return MeasurementsAndQualitativeEvaluations(source_images=images, **about)


def _of_segment(
    thing: Measured, pictures: Sequence[Shown], series: Series, seg: Dataset, segment: int
) -> Group:
    from highdicom.sr import (
        ReferencedSegment,
        SourceSeriesForSegmentation,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

    whole = ReferencedSegment(
        seg.SOPClassUID, seg.SOPInstanceUID, segment,
        source_series=SourceSeriesForSegmentation(pictures[0].source.SeriesInstanceUID),
    )  # fmt: skip
    about = _about(thing, pictures, series)
    return VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=whole, **about)


def _about(thing: Measured, pictures: Sequence[Shown], series: Series) -> dict[str, Any]:
    from highdicom.sr import TrackingIdentifier

    return {
        "tracking_identifier": TrackingIdentifier(thing.tracking_uid, thing.name[:LONGEST]),
        "finding_type": _coded(thing.finding),
        "finding_sites": _sites(thing),
        "algorithm_id": _algorithm(thing),
        "measurements": [_measurement(each, pictures, series) for each in thing.quantities],
    }


def _segment_of(thing: Measured, seg: Dataset | None) -> int | None:
    """The number of the segment with the same tracking identifier."""
    for item in seg.SegmentSequence if seg is not None and thing.tracking_uid else ():
        if text(item, "TrackingUID") == thing.tracking_uid:
            return int(item.SegmentNumber)
    return None


def _images(
    thing: Measured, pictures: Sequence[Shown], series: Series
) -> list[SourceImageForMeasurementGroup] | None:
    """Where a thing was measured; None for all images of the report."""
    from highdicom.sr import SourceImageForMeasurementGroup

    whole = pictures if len(pictures) == 1 else []
    used = [nearest(pictures, series, thing.place)] if thing.place is not None else whole
    return [
        SourceImageForMeasurementGroup(
            picture.source.SOPClassUID,
            picture.source.SOPInstanceUID,
            None if picture.frame_number is None else [picture.frame_number],
        )
        for picture in used
    ] or None


def _sites(thing: Measured) -> list[FindingSite] | None:
    from highdicom.sr import FindingSite

    place = _coded(thing.site)
    return None if place is None else [FindingSite(place, laterality=_coded(thing.side))]


def _algorithm(thing: Measured) -> AlgorithmIdentification | None:
    from highdicom.sr import AlgorithmIdentification

    by = thing.algorithm
    if by is None:
        return None
    return AlgorithmIdentification(by.name, by.version or VERSION, family=FAMILY)


def _measurement(quantity: Quantity, pictures: Sequence[Shown], series: Series) -> Measurement:
    from highdicom.sr import Measurement

    name, ends = quantity.name, quantity.ends
    return Measurement(
        Code(name.value, name.scheme, name.meaning),
        quantity.value,
        Code(quantity.unit, "UCUM", quantity.unit),
        derivation=_coded(quantity.derivation),
        method=_coded(quantity.method),
        referenced_coordinates=[_line(ends, pictures, series)] if ends else None,
    )


def _line(
    ends: Sequence[Sequence[float]], pictures: Sequence[Shown], series: Series
) -> CoordinatesForMeasurement | CoordinatesForMeasurement3D:
    """Where a length was measured: on its source image, or in the patient where it leaves that."""
    from highdicom.sr import (
        CoordinatesForMeasurement,
        CoordinatesForMeasurement3D,
        SourceImageForRegion,
    )

    stored = stored_places(series, ends)
    picture = min(pictures, key=lambda entry: abs(entry.corner[0] - stored[:, 0].mean()))
    away = np.abs(stored[:, 0] - picture.corner[0]).max()
    if series.kind == "volume" and away > HALF_A_SLICE:
        places = series.canonical_geometry.to_patient(np.asarray(ends))
        frame_of_reference = picture.source.FrameOfReferenceUID
        return CoordinatesForMeasurement3D("POLYLINE", places, frame_of_reference)
    down_across = stored[:, 1:] - picture.corner[1:] + 0.5  # 0, 0 is the corner of the first pixel
    frames = None if picture.frame_number is None else [picture.frame_number]
    source = SourceImageForRegion(picture.source.SOPClassUID, picture.source.SOPInstanceUID, frames)
    return CoordinatesForMeasurement("POLYLINE", down_across[:, ::-1], source)


def _coded(code: measured.Code | None) -> Code | None:
    return None if code is None else Code(code.value, code.scheme, code.meaning)
