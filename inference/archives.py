"""Zip archives: unpacked for the time of reading only, after a look at what they claim to hold."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
from contextlib import contextmanager
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from inference.errors import UserError
from inference.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_FILES = 50_000
MAX_RATIO = 100  # unpacked to packed bytes of an archive: empty pictures reach it, bombs pass it
SMALL = 100 * 2**20  # bytes that any archive may unpack to
PASSWORD = 0x1  # flag of an encrypted member


def is_archive(path: Path) -> bool:
    """By the ending."""
    return path.suffix.lower() == ".zip" and path.is_file()


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A folder with the archive's files, gone afterwards; raises UserError."""
    with scratch_folder() as folder:
        target = folder / path.stem
        target.mkdir()
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(target, _sound_members(path, archive))
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise UserError(f"{path.name} is damaged or no zip archive: copy it again.") from error
        yield target


def open_member(path: Path) -> BytesIO:
    """The content of `archive.zip/folder/file`; raises OSError."""
    archive = next((parent for parent in path.parents if is_archive(parent)), None)
    if archive is None:
        raise FileNotFoundError(2, "it is not there", path.name)
    try:
        with zipfile.ZipFile(archive) as opened:
            return BytesIO(opened.read(path.relative_to(archive).as_posix()))
    except (zipfile.BadZipFile, KeyError, RuntimeError) as error:
        raise OSError(None, "its archive has changed") from error


def _sound_members(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    if any(_leads_out(member) for member in members):
        raise UserError(f"{path.name} holds files that would lead out of its folder: refused.")
    if any(member.flag_bits & PASSWORD for member in members):
        raise UserError(f"{path.name} is protected by a password: unpack it first.")
    size = sum(member.file_size for member in members)
    packed = max(1, path.stat().st_size)
    if len(members) > MAX_FILES or (size > SMALL and size / packed > MAX_RATIO):
        raise UserError(
            f"{path.name} claims {len(members)} files with {size / 2**30:.1f} GiB, far more than "
            "it can hold: refused."
        )
    if size > shutil.disk_usage(tempfile.gettempdir()).free / 2:
        raise UserError(f"{path.name} needs {size / 2**30:.1f} GiB to unpack: unpack it yourself.")
    return members


def _leads_out(member: zipfile.ZipInfo) -> bool:
    """Absolute paths, drives, ".." and links."""
    place = PurePosixPath(member.filename.replace("\\", "/"))
    link = stat.S_ISLNK(member.external_attr >> 16)
    return link or place.is_absolute() or ".." in place.parts or ":" in member.filename
