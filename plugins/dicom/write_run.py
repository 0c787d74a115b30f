"""Write a run made from another as a multi-frame file that every viewer opens and Limn reopens."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.tag import Tag

from inference.errors import UserError
from inference.version import VERSION
from inference.writing import NOTICE, atomic
from plugins.dicom.derived import code_item, derived_header
from plugins.dicom.flags import add_flags
from plugins.dicom.header import number, text
from plugins.dicom.parse import read_header

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inference.series import Acquisition, Array, Series

LARGEST = 2**32 - 2  # bytes of pixels that a file can hold uncompressed
INTERPOLATION = Code("INTERPOLATION", "99LIMN", "Temporal interpolation by a neural network")
RELATIONSHIPS = {"linear": "LIN", "logarithmic": "LOG", "": "DISP"}


def write_run(
    path: Path,
    series: Series,
    frames: Array,
    times: Sequence[float] | None,
    synthetic: Sequence[bool] | None = None,
    confidence: Sequence[float] | None = None,
    model: str = "",
) -> None:
    """`frames` (t, y, x) made from `series`, `times` in ms, as a new instance; raises UserError.

    The source's file must still be there: the patient and the study come from it.
    """
    count = len(frames)
    flags = tuple(synthetic) if synthetic is not None else (False,) * count
    sure = tuple(confidence) if confidence is not None else (1.0,) * count
    if any(len(entries) != count for entries in (flags, sure, times or flags)):
        raise UserError(f"The times and marks for {path.name} do not fit its {count} frames.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote the patient's data
        dataset = derived_header(series, frames)
        _derivation(dataset, series, flags, model)
        _timing(dataset, times)
        _geometry(dataset, series)
        _acquisition(dataset, series, flags)
        _pixels(dataset, series, frames)
        if any(flags):
            add_flags(dataset, flags, sure, model)
        with atomic(path) as part:
            dataset.save_as(part, enforce_file_format=True)


def _derivation(dataset: Dataset, series: Series, synthetic: Sequence[bool], model: str) -> None:
    made = sum(synthetic)
    taken = series.acquisition
    kinds = list(dataset.get("ImageType") or ())
    side = kinds[2] if len(kinds) > 2 else "SINGLE PLANE"
    dataset.ImageType = [
        "DERIVED", "SECONDARY", side, *(["SUBTRACTED"] if taken and taken.subtracted else []),
        *(["INTERPOLATED"] if made else []),
    ]  # fmt: skip
    name = text(dataset, "SeriesDescription")
    if made:
        by = f" by {model}" if model else ""
        what = f"{made} of {len(synthetic)} frames were interpolated{by}"
        dataset.DerivationCodeSequence = [code_item(INTERPOLATION)]
        name = f"{name[: 64 - len(' (interpolated)')]} (interpolated)".strip()
    else:
        what = "Copy of a run"
    dataset.SeriesDescription = name
    dataset.DerivationDescription = f"{what} (Limn {VERSION}). {NOTICE}"


def _timing(dataset: Dataset, times: Sequence[float] | None) -> None:
    if times is None or len(times) < 2:
        return
    steps = [later - earlier for earlier, later in pairwise(times)]
    dataset.FrameTimeVector = ["0", *(f"{step:.10g}" for step in steps)]
    dataset.FrameIncrementPointer = Tag("FrameTimeVector")
    rate = 1000 / max(float(np.mean(steps)), 1)
    dataset.RecommendedDisplayFrameRate = dataset.CineRate = max(1, round(rate))


def _geometry(dataset: Dataset, series: Series) -> None:
    if series.geometry.known and not ("PixelSpacing" in dataset or "ImagerPixelSpacing" in dataset):
        dataset.PixelSpacing = [f"{step:.8g}" for step in series.geometry.spacing[1:]]


def _acquisition(dataset: Dataset, series: Series, synthetic: Sequence[bool]) -> None:
    """What Limn knows or was told of the run, in place of what the source said."""
    taken = series.acquisition
    if taken is None:
        return
    dataset.PixelIntensityRelationship = RELATIONSHIPS[taken.intensity]
    if taken.intensity:
        dataset.PixelIntensityRelationshipSign = -1 if taken.inverted else 1
    if taken.angles is not None:
        dataset.PositionerPrimaryAngle, dataset.PositionerSecondaryAngle = (
            f"{angle:.8g}" for angle in taken.angles
        )
    if not taken.subtracted:
        _mask(dataset, taken, [index for index, flag in enumerate(synthetic) if not flag])


def _mask(dataset: Dataset, taken: Acquisition, originals: Sequence[int]) -> None:
    """Mask frames under the numbers that they have among the new frames."""
    masks = [originals[index] + 1 for index in taken.mask_frames if index < len(originals)]
    if not masks:
        return
    item = Dataset()
    item.MaskOperation, item.MaskFrameNumbers = "AVG_SUB", masks
    item.MaskSubPixelShift = list(taken.mask_shift)
    dataset.MaskSubtractionSequence = [item]
    dataset.RecommendedViewingMode = text(dataset, "RecommendedViewingMode") or "NAT"


def _pixels(dataset: Dataset, series: Series, frames: Array) -> None:
    values, bits = _stored(dataset, series, frames)
    if values.nbytes > LARGEST:
        raise UserError("The run is larger than a DICOM file can hold: write a part of its frames.")
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = values.shape[:3]
    dataset.SamplesPerPixel = 3 if values.ndim == 4 else 1
    dataset.PhotometricInterpretation = "RGB" if values.ndim == 4 else "MONOCHROME2"
    if values.ndim == 4:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored = values.dtype.itemsize * 8, bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    if series.window is not None:
        dataset.WindowCenter, dataset.WindowWidth = (f"{value:.10g}" for value in series.window)
    data = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if values.dtype.itemsize == 1 else "OW"


@dataclass(frozen=True, slots=True)
class _Scale:
    """Stored integers x slope + intercept are the values."""

    slope: float
    intercept: float
    kind: str  # "u" or "i"
    bits: int

    def stored(self, values: Array) -> Array:
        return np.rint((values.astype(np.float64) - self.intercept) / self.slope)

    def holds(self, values: Array) -> bool:
        ends = self.stored(np.array([values.min(), values.max()]))
        return _fits(ends, self.kind, self.bits)


def _stored(dataset: Dataset, series: Series, frames: Array) -> tuple[Array, int]:
    """Integers for the file, with the rescale that gives the frames back, and their bits."""
    own = _scale_of(read_header(series.path) if "SourceImageSequence" in dataset else dataset)
    plain = (own.slope, own.intercept) == (1, 0)
    if plain and frames.dtype.kind in "iu" and frames.dtype.itemsize <= 2:
        whole = frames.dtype.itemsize * 8
        bits = min(own.bits, whole)
        return frames, bits if _fits(frames, frames.dtype.kind, bits) else whole
    scale = own if not plain and own.holds(frames) else _spread(frames)
    dataset.RescaleSlope, dataset.RescaleIntercept = (
        f"{scale.slope:.10g}",
        f"{scale.intercept:.10g}",
    )
    dataset.RescaleType = series.unit or "US"
    return scale.stored(frames).astype(f"{scale.kind}{2 if scale.bits > 8 else 1}"), scale.bits


def _scale_of(source: Dataset) -> _Scale:
    return _Scale(
        number(source, "RescaleSlope", 1) or 1,
        number(source, "RescaleIntercept", 0),
        "i" if number(source, "PixelRepresentation", 0) else "u",
        min(16, int(number(source, "BitsStored", 16))),
    )


def _spread(values: Array) -> _Scale:
    """Over 16 bits."""
    low, high = float(values.min()), float(values.max())
    return _Scale(max(high - low, 1e-9) / 65535, low, "u", 16)


def _fits(values: Array, kind: str, bits: int) -> bool:
    """Whether integers lie within that many bits."""
    low = -(2 ** (bits - 1)) if kind == "i" else 0
    return bool(values.min() >= low and values.max() < low + 2**bits)
