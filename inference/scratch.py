"""Temporary folders, gone when they are no longer needed, even if their process was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "limn-scratch-"  # of the folders, before the number of their process


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new empty folder for the time of use."""
    sweep()
    prefix = f"{PREFIX}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        yield Path(name)


def sweep() -> None:
    """Remove what processes left that were killed, or that a decoder ended."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
