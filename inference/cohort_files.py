"""The folder of a cohort's results: a case is worked on aside and appears as a whole, or not."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from inference.errors import UserError
from inference.headless import recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from inference.cases import Case
    from inference.headless import Request

ASIDE = ".limn-working-"  # how the folder for unfinished cases is called, before a random part
THUMBNAILS = "thumbnails"


@contextmanager
def place_aside(out: Path) -> Iterator[Path]:
    """A name for a folder in `out`, which need not be made, and is gone afterwards."""
    place = out / f"{ASIDE}{uuid4().hex}"
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def sweep(out: Path) -> None:
    """Remove what earlier runs left unfinished because they were killed."""
    for place in out.glob(f"{ASIDE}*"):
        shutil.rmtree(place, ignore_errors=True)


def make(place: Path) -> Path:
    """A folder; raises UserError."""
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{place} could not be written ({error.strerror}): choose another folder."
        ) from error
    return place


def commit(work: Path, out: Path, last: str) -> None:
    """Move all files of a case from `work` to `out`, its record `last` after the others.

    What an earlier run left under the same names is replaced; raises UserError.
    """
    files = sorted(path for path in work.rglob("*") if path.is_file())
    files.sort(key=lambda path: path.relative_to(work).as_posix() == last)
    _clear(out / last)  # from now on the case is not finished
    for folder in _folders(work / last):
        shutil.rmtree(out / folder.relative_to(work), ignore_errors=True)
    try:
        for path in files:
            target = out / path.relative_to(work)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    except OSError as error:
        raise UserError(
            f"Results could not be written to {out} ({error.strerror}): choose another folder."
        ) from error


def _folders(record: Path) -> list[Path]:
    """Results that are folders, such as of frames, beside the first record of their case."""
    beside = record.parent.iterdir() if record.parent.is_dir() else ()
    return [path for path in beside if path.is_dir() and path.name.startswith(f"{record.stem}_")]


def pack(work: Path) -> dict[str, bytes]:
    """All files below a folder, by their place in it."""
    files = (path for path in work.rglob("*") if path.is_file())
    return {path.relative_to(work).as_posix(): path.read_bytes() for path in files}


def unpack(files: Mapping[str, bytes], work: Path) -> None:
    """Write what `pack` gave; raises UserError."""
    for name, content in files.items():
        path = work / name
        make(path.parent)
        try:
            path.write_bytes(content)
        except OSError as error:
            raise UserError(f"{name} could not be written ({error.strerror}).") from error


def finished(request: Request, case: Case) -> dict[str, dict[str, Any]]:
    """The records of a case that was done before, by name; {} if it is to be done (again).

    It is done once its first record is there, whole, with the same task, model and settings.
    """
    first = _record(request.out / f"{case.name}.json")
    made_by = recipe(request.task, request.settings)
    if (
        first.get("unfinished")
        or first.get("input", {}).get("name") != case.source.name
        or any(first.get(key) != value for key, value in made_by.items())
    ):
        return {}
    names = first.get("series", [case.name])
    found = {name: _record(request.out / f"{name}.json") for name in names}
    return found if all(found.values()) else {}


def thumbnail_of(name: str) -> str:
    """Where the picture of a result lies, from the folder of results."""
    return f"{THUMBNAILS}/{name}.jpg"


def _record(path: Path) -> dict[str, Any]:
    """{} if it is not there, or is no record."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("input"), dict) else {}


def _clear(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
