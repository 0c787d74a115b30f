"""A folder of numbered, equally sized frames is one run; run.json may give its frame time."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import UserError
from inference.reading import require_memory, sha256
from plugins.images.pictures import read_picture

if TYPE_CHECKING:
    from pathlib import Path

    from inference.series import Series

NUMBERED = re.compile(r"^(.*?)(\d+)\.(png|jpe?g|bmp)$", re.IGNORECASE)


def frame_files(folder: Path) -> list[Path]:
    """The frames by their number, or [] unless the pictures share one name before the number."""
    found = [(NUMBERED.match(entry.name), entry) for entry in folder.iterdir()]
    frames = sorted(
        (int(match[2]), entry) for match, entry in found if match and entry.name[0] != "."
    )
    names = {(match[1], match[3].lower()) for match, _ in found if match}
    return [entry for _, entry in frames] if len(names) == 1 and len(frames) > 1 else []


def read_frames(folder: Path, files: list[Path]) -> Series:
    """The run (t, y, x) of these frames; raises UserError."""
    first = read_picture(files[0])
    require_memory(folder, (len(files), *first.voxels.shape), first.voxels.dtype)
    voxels = np.empty((len(files), *first.voxels.shape), first.voxels.dtype)
    for index, file in enumerate(files):
        frame = first if index == 0 else read_picture(file)
        if frame.voxels.shape != first.voxels.shape or frame.voxels.dtype != voxels.dtype:
            raise UserError(
                f"{file.name} differs in size or depth from {files[0].name}: "
                "the frames of a run must be alike."
            )
        voxels[index] = frame.voxels
    times, notes = _frame_times(folder, len(files))
    return replace(
        first, voxels=voxels, kind="run", modality="XA", paths=tuple(files), sha256=sha256(voxels),
        frame_times=times, warnings=(*first.warnings, *notes),
    )  # fmt: skip


def _frame_times(folder: Path, count: int) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """ms from the first frame, and what is wrong with run.json."""
    described = folder / "run.json"
    if not described.is_file():
        return None, ("The frames state no times: add run.json with frame_time_ms.",)
    try:
        about: Any = json.loads(described.read_text("utf-8"))
        step = float(about["frame_time_ms"])
    except (ValueError, KeyError, TypeError):
        return None, ("run.json gives no frame_time_ms, so the frame times are unknown.",)
    if not 0 < step < float("inf"):
        return None, ("The frame_time_ms of run.json is not a positive time and was ignored.",)
    return tuple(index * step for index in range(count)), ()
