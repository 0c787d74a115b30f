"""The application's end of a worker: start it, give it jobs, restart it when it dies."""

from __future__ import annotations

import atexit
import itertools
import logging
import multiprocessing
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference import logs, worker
from inference.channel import Channel
from inference.errors import UserError
from inference.job import Job, Newest, TaskFailed, WorkerCrashed, WorkerStopped
from inference.job_queue import JobQueue
from inference.messages import (
    Answer,
    ArrayRef,
    Cancel,
    Done,
    Failed,
    Partial,
    Priority,
    Progress,
    Ready,
    Run,
    Started,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import SpawnProcess

    from inference.device import Device

PATIENCE = 5.0  # seconds that a cancelled job may take to end before its process is killed
STARTS, WITHIN = 4, 60.0  # a worker that needs more starts than this in so many seconds is given up
NOUNS = {"inference": "model"}

logger = logging.getLogger(__name__)


class WorkerClient:
    """Owns a worker process. Thread-safe; knows nothing of Qt.

    It keeps the queue and gives the worker only what is to run now, so that after a crash the jobs
    that wait are simply given to the next worker. States: starting, ready, restarting, stopped.
    """

    def __init__(
        self,
        name: str = "inference",
        preload: tuple[str, ...] = ("torch",),
        on_state: Callable[[str], None] = lambda state: None,
        threads: int = 0,
    ) -> None:
        self.name, self._preload, self._on_state = name, preload, on_state
        self._threads = threads
        self.devices: tuple[Device, ...] = ()
        self._context = multiprocessing.get_context("spawn")
        self._ids = itertools.count(1)
        self._lock = threading.RLock()
        self._queue = JobQueue()
        self._newest = Newest()
        self._starts: list[float] = []
        self._closing = False
        atexit.register(self.close)
        self._start("starting")

    def submit(  # noqa: PLR0913 (each has a default; a request is described in one place)
        self,
        task: str,
        arrays: dict[str, ArrayRef] | None = None,
        on_progress: Callable[[int, int, str], None] | None = None,
        *,
        on_partial: Callable[[Any], None] | None = None,
        on_released: Callable[[], None] | None = None,
        held: bool = False,
        priority: Priority = Priority.VOLUME,
        replaces: str | None = None,
        device: str = "auto",
        title: str = "",
        **params: Any,
    ) -> Job:
        """Ask for "package.module:function"; a job cancels the earlier one with its `replaces`.

        Callbacks come from another thread; `on_released` once the arrays are no longer needed.
        A job that is `held`, for its arrays are not filled yet, waits for `release`.
        """
        run = Run(next(self._ids), task, arrays or {}, params, priority, device)
        name = title or _readable(task)
        job = Job(run, name, on_progress, on_partial, on_released, self._withdraw)
        job.held = held
        with self._lock:
            self._queue.waiting[job.id] = job
            older = self._newest.instead(replaces, job)
        if older:
            older.cancel()
        self._dispatch()
        return job

    def release(self, job: Job) -> None:
        """The arrays of a held job are filled."""
        job.held = False
        self._dispatch()

    def restart(self) -> None:
        """Start a fresh worker, even after it was given up; what runs fails, what waits is kept."""
        with self._lock:
            self._starts.clear()
            if self.state == "stopped":
                self._start("restarting")
            else:
                self.process.kill()

    def close(self) -> None:
        """End the worker now and cancel all jobs."""
        atexit.unregister(self.close)
        with self._lock:
            self._closing = True
            jobs = [*self._queue.give_up(), *self._queue.given.values()]
            self._queue.given = {}
        self.process.kill()
        self._listener.join(1)  # it reaps the process: only one can
        for job in jobs:
            job.cancel()
            job.settle()

    def _start(self, state: str) -> None:
        self._starts.append(time.monotonic())
        self.state = state
        ours, theirs = self._context.Pipe()
        self._channel = Channel(ours)
        arguments = (theirs, self.name, self._preload, self._threads)
        self.process: SpawnProcess = self._context.Process(
            target=worker.main, args=arguments, name=f"limn-{self.name}", daemon=True
        )
        _wait_for_imports()
        self.process.start()
        theirs.close()
        self._listener = threading.Thread(
            target=self._listen, args=(self._channel, self.process), daemon=True
        )
        self._listener.start()
        self._on_state(state)

    def _listen(self, channel: Channel, process: SpawnProcess) -> None:
        try:
            while True:
                self._receive(channel.receive())
        except (EOFError, OSError):
            pass
        except Exception as error:  # noqa: BLE001 (what arrives may be anything)
            stack = logs.stack(error)  # without the error's text, which may name the patient
            logger.warning("the %s process sent what cannot be read: %s", self.name, stack)
        process.kill()
        process.join()
        self._gone(process)

    def _receive(self, message: Answer) -> None:
        if isinstance(message, Ready):
            self._ready(message)
        elif isinstance(message, Started):
            with self._lock:
                self._queue.begin(message.job)
        elif isinstance(message, Progress | Partial):
            self._pass_on(message)
        else:
            self._end(message.job, message)

    def _ready(self, message: Ready) -> None:
        self.state, self.devices = "ready", message.devices
        self._on_state("ready")
        self._dispatch()

    def _pass_on(self, message: Progress | Partial) -> None:
        job = self._queue.given.get(message.job)
        if job is None or job.withdrawn:
            return
        try:
            if isinstance(message, Progress) and job.on_progress:
                job.on_progress(message.done, message.total, message.note)
            elif isinstance(message, Partial) and job.on_partial:
                job.on_partial(message.value)
        except Exception as error:  # noqa: BLE001 (the job goes on)
            stack = logs.stack(error)
            logger.warning("a callback of %s failed: %s", job.request.task, stack)

    def _end(self, number: int, message: Answer) -> None:
        with self._lock:
            job = self._queue.end(number)
        self._dispatch()  # before the callbacks, so that the worker is not left idle
        if job is None:
            return
        if isinstance(message, Failed):
            job.settle(error=_error(job, message))
        else:
            job.settle(message.result if isinstance(message, Done) else None)

    def _dispatch(self) -> None:
        """Give the worker what is to run now, or end everything if there is no worker."""
        with self._lock:
            closing = self._closing  # a job may be asked for while another thread closes
            while self.state == "ready" and not closing and (job := self._queue.take()):
                self._send(job.request)
            if self.state != "stopped" and not closing:
                return
            given_up = self._queue.give_up()
        for job in given_up:
            if closing:
                job.cancel()
            job.settle(error=WorkerStopped(_given_up(self.name)))

    def _withdraw(self, job: Job) -> None:
        with self._lock:
            waited = self._queue.waiting.pop(job.id, None)
            if job.id in self._queue.given:
                self._send(Cancel(job.id))
                self._set_deadline(job)
        if waited:
            job.settle()

    def _set_deadline(self, job: Job) -> None:
        job.deadline = threading.Timer(PATIENCE, self._overdue, (job, self.process))
        job.deadline.daemon = True
        job.deadline.start()

    def _overdue(self, job: Job, process: SpawnProcess) -> None:
        with self._lock:
            if job.id not in self._queue.given or process is not self.process:
                return
            if self._queue.on_top(job):
                logger.warning("%s did not stop when cancelled", job.request.task)
                self._starts.clear()  # no crash
                process.kill()
            else:  # another job keeps the worker busy
                self._set_deadline(job)

    def _gone(self, process: SpawnProcess) -> None:
        with self._lock:
            if self._closing or process is not self.process:
                return
            logger.warning("the %s process ended with code %s", self.name, process.exitcode)
            lost = self._queue.recover()
            if lost:  # the job's fault, and it is over: only a worker that cannot start is given up
                self._starts.clear()
            self._start_again()
        for job in lost:
            job.settle(error=WorkerCrashed(_crashed(self.name, job.title, process.exitcode)))
        self._dispatch()

    def _start_again(self) -> None:
        now = time.monotonic()
        self._starts = [start for start in self._starts if now - start < WITHIN]
        if len(self._starts) < STARTS:
            self._start("restarting")
        else:
            self.state = "stopped"
            self._on_state("stopped")

    def _send(self, message: Run | Cancel) -> None:
        try:
            self._channel.send(message)
        except OSError:
            logger.info("the %s process is gone", self.name)  # `_listen` notices, and asks again


def _wait_for_imports() -> None:
    """A worker inherits the path, on which OpenCV is while another thread imports it."""
    end = time.monotonic() + 5
    while any(Path(entry).name == "cv2" for entry in sys.path) and time.monotonic() < end:
        time.sleep(0.01)


def _error(job: Job, failed: Failed) -> UserError:
    return UserError(failed.sentence) if failed.sentence else TaskFailed(job.title, failed)


def _readable(task: str) -> str:
    """ "plugins.retinal_vessels.task:segment" -> "retinal vessels"."""
    module, _, function = task.partition(":")
    parts = module.split(".")
    return (parts[1] if parts[0] == "plugins" else function).replace("_", " ")


def _process(name: str) -> str:
    return f"The {NOUNS.get(name, name)} process"


def _crashed(name: str, title: str, code: int | None) -> str:
    killed = hasattr(signal, "SIGKILL") and code == -signal.SIGKILL
    why = ", probably for want of memory," if killed else ""
    return (
        f"{_process(name)} stopped unexpectedly{why} while it worked on “{title}”. "
        "It was started again; nothing you drew is lost."
    )


def _given_up(name: str) -> str:
    return (
        f"{_process(name)} stopped {STARTS} times within a minute and is not started again by "
        "itself: restart it, or restart Limn; the log has the details."
    )
