"""A worker's task that follows bright regions: small, real, and as `follow` is agreed on."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from inference.box import Box

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.series import Array
    from inference.worker import JobContext

ASKED = "asked.txt"  # in the folder of a test: a line for each request


def follow(
    context: JobContext,
    slab: Array,
    previous: Array,
    seed_index: int,
    direction: int,
    spacing: Sequence[float] = (1.0, 1.0),
    prompts: Sequence[Mapping[str, Any]] = (),
    before: Array | None = None,
    far: Array | None = None,
    far_index: int = 0,
    folder: str = "",
    dies_at: int = -1,
    waits_at: int = -1,
    unsure_at: int = -1,
) -> dict[str, Any]:
    """The bright parts that overlap the slice before; ends where there are none."""
    if folder:
        with (Path(folder) / ASKED).open("a", encoding="utf-8") as file:
            file.write(f"{seed_index} {direction} {len(slab)}\n")
    mask, last = previous > 0, seed_index
    for number, image in enumerate(slab, 1):
        index = seed_index + direction * number
        context.progress(number, len(slab), "Following")
        if index == dies_at:
            signal.raise_signal(signal.SIGSEGV)
        while index == waits_at and not (Path(folder) / "go").exists():
            context.progress(number, len(slab), "waiting")
            time.sleep(0.005)
        mask = _connected(image > 0, mask)
        box = Box.of(mask)
        if box is None:
            return {"stopped": "ended", "reason": "area", "last": last}
        last = index
        crop = mask[box.slices].astype(np.uint8)
        score = 0.5 if index == unsure_at else 1.0
        context.partial(
            {"index": index, "mask": crop, "box": (box.start, box.stop), "score": score}
        )
    return {"stopped": "slab", "reason": "", "last": last}


def _connected(bright: Array, mask: Array) -> Array:
    parts, _ = ndimage.label(bright)
    kept = np.unique(parts[mask & bright])
    return np.isin(parts, kept[kept > 0])
