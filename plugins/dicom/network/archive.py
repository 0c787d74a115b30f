"""What an archive is asked and answers, over DICOM or DICOMweb alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from plugins.dicom.network.inbox import Inbox

MOST = 500  # studies of one search: who gets more narrows it

WRONG_PASSWORD = "check user and password"  # how a refusal ends, after which it is asked anew


@dataclass(frozen=True, slots=True)
class Query:
    """What studies must match; "" for anything; dates YYYYMMDD; `*` and `?` stand for letters."""

    patient_name: str = ""
    patient_id: str = ""
    accession: str = ""
    first_date: str = ""
    last_date: str = ""
    modality: str = ""

    @property
    def dates(self) -> str:
        """A range as DICOM writes it."""
        if not (self.first_date or self.last_date):
            return ""
        return f"{self.first_date}-{self.last_date}"

    @property
    def name_pattern(self) -> str:
        """The beginnings of the names, in their order; as it is where the user gave a pattern."""
        text = self.patient_name.strip()
        if not text or "*" in text or "?" in text:
            return text
        return "*".join(text.replace(",", " ").replace("^", " ").split()) + "*"


@dataclass(frozen=True, slots=True)
class Study:
    """A study that was found; counts are 0 where the archive does not tell."""

    study_uid: str
    patient_name: str = ""
    patient_id: str = ""
    birth_date: str = ""
    date: str = ""
    time: str = ""
    description: str = ""
    accession: str = ""
    modalities: tuple[str, ...] = ()
    series: int = 0
    instances: int = 0


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """A series that was found."""

    study_uid: str
    series_uid: str
    number: str = ""
    modality: str = ""
    description: str = ""
    body_part: str = ""
    instances: int = 0


@dataclass(frozen=True, slots=True)
class Instance:
    """One file of a series in an archive."""

    study_uid: str
    series_uid: str
    uid: str
    sop_class: str = ""
    number: int = 0


class Archive(Protocol):
    """Every method raises UserError in bounded time if the archive does not do its part."""

    def check(self) -> None:
        """Ask for a sign of life that needs the right address, titles and password."""

    def studies(self, query: Query) -> list[Study]:
        """Up to `MOST` studies that match."""

    def series(self, study_uid: str) -> list[FoundSeries]:
        """The series of a study."""

    def instances(self, study_uid: str, series_uid: str) -> list[Instance]:
        """The files of a series."""

    def fetch(self, wanted: Sequence[Instance], inbox: Inbox) -> None:
        """Put these, and maybe more of their series, into the inbox."""

    def send(self, paths: Iterable[Path], sent: Callable[[Path], None]) -> None:
        """Store files; each is told once it is stored."""

    def abort(self) -> None:
        """Give up what another thread asks at the moment; returns at once."""


def text(dataset: Any, keyword: str) -> str:
    """A value of an answer as text, "" where it is missing or malformed."""
    try:
        value = dataset.get(keyword)
    except Exception:  # noqa: BLE001  archives answer in unforeseen ways
        return ""
    return "" if value is None else str(value).replace("\0", "").strip()


def count(dataset: Any, keyword: str) -> int:
    """A number of an answer, 0 where it is missing."""
    found = text(dataset, keyword)
    return int(found) if found.isdecimal() else 0


def study_of(dataset: Any) -> Study:
    """From one answer at the level of studies."""
    modalities = text(dataset, "ModalitiesInStudy").strip("[]").replace("'", "")
    parts = modalities.replace("\\", ",").split(",")
    return Study(
        text(dataset, "StudyInstanceUID"),
        text(dataset, "PatientName"),
        text(dataset, "PatientID"),
        text(dataset, "PatientBirthDate"),
        text(dataset, "StudyDate"),
        text(dataset, "StudyTime"),
        text(dataset, "StudyDescription"),
        text(dataset, "AccessionNumber"),
        tuple(sorted({part.strip() for part in parts} - {""})),
        count(dataset, "NumberOfStudyRelatedSeries"),
        count(dataset, "NumberOfStudyRelatedInstances"),
    )


def series_of(dataset: Any, study_uid: str) -> FoundSeries:
    """From one answer at the level of series."""
    return FoundSeries(
        study_uid,
        text(dataset, "SeriesInstanceUID"),
        text(dataset, "SeriesNumber"),
        text(dataset, "Modality"),
        text(dataset, "SeriesDescription"),
        text(dataset, "BodyPartExamined"),
        count(dataset, "NumberOfSeriesRelatedInstances"),
    )


def instance_of(dataset: Any, study_uid: str, series_uid: str) -> Instance:
    """From one answer at the level of files."""
    return Instance(
        study_uid,
        series_uid,
        text(dataset, "SOPInstanceUID"),
        text(dataset, "SOPClassUID"),
        count(dataset, "InstanceNumber"),
    )
