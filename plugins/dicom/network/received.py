"""The folder of received studies: how much is in it, and how it is emptied."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from inference.errors import UserError
from inference.resources import data_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def received_folder() -> Path:
    """Where all received studies lie."""
    return data_folder() / "received"


def size() -> tuple[int, int]:
    """How many studies were received, and their bytes."""
    studies = [entry for entry in _entries(received_folder()) if entry.is_dir()]
    files = (file for study in studies for file in study.rglob("*") if file.is_file())
    return len(studies), sum(file.stat().st_size for file in files)


def empty() -> None:
    """Remove every received study; raises UserError if some cannot be."""
    folder = received_folder()
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise UserError(
            f"Not all received studies could be removed from {folder} ({error.strerror}): "
            "close other programs that use them."
        ) from error


def _entries(folder: Path) -> Iterable[Path]:
    return folder.iterdir() if folder.is_dir() else ()
