"""Write a run as a folder of numbered pictures with run.json, which opens as the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inference.writing import atomic, write_png
from plugins.images.run_json import write_description

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inference.series import Array, Series


def write_frames(
    folder: Path,
    series: Series,
    frames: Array,
    times: Sequence[float] | None,
    synthetic: Sequence[bool] | None = None,
    confidence: Sequence[float] | None = None,
    model: str = "",
) -> None:
    """`frames` (t, y, x) or (t, y, x, 3) made from `series`, `times` in ms; raises UserError.

    8 and 16 bit unsigned become PNG (frame_0000.png …), other numbers TIFF.
    """
    plain = frames.dtype == np.uint8 or (frames.dtype == np.uint16 and frames.ndim == 3)
    for index, frame in enumerate(frames):
        name = f"frame_{index:04d}"
        if plain:
            write_png(folder / f"{name}.png", frame)
        else:
            _write_tiff(folder / f"{name}.tif", frame)
    write_description(folder, series, frames, times, synthetic, confidence, model)


def _write_tiff(path: Path, frame: Array) -> None:
    import tifffile

    with atomic(path) as part:
        tifffile.imwrite(part, frame, photometric="rgb" if frame.ndim == 3 else "minisblack")
