"""How a cohort goes on, on a terminal: bars where there is one, else a line now and then."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from inference.cohort import Watch
from inference.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inference.cases import Case
    from inference.lane import Outcome

EVERY = 60.0  # seconds between two lines


@contextmanager
def on_terminal(say: Callable[[str], None]) -> Iterator[Watch]:
    """Who shows it: bars on a terminal; elsewhere `say` gets a line a minute."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn())
        with Progress(*columns, console=console) as progress:
            yield _Bars(progress).watch
    else:
        yield _Lines(say).watch


class _Bars:
    """One for the cohort, and one for each case that runs."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._pace = progress, Pace(0)
        self._whole = progress.add_task("Looking for finished cases", total=None)
        self._cases: dict[str, TaskID] = {}
        self.watch = Watch(self._planned, self._started, self._progressed, self._ended)

    def _planned(self, count: int) -> None:
        self._pace = Pace(count)
        self._show()

    def _started(self, case: Case) -> None:
        self._cases[case.name] = self._progress.add_task(case.name, total=None)

    def _progressed(self, case: Case, done: int, total: int, note: str) -> None:
        if (bar := self._cases.get(case.name)) is not None:
            about = f"{case.name}: {note}" if note else case.name
            self._progress.update(bar, completed=done, total=total or None, description=about)

    def _ended(self, outcome: Outcome) -> None:
        self._pace.step()
        self._show()
        if (bar := self._cases.pop(outcome.case.name, None)) is not None:
            self._progress.remove_task(bar)

    def _show(self) -> None:
        pace = self._pace
        self._progress.update(
            self._whole, completed=pace.done, total=pace.total, description=pace.sentence
        )


class _Lines:
    """For logs."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._pace, self._said = say, Pace(0), time.monotonic()
        self.watch = Watch(planned=self._planned, ended=self._ended)

    def _planned(self, count: int) -> None:
        self._pace = Pace(count)

    def _ended(self, outcome: Outcome) -> None:
        self._pace.step()
        if time.monotonic() - self._said > EVERY:
            self._said = time.monotonic()
            self._say(f"{self._pace.sentence}.")
