"""Where the frames of a multi-frame file lie: stated for each, or for the first and counted on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plugins.dicom.header import Plane, group, items, number, numbers, plane, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

TOMOGRAMS = {"RECON TOMO", "RECON GATED TOMO"}  # slices of nuclear medicine


def frame_planes(header: Dataset, frames: Sequence[int]) -> list[Plane]:
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
    tomogram = TOMOGRAMS.intersection(texts(header, "ImageType"))
    if first is None or not tomogram or not step or len(places) <= max(frames):
        return []
    return [_moved(first, (places[index] - 1) * step) for index in frames]


def _moved(plane: Plane, distance: float) -> Plane:
    position = tuple((np.asarray(plane.position) + plane.normal * distance).tolist())
    return Plane(position, plane.across, plane.down, plane.spacing)
