"""What runs on the workers of a cluster: the lanes of this module live as long as their worker."""

from __future__ import annotations

import multiprocessing
import queue
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from inference.cohort_files import pack
from inference.errors import UserError
from inference.headless import Request, recipe
from inference.lane import Hearing, Lane, Order, Work
from inference.scratch import patient_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from inference.cases import Case
    from inference.lane import Outcome
    from inference.series import Array
    from inference.tasks import Task

STARTED = "limn-started"  # the topic of events that say which key is worked on

TELL_EVERY = 0.1  # seconds; each event passes through the scheduler

_idle: queue.SimpleQueue[Lane] = queue.SimpleQueue()


@dataclass(frozen=True, repr=False)  # dask's logs quote what they were asked
class Slip:
    """A case for a worker; `aside` is a folder that it sees if it shares our files."""

    task: Task
    settings: Mapping[str, Any]
    device: str
    pictures: bool
    case: Case
    aside: Path
    made_by: Mapping[str, Any]  # what its records will say: program, task and model


@dataclass(frozen=True, repr=False)
class Delivery:
    """What came of a case: its files are in the folder `work`, or else they are here."""

    outcome: Outcome
    work: Path | None
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Answer:
    """What came of a job: its result, or else the sentence that says why there is none."""

    result: Any = None
    sentence: str = ""


def do_case(slip: Slip) -> Delivery:
    """Do a case; raises UserError if this worker can do none at all."""
    import distributed

    worker = distributed.get_worker()
    require_same(slip)
    worker.log_event(STARTED, worker.get_current_task())
    request = Request(slip.task, slip.settings, slip.aside, slip.device, pictures=slip.pictures)
    with a_lane() as lane, _place(slip.aside) as (work, shared):
        outcome = lane.do(Order(request, slip.case, work, cancelled=unwanted()))
        return Delivery(outcome, work) if shared else Delivery(outcome, None, pack(work))


def do_job(work: Work, arrays: dict[str, Array], topic: str) -> Answer:
    """Let a task work on arrays; its progress are events of the topic.

    Intermediate results stay here until they are fetched: a queue of this name says which.
    """
    import distributed

    worker, client = distributed.get_worker(), distributed.get_client()
    shown = distributed.Queue(topic, client=client)
    told_at = 0.0

    def progress(done: int, total: int, note: str) -> None:
        nonlocal told_at
        if done == total or time.monotonic() - told_at > TELL_EVERY:
            told_at = time.monotonic()
            worker.log_event(topic, (done, total, note))

    def partial(value: Any) -> None:
        with suppress(Exception):  # who asked may have gone; the result says all
            shown.put(client.scatter([value], [worker.address], direct=True, hash=False)[0])

    try:
        with a_lane() as lane:
            return Answer(lane.compute(work, arrays, Hearing(progress, partial), unwanted()))
    except UserError as error:
        return Answer(sentence=str(error))
    finally:
        shown.close()


def require_same(slip: Slip) -> None:
    """Raise UserError if this worker would give other results than who asks."""
    here = recipe(slip.task, slip.settings)
    if different := [key for key, value in slip.made_by.items() if here.get(key) != value]:
        raise UserError(
            f"A worker of the cluster has another {different[0].replace('_', ' ')} than this "
            "computer: install the same version of Limn on all."
        )


def unwanted() -> Callable[[], bool]:
    """Tells whether the task that runs in this thread was cancelled by who asked for it."""
    import distributed

    worker = distributed.get_worker()
    tasks, key = worker.state.tasks, worker.get_current_task()

    def is_cancelled() -> bool:
        task = tasks.get(key)
        return task is None or task.state in {"cancelled", "released", "forgotten"}

    return is_cancelled


@contextmanager
def a_lane() -> Iterator[Lane]:
    """One that is free, for models stay loaded in it; raises UserError."""
    try:
        lane = _idle.get_nowait()
    except queue.Empty:
        if multiprocessing.current_process().daemon:
            raise UserError(
                "The workers of the cluster may start no processes: start them with --no-nanny, or "
                "with DASK_DISTRIBUTED__WORKER__DAEMON=False."
            ) from None
        lane = Lane()
    try:
        yield lane
    finally:
        _idle.put(lane)


@contextmanager
def _place(aside: Path) -> Iterator[tuple[Path, bool]]:
    """A folder to work in, and whether who asked will see it: it has the random name of `aside`."""
    if aside.is_dir():
        yield aside / uuid4().hex, True
        return
    with patient_folder("The result", "let the worker see the folder of the results") as folder:
        yield folder, False
