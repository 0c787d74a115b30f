"""A worker process: runs one job at a time, a click on top of a volume, and reports. No Qt here."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from inference import device, logs, memory, packs
from inference.cache import ModelCache
from inference.channel import Channel
from inference.errors import UserError
from inference.messages import (
    Answer,
    Cancel,
    Done,
    Failed,
    Partial,
    Priority,
    Progress,
    Ready,
    Run,
    Started,
    Stopped,
)
from inference.shared import SharedArray

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from inference.series import Array

REPORT_EVERY = 0.03  # seconds; a task may call `progress` far more often than anybody can see
CACHE_SHARE = 4  # models may fill a quarter of the device's memory

logger = logging.getLogger(__name__)


class Cancelled(BaseException):  # so that no `except Exception` swallows it
    """Raised inside a task when the user no longer wants its result."""


class JobContext:
    """What a task may use while it runs, in a worker or, with the defaults, without one."""

    def __init__(
        self,
        device: str = "auto",
        models: ModelCache | None = None,
        *,
        tell: Callable[[int, int, str], None] = lambda done, total, note: None,
        hand_over: Callable[[Any], None] = lambda value: None,
        give_way: Callable[[], None] = lambda: None,
    ) -> None:
        self._wish, self._tell, self._hand_over, self._give_way = device, tell, hand_over, give_way
        self.models = models or ModelCache(memory.available() or 0)
        self._told_at, self._note = 0.0, ""

    @cached_property
    def device(self) -> str:
        """ "cuda", "mps" or "cpu"; raises UserError for a wish that cannot be met."""
        return device.choose(self._wish)

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Report progress, and `check`."""
        now = time.monotonic()
        if done == total or note != self._note or now - self._told_at >= REPORT_EVERY:
            self._told_at, self._note = now, note
            self._tell(done, total, note)
        self.check()

    def check(self) -> None:
        """Stop here if the job was cancelled, and let clicks go first."""
        self._give_way()

    def partial(self, value: Any) -> None:
        """Show an intermediate result."""
        self._hand_over(value)


class Worker:
    """Takes requests from the pipe and answers them, the most urgent one first."""

    def __init__(self, channel: Channel, models: ModelCache) -> None:
        self._channel, self._models = channel, models
        self._waiting: list[Run] = []
        self._arrived = threading.Condition()
        self._cancelled: set[int] = set()
        # a thread each, for torch keeps inference mode and autocast by thread
        self._threads = {
            priority: ThreadPoolExecutor(1, thread_name_prefix=priority.name)
            for priority in Priority
        }

    def listen(self) -> None:
        """Receive until the application is gone, which even a busy task must not outlive."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._receive(self._channel.receive())
        os._exit(0)

    def serve(self) -> None:
        """Run jobs for ever."""
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._waiting)
            if run := self._take():
                self._run(run)
                if run.priority is not Priority.CLICK:
                    memory.give_back()

    def _receive(self, message: Run | Cancel) -> None:
        with self._arrived:
            if isinstance(message, Cancel):
                self._cancelled.add(message.job)
            else:
                self._waiting.append(message)
                self._arrived.notify()

    def _take(self, above: Priority | None = None) -> Run | None:
        """The most urgent request, if it is more urgent than `above`."""
        with self._arrived:
            run = min(self._waiting, key=lambda run: (run.priority, run.job), default=None)
            if run is None or (above is not None and run.priority >= above):
                return None
            self._waiting.remove(run)
            return run

    def _run(self, run: Run) -> None:
        self._threads[run.priority].submit(self._answer, run).result()

    def _answer(self, run: Run) -> None:
        start = time.perf_counter()
        self._send(Started(run.job))
        answer = self._outcome(run)
        try:
            self._send(answer)
        except Exception as error:  # noqa: BLE001 (a result that does not pickle may raise anything)
            answer = _failure(run, error)
            self._send(answer)
        self._cancelled.discard(run.job)
        shapes = [ref.shape for ref in run.arrays.values()]
        seconds = time.perf_counter() - start
        logger.info("%s %s: %s in %.2f s", run.task, shapes, type(answer).__name__, seconds)

    def _outcome(self, run: Run) -> Done | Failed | Stopped:
        try:
            self._stop_if_cancelled(run)
            module, _, name = run.task.partition(":")
            task = getattr(import_module(module), name)
            with contextlib.ExitStack() as stack:
                arrays = {key: _view(stack, ref) for key, ref in run.arrays.items()}
                return Done(run.job, task(self._context(run), **arrays, **run.params))
        except Cancelled:
            return Stopped(run.job)
        except BaseException as error:  # noqa: BLE001 (even SystemExit must not end the worker)
            return _failure(run, error)

    def _context(self, run: Run) -> JobContext:
        return JobContext(
            run.device,
            self._models,
            tell=lambda done, total, note: self._send(Progress(run.job, done, total, note)),
            hand_over=lambda value: self._send(Partial(run.job, value)),
            give_way=lambda: self._give_way(run),
        )

    def _give_way(self, run: Run) -> None:
        self._stop_if_cancelled(run)
        while urgent := self._take(above=run.priority):
            self._run(urgent)
        self._stop_if_cancelled(run)

    def _stop_if_cancelled(self, run: Run) -> None:
        if run.job in self._cancelled:
            raise Cancelled

    def _send(self, answer: Answer) -> None:
        """Nobody listens once the application is gone; `listen` then ends this process."""
        with contextlib.suppress(OSError):
            self._channel.send(answer)


def main(connection: Connection, name: str, preload: tuple[str, ...], threads: int) -> None:
    """The life of a worker process; `threads`: how many its numerics may use, 0 for all."""
    if threads:  # before they are imported
        os.environ["OMP_NUM_THREADS"] = str(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is for the application
    logs.start(name)
    memory.keep_freed_blocks()
    packs.use()
    try:
        for module in preload:
            import_module(module)
        devices = device.describe()
    except BaseException:
        logger.exception("could not start")
        raise
    memory.settle()
    channel = Channel(connection)
    worker = Worker(channel, ModelCache(devices[0].memory_bytes // CACHE_SHARE))
    threading.Thread(target=worker.listen, name="listen", daemon=True).start()
    channel.send(Ready(devices))
    logger.info("ready on %s", devices[0].title)
    worker.serve()


def _view(stack: contextlib.ExitStack, ref: Any) -> Array | None:
    return stack.enter_context(SharedArray.attach(ref)).view


def _failure(run: Run, error: BaseException) -> Failed:
    sentence = str(error) if isinstance(error, UserError) else ""
    if memory.is_exhausted(error):
        sentence = f"{memory.OUT_OF_MEMORY}."
    else:
        logger.error("%s failed: %s", run.task, logs.stack(error))
    details = "".join(traceback.format_exception(error))
    return Failed(run.job, sentence, type(error).__name__, details)
