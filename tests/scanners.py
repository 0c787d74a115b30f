"""Files as scanners write them, made of the phantom: enhanced ones, mosaics, gamma cameras."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage, NuclearMedicineImageStorage, generate_uid

from tests import phantoms

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import FileDataset

STRAIGHT = ((0, 1, 2), (False, False, False))


def chest(folder: Path, add: int = 0, **changes: object) -> list[FileDataset]:
    """Seven CT slices, 3 mm apart; `add` is added to every value."""
    slices = list(phantoms.ct_slices(phantoms.stored(*STRAIGHT, folder)))
    for dataset in slices:
        phantoms.set_pixels(dataset, (dataset.pixel_array + add).astype(np.uint16))
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
    return slices


def enhanced(path: Path, stacks: int = 1, times: int = 1, turned: bool = False) -> Path:
    """The phantom as one enhanced file, its frames shuffled; a second stack may be sagittal."""
    frames = []
    for time in range(times):
        for stack in range(stacks):
            for dataset in chest(path.parent, 1000 * time + 2000 * stack):
                frames.append((dataset, stack, time))
    order = np.random.default_rng(0).permutation(len(frames))
    whole = phantoms.dicom(path, EnhancedCTImageStorage)
    phantoms.set_pixels(whole, np.stack([frames[i][0].pixel_array for i in order]))
    whole.DimensionIndexSequence = [Dataset(), Dataset()]
    whole.DimensionIndexSequence[0].DimensionDescriptionLabel = "Temporal Position Index"
    whole.DimensionIndexSequence[1].DimensionDescriptionLabel = "In-Stack Position Number"
    whole.PerFrameFunctionalGroupsSequence = []
    for i in order:
        dataset, stack, time = frames[i]
        if stack and turned:
            dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
            dataset.ImagePositionPatient = [3 * int(dataset.InstanceNumber), 0, 0]
        whole.PerFrameFunctionalGroupsSequence.append(_frame(dataset, time))
    whole.save_as(path, enforce_file_format=True)
    return path


def _frame(dataset: Dataset, time: int) -> Dataset:
    item, content, position, orientation, measures, values = (Dataset() for _ in range(6))
    content.DimensionIndexValues = [time + 1, int(dataset.InstanceNumber)]
    position.ImagePositionPatient = dataset.ImagePositionPatient
    orientation.ImageOrientationPatient = dataset.ImageOrientationPatient
    measures.PixelSpacing, measures.SliceThickness = dataset.PixelSpacing, dataset.SliceThickness
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, -1024, "HU"
    item.FrameContentSequence, item.PlanePositionSequence = [content], [position]
    item.PlaneOrientationSequence, item.PixelMeasuresSequence = [orientation], [measures]
    item.PixelValueTransformationSequence = [values]
    return item


def mosaic(path: Path, count: int = 7, normal: float = 1.0) -> Path:
    """The phantom as a Siemens mosaic of 3 x 3 tiles."""
    series = phantoms.stored(*STRAIGHT, path)
    first = next(phantoms.ct_slices(series))
    tiles = np.zeros((9, *series.voxels.shape[1:]), np.uint16)
    tiles[:count] = series.voxels[:: int(normal)] + 1024
    rows, columns = tiles.shape[1:]
    picture = tiles.reshape(3, 3, rows, columns).swapaxes(1, 2).reshape(3 * rows, 3 * columns)
    phantoms.set_pixels(first, picture)
    first.Modality, first.ImageType = "MR", ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    first.SpacingBetweenSlices = series.geometry.spacing[0]
    start = series.geometry.affine[:3, 3].copy()
    if normal < 0:
        start += 6 * series.geometry.affine[:3, 0]
    first.ImagePositionPatient = list(
        start - series.geometry.affine[:3, 1:3] @ np.array([rows, columns])
    )
    first.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", count)
    csa = struct.pack("<4s4sII", b"SV10", b"\4\3\2\1", 1, 77)
    csa += struct.pack("<64si4siii", b"SliceNormalVector", 3, b"FD", 4, 3, 77)
    for value in (0.0, 0.0, normal):
        text = f"{value:.8f}".encode().ljust(12, b"\0")
        csa += struct.pack("<4i", 12, 12, 77, 12) + text
    first.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", csa)
    first.save_as(path, enforce_file_format=True)
    return path


def concatenated(whole: Path, counts: tuple[int, ...]) -> list[Path]:
    """The files of a multi-frame file that is sent in parts with so many frames each."""
    made, start, uid = [], 0, generate_uid()
    for number, count in enumerate(counts, 1):
        part = pydicom.dcmread(whole)
        part.SOPInstanceUIDOfConcatenationSource = part.SOPInstanceUID
        part.SOPInstanceUID = part.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        part.ConcatenationUID, part.InConcatenationNumber = uid, number
        part.InConcatenationTotalNumber = len(counts)
        part.ConcatenationFrameOffsetNumber = start
        frames = slice(start, start + count)
        part.PerFrameFunctionalGroupsSequence = part.PerFrameFunctionalGroupsSequence[frames]
        phantoms.set_pixels(part, part.pixel_array[frames])
        made.append(whole.with_name(f"{9 - number}.dcm"))  # names in the wrong order
        part.save_as(made[-1], enforce_file_format=True)
        start += count
    whole.unlink()
    return made


def camera(path: Path, kind: str, **elements: object) -> Path:
    """Six frames of a gamma camera with two heads, in turn."""
    dataset = phantoms.dicom(path, NuclearMedicineImageStorage, Modality="NM")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", kind, "EMISSION"]
    dataset.PixelSpacing = [2.4, 2.4]
    phantoms.set_pixels(dataset, np.arange(6 * 40 * 20, dtype=np.uint16).reshape(6, 40, 20))
    dataset.DetectorVector, dataset.EnergyWindowVector = [1, 2] * 3, [1] * 6
    dataset.DetectorInformationSequence = [_view("Anterior"), _view("Posterior")]
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _view(name: str) -> Dataset:
    detector, view = Dataset(), Dataset()
    view.CodeMeaning = name
    detector.ViewCodeSequence = [view]
    return detector
