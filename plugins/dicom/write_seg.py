"""Objects as DICOM segmentations that refer to the slices of their series; by highdicom."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from inference.errors import UserError
from inference.version import VERSION
from inference.writing import NOTICE, atomic
from plugins.dicom import unplaced
from plugins.dicom.derived import code_item
from plugins.dicom.header import number
from plugins.dicom.one_source import gathered, refer_back
from plugins.dicom.references import NO_FRAMES, shown, sources
from plugins.dicom.terminology import SIDES, term

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from highdicom.content import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.dataset import Dataset

    from inference.object_files import Objects
    from inference.series import Array
    from inference.writing import Algorithm, Segment
    from plugins.dicom.references import Shown

FAMILY = Code("123110", "DCM", "Artificial Intelligence")  # of CID 7162
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
    segments = objects.drawn
    if not segments:
        raise UserError("No object has voxels yet, so there is no segmentation to save.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote the patient's data
        pictures = shown(sources(series), series)
        found = gathered(pictures)
        nowhere = series.kind == "run" or "FrameOfReferenceUID" not in found[0]
        nowhere = nowhere or any(picture.plane is None for picture in pictures)
        if nowhere:
            unplaced.place(found)
        made = _segmentation(found, _frames(pictures, objects), segments, kind)
        if nowhere:
            unplaced.unplace(made)
        refer_back(made, pictures)
        with atomic(path) as part:
            made.save_as(part, enforce_file_format=True)
    return path


def _segmentation(
    found: list[Dataset], labels: Array, segments: Sequence[Segment], kind: str
) -> Dataset:
    from highdicom.seg import Segmentation

    table = np.zeros(256, np.uint8)
    for place, segment in enumerate(segments, 1):
        table[segment.value] = place
    try:
        return Segmentation(
            found,
            table[labels],
            kind,
            [_described(place, segment) for place, segment in enumerate(segments, 1)],
            series_instance_uid=generate_uid(None),
            series_number=int(number(found[0], "SeriesNumber", 0)) + 1000,
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


def _frames(pictures: Sequence[Shown], objects: Objects) -> Array:
    """Labels of each source slice or frame, in their order; raises UserError."""
    if objects.series.kind == "image":
        return objects.labels[None]
    if max(picture.index for picture in pictures) >= len(objects.labels):
        raise UserError(NO_FRAMES.format(name=objects.series.path.name))
    return np.stack([picture.cut(objects.labels) for picture in pictures])


def _described(place: int, segment: Segment) -> SegmentDescription:
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription

    known, algorithm = term(segment.kind or segment.name), segment.algorithm
    described = SegmentDescription(
        place,
        segment.name[:LONGEST],
        Code(known.category[0], "SCT", known.category[1]),
        Code(known.code[0], "SCT", known.code[1]),
        "MANUAL" if algorithm is None else "AUTOMATIC" if algorithm.by_itself else "SEMIAUTOMATIC",
        _identified(algorithm),
        tracking_uid=segment.tracking_uid or generate_uid(None),
        tracking_id=segment.name[:LONGEST],
        display_color=CIELabColor.from_rgb(*segment.rgb),
        anatomic_regions=[Code(known.region[0], "SCT", known.region[1])] if known.region else None,
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
