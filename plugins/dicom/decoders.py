"""Run the codecs: a whole file at once, or, where that fails, each frame for itself."""

from __future__ import annotations

import os
import struct
import sys
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.filereader import read_partial
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, JPEGExtended12Bit

from plugins.dicom.header import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

    from inference.series import Array

RETIRED_JPEG = ("1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55")  # spectral, progressive
JP2 = b"\0\0\0\x0cjP  "  # the length and kind of the first box of a JP2 file, which has 12 bytes
BOX_HEAD = 8  # bytes: of its length and kind
SPARE_BYTES = 2**29  # what a codec may need besides the image
ITEM, PIXEL_DATA, OPEN_LENGTH = (0xFFFE, 0xE000), (0x7FE0, 0x0010), b"\xff" * 4


def decode_all(path: Path, dataset: Dataset) -> tuple[Array, str]:
    """Every frame, flat or shaped, and their photometric interpretation; raises anything."""
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise NotImplementedError(syntax)
    if syntax in RETIRED_JPEG or (syntax == JPEGExtended12Bit and dataset.BitsStored > 8):
        claimed = int(number(dataset, "Rows", 0)) * int(number(dataset, "Columns", 0))
        bound = SPARE_BYTES + 16 * claimed * int(number(dataset, "NumberOfFrames", 1))
        return _decode_with_gdcm(path, bound), str(dataset.PhotometricInterpretation)
    spare = int(number(dataset, "HighBit", 0)) + 1 - int(number(dataset, "BitsStored", 1))
    if spare > 0 and not syntax.is_encapsulated:
        return _decode_high_bits(dataset, syntax, spare)
    if syntax.is_encapsulated:
        _require_boxes(dataset)
    values, meta = get_decoder(syntax).as_array(dataset, raw=True)
    return values, str(meta["photometric_interpretation"])


def decode_whole_frames(
    path: Path, dataset: Dataset, frame_bytes: int
) -> tuple[dict[int, Array], str]:
    """Those frames, by their number, that a damaged or cut-off file still holds."""
    syntax, count = UID(dataset.file_meta.TransferSyntaxUID), int(dataset.NumberOfFrames)
    part = copy(dataset)  # shallow: a few elements are replaced
    if syntax.is_encapsulated:
        if "PixelData" not in dataset:
            fragments = _whole_fragments(path)
            part.PixelData, count = encapsulate(fragments, has_bot=False), len(fragments)
            part["PixelData"].VR = "OB"
        _require_boxes(part)
    else:
        count = min(count, len(dataset.get("PixelData") or b"") // frame_bytes)
        part.PixelData = dataset.PixelData[: count * frame_bytes + count * frame_bytes % 2]
    part.NumberOfFrames = count
    decoded = [(index, _one(part, syntax, index)) for index in range(count)]
    frames = {index: found[0] for index, found in decoded if found is not None}
    looks = {found[1] for _, found in decoded if found is not None}
    return frames, next(iter(looks), "")


def _one(dataset: Dataset, syntax: UID, index: int) -> tuple[Array, str] | None:
    try:
        values, meta = get_decoder(syntax).as_array(dataset, raw=True, index=index)
    except Exception:  # noqa: BLE001  decoders raise almost anything on damaged data
        return None
    return values, str(meta["photometric_interpretation"])


def _require_boxes(dataset: Dataset) -> None:
    """Raise ValueError for a JP2 file in the pixels with a box without length.

    pydicom, which goes from box to box, would never leave it.
    """
    data = dataset.get("PixelData") or b""
    start = data.find(JP2)
    while start >= 0:
        place = start + len(JP2) + 4
        while place < len(data) and data[place + 4 : place + 8] != b"jp2c":
            length = int.from_bytes(data[place : place + 4], "big")
            if length < BOX_HEAD:
                raise ValueError("a box of a JP2 file has no length")
            place += length
        start = data.find(JP2, place)


def _decode_high_bits(dataset: Dataset, syntax: UID, spare: int) -> tuple[Array, str]:
    """Old files keep their bits at the upper end of each word."""
    part = copy(dataset)
    part.BitsStored = part.HighBit + 1
    values, meta = get_decoder(syntax).as_array(part, raw=True)
    return values >> spare, str(meta["photometric_interpretation"])


def _whole_fragments(path: Path) -> list[bytes]:
    """The fragments before the end of a cut-off file, without the offset table."""
    with path.open("rb") as file:
        read_partial(file, lambda tag, _vr, _length: tag == PIXEL_DATA)
        head = file.read(12)  # tag, VR and open length: compressed files are explicit
        if head[8:] != OPEN_LENGTH:
            return []
        return list(fragments(file))[1:]


def fragments(file: BinaryIO) -> Iterator[bytes]:
    """The table of offsets, then each fragment that is whole, from where the items begin."""
    while len(head := file.read(8)) == 8:
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) != ITEM or len(data := file.read(length)) < length:
            return
        yield data


def _decode_with_gdcm(path: Path, bound: int) -> Array:
    """The 12-bit and retired JPEG processes, which pydicom hands to no decoder."""
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    with _silence(), _at_most(bound):
        if not reader.Read():
            raise ValueError("GDCM cannot read it")
    image = reader.GetImage()
    depth = np.dtype(image.GetPixelFormat().GetScalarTypeAsString().lower())
    buffer: Any = image.GetBuffer().encode("utf-8", "surrogateescape")
    return np.frombuffer(buffer, depth)


@contextmanager
def _at_most(extra: int) -> Iterator[None]:
    """Let this process grow by that many bytes only: damaged tables make GDCM fill gigabytes."""
    if sys.platform != "linux":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + extra, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


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
