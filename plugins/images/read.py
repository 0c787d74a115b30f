"""Pictures (PNG, JPEG, TIFF, BMP), folders of frames, and volumes (NIfTI, NRRD, MHA)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from inference.errors import UserError
from inference.layers import layer_reader as layer_reader_of
from inference.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from inference.series import Series

PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
TIFFS = (".tif", ".tiff")
VOLUMES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")


def accepts(path: Path) -> bool:
    """By the name's ending; a folder if it holds such a file."""
    if path.is_dir():
        return any(_is_known(entry) for entry in path.iterdir())
    return _is_known(path)


def read(path: Path) -> list[Series]:
    """Every series of a file or folder; raises UserError."""
    if path.is_dir():
        return _read_folder(path)
    name = path.name.lower()
    if name.endswith(VOLUMES):
        from plugins.images.volumes import read_volume

        return read_volume(path)
    if name.endswith(TIFFS):
        from plugins.images.tiff import read_tiff

        return read_tiff(path)
    from plugins.images.pictures import read_picture

    return [read_picture(path)]


def _is_known(path: Path) -> bool:
    known = path.name.lower().endswith((*PICTURES, *TIFFS, *VOLUMES))
    return known and not path.name.startswith(".")


def _known_files(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_file() and _is_known(entry))


def _read_folder(folder: Path) -> list[Series]:
    """A run if the folder holds numbered frames; what else is in it, each file for itself."""
    found: list[Series] = []
    refused: list[str] = []
    for job in _jobs(folder):
        try:
            found += job()
        except UserError as error:
            refused.append(str(error))
    if not found:
        raise UserError(refused[0])
    return [found[0].warned(*refused), *found[1:]]


def _jobs(folder: Path) -> list[Callable[[], list[Series]]]:
    from plugins.images.frames import read_frames

    frames = _frames_of_run(folder)
    others = [file for file in _known_files(folder) if file not in frames]
    run = [partial(read_frames, folder, frames)] if frames else []
    return [*run, *(partial(read, file) for file in others)]


def _frames_of_run(folder: Path) -> list[Path]:
    from plugins.images.frames import frame_files, is_run

    frames = frame_files(folder)
    return frames if is_run(folder, frames, len(_known_files(folder)) - len(frames)) else []


def whole(folder: Path) -> bool:
    """Numbered frames are one run."""
    return bool(_frames_of_run(folder))


READER = Reader("images", 10, accepts, whole, read)
layer_reader = layer_reader_of(READER)  # named by the manifest, for npe2
