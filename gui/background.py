"""Computations that take longer than a blink, off the Qt thread."""

from __future__ import annotations

import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from qtpy.QtCore import QCoreApplication, QObject, Qt, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def complain(error: BaseException) -> None:
    """Treat an error as one that nobody caught: the user is told, and goes on working."""
    sys.excepthook(type(error), error, error.__traceback__)


class Background(QObject):
    """One thread; its answers are brought onto the Qt thread, in the order of asking."""

    busy_changed = Signal(bool)
    _done = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._running, self._closed = 0, False
        self._done.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        if application := QCoreApplication.instance():
            application.aboutToQuit.connect(self.close)

    @property
    def busy(self) -> bool:
        """Whether anything is being computed."""
        return self._running > 0

    def run(
        self,
        work: Callable[[], T],
        then: Callable[[T], None],
        failed: Callable[[Exception], None] = complain,
    ) -> None:
        """Compute `work` in the thread; `then` gets its result, or `failed` its error, on Qt's.

        Once closed, nothing: who closes the window while it starts wants none of what follows.
        """
        if self._closed:
            return
        self._count(1)

        def answer(future: Future[T]) -> None:
            error = future.exception()
            if isinstance(error, Exception):
                failed(error)
            else:
                then(future.result())

        def finish(future: Future[T]) -> None:
            if not future.cancelled():
                with suppress(RuntimeError):  # nobody waits: this has been deleted meanwhile
                    self._done.emit(lambda: answer(future))

        self._executor.submit(work).add_done_callback(finish)

    def close(self) -> None:
        """Start nothing more."""
        self._closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _deliver(self, answer: Callable[[], object]) -> None:
        self._count(-1)
        try:
            answer()
        except Exception as error:  # noqa: BLE001 (it is told to the user)
            complain(error)

    def _count(self, step: int) -> None:
        was = self.busy
        self._running += step
        if self.busy != was:
            self.busy_changed.emit(self.busy)
