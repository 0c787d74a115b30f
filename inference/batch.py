"""`batch`: a whole cohort into a folder, with tables and a report; it goes on where it stopped."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from inference import cases
from inference.cohort import Control, Crew, LocalCrew, Watch, run_cohort, telling
from inference.cohort_files import make, sweep
from inference.cohort_progress import on_terminal
from inference.cohort_report import write_report
from inference.cohort_table import Ledger, write_tables
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from inference.headless import Request

LOCK = ".limn-lock"


@dataclass(frozen=True)
class Batch:
    """What to do with a folder of cases, and on what."""

    request: Request
    folder: Path
    workers: int = 1

    def crew(self, count: int) -> Crew:
        """For so many cases."""
        return LocalCrew.of(self.workers, count)


def run_batch(batch: Batch, complain: Callable[[str], None]) -> bool:
    """Whether no case failed; raises UserError if the cohort cannot be done at all."""
    found = cases.find(batch.folder, batch.request.out)
    with on_terminal(complain) as watch:
        watch = replace(watch, ended=telling(complain, watch.ended, skipped=False))
        ledger = keep_books(batch.request, found, batch.crew, watch)
    complain(f"{summary(ledger)} Report: {batch.request.out / 'report.html'}")
    return not ledger.counts["failed"]


def keep_books(
    request: Request,
    found: list[cases.Case],
    crew: Callable[[int], Crew],
    watch: Watch,
    control: Control | None = None,
) -> Ledger:
    """Do a cohort; its tables and report tell what was done, also if it is stopped. UserError."""
    ledger, request = Ledger(), replace(request, pictures=True)
    with _alone(make(request.out)):
        sweep(request.out)
        try:
            run_cohort(request, found, crew, watch, control, ledger)
        finally:
            write_tables(ledger.rows, request.out)
            write_report(request, ledger)
    return ledger


def summary(ledger: Ledger) -> str:
    """In one sentence."""
    counts = ledger.counts
    said = [f"{counts['done']} cases done"]
    said += [f"{counts['before']} done before"] if counts["before"] else []
    said += [f"{counts['skipped']} not for this task"] if counts["skipped"] else []
    said += [f"{counts['failed']} failed"] if counts["failed"] else []
    return f"{', '.join(said)}."


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Two runs into one folder would take each other's work for their own; raises UserError."""
    try:
        with FileLock(out / LOCK, timeout=0):
            yield
    except Timeout as error:
        raise UserError(
            f"Another run writes into {out}: wait for its end, or choose another folder."
        ) from error
