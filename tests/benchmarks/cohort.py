"""Cases per minute of a cohort with one worker and with two, for each task, and 10^6 studies.

The cases are copies of the samples, few enough for some minutes in all. The projection assumes that
the workers of a cluster are as quick as one worker here, that studies are as large as the samples,
and that storage gives what is read in time.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psutil
from rich.console import Console
from rich.table import Table

from inference import cases
from inference.cluster_worker import Delivery, Slip
from inference.cohort import LocalCrew, Watch, run_cohort
from inference.headless import Request, recipe
from inference.registry import tasks
from inference.resources import resource_path
from tests.test_batch import contents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inference.lane import Outcome

STUDIES, WORKERS = 1_000_000, 200
CASES = {"retinal_vessels": 6, "dsa_interpolation": 4, "click_segmentation": 4, "lymph_nodes": 2}
SAMPLES = {
    "retinal_vessels": "fundus.jpg",
    "dsa_interpolation": "dsa_run.dcm",
    "click_segmentation": "ct_phantom.nii.gz",
    "lymph_nodes": "ct_phantom.nii.gz",
}
RANDOM = (".dcm",)  # files whose identifiers are new each time
TRIFLES = 2000  # tasks that do nothing, by which the scheduler is measured


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one task."""

    task: str
    per_minute: Mapping[int, float]  # by the number of workers
    read: int  # bytes a case
    written: int
    moved: int  # bytes a case through the scheduler, where workers see the folder of the results
    same: bool  # whether both numbers of workers gave the same files


def measured(name: str, folder: Path) -> Measured:
    """Some cases with one worker, then with two; models are loaded before."""
    source = _copies(name, folder)
    rates: dict[int, float] = {}
    ended: list[Outcome] = []
    for workers in (1, 2):
        out = folder / f"out{workers}"
        request = Request(tasks()[name], _settings(name, folder), out, pictures=True)
        with LocalCrew(workers) as crew:
            found = cases.find(source)
            run_cohort(request, found[:workers], crew.shared, resume=False)
            start = time.perf_counter()
            watch = Watch(ended=ended.append)
            ledger = run_cohort(request, found, crew.shared, watch, resume=False)
            rates[workers] = 60 * len(found) / (time.perf_counter() - start)
        if ledger.counts["done"] != len(found):
            raise SystemExit(f"{name}: {dict(ledger.counts)}")
    one, two = (_fixed(contents(folder / f"out{workers}")) for workers in (1, 2))
    read, written = (_size(place) // CASES[name] for place in (source, folder / "out1"))
    return Measured(name, rates, read, written, _moved(request, ended[-1]), one == two)


def _moved(request: Request, outcome: Outcome) -> int:
    """Bytes of what a worker is asked and answers, as dask sends it."""
    from distributed.protocol import serialize_bytes

    made_by = recipe(request.task, request.settings)
    slip = Slip(request.task, request.settings, request.device, request.pictures, outcome.case,
                request.out, made_by)  # fmt: skip
    return sum(len(serialize_bytes(said)) for said in (slip, Delivery(outcome, request.out)))


def scheduler_seconds() -> float:
    """Processor time of a scheduler for one case, among `TRIFLES` that do nothing."""
    import distributed

    options: dict[str, Any] = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, silence_logs=50, **options
    ) as made:
        client = distributed.Client(made.scheduler_address, set_as_default=False)
        start = psutil.Process().cpu_times()
        futures = [client.submit(abs, number, pure=False) for number in range(TRIFLES)]
        client.gather(futures)
        end = psutil.Process().cpu_times()
        client.close()
    return (end.user + end.system - start.user - start.system) / TRIFLES


def _copies(name: str, folder: Path) -> Path:
    sample = resource_path("samples", SAMPLES[name])
    source = folder / "in"
    for number in range(CASES[name]):
        place = source / f"case{number}"
        place.mkdir(parents=True)
        shutil.copyfile(sample, place / sample.name)
    return source


def _settings(name: str, folder: Path) -> dict[str, Any]:
    chosen = tasks()[name].defaults()
    if name == "click_segmentation":
        clicks = folder / "clicks.json"
        clicks.write_text(json.dumps([{"position": [40, 60, 60], "positive": True}]))
        chosen["clicks"] = str(clicks)
    return chosen


def _fixed(found: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in found.items() if not name.endswith(RANDOM)}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def rates(rows: list[Measured]) -> Table:
    """What was measured."""
    title = f"Cases per minute on {psutil.cpu_count()} cores, CPU"
    shown = Table(title=title)
    headings = ("task", "1 worker", "2 workers", "read MB", "written MB", "moved kB", "same files")
    for heading in headings:
        shown.add_column(heading, justify="left" if heading == "task" else "right")
    for row in rows:
        speeds = (f"{row.per_minute[workers]:.1f}" for workers in (1, 2))
        sizes = (f"{size / 1e6:.2f}" for size in (row.read, row.written))
        moved = f"{row.moved / 1e3:.1f}"
        shown.add_row(row.task, *speeds, *sizes, moved, "yes" if row.same else "NO")
    return shown


def projection(rows: list[Measured], seconds: float) -> Table:
    """10^6 studies like the samples, by workers like the one measured."""
    shown = Table(
        title=f"{STUDIES:,} studies as these, by {WORKERS} workers as quick as the one above",
        caption=f"A scheduler needs {1000 * seconds:.1f} ms of a processor for a case, and so "
        f"serves at most {1 / seconds:.0f} cases a second. Workers read and write a file system "
        "that they share; through the scheduler passes what is asked and answered, the kB above. "
        "Where they share none, the files that are written pass through it too.",
    )
    for heading in ("task", "days", "read TB", "written TB", "from storage MB/s",
                    "to storage MB/s", "through scheduler MB/s", "scheduler busy"):  # fmt: skip
        shown.add_column(heading, justify="left" if heading == "task" else "right")
    for row in rows:
        rate = row.per_minute[1] / 60 * WORKERS
        figures = (
            f"{STUDIES / rate / 86400:.2f}",
            f"{row.read * STUDIES / 1e12:.2f}",
            f"{row.written * STUDIES / 1e12:.2f}",
            f"{row.read * rate / 1e6:.1f}",
            f"{row.written * rate / 1e6:.1f}",
            f"{row.moved * rate / 1e6:.2f}",
            f"{rate * seconds:.1%}",
        )
        shown.add_row(row.task, *figures)
    return shown


def main() -> None:
    """Measure every task, and the scheduler."""
    rows, console = [], Console(width=120)
    for name in SAMPLES:
        console.print(f"{name}: {CASES[name]} cases, by one worker and by two")
        with TemporaryDirectory() as folder:
            rows.append(measured(name, Path(folder)))
    console.print(rates(rows))
    console.print(projection(rows, scheduler_seconds()))
