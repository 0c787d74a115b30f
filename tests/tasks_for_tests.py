"""Tasks that a worker runs in tests: slow, wrong, greedy, dying ones."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import UserError
from inference.handover import empty
from inference.memory import Footprint, with_fallback

if TYPE_CHECKING:
    from inference.series import Array
    from inference.worker import JobContext

kept: dict[str, Array] = {}


def nothing(context: JobContext) -> int:
    return 0


def echo(context: JobContext, value: Any) -> Any:
    return value


def lent_slices(context: JobContext, count: int) -> Array:
    """All slices but the first of a block that can be handed over, each filled with its number."""
    slices = empty((count + 1, 1024, 1024), np.int16)
    slices[...] = np.arange(count + 1)[:, None, None]
    kept["lent"] = slices
    return slices[1:]


def lent_value(context: JobContext) -> int:
    """What now stands at the end of that block."""
    return int(kept["lent"][-1, -1, -1])


def blur(context: JobContext, image: Array) -> dict[str, Any]:
    import torch

    x = torch.tensor(image)[None, None]
    mean = torch.nn.functional.avg_pool2d(x, 3, 1, 1)[0, 0].numpy()
    return {"mask": (mean > 0.5).T, "mean": float(mean.mean())}


def count(context: JobContext, steps: int) -> int:
    for step in range(steps):
        time.sleep(0.05)
        context.progress(step + 1, steps)
    return steps


def until(context: JobContext, path: str, image: Array | None = None) -> float:
    """Ends when the file appears; the sum shows that a click in between changed nothing."""
    total = 0.0 if image is None else float(image.sum())
    while not Path(path).exists():
        context.progress(1, 2, "waiting")
        time.sleep(0.001)
    return total


def shows(context: JobContext, path: str, sizes: list[int]) -> int:
    """Intermediate results of so many bytes, then waits for the file."""
    for size in sizes:
        context.partial({"size": size, "mask": np.full(size, len(sizes), np.uint8)})
    until(context, path)
    return len(sizes)


def learn(context: JobContext, path: str) -> bool:
    """A volume in inference mode, during which `gradient` runs."""
    import torch

    with torch.inference_mode():
        return until(context, path) == 0


def gradient(context: JobContext) -> float:
    import torch

    x = torch.tensor(3.0, requires_grad=True)
    (x**2).backward()
    return float(x.grad or 0)


def partial(context: JobContext, steps: int) -> str:
    for step in range(steps):
        context.partial(np.full(3, step))
    return "whole"


def hang(context: JobContext) -> None:
    """Even if it is cancelled at once."""
    try:
        context.progress(0, 1, "hanging")
    finally:
        threading.Event().wait()


def stubborn(context: JobContext, path: str) -> str:
    """Swallows every exception, as some libraries do."""
    while True:
        try:
            return str(until(context, path))
        except Exception:  # noqa: BLE001
            continue


def die(context: JobContext) -> None:
    signal.raise_signal(signal.SIGSEGV)


def killed(context: JobContext) -> None:
    signal.raise_signal(signal.SIGKILL)
    threading.Event().wait()  # the signal may take its time


def die_once(context: JobContext, path: str) -> None:
    """Waits for the word to die, so that a test can queue jobs behind it."""
    context.progress(0, 1, "alive")
    while not Path(path).exists():
        time.sleep(0.001)
    die(context)


def leave(context: JobContext) -> None:
    sys.exit(3)


def boom(context: JobContext, name: str = "") -> None:
    raise ValueError(f"bad input {name}")


def refuse(context: JobContext) -> None:
    raise UserError("This is not a photograph of a retina: open another one.")


def tensor(context: JobContext) -> Any:
    import torch

    return {"x": torch.zeros(3)}


def unpicklable(context: JobContext) -> Any:
    return lambda: 0


def greedy(context: JobContext, fits: str) -> str:
    """Runs out of memory until the footprint is the one that `fits`."""
    import torch

    def run(footprint: Footprint) -> str:
        if f"{footprint.device}/{footprint.tile}" != fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return fits

    return with_fallback(run, Footprint("cuda", 512), lambda note: context.progress(0, 0, note))


def allocate(context: JobContext) -> None:
    """More than any computer has, really asked for."""
    import torch

    torch.empty(1 << 60, dtype=torch.uint8)


def scribble(context: JobContext, image: Array) -> None:
    image[...] = 1


def keep_view(context: JobContext, image: Array) -> None:
    kept["image"] = image


def read_view(context: JobContext) -> float:
    return float(kept["image"].sum())


def device(context: JobContext) -> str:
    return context.device


def modules(context: JobContext) -> list[str]:
    return sorted({name.partition(".")[0] for name in sys.modules})


def cached(context: JobContext, key: str) -> bool:
    """Whether the model was there already."""
    loaded: list[str] = []
    context.models.get(key, lambda: loaded.append(key) or np.zeros(4))
    return not loaded


def measure_allocation(context: JobContext) -> tuple[int, int]:
    """Bytes resident while 800 MB are in use, and the process."""
    import psutil
    import torch

    block = [torch.ones(25_000_000) for _ in range(8)]
    resident = psutil.Process().memory_info().rss
    del block
    return resident, os.getpid()


def zeros(context: JobContext, count: int) -> Array:
    return np.zeros(count, np.uint8)


def ellipsoid(context: JobContext, shape: tuple[int, int, int], share: float) -> dict[str, Array]:
    """Labels of a large body, such as of a whole organ in a CT."""
    z, y, x = np.ogrid[tuple(slice(-1, 1, complex(0, n)) for n in shape)]
    return {"labels": (z**2 + y**2 + x**2 < share).astype(np.uint8)}


def grow(
    context: JobContext,
    image: Array,
    prompts: list[dict[str, Any]],
    previous: Array | None = None,
    spacing: tuple[float, float] = (1, 1),
    locked: Array | None = None,
    fresh: int = 1,
    **settings: Any,
) -> dict[str, Any]:
    """The entry of clicks by growing regions of like grey: quick, and it obeys every prompt."""
    grey = image.mean(-1) if image.ndim == 3 else image
    mask = np.zeros(grey.shape, bool) if previous is None else previous > 0
    for prompt in prompts[len(prompts) - fresh :]:
        part = _meant(grey, mask, prompt)
        mask = mask | part if prompt["positive"] else mask & ~part
    for prompt in prompts:
        if prompt["kind"] == "click":
            mask[tuple(round(place) for place in prompt["position"])] = prompt["positive"]
    if locked is not None:
        mask &= locked == 0
    context.progress(1, 1, "grown")
    return {"mask": mask.astype(np.uint8), "box": ((0, 0), mask.shape), "score": 1.0}


def _meant(grey: Array, mask: Array, prompt: dict[str, Any]) -> Array:
    """The pixels that a prompt speaks of."""
    from skimage.draw import polygon
    from skimage.segmentation import flood

    points = [prompt["position"]] if prompt["kind"] == "click" else prompt["points"]
    rows, columns = np.round(np.transpose(points)).astype(int)
    part = np.zeros(grey.shape, bool)
    if prompt["kind"] == "box":
        part[min(rows) : max(rows) + 1, min(columns) : max(columns) + 1] = True
    elif prompt["kind"] == "lasso":
        part[polygon(rows, columns, grey.shape)] = True
    elif prompt["positive"]:
        for seed in zip(rows, columns, strict=True):
            part |= flood(grey, seed, tolerance=20)
    else:
        for row, column in zip(rows, columns, strict=True):
            part[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3] = True
    return part


def grow_or_wait(context: JobContext, image: Array, **request: Any) -> None:
    """Never answers; an open file tells a test which process works on it."""
    with tempfile.NamedTemporaryFile(prefix="limn-wait"):
        while True:
            context.progress(0, 0, "waiting")
            time.sleep(0.001)
