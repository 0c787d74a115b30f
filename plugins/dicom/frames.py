"""Multi-frame files: the volumes that their frames form, else a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.reading import sha256
from inference.series import FRAMES
from plugins.dicom import concatenations, nuclear, stacking
from plugins.dicom.frame_planes import frame_planes
from plugins.dicom.header import Plane, Slice, group, text
from plugins.dicom.phases import frame_traits, phases
from plugins.dicom.pixels import Shown, Stored, shown
from plugins.dicom.stacks import build, labelled, placed

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


def read_frames(entries: Sequence[Slice]) -> list[Series]:
    """The volumes, runs or pictures in a multi-frame image, of one file or several; UserError."""
    dataset, stored = concatenations.read(entries)
    described = [Slice(entries[0].path, dataset), *entries[1:]]
    volumes = _volumes(dataset, stored.frames)
    if isinstance(volumes, str):
        found = nuclear.views(described, stored)
        return [series.warned(volumes) if volumes else series for series in found]
    digests = [_digest(stored.values, volume.members) for volume in volumes]
    look = shown(stored, [dataset])
    pairs = zip(volumes, digests, strict=True)
    return [_volume(described, stored, look, volume, digest) for volume, digest in pairs]


def _digest(values: Array, members: Sequence[int]) -> str:
    return sha256(values if len(members) == len(values) else values[list(members)])


def _volume(
    entries: Sequence[Slice], stored: Stored, look: Shown, volume: _Volume, digest: str
) -> Series:
    order = [volume.members[index] for index in volume.stack.order]
    voxels, geometry = placed(look, look.values[order], volume.stack)
    series = build(
        entries, "volume", voxels, look, geometry, sha256=digest,
        warnings=(*stored.notes, *look.notes, *volume.notes, *volume.stack.notes),
        details={FRAMES: tuple(stored.frames[index] for index in order)},
    )  # fmt: skip
    return labelled(series, volume.label)


def _volumes(header: Dataset, frames: Sequence[int]) -> list[_Volume] | str:
    """The volumes that all frames form, or the sentence why they are a run; "": no planes."""
    planes = frame_planes(header, frames)
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
