"""`batch`: a whole cohort into a folder, with tables and a report; it goes on where it stopped."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from inference import cases
from inference.cohort import Control, Crew, LocalCrew, Watch, run_cohort, telling
from inference.cohort_files import make, sweep
from inference.cohort_report import write_report
from inference.cohort_table import Ledger, write_tables
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from inference.cases import Case
    from inference.headless import Request
    from inference.servers import Cluster

LOCK = ".limn-lock"


@dataclass(frozen=True)
class Batch:
    """What to do with a folder of cases, and on what."""

    request: Request
    source: str  # a folder, or what an archive is asked: https://…/studies?…
    workers: int = 1
    cluster: Cluster | None = None  # in place of workers here

    def crew(self, count: int, tell: Callable[[str], None]) -> AbstractContextManager[Crew]:
        """For so many cases."""
        if self.cluster is None:
            return LocalCrew.of(self.workers, count)
        from inference.cluster import ClusterCrew  # dask takes a second to import

        return ClusterCrew(self.cluster, tell)

    def cases(self) -> list[Case]:
        """In a folder, or an archive that speaks DICOMweb; raises UserError."""
        if self.source.startswith(("http://", "https://")):
            return cases.listed(self.source)
        return cases.find(Path(self.source), self.request.out)


def run_batch(batch: Batch, complain: Callable[[str], None]) -> bool:
    """Whether no case failed; raises UserError if the cohort cannot be done at all."""
    from inference.cohort_progress import on_terminal  # the window needs none

    found = batch.cases()
    with on_terminal(complain) as watch:
        watch = replace(watch, ended=telling(complain, watch.ended, skipped=False))
        ledger = keep_books(batch.request, found, partial(batch.crew, tell=complain), watch)
    complain(f"{summary(ledger)} Report: {batch.request.out / 'report.html'}")
    return not ledger.counts["failed"]


def keep_books(
    request: Request,
    found: list[Case],
    crew: Callable[[int], AbstractContextManager[Crew]],
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
