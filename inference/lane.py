"""Does one case of a cohort after the other: a process that reads beside one that computes."""

from __future__ import annotations

import logging
import socket
import threading
import time
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from inference import further_files, logs, memory, registry
from inference.cases import beside
from inference.client import WorkerClient
from inference.cohort_files import make, thumbnail_of
from inference.errors import UserError
from inference.headless import Reader, model_of, provenance
from inference.scratch import patient_folder
from inference.shared import SharedArray
from inference.thumbnails import thumbnail
from inference.writing import atomic, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from inference.cases import Case, Remote
    from inference.headless import OnProgress, Request
    from inference.job import Job
    from inference.series import Array, Series

State = Literal["done", "failed", "skipped"]
FETCH_STUDY = "limn-dicom.fetch_study"
POLL = 0.2  # seconds between looks for Cancel

logger = logging.getLogger(__name__)


class CaseCancelled(BaseException):  # so that no `except Exception` swallows it
    """Nobody wants the case any more."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one series; `study` stands for it in the audit trail, and is kept nowhere."""

    name: str
    record: dict[str, Any]  # the JSON beside its outputs
    kind: str
    study: str
    doubt: str  # what the task says against its result, or ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case: `skipped` if it holds nothing for the task; problems are sentences."""

    case: Case
    state: State
    results: tuple[Result, ...] = ()
    problems: tuple[str, ...] = ()
    seconds: float = 0.0
    host: str = ""


@dataclass(frozen=True)
class Order:
    """A case to be done: its files are to be put below `work`."""

    request: Request
    case: Case
    work: Path
    on_progress: OnProgress = lambda done, total, note: None
    cancelled: Callable[[], bool] = lambda: False


@dataclass(frozen=True, repr=False)  # logs quote what is asked
class Work:
    """What a task is to do with arrays: "package.module:function" and its parameters."""

    entry: str
    params: Mapping[str, Any]
    device: str = "auto"
    title: str = ""


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who hears of a task while it works; called from another thread."""

    progress: OnProgress = lambda done, total, note: None
    partial: Callable[[Any], None] = lambda value: None


@dataclass
class _Sheet:
    """What is noted while a case is done."""

    suited: int = 0
    results: list[Result] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unsuited: list[str] = field(default_factory=list)  # what the readers said of other series

    @contextmanager
    def noting(self, task: str) -> Iterator[None]:
        """Whatever goes wrong inside is a problem of this case alone."""
        try:
            yield
        except UserError as error:
            self.problems.append(str(error))
        except Exception as error:  # noqa: BLE001  one case must not end the cohort
            reason = logs.stack(error)  # without the error's text, which may name the patient
            logger.warning("%s failed: %s", task, reason)
            kind = type(error).__name__
            self.problems.append(f"an error inside Limn ({kind}): the log has the details.")

    @property
    def state(self) -> State:
        return "failed" if self.problems else "done" if self.suited else "skipped"


class Lane:
    """A reader and a model process; `threads`: how many that one may use, 0 for all."""

    def __init__(self, threads: int = 0) -> None:
        self._client = WorkerClient(threads=threads)
        self._lock = threading.Lock()
        self._reader: Reader | None = None
        self._closed = False

    def close(self) -> None:
        """End both processes; any thread may, and none begins another afterwards."""
        with self._lock:
            self._closed = True
            if self._reader is not None:
                self._reader.close()
        self._client.close()

    def _reading(self) -> Reader:
        """Only where files are read; raises CaseCancelled."""
        with self._lock:
            if self._closed:
                _give_up()
            if self._reader is None:
                self._reader = Reader()
            return self._reader

    def compute(
        self, work: Work, arrays: Mapping[str, Array], hear: Hearing, cancelled: Callable[[], bool]
    ) -> Any:
        """What a task makes of arrays; raises UserError, CaseCancelled."""
        with ExitStack() as stack:
            blocks = {
                key: stack.enter_context(SharedArray.copy_of(array))
                for key, array in arrays.items()
            }
            job = self._client.submit(
                work.entry,
                {key: block.ref for key, block in blocks.items()},
                hear.progress,
                on_partial=hear.partial,
                device=work.device,
                title=work.title,
                **work.params,
            )
            return _awaited(job, cancelled)

    def do(self, order: Order) -> Outcome:
        """Put the outputs of every series that suits the task in their place, records last.

        A series that fails does not stop the others. Raises CaseCancelled, and nothing else.
        """
        started, sheet, task = time.perf_counter(), _Sheet(), order.request.task
        order.on_progress(0, 0, "Reading")
        with sheet.noting(task.name), _at_hand(order.case.source) as path:
            for series in self._reading().each(path, _among(order.case, path)):
                if task.suits(series):
                    name = order.case.series_name(sheet.suited)
                    sheet.suited += 1
                    with sheet.noting(task.name):
                        sheet.results.append(self._one(order, series, name))
                else:
                    sheet.unsuited += series.warnings
        with sheet.noting(task.name):
            _write_records(order, sheet)
        seconds, host = time.perf_counter() - started, socket.gethostname()
        found, problems = tuple(sheet.results), tuple(sheet.problems)
        if sheet.state == "skipped":
            title = task.title if task.title.isupper() else task.title.lower()
            nothing = f"{order.case.source.name} holds no image for {title}."
            problems = (" ".join((nothing, *dict.fromkeys(sheet.unsuited))),)
        return Outcome(order.case, sheet.state, found, problems, seconds, host)

    def _one(self, order: Order, series: Series, name: str) -> Result:
        """Run the task on one series; raises UserError."""
        started, request = time.perf_counter(), order.request
        result = self._computed(order, series)
        path = make(order.work).joinpath(name)
        measurements = request.task.write(series, result, path)
        model = model_of(request.task, request.settings)
        further_files.write(request.task, request.settings, model, series, result, path)
        if request.pictures:
            with atomic(order.work / thumbnail_of(name)) as part:
                part.write_bytes(thumbnail(series, result))
        device = result.get("device") or self._client.devices[0].name
        timed = result | {"device": device, "seconds": time.perf_counter() - started}
        about = provenance(request.task, request.settings, series, timed, measurements)
        about["input"]["name"] = order.case.source.name
        study = series.identity.study_uid or series.sha256
        return Result(name, about, series.kind, study, result.get("warning") or "")

    def _computed(self, order: Order, series: Series) -> Any:
        request = order.request
        arrays, params = request.task.request(series, request.task.own(request.settings))
        if note := memory.check(request.task.estimate_bytes(series, request.settings)):
            order.on_progress(0, 0, note)
        work = Work(request.task.entry, params, request.device, request.task.title)
        return self.compute(work, arrays, Hearing(order.on_progress), order.cancelled)


def _awaited(job: Job, cancelled: Callable[[], bool]) -> Any:
    """Its result; raises what it raised, or CaseCancelled once its process is free again."""
    try:
        while not wait([job], POLL).done:
            if cancelled():
                _give_up()
        return job.result()
    except BaseException:  # also Ctrl+C while waiting: the worker need not go on
        job.cancel()
        raise


def _give_up() -> NoReturn:
    raise CaseCancelled


def _write_records(order: Order, sheet: _Sheet) -> None:
    """The first one says whether the whole case is done, and which series there are."""
    for number, result in enumerate(sheet.results):
        if number == 0 and len(sheet.results) > 1:
            result.record["series"] = [each.name for each in sheet.results]
        if number == 0 and sheet.problems:
            result.record["unfinished"] = sheet.problems
        write_json(order.work / f"{result.name}.json", result.record)


def _among(case: Case, path: Path) -> tuple[Path, ...]:
    """The files to look into, where not all of a folder is the case."""
    return beside(path) if path.is_dir() and not case.deep else ()


@contextmanager
def _at_hand(source: Path | Remote) -> Iterator[Path]:
    """A path to read; what comes from an archive is here only meanwhile. Raises UserError."""
    if isinstance(source, Path):
        yield source
        return
    with patient_folder("The study", "retrieve it first, and give its folder") as folder:
        registry.command(FETCH_STUDY)(source.url, source.study_uid, folder)
        yield folder
