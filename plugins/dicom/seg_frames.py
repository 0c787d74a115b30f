"""The frames of a DICOM segmentation: which segment each shows, where, and its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import UID

from inference.errors import UserError
from plugins.dicom.header import group, items, number, numbers, pixel_spacing, text
from plugins.dicom.pixels import decode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

    from inference.series import Array

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Places:
    """Where frames lie: corners (n, 3), steps across, down and their normal, LPS mm."""

    corners: Floats
    across: Floats  # from column to column
    down: Floats  # from row to row
    thickness: float  # mm from slice to slice where the file says, else 0

    @property
    def normal(self) -> Floats:
        """Unit vector."""
        across = np.cross(self.across, self.down)
        return np.asarray(across / np.linalg.norm(across))


def segment_numbers(seg: Dataset) -> list[int]:
    """Of each frame; 0 for all of a label map, whose pixels are the numbers."""
    if text(seg, "SegmentationType") == "LABELMAP":
        return [0] * max(1, int(number(seg, "NumberOfFrames", 1)))
    shared = group(seg, "SegmentIdentificationSequence")
    alone = int(number(shared, "ReferencedSegmentNumber", 1)) if shared is not None else 1
    found = []
    for frame in items(seg, "PerFrameFunctionalGroupsSequence"):
        own = items(frame, "SegmentIdentificationSequence")
        found.append(int(number(own[0], "ReferencedSegmentNumber", 1)) if own else alone)
    return found


def places(path: Path, seg: Dataset) -> Places | None:
    """Where the frames lie in the patient, None if the file does not say; raises UserError."""
    own = items(seg, "PerFrameFunctionalGroupsSequence")
    corners = [
        numbers(position, "ImagePositionPatient")
        for frame in own
        for position in items(frame, "PlanePositionSequence")[:1]
    ]
    orientation = _only(path, seg, "PlaneOrientationSequence")
    measures = _only(path, seg, "PixelMeasuresSequence")
    if orientation is None or measures is None or not corners:
        return None
    axes, spacing = numbers(orientation, "ImageOrientationPatient"), pixel_spacing(measures)
    if len(axes) != 6 or spacing is None or {len(corner) for corner in corners} != {3}:
        raise UserError(f"{path.name} does not say clearly where its slices lie: it is damaged.")
    thickness = number(measures, "SpacingBetweenSlices", number(measures, "SliceThickness", 0))
    across, down = np.array(axes[:3]) * spacing[1], np.array(axes[3:]) * spacing[0]
    return Places(np.array(corners), across, down, thickness)


def times(seg: Dataset) -> list[int]:
    """Of frames that lie nowhere, which frame of the source each shows, from 0."""
    found = []
    for index, frame in enumerate(items(seg, "PerFrameFunctionalGroupsSequence")):
        (content, *_) = [*items(frame, "FrameContentSequence"), None]
        sources = [
            source
            for derivation in items(frame, "DerivationImageSequence")
            for source in items(derivation, "SourceImageSequence")
        ]
        referred = numbers(sources[0], "ReferencedFrameNumber") if sources else ()
        place = number(content, "TemporalPositionIndex", 0) if content is not None else 0
        found.append(int(referred[0] if referred else place or index + 1) - 1)
    return found


def pixels(path: Path, seg: Dataset) -> Callable[[int], Array]:
    """A function that gives a frame (rows, columns): numbers, or 0 and 1; raises UserError."""
    shape = int(number(seg, "Rows", 0)), int(number(seg, "Columns", 0))
    count = max(1, int(number(seg, "NumberOfFrames", 1)))
    native = not UID(seg.file_meta.TransferSyntaxUID).is_encapsulated
    if native and number(seg, "BitsAllocated", 8) == 1:
        return _bits(path, seg, shape, count)
    values = decode(path, seg).values
    return lambda index: values[index]


def _bits(path: Path, seg: Dataset, shape: tuple[int, int], count: int) -> Callable[[int], Array]:
    packed = np.frombuffer(seg.get("PixelData", b""), np.uint8)
    size = shape[0] * shape[1]
    if not size or packed.size * 8 < size * count:
        raise UserError(f"The pixels of {path.name} are cut off: copy it again from its source.")

    def frame(index: int) -> Array:
        first, skipped = divmod(index * size, 8)
        held = packed[first : -(-(index + 1) * size // 8)]
        bits = np.unpackbits(held, bitorder="little")
        return bits[skipped : skipped + size].reshape(shape)

    return frame


def _only(path: Path, seg: Dataset, keyword: str) -> Dataset | None:
    """A functional group that all frames have in common; raises UserError where they differ."""
    found = group(seg, keyword)
    if items(seg, "SharedFunctionalGroupsSequence") and items(
        items(seg, "SharedFunctionalGroupsSequence")[0], keyword
    ):
        return found
    own = [items(frame, keyword) for frame in items(seg, "PerFrameFunctionalGroupsSequence")]
    if len({str(entry[0]) for entry in own if entry}) > 1:
        raise UserError(
            f"{path.name} holds slices of several orientations or sizes: export each for itself."
        )
    return found
