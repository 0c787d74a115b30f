"""Many inputs, several at a time: a case that fails never stops the others."""

from __future__ import annotations

import logging
import queue
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing
from itertools import chain
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, TaskID

from inference import logs
from inference.client import WorkerClient
from inference.errors import UserError
from inference.headless import Reader, Request, is_finished, name_inputs, process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from inference.headless import OnProgress, Stems

logger = logging.getLogger(__name__)


def run_all(
    request: Request,
    inputs: Sequence[Path],
    complain: Callable[[str], None],
    workers: int = 1,
    *,
    resume: bool = False,
) -> bool:
    """Whether every input gave its outputs.

    `complain` gets one line for each that did not, and one for each doubtful result.
    """
    cases, stems = name_inputs(inputs)
    todo = [case for case in cases if not (resume and is_finished(request, *case))]
    with _Crew(request, stems, min(workers, max(1, len(todo)))) as crew:
        return crew.run(todo, complain)


class _Crew:
    """A reader, some workers, and a thread for each worker; ends them all, also on Ctrl+C."""

    def __init__(self, request: Request, stems: Stems, workers: int) -> None:
        self._request, self._stems, self._workers = request, stems, workers
        self._idle: queue.SimpleQueue[WorkerClient] = queue.SimpleQueue()
        self._stack = ExitStack()

    def __enter__(self) -> _Crew:
        enter = self._stack.enter_context
        self._pool = enter(ThreadPoolExecutor(self._workers))  # first in, last out
        self._reader = enter(closing(Reader()))
        for _ in range(self._workers):
            self._idle.put(enter(closing(WorkerClient())))
        console = Console(stderr=True)
        self._progress = enter(Progress(console=console, disable=not console.is_terminal))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(self, cases: list[tuple[Path, str]], complain: Callable[[str], None]) -> bool:
        """Whether all went well."""
        futures = [self._pool.submit(self._attempt, path, name) for path, name in cases]
        well = True
        try:
            for future in as_completed(futures):
                done, lines = future.result()
                well &= done
                for line in lines:
                    complain(line)
        finally:
            for future in futures:
                future.cancel()
        return well

    def _attempt(self, path: Path, name: str) -> tuple[bool, list[str]]:
        """Whether the case has its outputs, and what is to be said of it."""
        client, bar = self._idle.get(), self._progress.add_task(path.name, total=None)
        names = chain([name], iter(lambda: self._stems.take(name), None))
        try:
            show = self._show(path, bar)
            doubts = process(self._request, path, names, self._reader, client, show)
        except UserError as error:
            return False, [f"{path}: {error}"]
        except Exception as error:  # noqa: BLE001  one case must not end the cohort
            reason = logs.stack(error)  # without the error's text, which may name the patient
            logger.warning("%s failed: %s", self._request.task.name, reason)
            kind = type(error).__name__
            return False, [f"{path}: an error inside Limn ({kind}): the log has the details."]
        finally:
            self._progress.remove_task(bar)
            self._idle.put(client)
        return True, [f"{path}: warning: {doubt}" for doubt in doubts]

    def _show(self, path: Path, bar: TaskID) -> OnProgress:
        def show(done: int, total: int, note: str) -> None:
            about = f"{path.name}: {note}" if note else path.name
            self._progress.update(bar, completed=done, total=total or None, description=about)

        return show
