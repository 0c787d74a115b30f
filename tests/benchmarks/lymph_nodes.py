"""Seconds and peak memory from a chest CT in a file to a table of nodes, and of which stage.

Weights do not change the time, so networks that were never trained serve; the CT is a real one
stretched to the size of a clinical one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from tests.benchmarks.retinal_vessels import ready_worker, watched

if TYPE_CHECKING:
    from inference.worker import JobContext

ENTRY = "tests.benchmarks.lymph_nodes:run"
SOURCE = Path(__file__).parents[3] / "shared" / "data" / "ct" / "r01_001" / "ct.nii.gz"
SIZES = {(134, 512, 512): 20.0, (400, 512, 512): 60.0}
"""Slices, rows, columns; at most so many seconds on two cores."""
STAGES = ("read", "regions", "slab", "full", "measure")


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of each of `STAGES`."""

    device: str
    shape: tuple[int, int, int]
    seconds: tuple[float, ...]
    peak_bytes: int


def run(context: JobContext, path: str) -> list[float]:
    """Seconds of each stage; in the worker."""
    from inference.reading import read
    from plugins.lymph_nodes import measure, regions
    from plugins.lymph_nodes.model import CONFIGS, NodeNet
    from plugins.lymph_nodes.predict import Search, combine, search

    networks = [
        context.models.get(("benchmark", name), lambda name=name: NodeNet(CONFIGS[name]).eval())
        for name in ("slab", "full")
    ]
    times = [time.perf_counter()]
    series = read(Path(path))[0]
    volume, spacing = series.canonical(), series.canonical_geometry.spacing
    times.append(time.perf_counter())
    where = regions.find(volume, spacing)
    box = where.mediastinum
    times.append(time.perf_counter())
    what = Search(volume, spacing, box, None, context.device)
    maps = []
    for network in networks:
        maps.append(search(network, what))
        times.append(time.perf_counter())
    found = regions.within(combine(maps, "max"), where.mask(volume.shape)[box.slices], 0.4)
    found[::16, ::16, ::16] = 1  # specks: an untrained network finds nothing to sort out
    measure.at_threshold(found, volume[box.slices], spacing, 0.4, 0.0, box.start)
    times.append(time.perf_counter())
    return np.diff(times).tolist()


def measured(device: str, shape: tuple[int, int, int], folder: Path) -> Measured:
    """The second run of a worker that has done nothing else."""
    path = stretched(shape, folder)
    with ready_worker() as client, watched(psutil.Process(client.process.pid)) as peak:
        for _ in range(2):
            seconds = client.submit(ENTRY, None, device=device, path=str(path)).result()
    return Measured(device, shape, tuple(seconds), peak.nbytes)


def stretched(shape: tuple[int, int, int], folder: Path) -> Path:
    """The same patient on a grid of this shape."""
    import SimpleITK as sitk

    path = folder / f"{shape[0]}.nii.gz"
    image = sitk.ReadImage(str(SOURCE))
    size = shape[::-1]
    spacing = [
        n * step / m for n, step, m in zip(image.GetSize(), image.GetSpacing(), size, strict=True)
    ]
    grid = (size, sitk.Transform(), sitk.sitkLinear, image.GetOrigin(), spacing)
    sitk.WriteImage(sitk.Resample(image, *grid, image.GetDirection(), -1000), str(path))
    return path


def table(rows: list[Measured]) -> Table:
    """One line for each device and size."""
    shown = Table(title=f"Lymph nodes of a chest CT on {psutil.cpu_count()} cores, seconds")
    for heading in ("device", "voxels", *STAGES, "all", "limit", "peak memory, GiB"):
        shown.add_column(heading, justify="right")
    for row in rows:
        cells = [f"{seconds:.1f}" for seconds in (*row.seconds, sum(row.seconds))]
        limit = SIZES[row.shape] if row.device == "cpu" else 5.0
        size = " x ".join(map(str, row.shape[::-1]))
        shown.add_row(row.device, size, *cells, f"{limit:.0f}", f"{row.peak_bytes / 2**30:.1f}")
    return shown


def main() -> None:
    """Measure every size on every device."""
    if not SOURCE.exists():
        Console().print(f"{SOURCE.name} is absent: nothing to measure.")
        return
    with ready_worker() as client:
        devices = [device.name for device in client.devices]
    with TemporaryDirectory() as folder:
        rows = [measured(device, shape, Path(folder)) for device in devices for shape in SIZES]
    Console(width=120).print(table(rows))
