"""Many cases, several at a time: one that fails never stops the others."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psutil

from inference import audit
from inference.cases import named
from inference.cohort_files import commit, finished, place_aside
from inference.cohort_table import Ledger
from inference.errors import UserError
from inference.headless import audit_facts
from inference.lane import CaseCancelled, Lane, Order, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Self

    from inference.cases import Case
    from inference.headless import Request

POLL = 0.1  # seconds between looks whether to pause, go on or end


class Control:
    """Pauses, continues or cancels a cohort; any thread may."""

    def __init__(self) -> None:
        self.paused = self.cancelled = False

    def cancel(self) -> None:
        """Begin no more cases, and give up those that run."""
        self.cancelled = True


@dataclass(frozen=True)
class Watch:
    """Who follows a cohort; its functions are called from several threads."""

    planned: Callable[[int], None] = lambda count: None  # so many are to be done
    started: Callable[[Case], None] = lambda case: None
    progress: Callable[[Case, int, int, str], None] = lambda case, done, total, note: None
    ended: Callable[[Outcome], None] = lambda outcome: None
    earlier: Callable[[Case, tuple[str, ...]], None] = lambda case, names: None  # done before


@dataclass(frozen=True)
class Shift:
    """What the workers of a cohort need to know: `aside` is where they put what they make."""

    request: Request
    aside: Path
    watch: Watch = field(default_factory=Watch)
    control: Control = field(default_factory=Control)

    def order(self, case: Case) -> Order:
        """The case with a folder of its own to work in."""
        return Order(
            self.request,
            case,
            self.aside / f"{threading.get_ident()}-{time.monotonic_ns()}",
            lambda done, total, note: self.watch.progress(case, done, total, note),
            lambda: self.control.cancelled,
        )


@dataclass(frozen=True, slots=True)
class Done:
    """An outcome, and the folder with its files."""

    outcome: Outcome
    work: Path


class Crew(Protocol):
    """Who does the cases, here or elsewhere."""

    @property
    def width(self) -> int:
        """How many cases to give it at a time."""

    def submit(self, shift: Shift, case: Case) -> Future[Done]:
        """Do a case; the future may raise CaseCancelled, or UserError if the crew is gone."""


class LocalCrew:
    """Lanes on this computer, which share its cores."""

    @classmethod
    def of(cls, workers: int, count: int) -> Self:
        """No larger than for so many cases."""
        return cls(min(workers, count))

    def __init__(self, workers: int = 1) -> None:
        self.width = workers
        self._idle: queue.SimpleQueue[Lane] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        """Start a reader and a model process for each worker."""
        threads = max(1, (psutil.cpu_count() or 1) // self.width) if self.width > 1 else 0
        with ExitStack() as stack:
            self._pool = stack.enter_context(ThreadPoolExecutor(self.width))  # first in, last out
            for _ in range(self.width):
                self._idle.put(stack.enter_context(closing(Lane(threads))))
            self._stack = stack.pop_all()  # without this, as on Ctrl+C, all end here
        return self

    def __exit__(self, *error: object) -> None:
        """End them all, also on Ctrl+C."""
        self._stack.close()

    def shared(self, count: int) -> AbstractContextManager[Crew]:
        """This crew for one cohort of several, after which it goes on."""
        return nullcontext(self)

    def submit(self, shift: Shift, case: Case) -> Future[Done]:
        """Done by the next lane that is free."""
        return self._pool.submit(self._do, shift, case)

    def _do(self, shift: Shift, case: Case) -> Done:
        lane, order = self._idle.get(), shift.order(case)
        try:
            shift.watch.started(case)
            return Done(lane.do(order), order.work)
        finally:
            self._idle.put(lane)


def run_cohort(
    request: Request,
    cases: Sequence[Case],
    crew: Callable[[int], AbstractContextManager[Crew]],
    watch: Watch | None = None,
    control: Control | None = None,
    ledger: Ledger | None = None,
    *,
    resume: bool = True,
) -> Ledger:
    """Do all cases, those that are finished only if not `resume`; what came of them.

    `crew` makes one for so many cases. Raises UserError if the crew is lost: what is finished by
    then stays so.
    """
    watch, control = watch or Watch(), control or Control()
    ledger = ledger or Ledger()
    todo = [case for case in cases if not (resume and _was_done(request, case, ledger, watch))]
    watch.planned(len(todo))
    if not todo:
        return ledger
    with place_aside(request.out) as aside, crew(len(todo)) as workers:
        shift = Shift(request, aside, watch, control)
        try:
            for done in _flow(todo, workers, shift):
                watch.ended(_concluded(shift, done, ledger))
        except BaseException:  # also Ctrl+C: what runs need not go on
            control.cancel()
            raise
    return ledger


def run_all(
    request: Request,
    inputs: Sequence[Path],
    complain: Callable[[str], None],
    workers: int = 1,
    *,
    resume: bool = False,
    watch: Watch | None = None,
) -> bool:
    """Whether every input gave its outputs.

    `complain` gets one line for each that did not, and one for each doubtful result.
    """
    watch = watch or Watch()
    told = replace(watch, ended=telling(complain, watch.ended))
    ledger = run_cohort(request, named(inputs), partial(LocalCrew.of, workers), told, resume=resume)
    return not ledger.counts["failed"] and not ledger.counts["skipped"]


def _flow(cases: Iterable[Case], crew: Crew, shift: Shift) -> Iterator[Done]:
    """What the crew has done, in the order of its ending; never more at a time than it can take."""
    waiting, running = iter(cases), set[Future[Done]]()
    more = True
    while (running or more) and not shift.control.cancelled:
        while more and not shift.control.paused and len(running) < crew.width:
            case = next(waiting, None)
            if case is None:
                more = False
            else:
                running.add(crew.submit(shift, case))
        ended, running = wait(running, POLL, FIRST_COMPLETED)
        for future in ended:
            if not isinstance(future.exception(), CaseCancelled):
                yield future.result()
        if not running and shift.control.paused:
            time.sleep(POLL)


def _was_done(request: Request, case: Case, ledger: Ledger, watch: Watch) -> bool:
    records = finished(request, case)
    if records:
        ledger.add_earlier(case, records)
        watch.earlier(case, tuple(records))
    return bool(records)


def _concluded(shift: Shift, done: Done, ledger: Ledger) -> Outcome:
    """Keep the files of a case, and write down what came of it."""
    outcome, request = done.outcome, shift.request
    try:
        if outcome.results:
            commit(done.work, request.out, f"{outcome.case.name}.json")
    except UserError as error:
        outcome = replace(outcome, state="failed", results=(), problems=(str(error),))
    where = audit.place(request.out.absolute(), audit.names_hidden())
    about = audit_facts(request.task, request.settings)
    for result in outcome.results:
        facts = {"kind": result.kind, "modality": result.record["input"]["modality"], **about}
        request.notebook.note("ran", study_uid=result.study, **facts, to=where)
    ledger.add(outcome)
    return outcome


def telling(
    complain: Callable[[str], None], ended: Callable[[Outcome], None], *, skipped: bool = True
) -> Callable[[Outcome], None]:
    """Also one line for each problem and doubt; `skipped`: for what holds nothing, too."""

    def tell(outcome: Outcome) -> None:
        ended(outcome)
        source = outcome.case.source
        where = outcome.case.name if not isinstance(source, Path) else str(source)
        if outcome.state != "skipped" or skipped:
            for problem in outcome.problems:
                complain(f"{where}: {problem}")
        for doubt in (result.doubt for result in outcome.results if result.doubt):
            complain(f"{where}: warning: {doubt}")

    return tell
