"""Open DICOM files, also those without the file meta header."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import pydicom
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from inference.archives import open_member
from inference.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset


def read_header(path: Path) -> Dataset:
    """Everything but the pixels; raises UserError."""
    return read_until_pixels(path)[0]


def read_some(path: Path, keywords: list[str]) -> Dataset:
    """These elements alone, in half the time; raises UserError."""
    return _parse(path, pixels=False, only=keywords)[0]


def read_until_pixels(path: Path) -> tuple[Dataset, int]:
    """The header, and the byte at which the element with the pixels begins; raises UserError."""
    return _parse(path, pixels=False)


def read_whole(path: Path) -> Dataset:
    """Header and pixels; raises UserError."""
    dataset, _ = _parse(path, pixels=True)
    # of a file whose compressed pixels are cut off, the parser gives nothing at all
    return dataset if "Rows" in dataset else read_header(path)


def _parse(path: Path, *, pixels: bool, only: list[str] | None = None) -> tuple[Dataset, int]:
    try:
        with _opened(path) as source:
            dataset = pydicom.dcmread(
                source, force=True, stop_before_pixels=not pixels, specific_tags=only
            )
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
