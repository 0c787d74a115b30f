"""What the network processes are asked: each job ends, or is cancelled, in bounded time."""

from __future__ import annotations

import time
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from inference.audit import Notebook
from inference.errors import UserError
from plugins.dicom.header import text
from plugins.dicom.network.beginning import Beginning
from plugins.dicom.network.inbox import Inbox
from plugins.dicom.parse import read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydicom import Dataset

    from inference.series import Array
    from inference.servers import Server
    from inference.worker import JobContext
    from plugins.dicom.network.archive import Archive, FoundSeries, Instance, Query, Study

POLL = 0.1  # seconds between looks for Cancel
GRACE = 0.5  # seconds in which what was broken off can tidy up
T = TypeVar("T")


def check(context: JobContext, server: Server, password: str = "") -> None:
    """Whether the server answers us; raises UserError that says why not."""
    archive = open_archive(server, password)
    _attend(context, archive, archive.check)


def find_studies(
    context: JobContext, server: Server, query: Query, password: str = ""
) -> list[Study]:
    """The studies that match; raises UserError."""
    archive = open_archive(server, password)
    return _attend(context, archive, lambda: archive.studies(query))


def find_series(
    context: JobContext, server: Server, study_uid: str, password: str = ""
) -> list[FoundSeries]:
    """The series of a study; raises UserError."""
    archive = open_archive(server, password)
    return _attend(context, archive, lambda: archive.series(study_uid))


def preview(
    context: JobContext, server: Server, series: FoundSeries, password: str = ""
) -> Array | None:
    """A small picture, uint8 (y, x) or (y, x, 3), of the middle of a series; None without one."""
    from plugins.dicom.network.preview import picture, picture_of_beginning

    archive = open_archive(server, password)
    listed = _attend(
        context, archive, lambda: archive.instances(series.study_uid, series.series_uid)
    )
    if not listed:
        return None
    listed.sort(key=lambda entry: entry.number)
    wanted = listed[len(listed) // 2]
    beginning = _begun(context, open_archive(server, password), wanted)
    found = None if beginning is None else picture_of_beginning(beginning)
    if found is not None:
        return found
    inbox = Inbox([wanted])
    if inbox.missing():
        archive = open_archive(server, password)
        _attend(context, archive, lambda: archive.fetch(inbox.wanted, inbox), inbox=inbox)
    return picture(inbox.path(wanted)) if not inbox.missing() else None


def _begun(context: JobContext, archive: Archive, wanted: Instance) -> Dataset | None:
    """The first of several frames of a file, as soon as it has come; else the file is kept."""
    beginning = Beginning()
    inbox = Inbox([wanted], beginning=beginning)

    def until_seen(context: JobContext) -> None:
        context.check()
        if beginning.found is not None:
            raise _Seen

    if inbox.missing():
        with suppress(_Seen):
            _attend(context, archive, lambda: archive.fetch([wanted], inbox), until_seen, inbox)
    return beginning.found


class _Seen(Exception):  # noqa: N818 (it says why the rest is not waited for)
    """Enough has come."""


def retrieve(
    context: JobContext,
    server: Server,
    studies: Sequence[str],
    series: Sequence[FoundSeries],
    password: str = "",
) -> list[str]:
    """Fetch whole studies, by their UIDs, and series; their folders among the received studies.

    What is there already is not fetched again. Raises UserError if some files did not come.
    """
    asking = open_archive(server, password)
    context.progress(0, 0, "Asking for the list of images")
    wanted = _attend(context, asking, lambda: _listed(asking, studies, series))
    if not wanted:
        raise UserError(f"{server.name} lists no images there.")
    inbox = Inbox(wanted)
    if inbox.missing():
        archive, told = open_archive(server, password), Pace(inbox)
        _attend(context, archive, lambda: archive.fetch(wanted, inbox), told.report, inbox)
    for study in dict.fromkeys(entry.study_uid for entry in wanted):
        Notebook().note("received", study_uid=study, server=server.name, images=inbox.here)
    if inbox.failure:
        raise inbox.failure
    if missing := len(inbox.missing()):
        raise UserError(_incomplete(server, inbox, missing))
    return [str(folder) for folder in inbox.folders]


def send(context: JobContext, server: Server, paths: Sequence[str], password: str = "") -> int:
    """Store DICOM files; how many, of which each was taken; raises UserError."""
    archive, sent = open_archive(server, password), list[Path]()

    def report(context: JobContext) -> None:
        context.progress(len(sent), len(paths), f"{len(sent)} of {len(paths)} files")

    try:
        _attend(context, archive, lambda: archive.send(map(Path, paths), sent.append), report)
    except UserError as error:
        stored = f"{len(sent)} of {len(paths)} files were stored. " if sent else ""
        raise UserError(f"{stored}{error}") from error
    finally:
        for study in {text(read_header(path), "StudyInstanceUID") for path in sent}:
            Notebook().note("sent", study_uid=study, server=server.name, files=len(sent))
    return len(sent)


def open_archive(server: Server, password: str = "") -> Archive:
    """A way to talk to the server; nothing is sent yet; raises UserError."""
    if server.kind == "web":
        from plugins.dicom.network.web import WebArchive

        return WebArchive(server, password)
    from plugins.dicom.network.dimse import DimseArchive

    return DimseArchive(server)


class Pace:
    """Says how a retrieval goes on: images, megabytes, and the time that remains."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox, self._before, self._start = inbox, inbox.here, time.monotonic()

    def report(self, context: JobContext) -> None:
        """Tell the context."""
        here, total = self._inbox.here, len(self._inbox.wanted)
        note = f"{here} of {total} images · {self._inbox.bytes / 1e6:.1f} MB"
        context.progress(here, total, note + self._remaining(here, total))

    def _remaining(self, here: int, total: int) -> str:
        seconds, came = time.monotonic() - self._start, here - self._before
        if not came or seconds < 1:
            return ""
        left = (total - here) * seconds / came
        return f" · {left:.0f} s left" if left < 90 else f" · {left / 60:.0f} min left"


def _incomplete(server: Server, inbox: Inbox, missing: int) -> str:
    some = f"{missing} of {len(inbox.wanted)} images did not come from {server.name}"
    if inbox.sent_away:
        titles = " and ".join(sorted(inbox.sent_away))
        return f"{some}: who sent as {titles} was not let in. If that is its AE title, enter it."
    return f"{some}: retrieve again to get the rest; what has arrived is kept."


def _listed(
    archive: Archive, studies: Sequence[str], series: Sequence[FoundSeries]
) -> list[Instance]:
    apart = [entry for entry in series if entry.study_uid not in studies]
    everything = [entry for study in studies for entry in archive.series(study)] + apart
    return [
        instance
        for entry in everything
        for instance in archive.instances(entry.study_uid, entry.series_uid)
    ]


def _attend(
    context: JobContext,
    archive: Archive,
    work: Callable[[], T],
    report: Callable[[JobContext], None] = lambda context: context.check(),
    inbox: Inbox | None = None,
) -> T:
    """Do what may block in a thread; when cancelled, break it off and do not wait for it."""
    answer: Future[T] = Future()
    Thread(target=_settle, args=(answer, work), name="network", daemon=True).start()
    try:
        while wait([answer], POLL).not_done:
            report(context)
    except BaseException:
        if inbox is not None:
            inbox.close()
        archive.abort()
        wait([answer], GRACE)
        raise
    return answer.result()


def _settle(answer: Future[Any], work: Callable[[], Any]) -> None:
    try:
        answer.set_result(work())
    except BaseException as error:  # noqa: BLE001  whoever waits gets it
        answer.set_exception(error)
