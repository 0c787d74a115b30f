"""Project files: one zip with a JSON and arrays, written whole or not at all; never a pickle."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gui.project import check_version, damaged, from_json, to_json
from inference.durable import replacing
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO, Self

    from numpy.typing import NDArray

    from gui.project import ArrayInfo, Project

    Member = tuple[str, str, NDArray[Any]]  # the key of a document, the name of an array, and it

SUFFIX = ".limn"
TEXT = "project.json"
MOST_TEXT = 64 << 20  # bytes
MOST_MEMBERS = 100_000
CHUNK = 1 << 22  # bytes read at a time
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, NotImplementedError,
          RuntimeError)  # fmt: skip


class ProjectFile:
    """A project file that is open for reading; arrays are read one by one, and checked first."""

    def __init__(self, path: Path) -> None:
        """Raises UserError."""
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except OSError as error:
            raise unreadable(path, error) from error
        except BROKEN as error:
            raise damaged(path.name) from error
        try:
            self.project = from_json(self._text(), path.name)
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Let the file go."""
        self._archive.close()

    def array(self, key: str, name: str, info: ArrayInfo) -> NDArray[Any]:
        """An array of a document, which must be as `info` says; raises UserError."""
        try:
            with self._archive.open(_member(key, name)) as file:
                return _read_array(file, info)
        except OSError as error:
            raise unreadable(self.path, error) from error
        except BROKEN as error:
            raise damaged(self.path.name) from error

    def _text(self) -> bytes:
        try:
            if len(self._archive.infolist()) > MOST_MEMBERS:
                raise damaged(self.path.name)
            with self._archive.open(TEXT) as file:
                text = file.read(MOST_TEXT + 1)
        except KeyError as error:
            raise UserError(f"{self.path.name} is no project of Limn.") from error
        except BROKEN as error:
            raise damaged(self.path.name) from error
        if len(text) > MOST_TEXT:
            raise damaged(self.path.name)
        return text


@dataclass(frozen=True, slots=True)
class Closed:
    """A project file that is opened for each array that is wanted of it."""

    path: Path

    def array(self, key: str, name: str, info: ArrayInfo) -> NDArray[Any]:
        """An array of a document, as `info` says; raises UserError."""
        with ProjectFile(self.path) as file:
            return file.array(key, name, info)


def write(path: Path, project: Project, arrays: Iterable[Member]) -> None:
    """Replace a project file; raises UserError, and then what was there before is intact."""
    refuse_newer(path)
    with replacing(path) as part, zipfile.ZipFile(part, "w", compresslevel=1) as archive:
        archive.writestr(TEXT, to_json(project), zipfile.ZIP_DEFLATED)
        for key, name, array in arrays:
            entry = zipfile.ZipInfo(_member(key, name))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def read_project(path: Path) -> Project:
    """What a project file says, without its arrays; raises UserError."""
    with ProjectFile(path) as file:
        return file.project


def revision(path: Path) -> str:
    """The revision of a project file; "" if there is none that can be read."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(TEXT) as file:
            return str(json.loads(file.read(MOST_TEXT)).get("revision", ""))
    except (OSError, AttributeError, RecursionError, *BROKEN):
        return ""


def refuse_newer(path: Path) -> None:
    """Raises UserError where saving would replace the project of a newer version."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(TEXT) as file:
            found = json.loads(file.read(MOST_TEXT))
    except (OSError, RecursionError, *BROKEN):
        return  # there is none, or it cannot be read by anybody
    if isinstance(found, dict):
        check_version({"format": "limn-project"} | found, path.name)


def unreadable(path: Path, error: OSError) -> UserError:
    """Why a project could not be read."""
    if not path.exists():
        return UserError(f"{path.name} is not there any more: it was moved or deleted.")
    return UserError(
        f"{path.name} could not be read ({error.strerror or 'the disk refused'}): copy it to "
        "another folder and try again."
    )


def _member(key: str, name: str) -> str:
    return f"documents/{key}/{name}.npy"


def _read_array(file: BinaryIO | Any, info: ArrayInfo) -> NDArray[Any]:
    """Raises ValueError for anything else than what `info` announces."""
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, in_columns, dtype = read[version](file)
    if in_columns or shape != info.shape or dtype != np.dtype(info.dtype) or dtype.hasobject:
        raise ValueError("another array than announced")
    return _filled(file, shape, dtype)


def _filled(file: BinaryIO | Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    array = np.empty(shape, dtype)
    flat, at = array.reshape(-1).view(np.uint8), 0
    while at < flat.size:
        piece = file.read(min(CHUNK, flat.size - at))
        if not piece:
            raise EOFError
        flat[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
        at += len(piece)
    return array
