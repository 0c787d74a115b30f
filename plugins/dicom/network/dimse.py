"""An archive over DICOM: C-ECHO, C-FIND, C-GET or C-MOVE, C-STORE; by pynetdicom."""

from __future__ import annotations

import time
from contextlib import ExitStack
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pynetdicom import build_context, build_role, evt

from inference.errors import UserError
from plugins.dicom.network.archive import (
    MOST,
    FoundSeries,
    Instance,
    Query,
    Study,
    instance_of,
    series_of,
    study_of,
)
from plugins.dicom.network.association import MOST_CONTEXTS, Line, accepts, contexts_for
from plugins.dicom.network.beginning import overhearing
from plugins.dicom.network.listener import keep, listening
from plugins.dicom.network.storing import store_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from inference.servers import Server
    from plugins.dicom.network.inbox import Inbox

ECHO = "1.2.840.10008.1.1"
# the study root model: every server has it
FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))
PENDING = (0xFF00, 0xFF01)
UNKNOWN_DESTINATION = 0xA801
SOME_FAILED = 0xB000
AT_ONCE = 200  # UIDs in one request: with 64 characters each they fill a fifth of an element

STUDY_KEYS = (
    "StudyInstanceUID", "StudyTime", "StudyDescription", "ModalitiesInStudy",
    "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "PatientBirthDate",
)  # fmt: skip
SERIES_KEYS = (
    "SeriesInstanceUID", "SeriesNumber", "Modality", "SeriesDescription", "BodyPartExamined",
    "NumberOfSeriesRelatedInstances",
)  # fmt: skip
INSTANCE_KEYS = ("SOPInstanceUID", "SOPClassUID", "InstanceNumber")


class DimseArchive:
    """One server; an association for each thing that is asked."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._line = Line(server)

    def check(self) -> None:
        """C-ECHO."""
        with self._line.associated([build_context(ECHO)]) as association:
            status = association.send_c_echo()
            if "Status" not in status:
                raise self._line.lost()

    def studies(self, query: Query) -> list[Study]:
        """C-FIND at the level of studies."""
        identifier = _asking("STUDY", STUDY_KEYS)
        identifier.PatientName = query.name_pattern
        identifier.PatientID, identifier.AccessionNumber = query.patient_id, query.accession
        identifier.StudyDate, identifier.ModalitiesInStudy = query.dates, query.modality
        return [study_of(found) for found in self._find(identifier)][:MOST]

    def series(self, study_uid: str) -> list[FoundSeries]:
        """C-FIND at the level of series."""
        identifier = _asking("SERIES", SERIES_KEYS)
        identifier.StudyInstanceUID = study_uid
        return [series_of(found, study_uid) for found in self._find(identifier)]

    def instances(self, study_uid: str, series_uid: str) -> list[Instance]:
        """C-FIND at the level of images."""
        identifier = _asking("IMAGE", INSTANCE_KEYS)
        identifier.StudyInstanceUID, identifier.SeriesInstanceUID = study_uid, series_uid
        return [instance_of(found, study_uid, series_uid) for found in self._find(identifier)]

    def fetch(self, wanted: Sequence[Instance], inbox: Inbox) -> None:
        """C-GET where the server offers it, else C-MOVE to a port of ours."""
        if self._server.retrieve == "move" or not self._got(wanted, inbox):
            self._move(wanted, inbox)

    def send(self, paths: Iterable[Path], sent: Callable[[Path], None]) -> None:
        """C-STORE."""
        store_all(self._line, list(paths), sent)

    def abort(self) -> None:
        """Give up what another thread asks; returns at once."""
        self._line.break_off()

    def _find(self, identifier: Dataset) -> Iterator[Dataset]:
        with self._line.associated([build_context(FIND)]) as association:
            for number, (status, found) in enumerate(association.send_c_find(identifier, FIND)):
                self._require(status, "the search")
                if found is not None:
                    yield found
                if number >= MOST and identifier.QueryRetrieveLevel == "STUDY":
                    association.abort()  # a C-CANCEL is not heeded by all
                    return

    def _got(self, wanted: Sequence[Instance], inbox: Inbox) -> bool:
        """Whether the server offers C-GET to us; then it has been done."""
        storage = contexts_for((entry.sop_class for entry in wanted), MOST_CONTEXTS - 1)
        classes = {str(context.abstract_syntax) for context in storage}
        roles = [build_role(uid, scp_role=True) for uid in sorted(classes)]
        handlers = [(evt.EVT_C_STORE, keep, [inbox]), *overhearing(inbox.beginning)]
        contexts = [build_context(GET), *storage]
        with self._line.associated(contexts, roles, handlers) as association:
            if not accepts(association, GET) and self._server.retrieve == "auto":
                return False
            start = time.monotonic()
            try:
                for identifier in _requests(wanted, inbox):
                    self._follow(association.send_c_get(identifier, GET), inbox)
            except UserError:
                if not self._may_move(inbox, time.monotonic() - start):
                    raise
                return False
        return True

    def _may_move(self, inbox: Inbox, seconds: float) -> bool:
        """Whether to try C-MOVE: the server refused C-GET, or broke off at once, as some do."""
        wanted = self._server.retrieve == "auto" and self._server.receive_port > 0
        refused = not inbox.bytes and seconds < self._server.seconds / 2
        return wanted and refused and not (inbox.failure or self._line.broken_off)

    def _move(self, wanted: Sequence[Instance], inbox: Inbox) -> None:
        server = self._server
        if not server.receive_port:
            raise UserError(
                f"{server.name} offers only C-MOVE, which sends to a port of this computer: choose "
                "one in the server's settings, and tell it to the server's administrator."
            )
        with ExitStack() as stack:
            association = stack.enter_context(self._line.associated([build_context(MOVE)]))
            stack.enter_context(listening(server, inbox))
            for identifier in _requests(wanted, inbox):
                title = server.own_ae_title.strip()
                self._follow(association.send_c_move(identifier, title, MOVE), inbox)

    def _follow(self, answers: Iterator[tuple[Dataset, Any]], inbox: Inbox) -> None:
        for status, _ in answers:
            if inbox.failure:
                raise inbox.failure
            if status.get("Status") == UNKNOWN_DESTINATION:
                raise UserError(
                    f"{self._server.name} does not know where {self._server.own_ae_title} is: tell "
                    "its administrator our AE title, this computer's address and the port "
                    f"{self._server.receive_port}."
                )
            if status.get("Status") != SOME_FAILED:  # what is missing is told at the end
                self._require(status, "the retrieval")

    def _require(self, status: Dataset, what: str) -> None:
        """Raise UserError for a status that is neither success nor one of more to come."""
        if "Status" not in status:
            raise self._line.lost()
        if status.Status not in (0, *PENDING):
            raise UserError(
                f"{self._server.name} could not do {what} (status {status.Status:04X}): ask its "
                "administrator."
            )


def _asking(level: str, keys: Sequence[str]) -> Dataset:
    identifier = Dataset()
    identifier.SpecificCharacterSet = "ISO_IR 192"
    identifier.QueryRetrieveLevel = level
    for keyword in keys:
        setattr(identifier, keyword, "" if not keyword.startswith("NumberOf") else None)
    return identifier


def _requests(wanted: Sequence[Instance], inbox: Inbox) -> Iterator[Dataset]:
    """What to ask for: a whole series, or of one of which a part is here the files that miss."""
    missing = set(inbox.missing())
    for (study, series), group in groupby(
        wanted, lambda entry: (entry.study_uid, entry.series_uid)
    ):
        entries = list(group)
        lacking = [entry.uid for entry in entries if entry in missing]
        if len(lacking) == len(entries) > 1:
            yield _request("SERIES", study, series)
            continue
        for start in range(0, len(lacking), AT_ONCE):
            yield _request("IMAGE", study, series, lacking[start : start + AT_ONCE])


def _request(level: str, study: str, series: str, uids: Sequence[str] = ()) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    identifier.StudyInstanceUID, identifier.SeriesInstanceUID = study, series
    if uids:
        identifier.SOPInstanceUID = list(uids)
    return identifier
