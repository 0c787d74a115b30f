"""Open DICOM files, also those without the file meta header."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pydicom
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from inference.archives import open_member
from inference.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset


def read_header(path: Path) -> Dataset:
    """Everything but the pixels; raises UserError."""
    return _parse(path, pixels=False)


def read_whole(path: Path) -> Dataset:
    """Header and pixels; raises UserError."""
    dataset = _parse(path, pixels=True)
    # of a file whose compressed pixels are cut off, the parser gives nothing at all
    return dataset if "Rows" in dataset else _parse(path, pixels=False)


def _parse(path: Path, *, pixels: bool) -> Dataset:
    try:
        source = path if path.exists() else open_member(path)
        dataset = pydicom.dcmread(source, force=True, stop_before_pixels=not pixels)
        _name_syntax(dataset)
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}.") from error
    except Exception as error:  # pydicom lets many kinds pass from a malformed file
        raise UserError(f"{path.name} is not a readable DICOM file: it is damaged.") from error
    return dataset


def _name_syntax(dataset: Dataset) -> None:
    """Without a file meta header a file is native, in the form in which it could be parsed."""
    implicit, little = dataset.original_encoding
    if "TransferSyntaxUID" not in dataset.file_meta:
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
