"""Data sets with a patient's identity planted wherever DICOM has room for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.uid import UID

from tests import phantoms

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import FileDataset

NAME, NUMBER, BORN = "Wintergreen^Aurelia", "MRN-4711-0815", "19381224"
EVERYWHERE = "Quillfeather"  # no name of the file: only the rules for its place take it out
PLANTED_UID = "1.2.826.0.1.3680043.99.4711"
SECRETS = (
    "wintergreen",
    "aurelia",
    "4711-0815",
    "19381224",
    "quillfeather",
    "3680043.99",
    "12.1938",
)
VALUES: dict[str, Any] = {
    "PN": f"{EVERYWHERE}^{EVERYWHERE}", "DA": BORN, "DT": f"{BORN}101112", "TM": "101112",
    "UI": PLANTED_UID, "AS": "087Y", "UR": f"http://{EVERYWHERE}.org", "OB": b"Quillfeather",
    "UN": b"Quillfeather", "AE": EVERYWHERE, "CS": "WINTERGREEN",
}  # fmt: skip
TEXT = ("LO", "SH", "ST", "LT", "UT", "UC")
STRUCTURAL = (0x0042, 0x0028, 0x7FE0, 0xFFFE, 0xFFFC, 0x0002, 0x0000)  # groups that make a file one


def listed_tags() -> set[int]:
    """Every single attribute of table E.1-1."""
    from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table

    return {(tag[0] << 16) + tag[1] for tag in table.ALL_TAGS if len(tag) == 2}


def fill(dataset: Dataset) -> Dataset:
    """Plant into every attribute that the standard knows and that is not there yet."""
    listed = listed_tags()
    for tag, (vr, *_, keyword) in DicomDictionary.items():
        if tag >> 16 in STRUCTURAL or tag in dataset or keyword.endswith("ClassUID"):
            continue  # a class of objects is no person
        if vr in TEXT:
            # what the profile keeps may be any text, but not one with the patient's name
            text = EVERYWHERE if tag in listed else "of Wintergreen, Aurelia"
            dataset.add_new(tag, vr, text[:16] if vr == "SH" else text)
        elif vr in VALUES and (vr not in ("OB", "UN", "CS", "AS") or tag in listed):
            dataset.add_new(tag, vr, VALUES[vr])
    return dataset


def planted(path: Path, **elements: Any) -> FileDataset:
    """A small CT slice full of identity: elements, sequences, private ones, overlays, curves."""
    dataset = phantoms.dicom(path)
    phantoms.set_pixels(dataset, np.arange(12 * 16, dtype=np.uint16).reshape(12, 16))
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = NAME, NUMBER, BORN
    dataset.StudyDate, dataset.StudyTime = "20200301", "101500"
    fill(dataset)
    _set_uids(dataset)
    dataset.RequestAttributesSequence = [fill(Dataset())]
    dataset.SharedFunctionalGroupsSequence = [nested()]
    dataset.ContentSequence = [report_item(), report_item()]
    dataset.IconImageSequence = [icon()]
    _add_private(dataset)
    _add_overlay(dataset)
    dataset.preamble = b"Wintergreen Aurelia".ljust(128, b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = "WINTERGREEN"
    dataset.file_meta.PrivateInformationCreatorUID = UID(PLANTED_UID)
    dataset.file_meta.PrivateInformation = b"Quillfeather"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def nested() -> Dataset:
    """Identity two sequences down, in one that the profile keeps."""
    inner, outer = fill(Dataset()), Dataset()
    inner.add_new((0x0011, 0x0010), "LO", "WINTERGREEN PRIVATE")
    outer.PlanePositionSequence = [inner]
    return outer


def report_item() -> Dataset:
    """Free text as structured reports hold it."""
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.TextValue, item.PersonName = f"Mr {EVERYWHERE}, seen on 24.12.1938", VALUES["PN"]
    return item


def icon() -> Dataset:
    """A thumbnail, which shows what the picture shows."""
    item = Dataset()
    phantoms.set_pixels(item, np.frombuffer(b"Quillfeather", np.uint8).reshape(3, 4))
    return item


def _set_uids(dataset: Dataset) -> None:
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        setattr(dataset, keyword, f"{PLANTED_UID}.{len(keyword)}")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def _add_private(dataset: Dataset) -> None:
    block = dataset.private_block(0x0029, "WINTERGREEN", create=True)
    block.add_new(0x01, "LO", EVERYWHERE)
    item = Dataset()
    item.PatientName = VALUES["PN"]
    block.add_new(0x02, "SQ", [item])
    known = dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
    known.add_new(0x39, "IS", "1000")
    known.add_new(0x40, "LO", EVERYWHERE)


def _add_overlay(dataset: Dataset) -> None:
    dataset.add_new(0x60000010, "US", 12)
    dataset.add_new(0x60000022, "LO", EVERYWHERE)
    dataset.add_new(0x60003000, "OW", b"Quillfeather")
    dataset.add_new(0x60004000, "LT", EVERYWHERE)
    dataset.add_new(0x50000022, "LO", EVERYWHERE)
    dataset.add_new(0x50003000, "OW", b"Quillfeather")
