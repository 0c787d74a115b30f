"""Where the subtraction of a run begins: whether it is subtracted already, its mask, the shift."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from inference.series import Acquisition
from plugins.dsa_interpolation.subtraction import (
    DARKEST,
    Subtraction,
    Subtractor,
    largest_value,
    reduced,
)

if TYPE_CHECKING:
    from inference.series import Array
    from plugins.dsa_interpolation.subtraction import Picture

LOOKED_AT = 256
"""Rows and columns that are enough to find the bolus."""
VESSEL_WIDTH = 9
"""Widest vessel at that size that tells the bolus, px."""
FRAMES_LOOKED_AT = 50
ARRIVED = 0.15
"""Share of the fullest frame's vessels from which the bolus is seen."""
UNSEEN = 1
"""Frames looked at before that one in which a little of it may be there already."""
MASK_FRAMES = 3
CLEARLY = 0.95
"""A mask is moved against what its file says only if so much less, or less still, is left."""
FLAT = 0.2
"""What lasts spans less than this share of a subtracted run's range, and more of any other run's:
subtracted real and simulated runs had 0.1 to 0.46, runs with their anatomy 0.28 to 0.89."""


def completed(voxels: Array, acquisition: Acquisition | None) -> Acquisition | None:
    """What is known of a run: whether it is subtracted shows in it, if nothing is said of it."""
    known = acquisition or Acquisition()
    told = known.subtracted or known.intensity or known.mask_frames
    return acquisition if told or not looks_subtracted(voxels) else replace(known, subtracted=True)


def looks_subtracted(voxels: Array) -> bool:
    """Whether what stays the same throughout a run is flat beside what comes and goes."""
    some = np.stack([_small(frame) for frame in voxels[:: max(1, len(voxels) // 9)]])
    low, high = np.percentile(np.median(some, axis=0), (5, 95))
    least, most = np.percentile(some, (0.1, 99.9))
    return bool(high - low < FLAT * (most - least))


def suggested(voxels: Array, acquisition: Acquisition | None) -> Subtraction:
    """Where to begin: the file's own mask if it names one, else the frames before the bolus."""
    if acquisition is None:
        return Subtraction(mask=suggested_mask(voxels))
    named = tuple(frame for frame in acquisition.mask_frames if frame < len(voxels))
    mask = named or suggested_mask(voxels, acquisition.inverted)
    shift = _as_meant(acquisition, Subtractor(voxels, acquisition, Subtraction(mask=mask)))
    return Subtraction(on=not acquisition.subtracted, mask=mask, shift=shift)


def suggested_mask(voxels: Array, inverted: bool = False) -> tuple[int, ...]:
    """Up to 3 frames before the bolus comes; where it is there from the start, the emptiest.

    Thin structures that are darker (brighter in an inverted run) than in the emptiest frame, beyond
    those that are brighter, tell the bolus: motion and noise make as many of both.
    """
    step = -(-len(voxels) // FRAMES_LOOKED_AT)
    top = largest_value(voxels) if inverted else None
    pictures = [_log_small(frame, top) for frame in voxels[::step]]
    dark = [_tail(_thin(picture, cv2.MORPH_BLACKHAT), 20) for picture in pictures]
    emptiest = int(np.argmin(dark))
    came = np.array([_came(picture - pictures[emptiest]) for picture in pictures])
    arrival = int((came > ARRIVED * float(came.max())).argmax())
    if not arrival:
        return (step * emptiest,)
    last = step * max(0, arrival - 1 - UNSEEN)
    return tuple(range(max(0, last + 1 - MASK_FRAMES), last + 1))


def _log_small(frame: Array, top: float | None) -> Picture:
    """Calmed log intensity at the size looked at."""
    picture = reduced(frame, max(1, max(frame.shape) // LOOKED_AT))
    stored = np.maximum(picture if top is None else top - picture, DARKEST, dtype=np.float32)
    return np.asarray(cv2.GaussianBlur(np.log(stored), (0, 0), 1))


def _came(difference: Picture) -> float:
    """How much darker than brighter the thin structures of a difference are."""
    dark, bright = (_thin(difference, kind) for kind in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT))
    return _tail(dark, 500) - _tail(bright, 500)


def _thin(picture: Picture, kind: int) -> Picture:
    """What is thinner than vessels are, by a top-hat."""
    square = np.ones((VESSEL_WIDTH, VESSEL_WIDTH), np.uint8)
    return _inner(np.asarray(cv2.morphologyEx(picture, kind, square)))


def _tail(values: Picture, part: int) -> float:
    """Mean of the largest values, one in `part`."""
    ordered = np.sort(values, axis=None)
    return float(ordered[-max(1, len(ordered) // part) :].mean())


def _small(frame: Array) -> Picture:
    """At the size looked at, without the rim."""
    return _inner(reduced(frame, max(1, max(frame.shape) // LOOKED_AT)))


def _inner(picture: Picture) -> Picture:
    """Without where collimators end."""
    margin = LOOKED_AT // 16
    inner = picture[margin:-margin, margin:-margin]
    return inner if inner.size else picture


def _as_meant(acquisition: Acquisition, run: Subtractor) -> tuple[float, float]:
    """The shift (y, x) of the mask that the file names, or its opposite if much better.

    The standard says of Mask Sub-pixel Shift (PS3.3 C.7.6.10) that it is applied to the mask,
    along rows' and columns' spacing; that all devices mean down and right by plus is not certain.
    """
    down, right = acquisition.mask_shift
    if not (down or right):
        return acquisition.mask_shift
    some = range(0, len(run), max(1, len(run) // 4))

    def left(shift: tuple[float, float]) -> float:
        moved_run = run.changed(replace(run.settings, shift=shift))
        pictures = [_inner(moved_run.density(index)) for index in some]
        return sum(float(np.abs(picture - np.median(picture)).mean()) for picture in pictures)

    opposite = (-down, -right)
    return opposite if left(opposite) < CLEARLY * left((down, right)) else (down, right)
