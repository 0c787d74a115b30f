"""Where received files lie: names made of hashes, written whole or not at all."""

from __future__ import annotations

import hashlib
import threading
from io import BytesIO
from typing import TYPE_CHECKING

from pydicom import dcmread

from inference.errors import UserError
from inference.writing import atomic
from plugins.dicom.header import text
from plugins.dicom.network.received import received_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from plugins.dicom.network.archive import Instance
    from plugins.dicom.network.beginning import Beginning

UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


class Stranger(Exception):  # noqa: N818 (it says what came)
    """A file that was not asked for, or that is none."""


class Inbox:
    """Takes the files of the series that were asked for; any thread may give them."""

    def __init__(
        self,
        wanted: Sequence[Instance],
        root: Path | None = None,
        beginning: Beginning | None = None,
    ) -> None:
        self.wanted = wanted
        self.beginning = beginning  # listens to the one file that is wanted while it arrives
        self.bytes = 0  # that arrived now
        self.failure: UserError | None = None  # a file could not be written
        self.sent_away: set[str] = set()  # AE titles that we do not expect to send
        self._root = root or received_folder()
        self._asked = {(entry.study_uid, entry.series_uid) for entry in wanted}
        self._here = {entry.uid for entry in wanted if self.path(entry).is_file()}
        self._lock = threading.Lock()
        self._closed = False

    @property
    def here(self) -> int:
        """How many of the wanted files are there, from now or from before."""
        return len(self._here)

    @property
    def folders(self) -> list[Path]:
        """Those of the series that were asked for."""
        return list(dict.fromkeys(self.path(entry).parent for entry in self.wanted))

    def missing(self) -> list[Instance]:
        """What has not come yet."""
        return [entry for entry in self.wanted if entry.uid not in self._here]

    def path(self, entry: Instance) -> Path:
        """Where a file of the archive lies here."""
        return self._place(entry.study_uid, entry.series_uid, entry.uid)

    def take(self, encoded: bytes) -> None:
        """Keep a file; raises Stranger, or UserError if it cannot be written."""
        study, series, uid = _uids(encoded)
        seen = self.beginning is not None and self.beginning.found is not None
        if (study, series) not in self._asked or self._closed or seen:
            raise Stranger
        try:
            with atomic(self._place(study, series, uid)) as part:
                part.write_bytes(encoded)
        except UserError as error:
            self.failure = UserError(f"A received image cannot be kept: {error}")
            raise self.failure from error
        with self._lock:
            self.bytes += len(encoded)
            self._here.add(uid)

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True

    def _place(self, study: str, series: str, uid: str) -> Path:
        return self._root / _hashed(study) / _hashed(series) / f"{_hashed(uid)}.dcm"


def _hashed(uid: str) -> str:
    """UIDs can be traced to a patient, and may hold what no file name may."""
    return hashlib.sha256(uid.encode()).hexdigest()[:20]


def _uids(encoded: bytes) -> tuple[str, str, str]:
    try:
        header = dcmread(BytesIO(encoded), stop_before_pixels=True, specific_tags=list(UIDS))
    except Exception as error:  # pydicom lets many kinds pass from a malformed file
        raise Stranger from error
    study, series, uid = (text(header, keyword) for keyword in UIDS)
    if not (study and series and uid):
        raise Stranger
    return study, series, uid
