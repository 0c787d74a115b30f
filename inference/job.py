"""The future result of one task that a worker, here or on a cluster, was asked for."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from inference.errors import UserError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from inference.messages import Failed, Priority, Run


class WorkerCrashed(UserError):  # noqa: N818 (it says what happened)
    """The worker process ended while the job was running."""


class WorkerStopped(UserError):  # noqa: N818 (it says what happened)
    """The worker process kept ending, so that it is not started again by itself."""


class TaskFailed(UserError):  # noqa: N818 (it says what happened)
    """A task raised what nobody foresaw; `details` holds the worker's traceback."""

    def __init__(self, title: str, failed: Failed) -> None:
        super().__init__(
            f"“{title}” could not be finished because of an error inside Limn ({failed.kind}): "
            "the log has the details."
        )
        self.kind, self.details = failed.kind, failed.details


class Job(Future[Any]):
    """The future result of one task; cancelling it also stops the worker's side."""

    def __init__(
        self,
        run: Run,
        title: str,
        on_progress: Callable[[int, int, str], None] | None,
        on_partial: Callable[[Any], None] | None,
        on_released: Callable[[], None] | None,
        withdraw: Callable[[Job], None],
    ) -> None:
        super().__init__()
        self.request, self.title = run, title
        self.on_progress, self.on_partial, self._on_released = on_progress, on_partial, on_released
        self._withdraw = withdraw
        self.held = False  # whether its arrays are still being filled
        self.begun = False  # whether the worker works on it
        self.withdrawn = False  # whether nobody wants it any more, even if it is done
        self.deadline: threading.Timer | None = None

    @property
    def id(self) -> int:
        """Counts up with each request."""
        return self.request.job

    @property
    def urgency(self) -> tuple[Priority, int]:
        """What sorts jobs: the lowest goes first."""
        return self.request.priority, self.id

    def cancel(self) -> bool:
        """Nobody wants the result any more, even if it is there but not yet delivered."""
        self.withdrawn = True
        if not super().cancel():
            return False
        self._withdraw(self)
        return True

    def settle(self, result: Any = None, error: BaseException | None = None) -> None:
        """End the job, once: from here on `cancel` can no longer win."""
        if self.deadline:
            self.deadline.cancel()
        # callbacks know the job: in a circle, its result would stay in memory
        self.deadline = self.on_progress = self.on_partial = None
        if self.set_running_or_notify_cancel():
            self.set_exception(error) if error else self.set_result(result)
        if self._on_released:
            self._on_released()
        self._on_released = None


class Newest:
    """The last job asked for under each name of `replaces`."""

    def __init__(self) -> None:
        self._jobs: WeakValueDictionary[str, Job] = WeakValueDictionary()

    def instead(self, name: str | None, job: Job) -> Job | None:
        """Remember a job under a name, if it has one; the job it replaces, to be cancelled."""
        if not name:
            return None
        older = self._jobs.get(name)
        self._jobs[name] = job
        return older
