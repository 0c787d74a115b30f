"""What the worker does for a run besides the model: find the mask's motion, make maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plugins.dsa_interpolation.maps import PICTURES, Maps, flow_maps
from plugins.dsa_interpolation.registration import Registration, register
from plugins.dsa_interpolation.subtraction import Subtractor, peak

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inference.series import Acquisition, Array
    from inference.worker import JobContext
    from plugins.dsa_interpolation.subtraction import Picture, Subtraction

LARGEST_MAP = 640
"""Rows and columns of maps; of larger runs blocks are averaged, which noise needs anyway."""


def register_run(
    context: JobContext,
    frames: Array,
    mask: tuple[int, ...],
    acquisition: Acquisition | None = None,
    piecewise: bool = False,
) -> Registration:
    """The motion of the mask to each frame of a run (t, y, x)."""
    return register(frames, mask, acquisition, piecewise, _told(context, "Aligning the mask"))


def map_run(
    context: JobContext,
    frames: Array,
    times: Sequence[float],
    settings: Subtraction,
    acquisition: Acquisition | None = None,
) -> Maps:
    """Maps of flow, of the size of the frames, of a run as it is subtracted."""
    subtractor = Subtractor(frames, acquisition, settings)
    factor = -(-max(frames.shape[1:]) // LARGEST_MAP)
    stack = subtractor.stack(factor, progress=_told(context, "Subtracting"))
    context.progress(0, 0, "Making maps")
    found = flow_maps(stack, np.asarray(times))
    shape = frames.shape[1], frames.shape[2]
    sized = {name: _enlarged(getattr(found, name), factor, shape) for name in PICTURES}
    return Maps(**sized, restless=found.restless)


def peak_run(
    context: JobContext,
    frames: Array,
    settings: Subtraction,
    acquisition: Acquisition | None = None,
) -> Picture:
    """Peak opacity (y, x) of a run as it is subtracted."""
    subtractor = Subtractor(frames, acquisition, settings)
    return peak(subtractor, progress=_told(context, "Finding peak opacity"))


def _told(context: JobContext, note: str) -> Callable[[int, int], None]:
    return lambda done, total: context.progress(done, total, note)


def _enlarged(picture: Picture, factor: int, shape: tuple[int, int]) -> Picture:
    """Each pixel as a block again; what the blocks left out is unknown."""
    large = np.full(shape, np.nan, np.float32)
    blocks = picture.repeat(factor, 0).repeat(factor, 1)
    large[: blocks.shape[0], : blocks.shape[1]] = blocks
    return large
