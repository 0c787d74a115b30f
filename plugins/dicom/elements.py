"""Headers in the form that most files have, in a quarter of the time of pydicom's own parser.

To open a series is mostly to read hundreds of headers. All that is unusual is left to pydicom.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from io import BytesIO
from typing import Any

from pydicom import Dataset
from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import RawDataElement, convert_raw_data_element, empty_value_for_VR
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STANDARD_VR

Elements = dict[BaseTag, Any]  # raw, or where they are nested, converted

PREAMBLE, MARK = 128, b"DICM"
META, PIXELS = b"\x02\x00", b"\xe0\x7f"  # groups
PIXEL_DATA = {PIXELS + number for number in (b"\x08\x00", b"\x09\x00", b"\x10\x00")}
CHARACTER_SET, SYNTAX = BaseTag(0x00080005), BaseTag(0x00020010)
UNDEFINED = 0xFFFFFFFF
EXPLICIT, IMPLICIT, LENGTH = struct.Struct("<HH2sH"), struct.Struct("<HHI"), struct.Struct("<I")
NAMES = {str(kind).encode(): str(kind) for kind in STANDARD_VR}
LONG = {str(kind) for kind in EXPLICIT_VR_LENGTH_32}

tag_of = lru_cache(2**14)(BaseTag)  # one and the same object is found faster than an equal one


class _UnusualError(Exception):
    """Only pydicom can read it."""


def usual_header(start: bytes) -> tuple[Dataset, int] | None:
    """The header among the first bytes of a file, and where the element with its pixels begins.

    None where it does not end there, and where it is unusual.
    """
    try:
        return _header(start)
    except Exception:  # noqa: BLE001  what is wrong is told by who reads it then
        return None


def _header(start: bytes) -> tuple[Dataset, int]:
    if start[PREAMBLE : PREAMBLE + len(MARK)] != MARK:
        raise _UnusualError
    meta, at = _elements(start, PREAMBLE + len(MARK), meta=True)
    syntax = convert_raw_data_element(meta[SYNTAX]).value
    if syntax in {DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian}:
        raise _UnusualError
    implicit = syntax == ImplicitVRLittleEndian
    if implicit and start[at + 4 : at + 6] in NAMES:
        raise _UnusualError
    found, end = _elements(start, at, implicit=implicit)
    if start[end : end + 4] not in PIXEL_DATA:
        raise _UnusualError
    header = Dataset(found)
    header.file_meta = FileMetaDataset(meta)
    header.set_original_encoding(implicit, True, _encoding(found))
    return header, end


def _elements(
    data: bytes, at: int, *, meta: bool = False, implicit: bool = False
) -> tuple[Elements, int]:
    """Those before the group of the pixels, or of the file meta header, and the byte after them."""
    found: Elements = {}
    while (data[at : at + 2] == META) if meta else (data[at : at + 2] != PIXELS):
        tag, kind, length, value = _head(data, at, implicit)
        if length == UNDEFINED:
            found[tag], at = _nested(data, at, implicit, _encoding(found))
            continue
        at = value + length
        content: Any = data[value:at] if length else empty_value_for_VR(kind, raw=True)
        found[tag] = RawDataElement(tag, kind, length, content, value, implicit, True)
    return found, at


def _head(data: bytes, at: int, implicit: bool) -> tuple[BaseTag, str | None, int, int]:
    """Tag, value representation and length of an element, and where its value begins."""
    if implicit:
        group, number, length = IMPLICIT.unpack_from(data, at)
        return tag_of(group << 16 | number), None, length, at + 8
    group, number, code, length = EXPLICIT.unpack_from(data, at)
    tag, kind = tag_of(group << 16 | number), NAMES[code]
    if kind in LONG:
        return tag, kind, LENGTH.unpack_from(data, at + 8)[0], at + 12
    return tag, kind, length, at + 8


def _nested(data: bytes, at: int, implicit: bool, encoding: Any) -> tuple[Any, int]:
    """An element without a stated length, such as a sequence, and the byte after it."""
    source = BytesIO(data)
    source.seek(at)
    return next(data_element_generator(source, implicit, True, encoding=encoding)), source.tell()


def _encoding(found: Elements) -> Any:
    """Of the texts, by what has been read so far."""
    if CHARACTER_SET not in found:
        return default_encoding
    return convert_encodings(convert_raw_data_element(found[CHARACTER_SET]).value)
