"""What PS3.15 Annex E asks for each attribute: the basic profile, and the options that relax it.

The basic profile is table E.1-1 of the edition 2026c, as the package dicom-anonymizer ships it.
The columns of the options follow from the VR or are listed below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from pydicom.datadict import dictionary_has_tag, dictionary_is_retired
from pydicom.uid import UID

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydicom import DataElement
    from pydicom.tag import BaseTag

Action = Literal["keep", "clean", "remove", "empty", "dummy", "uid", "shift"]

TABLE = "dicomfields_2026c"
ACTIONS: dict[str, Action] = {  # of two that the table allows, the one that keeps a file valid
    "X_TAGS": "remove",
    "Z_TAGS": "empty",
    "D_TAGS": "dummy",
    "U_TAGS": "uid",
    "Z_D_TAGS": "dummy",
    "X_Z_TAGS": "empty",
    "X_D_TAGS": "dummy",
    "X_Z_D_TAGS": "dummy",
    "X_Z_U_STAR_TAGS": "uid",
}


@dataclass(frozen=True, slots=True)
class Option:
    """One option of the profile, and its code of CID 7050 in DICOM's own coding scheme."""

    name: str
    title: str
    help: str
    code: str
    meaning: str


DATES, PATIENT, DEVICE, UIDS, TEXTS, PRIVATE = (
    "dates", "patient", "device", "uids", "texts", "private",
)  # fmt: skip
OPTIONS = (
    Option(
        DATES,
        "Shift dates, keep the days between them",
        "Each patient's dates move by a number of days that stays secret; times stay. "
        "Otherwise dates are removed.",
        "113107",
        "Retain Longitudinal Temporal Information Modified Dates Option",
    ),
    Option(
        PATIENT,
        "Keep age, sex, size and weight",
        "Also smoking, pregnancy, ethnic group and allergies, as far as the file has them.",
        "113108",
        "Retain Patient Characteristics Option",
    ),
    Option(
        TEXTS,
        "Keep descriptions, without what tells the patient",
        "Names, numbers and dates known from the file are cut out. What somebody typed in other "
        "words stays: look at the preview.",
        "113105",
        "Clean Descriptors Option",
    ),
    Option(
        DEVICE,
        "Keep the identity of the device",
        "Serial numbers and station names, for studies of devices.",
        "113109",
        "Retain Device Identity Option",
    ),
    Option(
        UIDS,
        "Keep UIDs",
        "Whoever has the original can then tell which one it is.",
        "113110",
        "Retain UIDs Option",
    ),
    Option(
        PRIVATE,
        "Keep private elements that are known to be safe",
        "Those that PS3.15 E.3.10 lists or that the file itself declares safe, such as b-values.",
        "113111",
        "Retain Safe Private Option",
    ),
)
BASIC = ("113100", "Basic Application Confidentiality Profile")
CLEAN_PIXELS = ("113101", "Clean Pixel Data Option")


def _listed(keywords: str) -> frozenset[str]:
    return frozenset(keywords.split())


OF_PATIENT = _listed(
    """EthnicGroup EthnicGroupCodeSequence PatientAge PatientSex PatientSexNeutered PatientSize
    PatientWeight PregnancyStatus SelectorASValue SmokingStatus
    Allergies PatientState PreMedication SpecialNeeds"""
)
OF_DEVICE = _listed(
    """CassetteID DetectorID DeviceDescription DeviceLabel DeviceSerialNumber DeviceUID GantryID
    GeneratorID LensMake LensModel LensSerialNumber LensSpecification ManufacturerDeviceClassUID
    ManufacturerDeviceIdentifier ModifyingDeviceID ModifyingSystem
    PerformedStationGeographicLocationCodeSequence PerformedStationName
    PerformedStationNameCodeSequence PlateID ScheduledProcedureStepLocation
    ScheduledStationGeographicLocationCodeSequence ScheduledStationName
    ScheduledStationNameCodeSequence ScheduledStudyLocation SourceManufacturer SourceSerialNumber
    StationName TransducerIdentificationSequence TreatmentMachineName UDISequence
    UniqueDeviceIdentifier XRayDetectorID XRayDetectorLabel XRaySourceID"""
)
DESCRIPTOR = re.compile(r"(Descriptions?|Comments?|CommentsOn\w+|Label|LabelText|Reason\w*)$")
OF_TEXTS = _listed(
    """AdditionalPatientHistory AdmittingDiagnosesCodeSequence Allergies ContrastBolusAgent
    EntityName FractionationNotes Impressions InterpretationText MedicalAlerts Occupation
    PatientState PositionAcquisitionTemplateName PrescriptionNotes PrescriptionNotesSequence
    ProtocolName ROIName RTPhysicianIntentNarrative RTPlanName ReasonForVisitCodeSequence
    ReasonForRequestedProcedureCodeSequence RequestAttributesSequence RequestedContrastAgent
    StructureSetName TreatmentSite TreatmentSites TreatmentTechniqueNotes"""
)
NOT_TEXTS = _listed(
    """ConfidentialityConstraintOnPatientDataDescription DeviceDescription DeviceLabel
    DeviceSettingDescription ImagePresentationComments ModifiedImageDescription TextComments
    XRayDetectorLabel"""
)
OF_BIRTH = _listed(
    """PatientBirthDate PatientBirthTime PatientBirthDateInAlternativeCalendar
    PatientDeathDateInAlternativeCalendar GPSTimeStamp GPSDateStamp"""
)
NEVER_KEPT = frozenset(("UID", "DigitalSignatureUID"))  # not even by the option for UIDs
UNSEEN = (0x5000, 0x6000)  # curves and overlays, which may show anything
SIGNED = 0x0400  # signatures, which a changed file breaks, and encrypted originals
TIMES = frozenset(("DA", "TM", "DT"))
TEXT = frozenset(("LO", "SH", "ST", "LT", "UT", "UC"))
CODES = _listed(
    """CodeValue LongCodeValue URNCodeValue CodingSchemeDesignator CodingSchemeVersion
    CodeMeaning"""
)


def action(element: DataElement, chosen: Collection[str]) -> Action:
    """What becomes of a public element, of a sequence or of what is in it; private ones aside."""
    by_table = basic().get(element.tag)
    if by_table is None:
        return _unlisted(element, chosen)
    if element.VR in TIMES and DATES in chosen and element.keyword not in OF_BIRTH:
        return "shift"
    return _relaxed(element, by_table, chosen)


def _relaxed(element: DataElement, by_table: Action, chosen: Collection[str]) -> Action:
    """What the options make of an action of the basic profile."""
    keyword = element.keyword
    if UIDS in chosen and by_table == "uid" and keyword not in NEVER_KEPT:
        return "keep"
    if PATIENT in chosen and keyword in OF_PATIENT:
        return "clean" if element.VR in TEXT else "keep"
    if DEVICE in chosen and keyword in OF_DEVICE:
        return "keep"
    if TEXTS in chosen and is_descriptor(keyword):
        return "clean"
    return by_table


def is_descriptor(keyword: str) -> bool:
    """Whether the option to clean descriptors speaks of it."""
    return keyword in OF_TEXTS or bool(DESCRIPTOR.search(keyword) and keyword not in NOT_TEXTS)


def _unlisted(element: DataElement, chosen: Collection[str]) -> Action:
    """What the table says nothing of: kept, unless its kind can tell who somebody is."""
    kind, tag = element.VR, element.tag
    if tag.group & 0xFF00 in UNSEEN or tag.group == SIGNED or not dictionary_has_tag(tag):
        return "remove"
    if kind == "UI":
        return "keep" if UIDS in chosen or _names_a_class(element) else "uid"
    if kind in TIMES:
        return "shift" if DATES in chosen else "empty"
    if kind == "PN":
        return "empty"
    retired = dictionary_is_retired(tag) and kind in TEXT
    return "remove" if kind in ("AE", "UR", "UN") or retired else "keep"


def _names_a_class(element: DataElement) -> bool:
    """Whether a UID names a kind of thing, not one thing."""
    values = [element.value] if isinstance(element.value, str) else element.value or ()
    known = all(UID(str(value)).name != str(value) for value in values)
    return known or element.keyword.endswith("ClassUID")


@cache
def basic() -> dict[BaseTag | int, Action]:
    """The action of the basic profile for each tag of table E.1-1."""
    from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector

    lists = dicom_anonymization_database_selector(TABLE)
    return {
        (tag[0] << 16) + tag[1]: action
        for name, action in ACTIONS.items()
        for tag in lists[name]
        if len(tag) == 2  # the others are groups, which `_unlisted` removes
    }
