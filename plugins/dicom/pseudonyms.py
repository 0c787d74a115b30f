"""Consistent stand-ins for who and which: the same in every export of this user, told to nobody."""

from __future__ import annotations

import re
from base64 import b32encode
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from inference import secret
from plugins.dicom.header import text

if TYPE_CHECKING:
    from pydicom import Dataset

PURPOSE = "pseudonyms"
MOST_DAYS = 3650  # that dates move back
LEAST_DAYS = 30
WHEN = re.compile(r"(\d{4})\.?(?:(\d\d)\.?(?:(\d\d))?)?((?:\d{2,6}(?:\.\d+)?)?(?:[+-]\d{4})?)")


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Each stand-in is a keyed hash; without the key nobody finds the original by trying."""

    key: bytes = field(repr=False)

    @classmethod
    def of_this_user(cls) -> Pseudonyms:
        """With the key that is kept in the user's own folder; raises UserError."""
        return cls(secret.key(PURPOSE))

    def uid(self, value: str) -> str:
        """Another UID, under the arc 2.25 of UUIDs, for the same thing."""
        return f"2.25.{int.from_bytes(self._hash('uid', value)[:16], 'big')}"

    def short(self, kind: str, value: str, letters: int = 8) -> str:
        """Letters and digits, five bits each."""
        return b32encode(self._hash(kind, value)).decode()[:letters]

    def patient(self, person: str) -> str:
        """The name and number of a patient from now on."""
        return f"P-{self.short('patient', person)}"

    def days(self, person: str) -> int:
        """By how many days the dates of a patient move back."""
        number = int.from_bytes(self._hash("days", person)[:8], "big")
        return LEAST_DAYS + number % (MOST_DAYS - LEAST_DAYS)

    def _hash(self, kind: str, value: str) -> bytes:
        return secret.digest(self.key, f"{kind}\0{value}")


def person_of(dataset: Dataset) -> str:
    """What tells patients apart: the number, else the name, else the study."""
    name = " ".join(text(dataset, "PatientName").replace("^", " ").split()).casefold()
    study = text(dataset, "StudyInstanceUID") or text(dataset, "SOPInstanceUID")
    return text(dataset, "PatientID") or name or study


def moved(value: str, days: int) -> str:
    """A DICOM date, or date and time, so many days earlier; "" if it is none."""
    found = WHEN.fullmatch(value.strip())
    if found is None:
        return ""
    year, month, day, rest = found.group(1, 2, 3, 4)
    try:
        earlier = date(int(year), int(month or 1), int(day or 1)) - timedelta(days)
    except (ValueError, OverflowError):
        return ""
    whole = f"{earlier.year:04}{earlier.month:02}{earlier.day:02}"
    return whole[: 4 + 2 * bool(month) + 2 * bool(day)] + rest
