"""Open DICOM files, also those without the file meta header."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import pydicom
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from inference.archives import open_member
from inference.errors import UserError
from plugins.dicom.elements import usual_header
from plugins.dicom.sniff import is_dicom

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

HEAD = 2**16  # bytes, within which nearly every header ends


@dataclass(frozen=True, slots=True)
class Head:
    """How a file begins, read ahead by threads: the parser itself keeps all threads waiting."""

    path: Path
    size: int
    changed: int  # ns
    start: bytes


def read_head(path: Path) -> Head:
    """The state and the first bytes of a file; raises OSError."""
    with path.open("rb", buffering=0) as source:
        state = os.fstat(source.fileno())
        return Head(path, state.st_size, state.st_mtime_ns, source.read(HEAD))


def dicom_head(path: Path) -> Head | None:
    """The same of a DICOM file; None if it is none, or cannot be read."""
    try:
        return read_head(path) if is_dicom(path) else None
    except OSError:
        return None


def read_header(path: Path) -> Dataset:
    """Everything but the pixels; raises UserError."""
    return _parse(path, pixels=False)[0]


def read_until_pixels(head: Head) -> tuple[Dataset, int]:
    """The header, and the byte at which the element with the pixels begins; raises UserError."""
    return usual_header(head.start) or _parse(head.path, pixels=False)


def read_whole(path: Path) -> Dataset:
    """Header and pixels; raises UserError."""
    dataset, _ = _parse(path, pixels=True)
    # of a file whose compressed pixels are cut off, the parser gives nothing at all
    return dataset if "Rows" in dataset else read_header(path)


def _parse(path: Path, *, pixels: bool) -> tuple[Dataset, int]:
    try:
        with _opened(path) as source:
            dataset = pydicom.dcmread(source, force=True, stop_before_pixels=not pixels)
            end = source.tell()
        _name_syntax(dataset)
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.") from error
    except Exception as error:  # pydicom lets many kinds pass from a malformed file
        raise UserError(f"{path.name} is not a readable DICOM file: it is damaged.") from error
    return dataset, end


def _opened(path: Path) -> BinaryIO:
    return path.open("rb") if path.exists() else open_member(path)


def _name_syntax(dataset: Dataset) -> None:
    """Without a file meta header a file is native, in the form in which it could be parsed."""
    implicit, little = dataset.original_encoding
    if "TransferSyntaxUID" not in dataset.file_meta:
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
