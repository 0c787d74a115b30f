"""DICOM files, folders and DICOMDIRs as series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from inference.layers import LayerData, to_layers
from inference.reading import Reader
from plugins.dicom.sniff import is_dicom

if TYPE_CHECKING:
    from collections.abc import Callable

    from inference.series import Series

SUFFIXES = (".dcm", ".dicom", ".ima")


def accepts(path: Path) -> bool:
    """Whether the file, or any file in the folder, is DICOM by its first bytes or its name."""
    if path.is_dir():
        return any(is_dicom(file) for file in path.rglob("*"))
    return path.name.lower().endswith(SUFFIXES) or is_dicom(path)


def read(path: Path) -> list[Series]:
    """Every image series found there; raises UserError."""
    from plugins.dicom.load import load_series  # pydicom is wanted only where there is DICOM

    return load_series(path)


def whole(folder: Path) -> bool:
    """DICOM files side by side belong together."""
    return any(is_dicom(file) for file in folder.iterdir())


READER = Reader("dicom", 0, accepts, whole, read)


def layer_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """What npe2 asks for: a function that gives napari layers, or None."""
    paths = [path] if isinstance(path, str) else path
    return _read_layers if all(accepts(Path(entry)) for entry in paths) else None


def _read_layers(path: str | list[str]) -> list[LayerData]:
    paths = [path] if isinstance(path, str) else path
    return [layer for p in paths for series in read(Path(p)) for layer in to_layers(series)]
