"""An archive over DICOMweb: QIDO-RS, WADO-RS, STOW-RS; by dicomweb-client."""

from __future__ import annotations

import logging
from email.message import Message
from io import BytesIO
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import requests
from dicomweb_client import DICOMwebClient
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError

from inference.errors import UserError
from plugins.dicom.network.archive import (
    MOST,
    WRONG_PASSWORD,
    FoundSeries,
    Instance,
    Query,
    Study,
    instance_of,
    series_of,
    study_of,
)
from plugins.dicom.network.inbox import Stranger
from plugins.dicom.network.reach import patience, require, tls, why_not
from plugins.dicom.parse import read_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from inference.servers import Server
    from plugins.dicom.network.beginning import Beginning
    from plugins.dicom.network.inbox import Inbox

AS_STORED = (("application/dicom", "*"),)
ONE_FILE = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
HEAD_ENDS = b"\r\n\r\n"  # of the one part
STUDY_FIELDS = (
    "StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
)  # fmt: skip
SERIES_FIELDS = ("SeriesDescription", "BodyPartExamined", "NumberOfSeriesRelatedInstances")
PIECE = 1 << 16  # bytes: what came before a server stopped is lost only from the last piece
WHOLE = 1 << 40  # bytes: not every server takes a file that is sent in pieces
T = TypeVar("T")

for name in ("dicomweb_client", "urllib3", "requests"):
    logging.getLogger(name).setLevel(logging.CRITICAL)  # they quote queries


class WebArchive:
    """One server."""

    def __init__(self, server: Server, password: str = "") -> None:
        require(server)
        self._server, self._broken_off = server, False
        self._session = requests.Session()
        if server.user or password:
            self._session.auth = (server.user, password)
        if server.encrypted:
            tls(server)  # says what is wrong with the certificates
            both = (server.certificate, server.key)
            self._session.cert = both if server.key else server.certificate or None
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter(server.ca_file))
        self._client = self._make_client(WHOLE)
        self._stream = self._make_client(PIECE)

    def check(self) -> None:
        """QIDO for one study."""
        self._search(lambda: self._client.search_for_studies(limit=1))

    def studies(self, query: Query) -> list[Study]:
        """QIDO at the level of studies."""
        wished = {
            "PatientName": query.name_pattern,
            "PatientID": query.patient_id,
            "AccessionNumber": query.accession,
            "StudyDate": query.dates,
            "ModalitiesInStudy": query.modality,
        }
        found = self._search(
            lambda: self._client.search_for_studies(
                limit=MOST,
                fields=STUDY_FIELDS,
                search_filters={key: value for key, value in wished.items() if value},
            )
        )
        return [study_of(entry) for entry in found][:MOST]

    def every_study(self, filters: Mapping[str, str]) -> Iterator[Study]:
        """QIDO at the level of studies, page by page; `filters` as in the address of a search."""
        seen: set[str] = set()
        while True:
            found = self._search(
                lambda: self._client.search_for_studies(
                    limit=MOST, offset=len(seen), search_filters=dict(filters)
                )
            )
            fresh = [study for entry in found if (study := study_of(entry)).study_uid not in seen]
            if not fresh:
                return
            seen.update(study.study_uid for study in fresh)
            yield from fresh

    def series(self, study_uid: str) -> list[FoundSeries]:
        """QIDO at the level of series."""
        found = self._search(
            lambda: self._client.search_for_series(study_uid, fields=SERIES_FIELDS)
        )
        return [series_of(entry, study_uid) for entry in found]

    def instances(self, study_uid: str, series_uid: str) -> list[Instance]:
        """QIDO at the level of instances."""
        found = self._search(lambda: self._client.search_for_instances(study_uid, series_uid))
        return [instance_of(entry, study_uid, series_uid) for entry in found]

    def fetch(self, wanted: Sequence[Instance], inbox: Inbox) -> None:
        """WADO: a whole series in one answer, or the files that miss one by one."""
        missing = set(inbox.missing())
        if inbox.beginning is not None:
            (only,), beginning = missing, inbox.beginning
            self._keep(lambda: self._overheard(only, beginning), inbox)
            return
        for (study, series), group in groupby(
            wanted, lambda entry: (entry.study_uid, entry.series_uid)
        ):
            entries = list(group)
            lacking = [entry for entry in entries if entry in missing]
            if len(lacking) == len(entries) > 1:
                self._keep(lambda: self._stream.iter_series(study, series, AS_STORED), inbox)  # noqa: B023
            else:
                for entry in lacking:
                    self._keep(lambda: self._one(entry), inbox)  # noqa: B023

    def send(self, paths: Iterable[Path], sent: Callable[[Path], None]) -> None:
        """STOW, a file at a time."""
        for path in paths:
            dataset = read_whole(path)
            answer = self._ask(lambda: self._client.store_instances([dataset]))  # noqa: B023
            if answer.get("FailedSOPSequence"):
                raise UserError(f"{self._server.name} refused {path.name}.")
            sent(path)

    def abort(self) -> None:
        """Give up what another thread asks; returns at once."""
        self._broken_off = True
        self._session.close()

    def _make_client(self, chunk_size: int) -> DICOMwebClient:
        server = self._server
        made = DICOMwebClient(
            server.url.rstrip("/"),
            self._session,
            callback=_notice_end,
            chunk_size=chunk_size,
            timeout=(patience(server), server.seconds),
        )
        made.set_http_retry_params(retry=False)
        return made

    def _one(self, entry: Instance) -> Iterator[Dataset]:
        yield self._client.retrieve_instance(
            entry.study_uid, entry.series_uid, entry.uid, AS_STORED
        )

    def _overheard(self, entry: Instance, beginning: Beginning) -> Iterator[bytes]:
        """A file, unless its first frame could be seen before all of it had come."""
        place = f"studies/{entry.study_uid}/series/{entry.series_uid}/instances/{entry.uid}"
        with self._session.get(
            f"{self._server.url.rstrip('/')}/{quote(place)}", stream=True, headers=ONE_FILE,
            timeout=(patience(self._server), self._server.seconds),
        ) as answer:  # fmt: skip
            answer.raise_for_status()
            head = b""
            for piece in answer.iter_content(PIECE):
                if self._broken_off or beginning.found is not None:
                    return
                if HEAD_ENDS in head:
                    beginning.hear(piece)
                    continue
                head += piece
                if HEAD_ENDS in head:
                    beginning.hear(head.partition(HEAD_ENDS)[2])
        yield beginning.come.rpartition(b"\r\n--")[0]

    def _keep(self, ask: Callable[[], Iterator[Dataset | bytes]], inbox: Inbox) -> None:
        def take() -> None:
            for found in ask():
                if self._broken_off:
                    return
                inbox.take(found if isinstance(found, bytes) else _encoded(found))

        try:
            self._ask(take)
        except Stranger as error:
            raise UserError(
                f"{self._server.name} sent what was not asked for, or no DICOM: it was not kept."
            ) from error

    def _search(self, question: Callable[[], list[dict[str, Any]]]) -> list[Dataset]:
        return self._ask(lambda: [Dataset.from_json(entry) for entry in question()])

    def _ask(self, question: Callable[[], T]) -> T:
        """Raises UserError for whatever HTTP can do wrong."""
        try:
            return question()
        except requests.HTTPError as error:
            raise UserError(self._status(error.response)) from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise UserError(
                f"{self._server.name} broke off in the middle: try again; what has arrived is kept."
            ) from error
        except (requests.ConnectionError, requests.Timeout) as error:
            raise why_not(self._server) from error
        except (
            requests.RequestException,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
        ) as error:
            raise UserError(
                f"{self._server.name} answers, but not as DICOMweb does: check its address, which "
                "often ends in /dicom-web."
            ) from error

    def _status(self, response: Any) -> str:
        name, number = self._server.name, response.status_code
        if number in (401, 403):
            who = f"the user {self._server.user}" if self._server.user else "nobody in particular"
            return f"{name} does not let {who} in ({number}): {WRONG_PASSWORD}."
        if number == 404:
            return f"{name} has nothing at this address (404): DICOMweb often ends in /dicom-web."
        if number == 400:
            return f"{name} did not understand what was asked (400)."
        return f"{name} could not answer ({number} {response.reason}): ask its administrator."


class _Adapter(HTTPAdapter):
    """Trusts the authority that the user chose, and asks with patterns that every server knows."""

    def __init__(self, ca_file: str) -> None:
        self._ca_file = ca_file
        super().__init__()

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Always verify; the environment must not put its authorities before the user's."""
        super().cert_verify(conn, url, self._ca_file or verify or True, cert)

    def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
        """An asterisk may stand as it is, and some servers know it only so.

        A connection that was kept may have been closed meanwhile, which shows only now.
        """
        request.url = request.url.replace("%2A", "*")
        try:
            return super().send(request, *arguments, **options)
        except requests.ConnectionError as error:
            if request.method != "GET" or not isinstance(error.args[0], ProtocolError):
                raise
            return super().send(request, *arguments, **options)


def _notice_end(response: Any, *_: Any, **__: Any) -> Any:
    """Let a multipart answer without its last boundary fail: half a file would look like one.

    Nothing else tells where a server neither states the length nor sends in chunks.
    """
    content_type = Message()
    content_type["content-type"] = response.headers.get("content-type", "")
    boundary = content_type.get_boundary()
    if boundary is None:
        return response
    read, last = response.iter_content, f"--{boundary}--".encode()

    def checked(*arguments: Any, **options: Any) -> Iterator[bytes]:
        end = b""
        for piece in read(*arguments, **options):
            end = (end + piece)[-len(last) - 8 :]
            yield piece
        if last not in end:
            raise requests.exceptions.ChunkedEncodingError("the last boundary is missing")

    response.iter_content = checked
    return response


def _encoded(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()
