"""DICOM files, folders and DICOMDIRs as series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference.folders import below
from inference.layers import layer_reader as layer_reader_of
from inference.reading import Reader
from plugins.dicom.sniff import is_dicom, is_named_dicom

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inference.series import Series


def accepts(path: Path) -> bool:
    """Whether the file, or any file in the folder, is DICOM by its first bytes or its name."""
    if path.is_dir():
        return any(is_dicom(file) for file in below(path))
    return is_named_dicom(path) or is_dicom(path)


def read(path: Path) -> Iterator[Series]:
    """Every image series found there; raises UserError."""
    from plugins.dicom.load import stream_series  # pydicom is wanted only where there is DICOM

    yield from stream_series(path)


def whole(folder: Path) -> bool:
    """DICOM files side by side belong together; a list of files alone is none of them."""
    return any(is_dicom(file) for file in folder.iterdir() if not _is_directory(file))


def _is_directory(file: Path) -> bool:
    return file.name.upper().startswith("DICOMDIR")


READER = Reader("dicom", 0, accepts, whole, read, ahead=("plugins.dicom.load",))
layer_reader = layer_reader_of(READER)  # named by the manifest, for npe2
