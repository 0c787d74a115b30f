"""Seconds and peak memory to fill a gap of a run, for each network, frame size and frame count."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from tests.benchmarks.retinal_vessels import ready_worker, watched

if TYPE_CHECKING:
    from inference.client import WorkerClient
    from inference.worker import JobContext

ENTRY = "tests.benchmarks.dsa_interpolation:fill"
MODELS = {"fast": 3, "published": 1}  # runs after the first
SIZES = (512, 1024)
COUNTS = (1, 3)


@dataclass(frozen=True, slots=True)
class Measured:
    """`seconds` is the median of the runs after the first."""

    model: str
    device: str
    size: int
    count: int
    seconds: float
    peak_bytes: int


def fill(context: JobContext, model: str, size: int, count: int) -> float:
    """Seconds to make `count` frames between two; in the worker. Weights do not change the time."""
    from plugins.dsa_interpolation.model import CONFIGS, build
    from plugins.dsa_interpolation.predict import between
    from plugins.dsa_interpolation.prepare import Scale

    network = context.models.get(("benchmark", model), lambda: build(asdict(CONFIGS[model])).eval())
    first, last = np.random.default_rng(0).integers(0, 4095, (2, size, size), dtype=np.uint16)
    shares = [(i + 1) / (count + 1) for i in range(count)]
    started = time.perf_counter()
    made = list(between(network, (first, last), shares, Scale(0, 4095), context.device))
    seconds = time.perf_counter() - started
    return seconds if len(made) == count else float("nan")


def measure(model: str, device: str, size: int, count: int) -> Measured:
    """In a worker that has done nothing else."""
    with ready_worker() as client, watched(psutil.Process(client.process.pid)) as peak:
        _, *seconds = [_once(client, model, device, size, count) for _ in range(1 + MODELS[model])]
    return Measured(model, device, size, count, statistics.median(seconds), peak.nbytes)


def _once(client: WorkerClient, model: str, device: str, size: int, count: int) -> float:
    job = client.submit(ENTRY, None, device=device, model=model, size=size, count=count)
    seconds: float = job.result()
    return seconds


def table(rows: list[Measured]) -> Table:
    """One line for each network, device, size and count; how many times one frame three cost."""
    shown = Table(title=f"Frames between two on {psutil.cpu_count()} cores")
    for heading in (
        "model",
        "device",
        "pixels",
        "frames",
        "s",
        "peak memory, GiB",
        "times 1 frame",
    ):
        shown.add_column(heading, justify="right")
    one = {(r.model, r.device, r.size): r.seconds for r in rows if r.count == 1}
    for r in rows:
        ratio = r.seconds / one[r.model, r.device, r.size]
        numbers = (f"{r.seconds:.2f}", f"{r.peak_bytes / 2**30:.2f}", f"{ratio:.2f}")
        shown.add_row(r.model, r.device, f"{r.size} x {r.size}", str(r.count), *numbers)
    return shown


def main() -> None:
    """Measure every network on every device."""
    with ready_worker() as client:
        devices = [device.name for device in client.devices]
    rows = [
        measure(model, device, size, count)
        for device in devices
        for model in MODELS
        for size in SIZES
        for count in COUNTS
    ]
    Console().print(table(rows))
