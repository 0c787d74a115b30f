"""The words in a file that tell who the patient is, to find them in its other texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.names import PARTS, pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydicom import DataElement, Dataset

NUMBERS = """
    PatientID OtherPatientIDs AccessionNumber AdmissionID ServiceEpisodeID MedicalRecordLocator
    InsurancePlanIdentification PatientAddress PatientTelephoneNumbers PatientBirthDate StudyID
    InstitutionName InstitutionAddress InstitutionalDepartmentName StudyInstanceUID
    SeriesInstanceUID SOPInstanceUID FrameOfReferenceUID RequestedProcedureID
    IssuerOfPatientID
"""
TELLING = re.compile(  # in free text: dates, telephone and other long numbers, e-mail addresses
    r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}|\+?\d[\d\s/-]{4,}\d|\S+@\S+"
)


@dataclass(frozen=True, slots=True)
class Words:
    """What must not be read any more."""

    pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, dataset: Dataset) -> Words:
        """Names, numbers and places, wherever in the file they stand."""
        return cls(pattern(_words(dataset)))

    def without(self, value: str, *, strict: bool) -> str:
        """A text without them; `strict`: also without anything that looks like such a number."""
        left = self.pattern.sub(" ", value) if self.pattern else value
        left = TELLING.sub(" ", left) if strict else left
        return value if left == value else " ".join(left.split())


def flat_values(element: DataElement) -> list[str]:
    """Every value as text, [] if there is none."""
    value = element.value
    if value is None or value == "":
        return []
    return [str(part) for part in value] if element.VM > 1 else [str(value)]


def _words(dataset: Dataset) -> Iterator[str]:
    for tag in list(dataset.keys()):
        try:
            yield from _of_element(dataset[tag])
        except Exception:  # noqa: BLE001  what cannot be read names nobody
            continue


def _of_element(element: DataElement) -> Iterable[str]:
    if element.VR == "SQ":
        return [word for item in element.value for word in _words(item)]
    if element.tag.is_private:
        return []
    values = flat_values(element)
    if element.VR == "PN":
        return [word for value in values for word in PARTS.split(value)]
    if element.keyword not in NUMBERS.split():
        return []
    born = element.VR == "DA" and [v for value in values for v in _spellings(value)]
    return born or values


def _spellings(day: str) -> list[str]:
    """The ways in which people write a date."""
    year, month, date = day[:4], day[4:6], day[6:8]
    return [
        day, f"{year}-{month}-{date}", f"{date}.{month}.{year}", f"{date}/{month}/{year}",
        f"{month}/{date}/{year}",
    ]  # fmt: skip
