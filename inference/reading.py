"""Open files: find the plugin that reads a path, and refuse what would not fit into memory."""

from __future__ import annotations

import math
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference import archives, memory, registry
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from inference.series import Array, Series

_tell: ContextVar[Callable[[str], None]] = ContextVar("_tell", default=lambda mark: None)
_barred: ContextVar[tuple[str, ...]] = ContextVar("_barred", default=())

MEMORY_SHARE = 0.5  # of the free memory that one file may fill: its work needs the rest
MAX_PICTURE_PIXELS = 400_000_000  # 20 000 x 20 000: beyond it, a picture is a whole slide or a trap


@dataclass(frozen=True, slots=True)
class Reader:
    """What one plugin opens; lower `rank` is asked first."""

    name: str
    rank: int
    accepts: Callable[[Path], bool]
    whole: Callable[[Path], bool]  # whether the files right in this folder make one case
    read: Callable[[Path], list[Series]]


def read(path: Path) -> list[Series]:
    """Every series in a file or folder; raises UserError."""
    if not path.exists():
        raise UserError(f"{path} does not exist.")
    if path.is_file() and not path.stat().st_size:
        raise UserError(f"{path.name} is empty: nothing was saved in it.")
    if archives.is_archive(path):
        return _read_archive(path)
    for reader in registry.readers():
        if reader.accepts(path):
            return reader.read(path)
    raise UserError(
        f"{path.name} is of no kind that Limn opens: "
        "give DICOM, NIfTI, NRRD, MHA, PNG, JPEG, TIFF or a folder or zip archive of one of them."
    )


def accepts(path: Path) -> bool:
    """Whether `read` would try it."""
    return archives.is_archive(path) or any(reader.accepts(path) for reader in registry.readers())


def _read_archive(path: Path) -> list[Series]:
    """The series in a zip archive, whose paths then lie below that of the archive."""
    with archives.unpacked(path) as folder:
        inner = folder
        while [entry.is_dir() for entry in inner.iterdir()] == [True]:
            inner = next(inner.iterdir())
        return [
            replace(series, paths=tuple(path / part.relative_to(folder) for part in series.paths))
            for series in read(inner)
        ]


def read_job(context: Any, path: str, barred: tuple[str, ...] = ()) -> list[Series]:
    """`read` as a job of the reader process, where a decoder may abort without harm.

    Its partial results mark the file that is decoded next; `barred` ones are refused.
    """
    context.progress(0, 1, "Reading")  # not whose: the name may be hidden
    _tell.set(context.partial)
    _barred.set(barred)
    return read(Path(path))


def decoding(path: Path) -> None:
    """Mark a file before its decoder, which may abort, gets it; raises UserError if one did."""
    mark = f"{path.stat().st_size} {path.name}"  # also of a file unpacked elsewhere the next time
    if mark in _barred.get():
        raise UserError(f"{path.name} made its decoder fail: the file is damaged.")
    _tell.get()(mark)


def require_memory(path: Path, shape: Iterable[int], dtype: Any) -> None:
    """Raise UserError if an array of that shape would not fit: call before allocating."""
    needed = math.prod(shape) * np.dtype(dtype).itemsize
    free = memory.available() or 0
    if needed > free * MEMORY_SHARE:
        raise UserError(
            f"{path.name} claims {needed / 2**30:.1f} GiB of pixels, but only "
            f"{free / 2**30:.1f} GiB of memory are free: close other studies first."
        )


def require_picture(path: Path, width: int, height: int) -> None:
    """Raise UserError for a picture that is empty or larger than Limn opens."""
    if width * height > MAX_PICTURE_PIXELS:
        raise UserError(
            f"{path.name} claims {width} x {height} pixels, and Limn opens pictures of up to "
            f"{MAX_PICTURE_PIXELS // 1_000_000} million pixels: reduce it or give a part of it."
        )


def sha256(*arrays: Array) -> str:
    """Of the values in C order, little endian, as if the arrays were one."""
    import hashlib

    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()
