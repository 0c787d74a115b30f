"""When each frame of a run was taken: ms from the first one, by the most exact statement."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
from pydicom.valuerep import DT

from plugins.dicom.header import group, items, number, numbers, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    Times = tuple[float, ...] | None

SHORTEST, LONGEST = 0.1, 600_000  # ms between frames that can be true
MOVING = ("XA", "RF", "US", "IVUS", "ES", "XC", "OP", "NM", "PT", "OCT", "IVOCT")
UNKNOWN = "The file states no frame times: 10 frames a second are assumed."
DISORDERED = "The frame times in the file repeat or run backwards: even steps were taken instead."
MISFIT = "The file lists {listed} frame times for {count} frames: even steps were taken instead."
DURATIONS = "ActualFrameDuration", "PauseBetweenFrames"
MOMENTS = (("AcquisitionDateTime", ""), ("AcquisitionDate", "AcquisitionTime"),
           ("ContentDate", "ContentTime"))  # fmt: skip


def frame_times(header: Dataset, count: int) -> tuple[Times, tuple[str, ...]]:
    """ms from the first of `count` frames, and what is wrong with the statements."""
    steps, notes = _steps(numbers(header, "FrameTimeVector"), count)
    times = tuple(accumulate((0.0, *steps))) if steps else _moments_of_frames(header, count)
    times = times or _times_of_phases(header, count)
    if times is None:
        times = _even(even_step(header) or _mean_step(header, count), count)
    if times or text(header, "Modality") not in MOVING:
        return times, notes
    return None, (UNKNOWN,)


def file_times(headers: Sequence[Dataset]) -> tuple[Times, tuple[str, ...]]:
    """ms from the first of several files with one frame each, in their order."""
    for keywords in MOMENTS:
        times = _since_first([_moment(header, *keywords) for header in headers])
        if times:
            return times, ()
    times = _even(even_step(headers[0]), len(headers))
    return times, () if times else (UNKNOWN,)


def even_step(header: Dataset) -> float:
    """ms between frames if the header states one figure for all, else 0."""
    step = number(header, "FrameTime", 0)
    rate = number(header, "CineRate", 0) or number(header, "RecommendedDisplayFrameRate", 0)
    step = step or (1000 / rate if rate > 0 else 0.0)
    return step if SHORTEST <= step <= LONGEST else 0.0


def _steps(vector: tuple[float, ...], count: int) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """The steps between the frames; some writers leave out the first entry, which is 0."""
    if not vector:
        return (), ()
    steps = vector[1:] if len(vector) == count else vector
    if len(steps) != count - 1:
        return (), (MISFIT.format(listed=len(vector), count=count),)
    return (steps, ()) if min(steps, default=1) > 0 else ((), (DISORDERED,))


def _mean_step(header: Dataset, count: int) -> float:
    """Of a vector whose single entries are of no use, else what one exposure or beat lasted."""
    listed = np.clip(numbers(header, "FrameTimeVector")[1:], 0, None)
    beats = [
        number(part, "FrameTime", 0)
        for gate in items(header, "GatedInformationSequence")
        for part in items(gate, "DataInformationSequence")
    ]
    exposure = number(header, "ActualFrameDuration", 0) or max(beats, default=0)
    return float(listed.sum()) / max(count - 1, 1) or exposure


def _even(step: float, count: int) -> Times:
    return tuple(index * step for index in range(count)) if step > 0 else None


def _moments_of_frames(header: Dataset, count: int) -> Times:
    """Of an enhanced file, each of whose frames may state its date and time."""
    contents = [group(header, "FrameContentSequence", index) for index in range(count)]
    for keyword in ("FrameReferenceDateTime", "FrameAcquisitionDateTime"):
        found = [_moment(item, keyword) if item is not None else None for item in contents]
        if times := _since_first(found):
            return times
    return None


def _times_of_phases(header: Dataset, count: int) -> Times:
    """Of a dynamic study of nuclear medicine, whose phases have frames of their own length.

    What several detectors saw at once, or in several energy windows, has one time (C.8.4.14).
    """
    phases = items(header, "PhaseInformationSequence")
    of_phase = _vector(header, "PhaseVector", count)
    if not phases or not 0 < min(of_phase) <= max(of_phase) <= len(phases):
        return None
    steps, starts, end = list[float](), list[float](), 0.0
    for phase in phases:
        duration, pause = (number(phase, name, 0) for name in DURATIONS)
        steps.append(duration + pause)
        starts.append(end + number(phase, "PhaseDelay", 0))
        end = starts[-1] + number(phase, "NumberOfFramesInPhase", 1) * steps[-1]
    views = (_vector(header, f"{kind}Vector", count) for kind in ("EnergyWindow", "Detector"))
    taken: Counter[tuple[int, ...]] = Counter()
    times = []
    for key in zip(of_phase, *views, strict=True):
        times.append(starts[key[0] - 1] + taken[key] * steps[key[0] - 1])
        taken[key] += 1
    return tuple(times) if min(steps) > 0 else None


def _vector(header: Dataset, keyword: str, count: int) -> list[int]:
    """What each frame counts as, from 1."""
    found = [int(value) for value in numbers(header, keyword)]
    return found if len(found) == count else [1] * count


def _moment(header: Dataset, day: str, time: str = "") -> float | None:
    """Seconds since 1970 of a date and time, or None; without a date only differences count."""
    stated = text(header, day) if not time else text(header, time)
    if not stated:
        return None
    try:
        return DT(stated if not time else (text(header, day) or "19700101") + stated).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _since_first(moments: Sequence[float | None]) -> Times:
    known = [moment for moment in moments if moment is not None]
    rising = all(later > earlier for earlier, later in pairwise(known))
    if len(known) < max(len(moments), 2) or not rising:
        return None
    return tuple(round((moment - known[0]) * 1000, 3) for moment in known)
