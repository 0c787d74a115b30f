"""Jobs of the window on a cluster: arrays and parameters travel, and nothing else about them.

Not sent: the title of a job, the path, name or identity of what is open. Keys are random.
"""

from __future__ import annotations

import itertools
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from inference.cluster import PATIENCE, connect, told
from inference.cluster_worker import do_job
from inference.errors import UserError
from inference.job import Job, Newest
from inference.lane import Work
from inference.messages import Priority, Run
from inference.shared import SharedArray

if TYPE_CHECKING:
    from collections.abc import Callable

    import distributed

    from inference.cluster_worker import Answer
    from inference.messages import ArrayRef
    from inference.series import Array
    from inference.servers import Cluster


END = "end"  # of the intermediate results


class RemoteClient:
    """Takes jobs as `inference.client.WorkerClient` does. Thread-safe; connects with the first."""

    def __init__(self, where: Cluster) -> None:
        self.where = where
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._client: distributed.Client | None = None
        self._asked: dict[Job, distributed.Future[Any]] = {}
        self._newest = Newest()

    def submit(  # noqa: PLR0913 (as WorkerClient.submit)
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
        """Ask for "package.module:function"; see WorkerClient."""
        run = Run(next(self._ids), task, arrays or {}, params, priority, device)
        job = Job(run, title, on_progress, on_partial, on_released, self._withdraw)
        if older := self._newest.instead(replaces, job):
            older.cancel()
        if not held:
            self.release(job)
        return job

    def release(self, job: Job) -> None:
        """The arrays of a job are filled: it goes."""
        threading.Thread(target=self._do, args=(job,), name="remote", daemon=True).start()

    def close(self) -> None:
        """Give up what is asked, and leave."""
        for job in list(self._asked):
            job.cancel()
        if self._client is not None:
            with suppress(Exception):  # the scheduler may be gone
                self._client.close(timeout=2)

    def _do(self, job: Job) -> None:
        try:
            answer = self._ask(job)
        except Exception as error:  # noqa: BLE001 (dask raises many kinds)
            job.settle(error=told(error, self.where))
        else:
            job.settle(answer.result, UserError(answer.sentence) if answer.sentence else None)

    def _ask(self, job: Job) -> Answer:
        topic = f"limn-{uuid4().hex}"
        client = self._connected()
        shown = _Shown(client, topic, job)
        client.subscribe_topic(topic, lambda event: _hear(job, *event[1]))
        try:
            _tell(job, 0, 0, "Sending the image to the cluster")
            arrays = {key: _copied(ref) for key, ref in job.request.arrays.items()}
            sent = client.scatter(arrays, hash=False, direct=False) if arrays else {}
            run = job.request
            work = Work(run.task, run.params, run.device)
            asked = client.submit(
                do_job, work, sent, topic, key=topic, pure=False, resources=self.where.resources
            )
            self._asked[job] = asked
            if job.withdrawn:
                self._withdraw(job)
            answer: Answer = asked.result()
        finally:
            self._asked.pop(job, None)
            client.unsubscribe_topic(topic)
            shown.close()
        return answer

    def _connected(self) -> distributed.Client:
        """A connection that lives, perhaps a new one; raises UserError."""
        with self._lock:
            if self._client is None or self._client.status != "running":
                self._client = connect(self.where)
            return self._client

    def _withdraw(self, job: Job) -> None:
        if asked := self._asked.get(job):
            asked.cancel(force=True)


def _copied(ref: ArrayRef) -> Array:
    """The array, as it is when the job begins."""
    with SharedArray.attach(ref) as shared:
        return np.array(shared.view)


class _Shown:
    """Fetches the intermediate results of a job, in their order, beside who waits for its end."""

    def __init__(self, client: distributed.Client, topic: str, job: Job) -> None:
        from distributed import Queue

        self._client, self._job = client, job
        self._queue = Queue(topic, client=client)
        self._thread = threading.Thread(target=self._fetch, name="fetch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """The job has ended: what was put before is told before its result."""
        with suppress(Exception):  # the scheduler may be gone
            self._queue.put(END)
            self._thread.join(PATIENCE)
            self._queue.close()

    def _fetch(self) -> None:
        with suppress(Exception):  # as above
            while (future := self._queue.get()) != END:
                value = self._client.gather(future, direct=False)
                if self._job.on_partial and not self._job.withdrawn:
                    self._job.on_partial(value)


def _hear(job: Job, done: int, total: int, note: str) -> None:
    """An event of a job; nobody hears it once the job is withdrawn."""
    job.begun = True
    _tell(job, done, total, note)


def _tell(job: Job, done: int, total: int, note: str) -> None:
    if job.on_progress and not job.withdrawn:
        job.on_progress(done, total, note)
