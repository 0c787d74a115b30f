"""Multi-frame files: a volume where the frames form one, else a run."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from inference.reading import sha256
from plugins.dicom import stacking
from plugins.dicom.header import Plane, Slice, group, number, numbers, plane, text
from plugins.dicom.parse import read_whole
from plugins.dicom.pixels import decode, shown
from plugins.dicom.stacks import build, image_geometry, spacing_notes

if TYPE_CHECKING:
    from pydicom import Dataset

    from inference.series import Series

MOVING = ("XA", "RF", "US", "IVUS", "ES", "XC", "OP", "NM", "PT", "OCT", "IVOCT")


def read_frames(entry: Slice) -> Series:
    """The volume (z, y, x) or run (t, y, x) in a multi-frame file; raises UserError."""
    dataset = read_whole(entry.path)
    stored = decode(entry.path, dataset)
    look, digest = shown(stored, [dataset]), sha256(stored.values)
    described = Slice(entry.path, dataset)
    arranged = _arranged(dataset, len(stored.values))
    if isinstance(arranged, stacking.Stack):
        voxels = stacking.onto_grid(look.values[list(arranged.order)], arranged)
        notes = (*look.notes, *arranged.notes)
        return build(
            [described], "volume", voxels, look, arranged.geometry, sha256=digest, warnings=notes
        )
    times, time_notes = frame_times(dataset, len(stored.values))
    return build(
        [described], "run", look.values, look, image_geometry(dataset), sha256=digest,
        frame_times=times, warnings=(*look.notes, *arranged, *time_notes, *spacing_notes(dataset)),
    )  # fmt: skip


def frame_times(header: Dataset, count: int) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """ms from the first frame, by the most exact statement in the header, and what is wrong."""
    steps = numbers(header, "FrameTimeVector")
    if len(steps) == count and min(steps) >= 0 and count > 1:
        return tuple(accumulate((0.0, *steps[1:]))), ()
    step = number(header, "FrameTime", 0) or _step_of_rate(header)
    if step > 0:
        return tuple(index * step for index in range(count)), ()
    moving = text(header, "Modality") in MOVING
    return None, ("The file states no frame times.",) if moving else ()


def _step_of_rate(header: Dataset) -> float:
    rate = number(header, "CineRate", 0) or number(header, "RecommendedDisplayFrameRate", 0)
    return 1000 / rate if rate > 0 else 0.0


def _arranged(header: Dataset, count: int) -> stacking.Stack | tuple[str, ...]:
    planes = _planes(header, count)
    if not planes:
        return ()
    if any(not stacking.same_orientation(planes[0], other) for other in planes):
        return ("The frames lie in several orientations: they are shown one after the other.",)
    if len(stacking.repeats(planes, range(count))) > 1:
        return ("Several frames lie at each place: they are shown one after the other.",)
    found = stacking.stack(planes)
    return (
        (f"{found} The frames are shown one after the other.",) if isinstance(found, str) else found
    )


def _planes(header: Dataset, count: int) -> list[Plane]:
    """One plane a frame, or [] if the file does not say where its frames lie."""
    first = plane(header)
    along = numbers(header, "GridFrameOffsetVector")
    if first and len(along) == count:  # a dose: offsets along the normal, the first often zero
        steps = np.subtract(along, along[0])
        return [_moved(first, float(step)) for step in steps]
    if group(header, "PlanePositionSequence") is None:
        return []
    found = [plane(header, frame) for frame in range(count)]
    return [] if None in found else [entry for entry in found if entry]


def _moved(plane: Plane, distance: float) -> Plane:
    position = tuple((np.asarray(plane.position) + plane.normal * distance).tolist())
    return Plane(position, plane.across, plane.down, plane.spacing)
