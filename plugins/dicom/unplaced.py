"""Runs and photographs in DICOM segmentations: they lie nowhere, and frames follow in time.

highdicom orders frames by their place alone. So frames are given places for as long as it works,
one behind the other, and what it says of these places becomes what is true: the number in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import generate_uid

from plugins.dicom.references import frames, is_multi_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACED = ("FrameOfReferenceUID", "PositionReferenceIndicator", "DimensionOrganizationType")
ACROSS_DOWN = [1, 0, 0, 0, 1, 0]


def place(found: Sequence[Dataset]) -> None:
    """Give the sources' frames places, 1 mm apart, in the order in which highdicom counts them."""
    frame_of_reference, index = generate_uid(None), 0
    for source in found:
        source.FrameOfReferenceUID = frame_of_reference
        if is_multi_frame(source):
            source.SharedFunctionalGroupsSequence = [_shared()]
            source.PerFrameFunctionalGroupsSequence = [_placed(i) for i in range(frames(source))]
        else:
            source.update(_measures())
            source.ImageOrientationPatient = ACROSS_DOWN
            source.ImagePositionPatient = [0, 0, -index]
        index += frames(source)


def unplace(made: Dataset) -> None:
    """Say of the segmentation's frames when they are instead of where."""
    (shared,) = made.SharedFunctionalGroupsSequence
    _drop(made, *PLACED)
    _drop(shared, "PlaneOrientationSequence", "PixelMeasuresSequence")
    made.PatientOrientation = None
    pointers = [item.DimensionIndexPointer for item in made.DimensionIndexSequence]
    dimension_of_place = pointers.index(Tag("ImagePositionPatient"))
    for group in made.PerFrameFunctionalGroupsSequence:
        where = group.PlanePositionSequence[0].ImagePositionPatient[2]
        (content,) = group.FrameContentSequence
        content.TemporalPositionIndex = 1 - round(float(where))
        _set_index(content, dimension_of_place, content.TemporalPositionIndex)
        _drop(content, "StackID", "InStackPositionNumber")
        _drop(group, "PlanePositionSequence")
    dimension = made.DimensionIndexSequence[dimension_of_place]
    dimension.DimensionIndexPointer = Tag("TemporalPositionIndex")
    dimension.FunctionalGroupPointer = Tag("FrameContentSequence")
    dimension.DimensionDescriptionLabel = "Temporal Position Index"


def _set_index(content: Dataset, dimension: int, value: int) -> None:
    indices = content.DimensionIndexValues
    indices = [indices] if isinstance(indices, int) else list(indices)
    indices[dimension] = value
    content.DimensionIndexValues = indices


def _drop(item: Dataset, *keywords: str) -> None:
    for keyword in keywords:
        if keyword in item:
            delattr(item, keyword)


def _shared() -> Dataset:
    orientation, shared = Dataset(), Dataset()
    orientation.ImageOrientationPatient = ACROSS_DOWN
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelMeasuresSequence = [_measures()]
    return shared


def _measures() -> Dataset:
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1, 1], 1
    return measures


def _placed(index: int) -> Dataset:
    position, group = Dataset(), Dataset()
    position.ImagePositionPatient = [0, 0, -index]
    group.PlanePositionSequence = [position]
    return group
