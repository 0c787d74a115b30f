"""run.json, which tells of a folder of frames what their pictures cannot: read and written."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.series import Acquisition, Geometry
from inference.writing import NOTICE, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from inference.series import Array, Series

NAME = "run.json"
UNKNOWN = (
    "The frames state no times: 10 frames a second are assumed. Add run.json with frame_time_ms."
)


@dataclass(frozen=True)
class RunDescription:
    """What run.json holds; what is malformed counts as absent."""

    about: Mapping[str, Any]
    damaged: bool = False

    def times(self, numbers: Sequence[int]) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
        """ms from the first of the frames with these numbers, and what is wrong."""
        listed = self.floats("frame_times_ms", len(numbers))
        if listed and np.all(np.diff(listed) > 0):
            return tuple(time - listed[0] for time in listed), ()
        if self.damaged:
            return None, (f"{NAME} cannot be read. {UNKNOWN}",)
        step = self.floats("frame_time_ms", 1)
        if not step:
            known = {"frame_times_ms", "frame_time_ms"} & set(self.about)
            return None, (f"{NAME} gives no valid {min(known)}. {UNKNOWN}",) if known else (
                UNKNOWN,
            )
        if step[0] <= 0:
            return None, (f"The frame_time_ms of {NAME} is not a positive time. {UNKNOWN}",)
        places, notes = _places(numbers)
        return tuple(place * step[0] for place in places), notes

    def acquisition(self) -> Acquisition:
        """How the run was taken."""
        angles = [self.floats(f"positioner_{n}_angle_deg", 1) for n in ("primary", "secondary")]
        intensity = self.about.get("intensity")
        return Acquisition(
            intensity=intensity if intensity in {"linear", "logarithmic"} else "",
            subtracted=self.about.get("subtracted") is True,
            angles=(angles[0][0], angles[1][0]) if all(angles) else None,
        )

    def geometry(self) -> Geometry:
        """Pixel spacing (y, x), mm, if given."""
        spacing = self.floats("pixel_spacing_mm", 2)
        if not spacing or min(spacing) <= 0:
            return Geometry()
        affine = np.eye(4)[[2, 1, 0, 3]]
        affine[1, 1], affine[0, 2] = spacing
        return Geometry(affine, known=True)

    def synthetic(self, count: int) -> tuple[bool, ...] | None:
        """Which frames a model made."""
        flags = self.about.get("synthetic")
        fits = isinstance(flags, list) and len(flags) == count
        return tuple(bool(flag) for flag in flags) if fits and flags else None

    def floats(self, key: str, count: int) -> tuple[float, ...]:
        """`count` finite numbers, or ()."""
        value = self.about.get(key)
        values: list[Any] = value if isinstance(value, list) else [value]
        sound = all(type(entry) in {int, float} and math.isfinite(entry) for entry in values)
        return tuple(map(float, values)) if sound and len(values) == count else ()


def read_description(folder: Path) -> RunDescription:
    """What the folder's run.json says."""
    path = folder / NAME
    if not path.is_file():
        return RunDescription({})
    try:
        about = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        about = None
    return RunDescription(about) if isinstance(about, dict) else RunDescription({}, damaged=True)


def write_description(
    folder: Path,
    series: Series,
    frames: Array,
    times: Sequence[float] | None,
    synthetic: Sequence[bool] | None,
    confidence: Sequence[float] | None,
    model: str,
) -> None:
    """run.json for frames made from `series`; raises UserError."""
    taken = series.acquisition or Acquisition()
    about = {
        "frames": len(frames),
        "frame_times_ms": None if times is None else list(times),
        "synthetic": None if synthetic is None else list(map(bool, synthetic)),
        "confidence": None if confidence is None else [round(float(c), 4) for c in confidence],
        "model": model or None,
        "intensity": taken.intensity or None,
        "subtracted": taken.subtracted or None,
        "positioner_primary_angle_deg": taken.angles and taken.angles[0],
        "positioner_secondary_angle_deg": taken.angles and taken.angles[1],
        "pixel_spacing_mm": list(series.geometry.spacing[1:]) if series.geometry.known else None,
        "notice": NOTICE,
    }
    write_json(folder / NAME, {key: value for key, value in about.items() if value is not None})


def _places(numbers: Sequence[int]) -> tuple[list[int], tuple[str, ...]]:
    """Frame steps from the first, with gaps where a number is missing from an even row."""
    steps = np.diff(numbers)
    smallest = int(steps.min()) if len(steps) else 1
    if smallest < 1 or np.any(steps % smallest):
        return list(range(len(numbers))), ()
    places = [(number - numbers[0]) // smallest for number in numbers]
    missing = places[-1] + 1 - len(places)
    note = f"{missing} frames are missing between those that are there: their time was kept free."
    return places, (note,) if missing else ()
