"""What the dock asks of the interpolation task, and the run that comes of its frames."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inference import weights
from inference.series import Acquisition
from plugins.dsa_interpolation.export import model_name
from plugins.dsa_interpolation.prepare import DOUBTED, gaps
from plugins.dsa_interpolation.task import FRAME_MS, NAME, TASK, stored_density, taken_frames, weave

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inference.series import Array, Series
    from inference.windowing import Window
    from plugins.dsa_interpolation.subtraction import Subtractor


@dataclass(eq=False)
class Interpolation:
    """One order of frames: what the worker gets, and what it has delivered so far."""

    series: Series  # as the new one will be, but for its frames
    settings: dict[str, Any]
    arrays: dict[str, Array]
    params: dict[str, Any]
    made: dict[int, tuple[Array, tuple[float, ...]]] = field(default_factory=dict)

    def take(self, part: Mapping[str, Any]) -> None:
        """Keep the frames of one gap."""
        self.made[part["gap"]] = part["frames"], part["confidence"]

    @property
    def count(self) -> int:
        """New frames so far."""
        return sum(len(confidence) for _, confidence in self.made.values())

    def so_far(self) -> dict[str, Any]:
        """A result as the task would give it, of the gaps that were finished."""
        run, params = self.arrays["run"], self.params
        times = params["times"] or [FRAME_MS * i for i in range(len(run))]
        woven = weave(run, times, gaps(times, params["frames"], params["wanted"]), self.made)
        info = weights.find(NAME, params["model"])
        doubted = [i for i, sure in enumerate(woven["confidence"]) if sure < DOUBTED]
        flags = {"doubted": doubted, "reasons": {}}
        return woven | {"flags": flags, "model": info.identity, "warning": None}


def interpolation(
    series: Series, subtractor: Subtractor | None, settings: Mapping[str, Any], window: Window
) -> Interpolation:
    """What to ask for; "subtracted" takes the subtraction as the user has set it."""
    arrays, params = TASK.request(series, {**settings, "source": "raw"})
    taken = taken_frames(series)
    if subtractor is not None and settings["source"] == "subtracted":
        on = subtractor.changed(replace(subtractor.settings, on=True))
        arrays = {"run": stored_density(on.stack(frames=taken))}
        series = _as_subtracted(series, window)
    return Interpolation(_renamed(series), dict(settings), arrays, params)


def finished(wish: Interpolation, result: Mapping[str, Any]) -> Series:
    """The run with its new frames."""
    frames = np.ascontiguousarray(result["frames"])
    return replace(
        wish.series,
        voxels=frames,
        rgb=False,
        frame_times=tuple(map(float, result["times"])),
        synthetic=tuple(result["synthetic"]),
        confidence=tuple(map(float, result["confidence"])),
        acquisition=_with_mask_at(wish.series, result["synthetic"]),
        sha256=hashlib.sha256(frames.data).hexdigest(),
        details={**wish.series.details, "model": model_name(result)},
    )


def _with_mask_at(series: Series, synthetic: list[bool]) -> Acquisition | None:
    """The mask frames by their new numbers."""
    taken = series.acquisition
    if taken is None:
        return None
    new = dict(zip(taken_frames(series), np.flatnonzero(~np.array(synthetic)), strict=True))
    return replace(taken, mask_frames=tuple(int(new[i]) for i in taken.mask_frames if i in new))


def _renamed(series: Series) -> Series:
    identity = series.identity
    name = identity.series_description or series.source.name
    if not name.endswith("(interpolated)"):
        name = f"{name} (interpolated)"
    return replace(series, identity=replace(identity, series_description=name))


def _as_subtracted(series: Series, window: Window) -> Series:
    """The frames will hold densities, as `stored_density` writes them."""
    taken = series.acquisition or Acquisition()
    ends = np.array((window[0] - window[1] / 2, window[0] + window[1] / 2))
    low, high = stored_density(ends).astype(float).tolist()
    return replace(
        series,
        acquisition=replace(taken, intensity="logarithmic", inverted=False, subtracted=True),
        window=((low + high) / 2, high - low),
    )
