"""Open files: find the plugin that reads a path, and refuse what would not fit into memory."""

from __future__ import annotations

import math
import stat
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference import archives, memory, registry
from inference.arrivals import Arrived, Decoding, Listener, heard_by, listener
from inference.errors import UserError
from inference.folders import below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from inference.series import Array, Series

MEMORY_SHARE = 0.5  # of the free memory that one file may fill: its work needs the rest
AT_ONCE = 2**31  # bytes of pixels that the window reads of a folder unasked
STEP = 0.2  # seconds between two reports of progress
MAX_PICTURE_PIXELS = 400_000_000  # 20 000 x 20 000: beyond it, a picture is a whole slide or a trap
NO_KIND = (
    "{name} is of no kind that Limn opens: "
    "give DICOM, NIfTI, NRRD, MHA, PNG, JPEG, TIFF or a folder or zip archive of one of them."
)
NESTED = "{name} holds another archive, which was not opened: unpack it first."


@dataclass(frozen=True, slots=True)
class Reader:
    """What one plugin opens; lower `rank` is asked first."""

    name: str
    rank: int
    accepts: Callable[[Path], bool]
    whole: Callable[[Path], bool]  # whether the files right in this folder make one case
    read: Callable[[Path], Iterable[Series]]
    ahead: tuple[str, ...] = ()  # modules that `read` needs and that take long to import


def read(path: Path) -> list[Series]:
    """Every series in a file or folder; raises UserError."""
    with heard_by(Listener()) as listening:
        found = list(stream(path))
    return [series.warned(*listening.notes) for series in found]


def stream(path: Path) -> Iterator[Series]:
    """Every series as soon as it is read; raises UserError, before the first or after the last."""
    _require_content(path)
    if archives.is_archive(path):
        yield from _stream_archive(path)
        return
    for reader in registry.readers():
        if reader.accepts(path):
            yield from reader.read(path)
            return
    raise UserError(NO_KIND.format(name=path.name))


def accepts(path: Path) -> bool:
    """Whether `read` would try it."""
    return archives.is_archive(path) or any(reader.accepts(path) for reader in registry.readers())


def _require_content(path: Path) -> None:
    if not path.exists():
        raise UserError(f"{path} does not exist.")
    found = path.stat()
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise UserError(f"{path.name} is a device or a pipe: give a file or a folder.")
    if path.is_file() and not found.st_size:
        raise UserError(f"{path.name} is empty: nothing was saved in it.")


def _stream_archive(path: Path) -> Iterator[Series]:
    """The series in a zip archive, whose paths then lie below that of the archive."""
    listener().at_once = math.inf  # what is unpacked is there only now
    with archives.unpacked(path) as folder:
        inner = folder
        while [entry.is_dir() for entry in inner.iterdir()] == [True]:
            inner = next(inner.iterdir())
        nested = [NESTED.format(name=path.name)] * any(map(archives.is_archive, below(folder)))
        if not accepts(inner):
            raise UserError((*nested, NO_KIND.format(name=path.name))[0])
        listener().notes += nested
        for series in stream(inner):
            parts = tuple(path / part.relative_to(folder) for part in series.paths)
            yield replace(series, paths=parts)


def read_job(context: Any, path: str, barred: tuple[str, ...] = ()) -> list[Series]:
    """`read` as a job of the reader process, where a decoder may abort without harm.

    Its partial results mark the file that is decoded next; `barred` ones are refused.
    """
    context.progress(0, 1, "Reading")  # not whose: the name may be hidden
    with heard_by(Listener(context.partial, context.progress, barred=barred)) as listening:
        found = list(stream(Path(path)))
    return [series.warned(*listening.notes) for series in found]


def stream_job(
    context: Any,
    path: str,
    barred: tuple[str, ...] = (),
    only: tuple[str, ...] = (),
    among: tuple[str, ...] = (),
    images: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Hand over what `inference.arrivals` names, as it comes; the notes about the whole path.

    `images`: identifiers of the series that are open, for files of objects that lie on them.
    """
    context.progress(0, 0, "Reading")
    at_once = math.inf if only else AT_ONCE
    listening = Listener(
        context.partial, _seldom(context), looks=True, barred=barred, only=only,
        among=tuple(map(Path, among)), at_once=at_once, images=images,
    )  # fmt: skip
    with heard_by(listening):
        for series in stream(Path(path)):
            context.partial(Arrived(series, listening.current))
    return tuple(listening.notes)


def _seldom(context: Any) -> Callable[[int, int, str], None]:
    """Progress in steps that can be seen: each paints the window, in which files are awaited."""
    told_at = 0.0

    def progress(done: int, total: int, note: str) -> None:
        nonlocal told_at
        if time.monotonic() - told_at < STEP:
            context.check()
            return
        told_at = time.monotonic()
        context.progress(done, total, note)

    return progress


def decoding(path: Path) -> None:
    """Mark a file before its decoder, which may abort, gets it; raises UserError if one did."""
    mark = f"{path.stat().st_size} {path.name}"  # also of a file unpacked elsewhere the next time
    if mark in listener().barred:
        raise UserError(f"{path.name} made its decoder fail: the file is damaged.")
    listener().tell(Decoding(mark))


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
