"""Measurements as a structured report of DICOM, template 1500; by highdicom.

Whoever measures hands over a table, `inference.measured.Measured` for each thing, and need not
know DICOM: `write_measurements(series, things, path, segmentation)`, or, from another plugin,
`inference.registry.command("limn-dicom.write_measurements")` with the same arguments. A task
gives its table as `Findings` (`inference.tasks.Task.findings`); the rest is done for it.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from inference.errors import UserError
from inference.version import VERSION
from inference.writing import NOTICE, atomic
from plugins.dicom.header import number, text
from plugins.dicom.parse import read_header
from plugins.dicom.references import nearest, shown, sources
from plugins.dicom.write_seg import FAMILY, LONGEST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from highdicom.sr import (
        AlgorithmIdentification,
        Comprehensive3DSR,
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
    groups = [_group(thing, pictures, series, seg) for thing in things]
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


def _group(
    thing: Measured, pictures: Sequence[Shown], series: Series, seg: Dataset | None
) -> Group:
    from highdicom.sr import (
        MeasurementsAndQualitativeEvaluations,
        ReferencedSegment,
        SourceSeriesForSegmentation,
        TrackingIdentifier,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

    about: dict[str, Any] = {
        "tracking_identifier": TrackingIdentifier(
            thing.tracking_uid or generate_uid(None), thing.name[:LONGEST]
        ),
        "finding_type": _coded(thing.finding),
        "finding_sites": _sites(thing),
        "algorithm_id": _algorithm(thing),
        "measurements": [_measurement(quantity) for quantity in thing.quantities],
    }
    segment = _segment_of(thing, seg)
    if seg is None or segment is None:
        images = _images(thing, pictures, series)
        return MeasurementsAndQualitativeEvaluations(source_images=images, **about)
    whole = ReferencedSegment(
        seg.SOPClassUID, seg.SOPInstanceUID, segment,
        source_series=SourceSeriesForSegmentation(pictures[0].source.SeriesInstanceUID),
    )  # fmt: skip
    return VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=whole, **about)


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


def _measurement(quantity: Quantity) -> Measurement:
    from highdicom.sr import Measurement

    name = quantity.name
    return Measurement(
        Code(name.value, name.scheme, name.meaning),
        quantity.value,
        Code(quantity.unit, "UCUM", quantity.unit),
        derivation=_coded(quantity.derivation),
        method=_coded(quantity.method),
    )


def _coded(code: measured.Code | None) -> Code | None:
    return None if code is None else Code(code.value, code.scheme, code.meaning)
