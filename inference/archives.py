"""Zip archives: unpacked for the time of reading only, after a look at what they claim to hold."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from io import BytesIO
from lzma import LZMAError
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from inference.errors import UserError
from inference.scratch import patient_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_FILES = 50_000
MAX_RATIO = 100  # unpacked to packed bytes of an archive: empty pictures reach it, bombs pass it
SMALL = 100 * 2**20  # bytes that any archive may unpack to
PASSWORD = 0x1  # flag of an encrypted member
DAMAGED = (zipfile.BadZipFile, zlib.error, LZMAError, struct.error, ValueError, LookupError,
           EOFError, RuntimeError)  # what zipfile raises for a damaged archive  # fmt: skip


def is_archive(path: Path) -> bool:
    """By the ending."""
    return path.suffix.lower() == ".zip" and path.is_file()


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A folder with the archive's files, in memory if it can be, gone afterwards; UserError."""
    with ExitStack() as held:
        try:
            with zipfile.ZipFile(path) as archive:
                members = _sound_members(path, archive)
                size = sum(member.file_size for member in members)
                advice = "unpack it yourself where you want it"
                folder = held.enter_context(patient_folder(path.name, advice, size))
                target = folder / path.stem
                target.mkdir()
                archive.extractall(target, members)
        except NotImplementedError as error:
            raise UserError(
                f"{path.name} is packed by a method that Limn does not know: unpack it yourself."
            ) from error
        except (*DAMAGED, OSError) as error:
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
    except DAMAGED as error:
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
    return members


def _leads_out(member: zipfile.ZipInfo) -> bool:
    """Absolute paths, drives, ".." and links."""
    place = PurePosixPath(member.filename.replace("\\", "/"))
    link = stat.S_ISLNK(member.external_attr >> 16)
    return link or place.is_absolute() or ".." in place.parts or ":" in member.filename
