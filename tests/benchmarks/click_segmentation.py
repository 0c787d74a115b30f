"""Milliseconds from a click to its mask in a worker, and for a slice that is followed; memory."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from inference import weights
from inference.messages import Priority
from inference.shared import SharedArray
from plugins.click_segmentation.task import NAME
from tests.benchmarks.retinal_vessels import ready_worker, watched

if TYPE_CHECKING:
    from inference.client import WorkerClient

SIZES = ((256, 256), (512, 512), (1024, 1024))
CLICKS = 12  # a fourth of them first clicks on a new slice, the others corrections
SLICES = 12
SEGMENT, FOLLOW = (f"plugins.click_segmentation.task:{name}" for name in ("segment", "follow"))


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds of each, and the most memory that the worker took, bytes."""

    model: str
    size: tuple[int, int]
    first: list[float]
    further: list[float]
    followed: list[float]
    peak_bytes: int


def phantom(size: tuple[int, int], seed: int) -> Any:
    """A slice like a CT: a body with organs in noise, int16 (down, right)."""
    rng = np.random.default_rng(seed)
    image = np.full(size, -1000, np.float32)
    middle, half = (size[1] // 2, size[0] // 2), (int(0.45 * size[1]), int(0.4 * size[0]))
    cv2.ellipse(image, middle, half, 0, 0, 360, -60, -1)
    organ = (int(0.16 * size[1]), int(0.13 * size[0]))
    cv2.ellipse(image, middle, organ, 20, 0, 360, 110, -1)
    return (image + rng.normal(0, 15, size)).astype(np.int16)


def measure(model: str, size: tuple[int, int]) -> Measured:
    """In a worker that has loaded the model."""
    with ready_worker() as client, watched(psutil.Process(client.process.pid)) as peak:
        _conversation(client, model, size, 0, 1)
        first, further = [], []
        for seed in range(1, 1 + CLICKS // 4):
            one, *others = _conversation(client, model, size, seed, 4)
            first.append(one)
            further += others
        followed = _follow(client, model, size)
    return Measured(model, size, first, further, followed, peak.nbytes)


def _conversation(
    client: WorkerClient, model: str, size: tuple[int, int], seed: int, count: int
) -> list[float]:
    """Milliseconds of each click on a new slice: one in the organ, then corrections at its rim."""
    taken, prompts = [], []
    mask = np.zeros(size, np.uint8)
    image = phantom(size, seed)
    for number in range(count):
        angle = 2.4 * number
        reach = np.array(size) * (0.0 if number == 0 else 0.16)
        place = np.array(size) / 2 + reach * (np.sin(angle), np.cos(angle))
        prompts.append({"position": place.tolist(), "positive": number % 2 == 0})
        answer, ms = _timed(client, SEGMENT, {"image": image, "previous": mask},
                            prompts=prompts, model=model)  # fmt: skip
        (top, left), (bottom, right) = answer["box"]
        mask[top:bottom, left:right] = answer["mask"]
        taken.append(ms)
    return taken


def _follow(client: WorkerClient, model: str, size: tuple[int, int]) -> list[float]:
    """Milliseconds of each slice that an object is followed through."""
    mask = np.zeros(size, np.uint8)
    middle, organ = (size[1] // 2, size[0] // 2), (int(0.16 * size[1]), int(0.13 * size[0]))
    cv2.ellipse(mask, middle, organ, 20, 0, 360, 1, -1)
    slab = np.stack([phantom(size, seed) for seed in range(SLICES)])
    answer, ms = _timed(client, FOLLOW, {"slab": slab, "previous": mask},
                        seed_index=0, direction=1, model=model)  # fmt: skip
    return [ms / max(1, answer["last"])]


def _timed(
    client: WorkerClient, task: str, arrays: dict[str, Any], **params: Any
) -> tuple[dict[str, Any], float]:
    """The answer, and milliseconds from the request to it, with the copy into shared memory."""
    start = time.perf_counter()
    with ExitStack() as stack:
        blocks = {k: stack.enter_context(SharedArray.copy_of(v)) for k, v in arrays.items()}
        refs = {name: block.ref for name, block in blocks.items()}
        answer = client.submit(task, refs, priority=Priority.CLICK, **params).result()
    return answer, 1000 * (time.perf_counter() - start)


def table(rows: list[Measured]) -> Table:
    """One line for each model and size."""
    shown = Table(title=f"Clicks on {psutil.cpu_count()} cores")
    for heading in ("model", "pixels", "first click, ms", "further, median", "further, 95 %",
                    "followed slice, ms", "peak memory, GiB"):  # fmt: skip
        shown.add_column(heading, justify="right")
    for row in rows:
        late = float(np.percentile(row.further, 95))
        times = (statistics.median(row.first), statistics.median(row.further), late, *row.followed)
        texts = (*(f"{ms:.0f}" for ms in times), f"{row.peak_bytes / 2**30:.2f}")
        shown.add_row(row.model, "{} x {}".format(*row.size), *texts)
    return shown


def main() -> None:
    """Measure every installed model at every size."""
    models = [info.name for info in weights.describe() if info.plugin == NAME]
    Console().print(table([measure(model, size) for model in models for size in SIZES]))
