"""Frames of multi-frame sources as highdicom takes them: one file, one orientation, no others.

It wants orientation and spacing stated for all frames at once, and one file, while scanners put
several stacks into a file, state both for each frame, and part a large image into several files.
So it is shown a header with the frames of the series alone; what it says of that is put right.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset

from plugins.dicom.header import group, number
from plugins.dicom.references import evidence, frames, referred

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugins.dicom.header import Plane
    from plugins.dicom.references import Shown

GROUPS = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"


def gathered(pictures: Sequence[Shown]) -> list[Dataset]:
    """One header that holds these frames; the sources themselves if they are single pictures."""
    if not _of_frames(pictures):
        return [picture.source for picture in pictures]
    one = copy(pictures[0].source)
    one.NumberOfFrames = len(pictures)
    planes = [picture.plane for picture in pictures if picture.plane is not None]
    if len(planes) == len(pictures):
        one.SharedFunctionalGroupsSequence = [_shared(pictures[0], planes)]
        one.PerFrameFunctionalGroupsSequence = [_at(where) for where in planes]
    return [one]


def refer_back(made: Dataset, pictures: Sequence[Shown]) -> None:
    """Name the true files and frames in what was made of the gathered header."""
    if not _of_frames(pictures):
        return
    named = {  # frames of several segments at one place may share an item
        id(item): item
        for frame in made.PerFrameFunctionalGroupsSequence
        for derivation in frame.get("DerivationImageSequence", ())
        for item in derivation.SourceImageSequence
    }
    for item in named.values():
        picture = pictures[int(item.get("ReferencedFrameNumber", 1)) - 1]
        item.ReferencedSOPInstanceUID = picture.source.SOPInstanceUID
        item.ReferencedFrameNumber = picture.frame + 1
    for series in made.get("ReferencedSeriesSequence", ()):
        sources = evidence([picture.source for picture in pictures])
        series.ReferencedInstanceSequence = [referred(source) for source in sources]


def _of_frames(pictures: Sequence[Shown]) -> bool:
    """Also where each file of a multi-frame class holds one alone."""
    return any(
        frames(picture.source) > 1 or any(name in picture.source for name in GROUPS)
        for picture in pictures
    )


def _shared(picture: Shown, planes: Sequence[Plane]) -> Dataset:
    """Orientation and spacing, which are those of every frame of a volume."""
    first, second = planes[0], planes[min(1, len(planes) - 1)]
    step = abs(float(np.subtract(second.position, first.position) @ first.normal))
    stated = group(picture.source, "PixelMeasuresSequence", picture.frame) or picture.source
    orientation, measures, shared = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [*first.across, *first.down]
    measures.PixelSpacing = list(first.spacing)
    measures.SliceThickness = number(stated, "SliceThickness", 0) or step or 1
    between = number(stated, "SpacingBetweenSlices", 0) or step
    if between:
        measures.SpacingBetweenSlices = between
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    return shared


def _at(where: Plane) -> Dataset:
    own, position = Dataset(), Dataset()
    position.ImagePositionPatient = list(where.position)
    own.PlanePositionSequence = [position]
    return own
