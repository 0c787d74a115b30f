"""Multi-frame files: a volume where the frames form one, else a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inference.reading import sha256
from plugins.dicom import stacking
from plugins.dicom.header import Plane, Slice, group, numbers, plane
from plugins.dicom.parse import read_whole
from plugins.dicom.pixels import decode, shown
from plugins.dicom.runs import build_run
from plugins.dicom.stacks import build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from inference.series import Series


def read_frames(entry: Slice) -> Series:
    """The volume (z, y, x) or run (t, y, x) in a multi-frame file; raises UserError."""
    dataset = read_whole(entry.path)
    stored = decode(entry.path, dataset)
    digest = sha256(stored.values)
    look = shown(stored, [dataset])
    described = Slice(entry.path, dataset)
    arranged = _arranged(dataset, stored.frames)
    if isinstance(arranged, stacking.Stack):
        voxels = stacking.onto_grid(look.values[list(arranged.order)], arranged)
        notes = (*stored.notes, *look.notes, *arranged.notes)
        return build(
            [described], "volume", voxels, look, arranged.geometry, sha256=digest, warnings=notes
        )
    return build_run(described, stored, look, digest).warned(*arranged)


def _arranged(header: Dataset, frames: Sequence[int]) -> stacking.Stack | tuple[str, ...]:
    planes = _planes(header, frames)
    if not planes:
        return ()
    if any(not stacking.same_orientation(planes[0], other) for other in planes):
        return ("The frames lie in several orientations: they are shown one after the other.",)
    if len(stacking.repeats(planes, range(len(planes)))) > 1:
        return ("Several frames lie at each place: they are shown one after the other.",)
    found = stacking.stack(planes)
    return (
        (f"{found} The frames are shown one after the other.",) if isinstance(found, str) else found
    )


def _planes(header: Dataset, frames: Sequence[int]) -> list[Plane]:
    """One plane a frame, or [] if the file does not say where its frames lie."""
    first = plane(header)
    along = numbers(header, "GridFrameOffsetVector")
    if first and len(along) > max(frames):  # a dose: offsets along the normal, the first often zero
        return [_moved(first, along[index] - along[0]) for index in frames]
    if group(header, "PlanePositionSequence") is None:
        return []
    found = [plane(header, index) for index in frames]
    return [] if None in found else [entry for entry in found if entry]


def _moved(plane: Plane, distance: float) -> Plane:
    position = tuple((np.asarray(plane.position) + plane.normal * distance).tolist())
    return Plane(position, plane.across, plane.down, plane.spacing)
