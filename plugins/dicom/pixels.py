"""Pixels: the stored values as the file has them, and the values that Limn shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, convert_color_space
from pydicom.uid import UID

from inference.errors import UserError
from inference.reading import decoding, require_memory, sha256
from plugins.dicom.decoders import decode_all, decode_whole_frames
from plugins.dicom.header import group, has_image, number, numbers, text
from plugins.dicom.overlays import without_spare_bits
from plugins.dicom.repair import repair

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom import Dataset

    from inference.series import Array

MAX_FRAMES = 100_000
UNSHOWN = {"ARGB", "CMYK", "HSV"}  # colours that the standard retired
NO_SCALE = (
    "The file does not state validly how its values are to be scaled (rescale slope and intercept):"
    " they were taken as stored where it does not, and may not be in their unit."
)
UNITS = {"BQML": "Bq/ml", "CNTS": "counts", "GML": "g/ml", "PROPCPS": "counts/s"}  # of PET


@dataclass(frozen=True, slots=True)
class Stored:
    """Decoded values (frames, rows, columns[, 3]) before any rescale or table."""

    values: Array
    photometric: str  # of `values`: a codec may have turned YBR into RGB
    whole: tuple[int, ...] | None = None  # which frames of a damaged file these are; None: all
    notes: tuple[str, ...] = ()
    digest: str = ""  # of `values`, where it was made on the way

    @property
    def sha256(self) -> str:
        """Of `values` as they are now."""
        return self.digest or sha256(self.values)

    @property
    def frames(self) -> Sequence[int]:
        """The numbers, from 0, under which the header speaks of `values`."""
        return range(len(self.values)) if self.whole is None else self.whole


@dataclass(frozen=True, slots=True)
class Shown:
    """Values in their unit, or colour, and what had to be changed."""

    values: Array
    rgb: bool
    unit: str
    notes: tuple[str, ...] = ()


def decode(path: Path, dataset: Dataset, *, in_file: bool = True) -> Stored:
    """The stored values of every frame; raises UserError.

    `in_file`: they lie in `path`, which is marked for when its decoder ends the process.
    """
    shape = _claimed_shape(dataset)
    if not has_image(dataset) or not (_has_pixels(dataset) or _lost_pixels(dataset, shape)):
        raise UserError(f"{path.name} holds no pixels: it is no image, or was cut off.")
    if shape[0] > MAX_FRAMES:
        raise UserError(f"{path.name} claims {shape[0]} frames: its header is damaged.")
    _require_layout(path, dataset)
    require_memory(path, shape, f"u{max(1, int(number(dataset, 'BitsAllocated', 8)) // 8)}")
    notes = repair(path, dataset)
    if in_file:
        decoding(path)
    stored = _decode(path, dataset, shape)
    return replace(stored, notes=(*notes, *stored.notes))


def shown(stored: Stored, headers: Sequence[Dataset]) -> Shown:
    """Rescaled grey values or RGB; `headers` has one entry for all frames or one for each.

    The stored values are used up: of a large volume, a second copy would cost more than its work.
    """
    first = headers[0]
    if stored.photometric == "PALETTE COLOR":
        return Shown(_eight_bit(apply_color_lut(stored.values, first)), rgb=True, unit="")
    if stored.values.ndim == 4:
        return _colour(stored)
    values, unit = _rescaled(stored, headers)
    if stored.photometric == "MONOCHROME1":
        values = _inverted(values)
    notes = () if all(map(_states_scale, headers)) else (NO_SCALE,)
    return Shown(values, rgb=False, unit=unit, notes=notes)


def _require_layout(path: Path, dataset: Dataset) -> None:
    colours, bits = text(dataset, "PhotometricInterpretation"), number(dataset, "BitsAllocated", 8)
    if colours in UNSHOWN:
        raise UserError(f"{path.name} has its colours as {colours}: export it again as RGB.")
    if bits > 1 and bits % 8:
        raise UserError(
            f"{path.name} packs its pixels into {bits:g} bits each, which Limn cannot decode: "
            "export it again with 8 or 16."
        )


def _has_pixels(dataset: Dataset) -> bool:
    return any(key in dataset for key in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))


def _lost_pixels(dataset: Dataset, shape: tuple[int, ...]) -> bool:
    """The parser drops compressed pixels whose end is cut off; the first frames may be whole."""
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    return shape[0] > 1 and syntax.is_transfer_syntax and syntax.is_encapsulated


def _claimed_shape(dataset: Dataset) -> tuple[int, ...]:
    keys = {"NumberOfFrames": 1, "Rows": 0, "Columns": 0, "SamplesPerPixel": 1}
    return tuple(max(1, int(number(dataset, key, default))) for key, default in keys.items())


def _decode(path: Path, dataset: Dataset, shape: tuple[int, ...]) -> Stored:
    try:
        values, photometric = decode_all(path, dataset)
        values = without_spare_bits(values, dataset)
    except NotImplementedError as error:
        syntax = UID(dataset.file_meta.TransferSyntaxUID)
        raise UserError(
            f"{path.name} is compressed as {_known(syntax)}, which Limn cannot decode: "
            "export it again without compression."
        ) from error
    except Exception as error:  # decoders raise almost anything on damaged data
        if stored := _salvaged(path, dataset, shape):
            return stored
        raise UserError(
            f"The pixels of {path.name} are damaged or cut off: copy it again from its source."
        ) from error
    whole, notes = _all_frames(path, values, shape)
    return Stored(_reshaped(path, values, whole), photometric, notes=notes)


def _known(syntax: UID) -> str:
    """The name and number of a syntax; a damaged header may hold anything in its place."""
    if not syntax.is_valid:
        return "nothing known"
    if syntax.is_private:
        return f"a format of its vendor ({syntax})"
    return f"{syntax.name if syntax.is_transfer_syntax else 'a format of its own'} ({syntax})"


def _all_frames(
    path: Path, values: Array, shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The shape with as many frames as there are; some headers claim too few."""
    count, rest = divmod(values.size, int(np.prod(shape[1:])))
    if rest or not 1 < shape[0] < count:
        return shape, ()
    note = f"{path.name} claims {shape[0]} frames but holds {count}: all were opened."
    return (count, *shape[1:]), (note,)


def _salvaged(path: Path, dataset: Dataset, shape: tuple[int, ...]) -> Stored | None:
    """The frames that are whole in a file of several, or None if there is none."""
    depth = int(number(dataset, "BitsAllocated", 8)) // 8
    if shape[0] == 1 or depth == 0:
        return None
    try:
        frames, photometric = decode_whole_frames(path, dataset, int(np.prod(shape[1:])) * depth)
    except Exception:  # noqa: BLE001  nothing is certain in a damaged file
        return None
    if not frames:
        return None
    values = _reshaped(path, np.stack(list(frames.values())), (len(frames), *shape[1:]))
    note = (
        f"{path.name} is damaged or cut off: {len(frames)} of its {shape[0]} frames are whole "
        "and were opened."
    )
    return Stored(values, photometric, tuple(frames), (note,))


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


def _rescaled(stored: Stored, headers: Sequence[Dataset]) -> tuple[Array, str]:
    values = _signed(stored.values, headers[0])
    if "ModalityLUTSequence" in headers[0]:
        return apply_modality_lut(values, headers[0]), text(
            headers[0].ModalityLUTSequence[0], "ModalityLUTType"
        )
    frames = stored.frames if len(headers) == 1 else (0,)
    lines = [_line(header, frame) for header in headers for frame in frames]
    unit = lines[0][2]
    if len({line[:2] for line in lines}) == 1:
        return _on_line(values, *lines[0][:2]), unit
    parts = [
        _on_line(part, *line[:2]).astype(np.float32)
        for part, line in zip(values, lines, strict=True)
    ]
    return np.stack(parts), unit


def _signed(values: Array, header: Dataset) -> Array:
    """Some writers leave the upper bits of negative values empty."""
    bits = int(number(header, "BitsStored", 0))
    if values.dtype.kind != "i" or not 0 < bits < 8 * values.itemsize:
        return values
    if values.min() < 0 or not 2 ** (bits - 1) <= values.max() < 2**bits:
        return values
    spare = 8 * values.itemsize - bits
    return np.asarray((values << spare) >> spare)


def _line(header: Dataset, frame: int) -> tuple[float, float, str]:
    """Slope, intercept and unit of one frame."""
    if "DoseGridScaling" in header:
        return number(header, "DoseGridScaling", 1), 0.0, "Gy"
    source = group(header, "PixelValueTransformationSequence", frame) or header
    unit = text(source, "RescaleType").replace("US", "")
    if not unit and text(header, "Modality") == "CT" and "RescaleSlope" in source:
        unit = "HU"
    unit = UNITS.get(unit, unit) or UNITS.get(text(header, "Units"), "")
    return number(source, "RescaleSlope", 1) or 1.0, number(source, "RescaleIntercept", 0), unit


def _states_scale(header: Dataset) -> bool:
    """Whether the numbers that turn stored values into their unit are such, where they are."""
    source = group(header, "PixelValueTransformationSequence") or header
    slopes = [numbers(part, name) for part, name in ((header, "DoseGridScaling"),
              (source, "RescaleSlope")) if name in part]  # fmt: skip
    shifted = "RescaleIntercept" not in source or numbers(source, "RescaleIntercept")
    return bool(shifted) and all(found and found[0] for found in slopes)


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
    in_place = values.flags.writeable and values.itemsize == np.dtype(kind).itemsize
    # wraps round where too small, and back in the next lines
    result: Any = values.view(kind) if in_place else values.astype(kind)
    if slope != 1:
        result *= kind(slope)
    result += kind(intercept)
    return np.asarray(result)


def _holds(kind: Any, ends: list[int]) -> bool:
    return bool(np.iinfo(kind).min <= ends[0] and ends[1] <= np.iinfo(kind).max)
