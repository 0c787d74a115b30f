"""Cases that the user corrected and gave to learn from, kept on this computer alone.

One file for each in the user's data folder, `corrections/<task>/<key>.npz`: arrays, and a few
figures as JSON. It tells pixels and outlines, but no name, date of birth or path; its name is a
keyed digest of the pixels, and so is what tells that two cases are of one patient.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from inference import logs, secret
from inference.durable import replacing
from inference.resources import data_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from inference.series import Array, Series

ABOUT = "about"
ASIDE = 3
"""Every third patient is set aside to check by, for good: no network ever learns from it here."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the list of cases tells of one."""

    key: str
    patient: str  # stands for one, tells none
    kept: str  # date and time, UTC
    aside: bool  # to check by, not to learn from
    nbytes: int


@dataclass(frozen=True, slots=True)
class Lesson:
    """One case as its task made it."""

    key: str
    arrays: Mapping[str, Array]
    figures: Mapping[str, Any] = field(default_factory=dict)


class Corrections:
    """The cases of one task."""

    def __init__(self, task: str) -> None:
        self._task = task

    @property
    def folder(self) -> Path:
        """Where they are kept, whether it exists or not."""
        return data_folder() / "corrections" / self._task

    def keep(self, series: Series, arrays: Mapping[str, Array], figures: Mapping[str, Any]) -> str:
        """Keep a case, in place of what was kept of these pixels before; its key; UserError."""
        key, patient = self.key_of(series), _digest(_patient_of(series))
        before = {entry.key: entry for entry in self.entries()}
        aside = before[key].aside if key in before else self._set_aside(patient)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        kept = before[key].kept if key in before else now
        about = {"patient": patient, "kept": kept, "aside": aside, "figures": dict(figures)}
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self._path(key)) as part, part.open("wb") as file:
            content: dict[str, Any] = {**arrays, ABOUT: np.array(json.dumps(about))}
            np.savez_compressed(file, **content)
        return key

    def key_of(self, series: Series) -> str:
        """What these pixels are called."""
        return _digest(series.sha256)

    def entries(self) -> list[Entry]:
        """Every case, the oldest first; a file that is damaged is left out."""
        found = [self._entry(path) for path in self.folder.glob("*.npz")]
        return sorted((one for one in found if one), key=lambda one: (one.kept, one.key))

    def read(self, key: str) -> Lesson:
        """A case of `entries`."""
        with np.load(self._path(key)) as file:
            about = json.loads(str(file[ABOUT]))
            arrays = {name: file[name] for name in file.files if name != ABOUT}
        return Lesson(key, arrays, about["figures"])

    def empty(self) -> None:
        """Delete every case."""
        for path in self.folder.glob("*.npz"):
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npz"

    def _set_aside(self, patient: str) -> bool:
        """Cases of one patient stay together, on one side."""
        entries = self.entries()
        same = [one.aside for one in entries if one.patient == patient]
        patients = dict.fromkeys(one.patient for one in entries)
        return same[0] if same else len(patients) % ASIDE == ASIDE - 1

    def _entry(self, path: Path) -> Entry | None:
        try:
            with np.load(path) as file:
                about = json.loads(str(file[ABOUT]))
            return Entry(
                path.stem, about["patient"], about["kept"], about["aside"], path.stat().st_size
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            log.warning("a corrected case could not be read: %s", logs.stack(error))
            return None


def _patient_of(series: Series) -> str:
    """The same text for all images of a patient; for an image that tells none, its pixels."""
    identity = series.identity
    return "\n".join((identity.patient_id, identity.patient_name)).strip() or series.sha256


def _digest(text: str) -> str:
    return secret.digest(secret.key("corrections"), text).hex()[:16]
