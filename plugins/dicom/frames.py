"""Multi-frame files: the volumes that their frames form, else a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from inference.reading import sha256
from plugins.dicom import stacking
from plugins.dicom.header import Plane, Slice, group, items, number, numbers, plane, text, texts
from plugins.dicom.parse import read_whole
from plugins.dicom.phases import frame_traits, phases
from plugins.dicom.pixels import Shown, Stored, decode, shown
from plugins.dicom.runs import build_run
from plugins.dicom.stacks import build, placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from inference.series import Array, Series

ORIENTATIONS = "Its frames lie in {count} orientations: they were put into as many series."
NOWHERE = "Not every frame says where it lies."
SLIDE = "It is a whole slide in {count} tiles."
IN_A_ROW = "{why} The frames are shown one after the other."


@dataclass(frozen=True, slots=True)
class _Volume:
    """Frames that form a volume: their indices among those decoded, and their grid."""

    members: tuple[int, ...]
    stack: stacking.Stack
    label: str
    notes: tuple[str, ...]


def read_frames(entry: Slice) -> list[Series]:
    """The volumes (z, y, x) or the run (t, y, x) in a multi-frame file; raises UserError."""
    dataset = read_whole(entry.path)
    stored = decode(entry.path, dataset)
    described = Slice(entry.path, dataset)
    volumes = _volumes(dataset, stored.frames)
    if isinstance(volumes, str):
        digest = stored.sha256
        run = build_run(described, stored, shown(stored, [dataset]), digest)
        return [run.warned(volumes) if volumes else run]
    digests = [_digest(stored.values, volume.members) for volume in volumes]
    look = shown(stored, [dataset])
    pairs = zip(volumes, digests, strict=True)
    return [_volume(described, stored, look, volume, digest) for volume, digest in pairs]


def _digest(values: Array, members: Sequence[int]) -> str:
    return sha256(values if len(members) == len(values) else values[list(members)])


def _volume(entry: Slice, stored: Stored, look: Shown, volume: _Volume, digest: str) -> Series:
    order = [volume.members[index] for index in volume.stack.order]
    voxels, geometry = placed(look, look.values[order], volume.stack)
    series = build(
        [entry], "volume", voxels, look, geometry, sha256=digest,
        warnings=(*stored.notes, *look.notes, *volume.notes, *volume.stack.notes),
    )  # fmt: skip
    said = " · ".join(filter(None, (series.identity.series_description, volume.label)))
    return replace(series, identity=replace(series.identity, series_description=said))


def _volumes(header: Dataset, frames: Sequence[int]) -> list[_Volume] | str:
    """The volumes that all frames form, or the sentence why they are a run; "": no planes."""
    planes = _planes(header, frames)
    if not planes:
        return _why_no_planes(header, len(frames))
    groups = _by_orientation(planes)
    notes = (ORIENTATIONS.format(count=len(groups)),) if len(groups) > 1 else ()
    found: list[_Volume] = []
    for members in groups:
        contents = [group(header, "FrameContentSequence", frames[i]) for i in members]
        parts, how = phases(
            [planes[i] for i in members], frame_traits(header, contents),
            lambda index: (float(index),),
        )  # fmt: skip
        for part in parts:
            chosen = tuple(members[i] for i in part.members)
            stack = stacking.stack([planes[i] for i in chosen])
            if isinstance(stack, str):
                return IN_A_ROW.format(why=stack)
            found.append(_Volume(chosen, stack, part.label, (*notes, *([how] if how else []))))
    return found


def _why_no_planes(header: Dataset, count: int) -> str:
    if "TotalPixelMatrixRows" in header:
        return IN_A_ROW.format(why=SLIDE.format(count=count))
    sections = count > 1 and text(header, "Modality") in {"CT", "MR", "PT"}
    return IN_A_ROW.format(why=NOWHERE) if sections else ""


def _by_orientation(planes: Sequence[Plane]) -> list[list[int]]:
    groups: list[list[int]] = []
    for index, where in enumerate(planes):
        for members in groups:
            if stacking.same_orientation(planes[members[0]], where):
                members.append(index)
                break
        else:
            groups.append([index])
    return groups


def _planes(header: Dataset, frames: Sequence[int]) -> list[Plane]:
    """One plane a frame, or [] if the file does not say where its frames lie."""
    first = plane(header)
    along = numbers(header, "GridFrameOffsetVector")
    if first and len(along) > max(frames):  # a dose: offsets along the normal, the first often zero
        return [_moved(first, along[index] - along[0]) for index in frames]
    if reconstructed := _reconstructed(header, frames):
        return reconstructed
    if group(header, "PlanePositionSequence") is None:
        return []
    found = [plane(header, index) for index in frames]
    return [] if None in found else [entry for entry in found if entry]


def _reconstructed(header: Dataset, frames: Sequence[int]) -> list[Plane]:
    """Slices of nuclear medicine, whose first one alone says where it lies (PS3.3 C.8.4.15)."""
    detectors, places = items(header, "DetectorInformationSequence"), numbers(header, "SliceVector")
    first = plane(header, detector=detectors[0]) if detectors else None
    step = number(header, "SpacingBetweenSlices", 0) or number(header, "SliceThickness", 0)
    tomogram = "RECON TOMO" in texts(header, "ImageType")
    if first is None or not tomogram or not step or len(places) <= max(frames):
        return []
    return [_moved(first, (places[index] - 1) * step) for index in frames]


def _moved(plane: Plane, distance: float) -> Plane:
    position = tuple((np.asarray(plane.position) + plane.normal * distance).tolist())
    return Plane(position, plane.across, plane.down, plane.spacing)
