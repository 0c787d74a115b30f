"""Text in the pixels: where it is to be feared, and how it is blacked out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pack_bits
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

from inference.errors import UserError
from plugins.dicom.header import modality, number, text
from plugins.dicom.pixels import decode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydicom import Dataset

    from inference.series import Array
    from plugins.dicom.pixels import Stored

WRITES_ON_PICTURES = {
    "US": "ultrasound", "IVUS": "ultrasound in vessels", "XA": "angiography", "RF": "fluoroscopy",
    "SC": "screen captures", "OT": "screen captures", "ES": "endoscopy", "XC": "photographs",
    "GM": "microscopy", "DOC": "documents",
}  # fmt: skip
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # Secondary Capture, with its multi-frame kinds


@dataclass(frozen=True, slots=True)
class Mask:
    """A rectangle of stored pixels, its far edges not part of it."""

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def parse(cls, words: str) -> Mask:
        """From "TOP,LEFT,BOTTOM,RIGHT"; raises UserError."""
        try:
            top, left, bottom, right = (int(word) for word in words.split(","))
        except ValueError as error:
            raise _wrong(words) from error
        if not (0 <= top < bottom and 0 <= left < right):
            raise _wrong(words)
        return cls(top, left, bottom, right)

    def __str__(self) -> str:
        return f"{self.top},{self.left},{self.bottom},{self.right}"


def burned_in(dataset: Dataset) -> str:
    """Why text may stand in the pixels, as the end of a sentence; "" where that is not usual."""
    said, kind = text(dataset, "BurnedInAnnotation").upper(), modality(dataset)
    if said == "YES":
        return "says that text is burned into its pictures"
    if text(dataset, "RecognizableVisualFeatures").upper() == "YES":
        return "says that the patient can be recognised in its pictures"
    capture = text(dataset, "SOPClassUID").startswith(CAPTURE)
    if said == "NO" or "Rows" not in dataset or not (capture or kind in WRITES_ON_PICTURES):
        return ""
    usual = "screen captures" if capture else WRITES_ON_PICTURES[kind]
    return f"does not say whether text is burned into its pictures, as is usual in {usual}"


def black_out(path: Path, dataset: Dataset, masks: Iterable[Mask]) -> None:
    """Blacken rectangles in every frame; the pixels are uncompressed then. Raises UserError."""
    if "PixelData" not in dataset:
        raise UserError(f"{path.name} holds no pixels that could be blacked out: left out.")
    stored = decode(path, dataset)
    if stored.whole is not None:
        raise UserError(f"{path.name} is damaged, so it cannot be blacked out: left out.")
    values, black = stored.values.copy(), _black(stored, dataset)
    for mask in masks:
        values[:, mask.top : mask.bottom, mask.left : mask.right] = black
    _store(dataset, stored, values)


def clear_hidden_bits(dataset: Dataset) -> None:
    """Old overlays lie in the bits of native pixels above those of the picture: zero these."""
    overlaid = any(group in dataset for group in _bit_positions())
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if not overlaid or syntax.is_encapsulated or number(dataset, "BitsAllocated", 0) != 16:
        return
    high, stored = int(number(dataset, "HighBit", 15)), int(number(dataset, "BitsStored", 16))
    used = ((1 << stored) - 1) << max(0, high + 1 - stored)
    depth = "<u2" if syntax.is_little_endian else ">u2"
    words = np.frombuffer(dataset.PixelData, depth) & np.array(used & 0xFFFF, depth)
    dataset.PixelData = words.astype(depth).tobytes()


def _bit_positions() -> Iterable[tuple[int, int]]:
    return ((group, 0x0102) for group in range(0x6000, 0x6020, 2))


def _wrong(words: str) -> UserError:
    return UserError(
        f"{words} is no rectangle: give TOP,LEFT,BOTTOM,RIGHT in pixels, such as 0,0,40,512."
    )


def _black(stored: Stored, dataset: Dataset) -> Any:
    """The value that is shown black."""
    values = stored.values
    if stored.photometric == "PALETTE COLOR":
        entries = np.unique(values)
        return entries[apply_color_lut(entries[None], dataset)[0].sum(axis=-1).argmin()]
    if stored.photometric.startswith("YBR"):
        middle = 1 << (8 * values.dtype.itemsize - 1)
        return np.array((0, middle, middle), values.dtype)
    if values.ndim == 4:
        return 0
    return values.max() if stored.photometric == "MONOCHROME1" else values.min()


def _store(dataset: Dataset, stored: Stored, values: Array) -> None:
    """Write decoded values back, not compressed, in the byte order of the file."""
    big = not UID(dataset.file_meta.TransferSyntaxUID).is_little_endian
    if number(dataset, "BitsAllocated", 8) == 1:
        dataset.PixelData = pack_bits(values.ravel())
    else:
        ordered = values.astype(values.dtype.newbyteorder(">" if big else "<"))
        dataset.PixelData = _even(ordered.tobytes())
        dataset.BitsAllocated = 8 * values.dtype.itemsize
        dataset.HighBit = int(dataset.BitsStored) - 1
    dataset["PixelData"].VR = "OW" if values.dtype.itemsize > 1 else "OB"
    dataset["PixelData"].is_undefined_length = False
    dataset.PhotometricInterpretation = stored.photometric
    if values.ndim == 4:
        dataset.PlanarConfiguration = 0
    if len(values) > 1:
        dataset.NumberOfFrames = len(values)
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in dataset:
            del dataset[keyword]
    syntax = ExplicitVRBigEndian if big else ExplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = syntax


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)
