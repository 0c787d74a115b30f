"""Seconds and peak memory of retinal vessels in a fresh worker, for each model and image size."""

from __future__ import annotations

import statistics
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from PIL import Image
from rich.console import Console
from rich.table import Table

from inference import weights
from inference.client import WorkerClient
from inference.reading import read
from inference.registry import tasks
from inference.resources import resource_path
from inference.shared import SharedArray
from plugins.retinal_vessels.scale import most_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inference.messages import ArrayRef
    from inference.series import Series
    from inference.tasks import Task

SIZES = ((565, 584), (1344, 896), (3504, 2336))  # (width, height): DRIVE, half of HRF, HRF
REPEATS = 2
SAMPLE_EVERY = 0.005  # seconds


@dataclass(frozen=True, slots=True)
class Measured:
    """`first` includes loading the model; `seconds` is the median of the runs after it."""

    model: str
    size: tuple[int, int]
    first: float
    seconds: float
    idle_bytes: int  # of the worker before its first job
    peak_bytes: int
    estimated_bytes: int  # what the task says before it runs

    @property
    def needed_bytes(self) -> int:
        """What the job took beyond a worker that waits."""
        return self.peak_bytes - self.idle_bytes

    @property
    def bytes_a_pixel(self) -> float:
        """What the job took, for every pixel that the network may have seen."""
        return self.needed_bytes / most_pixels(*self.size)


@dataclass
class Peak:
    """The largest resident memory of a process that was seen."""

    nbytes: int = 0


@contextmanager
def watched(process: psutil.Process) -> Iterator[Peak]:
    """Sample a process's resident memory for as long as the block runs."""
    peak, done = Peak(), threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLE_EVERY):
            peak.nbytes = max(peak.nbytes, process.memory_info().rss)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def photograph(size: tuple[int, int]) -> Series:
    """The sample fundus, resampled to (width, height)."""
    [sample] = read(fundus())
    pixels = Image.fromarray(sample.voxels).resize(size, Image.Resampling.LANCZOS)
    return replace(sample, voxels=np.asarray(pixels))


def fundus() -> Path:
    """The photograph among the sample studies."""
    return next(resource_path("samples").glob("*fundus*"))


def measure(task: Task, model: str, size: tuple[int, int]) -> Measured:
    """Run the task a few times in a worker that has done nothing else."""
    series, settings = photograph(size), task.defaults() | {"model": model}
    arrays, params = task.request(series, settings)
    with ExitStack() as stack:
        blocks = {k: stack.enter_context(SharedArray.copy_of(v)) for k, v in arrays.items()}
        refs = {name: block.ref for name, block in blocks.items()}
        client = stack.enter_context(ready_worker())
        process = psutil.Process(client.process.pid)
        idle = process.memory_info().rss
        peak = stack.enter_context(watched(process))
        first, *others = [timed(client, task, refs, params) for _ in range(1 + REPEATS)]
    estimate = task.estimate_bytes(series, settings)
    return Measured(model, size, first, statistics.median(others), idle, peak.nbytes, estimate)


@contextmanager
def ready_worker() -> Iterator[WorkerClient]:
    """A worker that has loaded torch and waits for its first job."""
    ready = threading.Event()
    client = WorkerClient(on_state=lambda state: ready.set() if state == "ready" else None)
    try:
        ready.wait()
        yield client
    finally:
        client.close()


def timed(
    client: WorkerClient, task: Task, refs: dict[str, ArrayRef], params: dict[str, Any]
) -> float:
    """Seconds from the request to its result."""
    start = time.perf_counter()
    client.submit(task.entry, refs, **params).result()
    return time.perf_counter() - start


def table(rows: list[Measured]) -> Table:
    """What was measured, one line for each model and size."""
    shown = Table(title=f"Retinal vessels on {psutil.cpu_count()} cores")
    for heading in ("model", "pixels", "first run, s", "each further run, s", "peak memory, GiB",
                    "of it for the job", "estimated", "bytes a pixel seen"):  # fmt: skip
        shown.add_column(heading, justify="right")
    for row in rows:
        size = "{} x {}".format(*row.size)
        memory = (row.peak_bytes, row.needed_bytes, row.estimated_bytes)
        numbers = (row.first, row.seconds, *(nbytes / 2**30 for nbytes in memory))
        texts = (*(f"{number:.2f}" for number in numbers), f"{row.bytes_a_pixel:.0f}")
        shown.add_row(row.model, size, *texts)
    return shown


def main() -> None:
    """Measure every installed model at every size."""
    task = tasks()["retinal_vessels"]
    models = [info.name for info in weights.describe() if info.plugin == task.name]
    rows = [measure(task, model, size) for model in models for size in SIZES]
    Console().print(table(rows))
