"""Images made for tests: small, asymmetric, and written in every form that a reader meets."""

from __future__ import annotations

from io import BytesIO
from itertools import count, permutations, product
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    SecondaryCaptureImageStorage,
    XRayAngiographicImageStorage,
)

from inference.series import Geometry, Series

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inference.series import Array

ORDERS = [
    (order, flips)
    for order in permutations(range(3))
    for flips in product((False, True), repeat=3)
]  # fmt: skip
SPACING = (3.0, 0.8, 1.3)  # (z, y, x), mm
ORIGIN = (-31.5, 12.25, 140.0)  # LPS (x, y, z), mm
_numbers = count(1)  # the same files in every run


def volume(shape: tuple[int, int, int] = (7, 9, 11)) -> Array:
    """int16 (z, y, x), no two corners alike, so that every swap and flip shows."""
    z, y, x = np.indices(shape)
    return (100 * z + 10 * y + x - 300 + 400 * ((z > 4) & (y < 3) & (x > 6))).astype(np.int16)


def oblique(degrees: float = 17.0) -> Array:
    """A rotation matrix about an axis that is none of the patient's."""
    axis = np.array((0.3, -0.5, 0.81))
    axis /= np.linalg.norm(axis)
    turn = np.radians(degrees)
    cross = np.cross(np.eye(3), axis)
    return (
        np.eye(3) * np.cos(turn) + np.sin(turn) * -cross + (1 - np.cos(turn)) * np.outer(axis, axis)
    )


def geometry(rotation: Array | None = None) -> Geometry:
    """Of a canonical grid: z to superior, y to posterior, x to left."""
    affine = np.eye(4)[[2, 1, 0, 3]] @ np.diag((*SPACING, 1.0))
    affine[:3, :3] = (np.eye(3) if rotation is None else rotation) @ affine[:3, :3]
    affine[:3, 3] = ORIGIN
    return Geometry(affine, known=True)


def stored(
    order: tuple[int, ...], flips: tuple[bool, ...], path: Path, rotation: Array | None = None
) -> Series:
    """The volume as a file holds it whose axes are swapped and flipped."""
    voxels = volume()
    flipped = voxels.transpose(order)[tuple(slice(None, None, -1 if f else 1) for f in flips)]
    placed = geometry(rotation).reordered(order, flips, voxels.shape)
    return Series(np.ascontiguousarray(flipped), "volume", "CT", (path,), placed)


def dicom(path: Path, sop_class: UID = CTImageStorage, **elements: Any) -> FileDataset:
    """A data set with what every image needs; `elements` come last."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = f"2.25.{10**12 + next(_numbers)}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(path, Dataset(), file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = "2.25.7"
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Doe^Jane", "SECRET-7", "CT"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def set_pixels(dataset: Dataset, pixels: Array, bits: int | None = None) -> None:
    """(y, x), or (t, y, x) for a multi-frame file; integers."""
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = pixels.dtype.itemsize * 8
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = np.ascontiguousarray(pixels).tobytes()


def ct_slices(series: Series, slope: float = 1, intercept: float = -1024) -> Iterator[FileDataset]:
    """The slices of a volume as CT files, whose stored values are unsigned."""
    affine = series.geometry.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    directions = affine[:3, :3] / spacing
    for index, voxels in enumerate(series.voxels):
        dataset = dicom(series.path, InstanceNumber=index + 1)
        position = affine[:3, 3] + index * affine[:3, 0]
        dataset.ImagePositionPatient = [f"{value:.10g}" for value in position]
        across_down = (*directions[:, 2], *directions[:, 1])
        dataset.ImageOrientationPatient = [f"{value:.10g}" for value in across_down]
        dataset.PixelSpacing = [f"{spacing[1]:.10g}", f"{spacing[2]:.10g}"]
        dataset.SliceThickness, dataset.RescaleSlope = f"{spacing[0]:.10g}", slope
        dataset.RescaleIntercept = intercept
        set_pixels(dataset, ((voxels - intercept) / slope).round().astype(np.uint16))
        yield dataset


def save(folder: Path, datasets: Iterator[FileDataset] | list[FileDataset], seed: int = 0) -> Path:
    """Write them under names whose order says nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    everything = list(datasets)
    names = np.random.default_rng(seed).permutation(len(everything))
    for dataset, name in zip(everything, names, strict=True):
        dataset.save_as(folder / f"IM{name:04d}", enforce_file_format=True)
    return folder


def angiogram(path: Path, frames: Array, **elements: Any) -> Path:
    """A multi-frame XA file."""
    dataset = dicom(path, XRayAngiographicImageStorage, Modality="XA", **elements)
    set_pixels(dataset, frames, 12)
    dataset.save_as(path, enforce_file_format=True)
    return path


def aborting(path: Path) -> Path:
    """A damaged JPEG in a DICOM file, on which GDCM ends its whole process."""
    jpeg = BytesIO()
    Image.effect_noise((64, 64), 60).save(jpeg, "JPEG")
    damaged = bytearray(jpeg.getvalue())
    damaged[2] = 0xA9  # of the marker after the start of the image
    dataset = dicom(path, SecondaryCaptureImageStorage, Modality="OT")
    set_pixels(dataset, np.zeros((64, 64), np.uint8))
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([bytes(damaged)])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path, enforce_file_format=True)
    return path


def run(shape: tuple[int, int, int] = (5, 24, 32)) -> Array:
    """uint16 (t, y, x), 12 bit, a dark line that moves down."""
    frames = np.full(shape, 3000, np.uint16)
    frames += np.arange(shape[2], dtype=np.uint16)
    for index, frame in enumerate(frames):
        frame[3 + 2 * index] = 700
    return frames
