"""Pixels: the stored values as the file has them, and the values that Limn shows."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, convert_color_space
from pydicom.uid import UID, JPEGExtended12Bit

from inference.errors import UserError
from inference.reading import require_memory
from plugins.dicom.header import group, has_image, number, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydicom import Dataset

    from inference.series import Array

RETIRED_JPEG = ("1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55")  # spectral, progressive
MAX_FRAMES = 100_000


@dataclass(frozen=True, slots=True)
class Stored:
    """Decoded values (frames, rows, columns[, 3]) before any rescale or table."""

    values: Array
    photometric: str  # of `values`: a codec may have turned YBR into RGB


@dataclass(frozen=True, slots=True)
class Shown:
    """Values in their unit, or colour, and what had to be changed."""

    values: Array
    rgb: bool
    unit: str
    notes: tuple[str, ...] = ()


def decode(path: Path, dataset: Dataset) -> Stored:
    """The stored values of every frame; raises UserError."""
    if not has_image(dataset) or not _has_pixels(dataset):
        raise UserError(f"{path.name} holds no pixels: it is no image, or was cut off.")
    shape = _claimed_shape(dataset)
    if shape[0] > MAX_FRAMES:
        raise UserError(f"{path.name} claims {shape[0]} frames: its header is damaged.")
    require_memory(path, shape, f"u{max(1, int(number(dataset, 'BitsAllocated', 8)) // 8)}")
    values, photometric = _decode(path, dataset)
    return Stored(_reshaped(path, values, shape), photometric)


def shown(stored: Stored, headers: Sequence[Dataset]) -> Shown:
    """Rescaled grey values or RGB; `headers` has one entry for all frames or one for each."""
    first = headers[0]
    if stored.photometric == "PALETTE COLOR":
        return Shown(_eight_bit(apply_color_lut(stored.values, first)), rgb=True, unit="")
    if stored.values.ndim == 4:
        return _colour(stored)
    values, unit = _rescaled(stored.values, headers)
    if stored.photometric == "MONOCHROME1":
        return Shown(_inverted(values), rgb=False, unit=unit)
    return Shown(values, rgb=False, unit=unit)


def _has_pixels(dataset: Dataset) -> bool:
    return any(key in dataset for key in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))


def _claimed_shape(dataset: Dataset) -> tuple[int, ...]:
    keys = {"NumberOfFrames": 1, "Rows": 0, "Columns": 0, "SamplesPerPixel": 1}
    return tuple(max(1, int(number(dataset, key, default))) for key, default in keys.items())


def _decode(path: Path, dataset: Dataset) -> tuple[Array, str]:
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    try:
        if syntax in RETIRED_JPEG or (syntax == JPEGExtended12Bit and dataset.BitsStored > 8):
            return _decode_with_gdcm(path), str(dataset.PhotometricInterpretation)
        values, meta = get_decoder(syntax).as_array(dataset, raw=True)
    except NotImplementedError as error:
        raise UserError(
            f"{path.name} is compressed as {syntax.name} ({syntax}), which Limn cannot decode: "
            "export it again without compression."
        ) from error
    except Exception as error:  # decoders raise almost anything on damaged data
        raise UserError(
            f"The pixels of {path.name} are damaged or cut off: copy it again from its source."
        ) from error
    return values, str(meta["photometric_interpretation"])


def _decode_with_gdcm(path: Path) -> Array:
    """The 12-bit and retired JPEG processes, which pydicom hands to no decoder."""
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    with _silence():
        if not reader.Read():
            raise ValueError("GDCM cannot read it")
    image = reader.GetImage()
    depth = np.dtype(image.GetPixelFormat().GetScalarTypeAsString().lower())
    buffer: bytes = image.GetBuffer().encode("utf-8", "surrogateescape")
    return np.frombuffer(buffer, depth)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep from the console what GDCM's codecs write there while they try one after the other."""
    with Path(os.devnull).open("w") as nowhere:
        console = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(console, 2)
            os.close(console)


def _reshaped(path: Path, values: Array, shape: tuple[int, ...]) -> Array:
    """(frames, rows, columns[, 3]) in the machine's byte order."""
    wanted = shape if shape[3] > 1 else shape[:3]
    if values.size != np.prod(wanted):
        raise UserError(f"{path.name} holds fewer or more pixels than its header claims.")
    return values.reshape(wanted).astype(values.dtype.newbyteorder("="), copy=False)


def _colour(stored: Stored) -> Shown:
    values, notes = _eight_bit(stored.values), list[str]()
    if stored.photometric.startswith("YBR_FULL"):
        values = convert_color_space(values.copy(), stored.photometric, "RGB", per_frame=True)
    if stored.values.dtype.itemsize > 1:
        notes.append("The colours were reduced to 8 bit for display.")
    return Shown(values, rgb=True, unit="", notes=tuple(notes))


def _eight_bit(values: Array) -> Array:
    excess = 8 * (values.dtype.itemsize - 1)
    return (values >> excess).astype(np.uint8) if excess else values


def _inverted(values: Array) -> Array:
    """MONOCHROME1 stores white as the lowest value."""
    return np.asarray(values.max() - (values - values.min()))


def _rescaled(values: Array, headers: Sequence[Dataset]) -> tuple[Array, str]:
    if "ModalityLUTSequence" in headers[0]:
        return apply_modality_lut(values, headers[0]), text(
            headers[0].ModalityLUTSequence[0], "ModalityLUTType"
        )
    count = len(values) if len(headers) == 1 else 1
    lines = [_line(header, frame) for header in headers for frame in range(count)]
    unit = lines[0][2]
    if len({line[:2] for line in lines}) == 1:
        return _on_line(values, *lines[0][:2]), unit
    parts = [
        _on_line(part, *line[:2]).astype(np.float32)
        for part, line in zip(values, lines, strict=True)
    ]
    return np.stack(parts), unit


def _line(header: Dataset, frame: int) -> tuple[float, float, str]:
    """Slope, intercept and unit of one frame."""
    if "DoseGridScaling" in header:
        return number(header, "DoseGridScaling", 1), 0.0, "Gy"
    source = group(header, "PixelValueTransformationSequence", frame) or header
    unit = text(source, "RescaleType").replace("US", "")
    if not unit and text(header, "Modality") == "CT" and "RescaleSlope" in source:
        unit = "HU"
    return number(source, "RescaleSlope", 1) or 1.0, number(source, "RescaleIntercept", 0), unit


def _on_line(values: Array, slope: float, intercept: float) -> Array:
    """values x slope + intercept: exact in integers where that is possible, else float32."""
    if values.dtype.kind == "f" or not (slope.is_integer() and intercept.is_integer()):
        return (values * slope + intercept).astype(np.float32)
    if slope == 1 and intercept == 0:
        return values
    ends = sorted(int(end) * int(slope) + int(intercept) for end in (values.min(), values.max()))
    kind = next((k for k in (np.int16, np.int32) if _holds(k, ends)), None)
    if kind is None:
        return (values * slope + intercept).astype(np.float32)
    result: Any = values.astype(kind)  # wraps round where too small, and back in the next lines
    result *= kind(slope)
    result += kind(intercept)
    return np.asarray(result)


def _holds(kind: Any, ends: list[int]) -> bool:
    return bool(np.iinfo(kind).min <= ends[0] and ends[1] <= np.iinfo(kind).max)
