"""Temporary folders, gone when they are no longer needed, even if their process was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from inference import audit, memory, shared
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "limn-scratch-"  # of the folders, before the number of their process
SHARE = 0.5  # of the free memory, or disk, that files in one may take: reading needs the rest


@contextmanager
def scratch_folder(place: Path | None = None) -> Iterator[Path]:
    """A new empty folder for the time of use, on the disk unless another place is given."""
    sweep()
    prefix = f"{PREFIX}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place, ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def patient_folder(what: str, instead: str, size: int | None = None) -> Iterator[Path]:
    """A scratch folder for files that may tell who a patient is; raises UserError.

    In memory if that takes `size` bytes; on the disk only while names are shown. A size that
    nobody knows is taken to fit where there is no choice. The sentence says `instead` what to do.
    """
    hidden = audit.names_hidden()
    in_memory = hidden if size is None else size <= SHARE * _free_memory()
    if in_memory and shared.free() is not None:
        with scratch_folder(shared.SHARED_MEMORY) as folder:
            yield folder
        return
    if hidden:
        raise UserError(
            f"{what} does not fit into the memory that this computer has for files, and while the "
            f"names of patients are hidden none is put on the disk: {instead}, or show the names."
        )
    if size is not None and size > SHARE * shutil.disk_usage(tempfile.gettempdir()).free:
        raise UserError(f"{what} needs {size / 2**30:.1f} GiB for a while: {instead}.")
    with scratch_folder() as folder:
        yield folder


def sweep() -> None:
    """Remove what processes left that were killed, or that a decoder ended."""
    for place in (Path(tempfile.gettempdir()), shared.SHARED_MEMORY):
        for folder in place.glob(f"{PREFIX}*"):
            owner = folder.name.removeprefix(PREFIX).partition("-")[0]
            if owner.isdigit() and not psutil.pid_exists(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)


def _free_memory() -> int:
    """Bytes that files in memory could take; 0 where the system has no place for such."""
    return min(shared.free() or 0, memory.available() or 0)
