"""What the view shows as a secondary capture in the study of its series; by highdicom."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import generate_uid

from inference.errors import UserError
from inference.version import VERSION
from inference.writing import NOTICE, atomic
from plugins.dicom.header import number
from plugins.dicom.references import evidence, referred, sources

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

    from inference.object_files import Objects


def write_capture(objects: Objects, stem: Path) -> list[Path]:
    """The picture of these objects, its overlays burned in, 8-bit RGB; raises UserError."""
    path = stem.with_name(f"{stem.name}_capture.dcm")
    if objects.picture is None:
        raise UserError("No view is open, so there is no picture to save.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote the patient's data
        made = _captured(objects, sources(objects.series, "a PNG"))
        with atomic(path) as part:
            made.save_as(part, enforce_file_format=True)
    return [path]


def _captured(objects: Objects, found: list[Dataset]) -> Dataset:
    from highdicom.sc import SCImage

    made = SCImage.from_ref_dataset(
        found[0],
        pixel_array=np.ascontiguousarray(objects.picture),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        series_instance_uid=generate_uid(None),
        series_number=int(number(found[0], "SeriesNumber", 0)) + 1000,
        sop_instance_uid=generate_uid(None),
        instance_number=1,
        manufacturer="Limn",
        patient_orientation=("L", "P"),
    )
    made["PatientOrientation"].value = None  # the picture may show several views
    made.Laterality = found[0].get("Laterality")
    made.SeriesDescription = "Picture of the view (Limn)"
    made.DerivationDescription = f"As shown by Limn {VERSION}, with overlays. {NOTICE}"
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.BurnedInAnnotation = "YES" if objects.shows_name else "NO"
    made.SourceImageSequence = [referred(source) for source in evidence(found)]
    return made
