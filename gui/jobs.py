"""Jobs for a worker process, their answers brought onto the Qt thread."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from qtpy.QtCore import QCoreApplication, QObject, Qt, Signal

from gui.background import complain
from inference.client import WorkerClient
from inference.messages import Priority
from inference.shared import SharedArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from inference.cluster_jobs import RemoteClient
    from inference.device import Device
    from inference.job import Job
    from inference.series import Array


AT_ONCE = 1 << 22  # bytes, which are copied within a few milliseconds


class Jobs(QObject):
    """Submits jobs, owns the shared memory that they read, and calls back on the Qt thread.

    Every job gives one `job_started` (it was taken on, and may wait) and one `job_finished`,
    whether it succeeded, failed or was cancelled. `elsewhere` may give a task to a cluster instead.
    """

    state_changed = Signal(str)  # starting, ready, restarting, stopped
    job_started = Signal(object)
    job_progress = Signal(object, int, int, str)
    job_finished = Signal(object)
    _on_qt_thread = Signal(object)

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        name: str = "inference",
        preload: tuple[str, ...] = ("torch",),
    ) -> None:
        super().__init__(parent)
        self._on_qt_thread.connect(_call, Qt.ConnectionType.QueuedConnection)
        self._client = WorkerClient(name, preload, self.state_changed.emit)
        self.elsewhere: Callable[[str, Priority], RemoteClient | None] = lambda task, priority: None
        self.away: WeakKeyDictionary[Job, RemoteClient] = WeakKeyDictionary()
        if application := QCoreApplication.instance():
            application.aboutToQuit.connect(self.close)

    @property
    def state(self) -> str:
        """Of the worker: starting, ready, restarting or stopped."""
        return self._client.state

    @property
    def devices(self) -> tuple[Device, ...]:
        """What the worker can compute on, the best first; empty until it was once ready."""
        return self._client.devices

    def share(self, array: Array) -> SharedArray:
        """An array that many jobs read and nobody changes; whoever asked for it closes it.

        Raises UserError if the system has too little shared memory.
        """
        return SharedArray.filling(array)

    def submit(  # noqa: PLR0913 (each has a default; a request is described in one place)
        self,
        task: str,
        arrays: Mapping[str, Array | SharedArray] | None = None,
        *,
        done: Callable[[Any], None] = lambda result: None,
        failed: Callable[[BaseException], None] | None = None,
        progress: Callable[[int, int, str], None] | None = None,
        partial: Callable[[Any], None] | None = None,
        priority: Priority = Priority.VOLUME,
        replaces: str | None = None,
        device: str = "auto",
        title: str = "",
        **params: Any,
    ) -> Job:
        """Ask for "package.module:function"; a job cancels the earlier one with its `replaces`.

        Large arrays are copied beside the Qt thread: give copies of those that may change soon.
        No callback runs once a job is cancelled or replaced. Without `failed`, an error goes to
        sys.excepthook. Raises UserError if the system has too little shared memory.
        """
        blocks = _blocks(arrays or {})

        def report(*values: Any) -> None:
            self._on_qt_thread.emit(lambda: self._report(job, progress, values))

        def hand_over(value: Any) -> None:
            if partial is not None:
                self._on_qt_thread.emit(lambda: job.withdrawn or partial(value))

        away = self.elsewhere(task, priority)
        job = (away or self._client).submit(
            task,
            {key: block.ref for key, block in blocks.items()},
            report,
            on_partial=hand_over,
            on_released=lambda: _close(blocks.values()),
            held=True,
            priority=priority,
            replaces=replaces,
            device=device,
            title=title,
            **params,
        )
        if away is not None:
            self.away[job] = away
        self.job_started.emit(job)
        self._release(job, blocks.values())
        job.add_done_callback(
            lambda ended: self._on_qt_thread.emit(
                lambda: self._deliver(cast("Job", ended), done, failed)
            )
        )
        return job

    def restart(self) -> None:
        """Start a fresh worker; what runs fails, what waits is kept."""
        self._client.restart()

    def close(self) -> None:
        """End the worker and cancel all jobs."""
        self._client.close()

    def _release(self, job: Job, blocks: Iterable[SharedArray]) -> None:
        """Let a job go once its blocks are filled."""
        pending = [block.retain() for block in blocks if not block.filled]

        def follow() -> None:
            for block in pending:
                block.wait()
            _close(pending)
            client.release(job)

        client = self.away.get(job, self._client)
        if pending:
            Thread(target=follow, name="fill", daemon=True).start()
        else:
            client.release(job)

    def _report(
        self, job: Job, progress: Callable[[int, int, str], None] | None, values: tuple[Any, ...]
    ) -> None:
        if job.withdrawn:
            return
        self.job_progress.emit(job, *values)
        if progress is not None:
            progress(*values)

    def _deliver(
        self,
        job: Job,
        done: Callable[[Any], None],
        failed: Callable[[BaseException], None] | None,
    ) -> None:
        try:
            if not job.withdrawn:
                _hand_over(job, done, failed or complain)
        finally:
            self.job_finished.emit(job)


def _hand_over(
    job: Job, done: Callable[[Any], None], failed: Callable[[BaseException], None]
) -> None:
    if error := job.exception():
        failed(error)
    else:
        done(job.result())


def _call(function: Callable[[], object]) -> None:
    """Run a callback whose error must reach the user, not end in the signal that carried it."""
    try:
        function()
    except Exception as error:  # noqa: BLE001 (it goes on to sys.excepthook)
        complain(error)


def _blocks(arrays: Mapping[str, Array | SharedArray]) -> dict[str, SharedArray]:
    blocks: dict[str, SharedArray] = {}
    try:
        for key, array in arrays.items():
            blocks[key] = _block(array)
    except BaseException:
        _close(blocks.values())
        raise
    return blocks


def _close(blocks: Iterable[SharedArray]) -> None:
    for block in blocks:
        block.close()


def _block(array: Array | SharedArray) -> SharedArray:
    if isinstance(array, SharedArray):
        return array.retain()
    return SharedArray.filling(array) if array.nbytes > AT_ONCE else SharedArray.copy_of(array)
