"""Tasks that need no model, for tests of the command line."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import UserError
from inference.tasks import Setting, Task
from inference.writing import write_png

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inference.series import Array, Series
    from inference.worker import JobContext


def threshold(context: JobContext, image: Array, level: int) -> dict[str, Any]:
    """Pixels above `level`; black images are refused, and one grey breaks the task."""
    context.progress(0, 1, "Looking")
    if not image.any():
        raise UserError("The image is black.")
    if (image == 13).all():
        raise ZeroDivisionError(f"secret {image.size}")
    doubt = "Few pixels are that bright." if level > 200 else None
    return {"mask": image > level, "device": context.device, "warning": doubt}


def sleep(context: JobContext, image: Array) -> dict[str, Any]:
    """Works until it is cancelled."""
    while True:
        context.progress(0, 0, "Working")
        time.sleep(0.02)


def hold(context: JobContext, image: Array, level: int, gate: str) -> dict[str, Any]:
    """`threshold`, once the gate is open; a file beside it tells which process waits."""
    gate_file = Path(gate)
    gate_file.with_name(f"waits-{os.getpid()}").touch()
    while not gate_file.exists():
        context.progress(0, 0, "Waiting")
        time.sleep(0.005)
    return threshold(context, image, level)


def _request(series: Series, settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"image": series.canonical()}, dict(settings)


def _write(series: Series, result: Mapping[str, Any], stem: Path) -> dict[str, Any]:
    mask = series.from_canonical(result["mask"])
    write_png(stem.with_name(f"{stem.name}_mask.png"), mask)
    return {"pixels": np.count_nonzero(mask)}


def _task(name: str, settings: tuple[Setting, ...]) -> Task:
    return Task(
        name=name,
        title="Bright pixels",
        summary="Finds what is bright.",
        version="7",
        entry=f"tests.headless_tasks:{name}",
        suits=lambda series: series.kind == "image" and not series.rgb,
        settings=settings,
        request=_request,
        write=_write,
        estimate_bytes=lambda series, settings: 4 * series.voxels.nbytes,
    )


THRESHOLD = _task("threshold", (Setting("level", "Level", 100, int),))
SLEEP = _task("sleep", ())
HOLD = _task("hold", (Setting("level", "Level", 100, int), Setting("gate", "Gate", "", str)))
