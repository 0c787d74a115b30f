"""What a project keeps: where the images are, and all that was done on them; knows no Qt."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from gui.planes import Framing, Orbit
from gui.segment_object import SegmentObject  # noqa: TC001 (pydantic looks it up)
from inference.errors import UserError
from inference.series import Acquisition  # noqa: TC001

FORMAT, VERSION = "limn-project", 1
Number = Annotated[float, Field(allow_inf_nan=False)]
Shape = tuple[Annotated[int, Field(ge=0)], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the pixels of a series are, and how they are known again; never who the patient is."""

    root: str  # the file or folder that was opened, absolute; "" if the project holds the pixels
    files: tuple[str, ...]  # that they were read from, absolute
    kind: Literal["volume", "run", "image"]
    modality: str
    shape: Shape  # of the stored voxels
    sha256: str  # of the stored pixels
    series_uid: str = ""
    beside: str = ""  # `root` from the folder of the project, with "/"; "" if that is not possible

    @property
    def name(self) -> str:
        """What a person would look for."""
        return Path(self.root or self.files[0]).name


@dataclass(frozen=True, slots=True)
class Made:
    """A series that was made here and is in no file: all of it but its voxels."""

    affine: tuple[tuple[Number, ...], ...]  # 4 rows, as `Geometry`
    known: bool
    description: str
    rgb: bool = False
    frame_times: tuple[Number, ...] | None = None  # ms
    synthetic: tuple[bool, ...] | None = None
    confidence: tuple[Number, ...] | None = None
    acquisition: Acquisition | None = None
    window: tuple[Number, Number] | None = None
    unit: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """How a document is looked at."""

    position: tuple[Number, ...]  # voxels
    windows: dict[str, tuple[Number, Number]]  # by the title of the picture: centre, width
    title: str = ""  # of the picture that is shown, "" for the stored one
    inverted: bool = False
    opacity: Number = 0.45
    outlined: bool = False
    mask_shown: bool = True
    ai_shown: bool = False
    difference_shown: bool = False
    synthetic_hidden: bool = False
    marked: tuple[int, ...] = ()
    framings: dict[str, Framing] = field(default_factory=dict)  # by the name of the plane
    orbit: Orbit | None = None


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """What an array of a project is."""

    dtype: Annotated[str, Field(pattern=r"^[<|=]?(b1|[iuf][1248])$")]
    shape: Annotated[Shape, Field(max_length=8)]


@dataclass(frozen=True, slots=True)
class SavedDocument:
    """One image with everything drawn and found on it; its arrays are kept beside this."""

    key: Annotated[str, Field(pattern=r"^[0-9]{1,6}$")]
    source: Source
    view: View
    objects: tuple[SegmentObject, ...] = ()
    active: int = 0
    made: Made | None = None
    tasks: dict[str, Any] = field(default_factory=dict)  # by task: what its dock handed over
    results: dict[str, Any] = field(default_factory=dict)  # by task
    arrays: dict[str, ArrayInfo] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layout:
    """What of the window belongs to a project."""

    selected: str = ""  # the key of a document
    alone: str = ""  # the one view that is shown, "" for all
    task: str = ""  # whose dock is open


@dataclass(frozen=True, slots=True)
class Project:
    """All that a project file says; the arrays of documents are beside it."""

    documents: tuple[SavedDocument, ...]
    layout: Layout = Layout()
    program: str = ""  # that saved it
    saved: str = ""  # when, ISO 8601 with its zone
    revision: str = ""  # another one at each saving
    path: str = ""  # in a recovery file: the project that was open
    based_on: str = ""  # its revision when it was opened or saved
    absent: tuple[str, ...] = ()  # and the keys of those of its images that were not found


@dataclass(frozen=True, slots=True)
class Kept:
    """The work of a task on one document: values for JSON, and arrays that nobody changes."""

    values: Any
    arrays: dict[str, Any] = field(default_factory=dict)


def beside(root: str, folder: Path) -> str:
    """A path as seen from a folder, with "/"; "" where there is no way, as between drives."""
    try:
        return Path(os.path.relpath(root, folder)).as_posix() if root else ""
    except ValueError:
        return ""


def to_json(project: Project) -> bytes:
    """The text of a project."""
    about = {"format": FORMAT, "version": VERSION} | _named(project)
    return json.dumps(about, default=_named).encode()


def from_json(text: bytes, name: str) -> Project:
    """Read and check the text of a project called `name`; raises UserError."""
    try:
        found = json.loads(text)
        check_version(found, name)
        project = _adapter().validate_python(found)
    except (ValueError, ValidationError, RecursionError) as error:
        raise damaged(name) from error
    keys = [document.key for document in project.documents]
    if len(set(keys)) < len(keys) or not all(map(_sound, project.documents)):
        raise damaged(name)
    return project


def check_version(found: Any, name: str) -> None:
    """Raises UserError for what a newer Limn wrote, and for what is no project."""
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise UserError(f"{name} is no project of Limn.")
    version = found.get("version")
    if isinstance(version, int) and version > VERSION:
        raise UserError(
            f"{name} was saved by a newer version of Limn: open it there, or update this one."
        )


def damaged(name: str) -> UserError:
    """Says that a project cannot be read."""
    return UserError(f"{name} is damaged and cannot be opened: take an older copy of it.")


def _named(value: Any) -> Any:
    """The fields of a dataclass, or numpy's number; `asdict` would copy all that is in them."""
    if isinstance(value, np.generic):
        return value.item()
    return {one.name: getattr(value, one.name) for one in fields(value)}


@cache
def _adapter() -> TypeAdapter[Project]:
    return TypeAdapter(Project)


def _sound(document: SavedDocument) -> bool:
    """What types alone do not say."""
    ids = [item.id for item in document.objects]
    colors = (item.color for item in document.objects)
    return (
        len(set(ids)) == len(ids)
        and all(1 <= number <= 255 for number in ids)
        and all(_is_color(color) for color in colors)
        and bool(document.source.files)
        and document.active in (0, *ids)
        and all(map(_can_be_shown, (*document.view.framings.values(), document.view.orbit)))
    )


def _can_be_shown(part: Framing | Orbit | None) -> bool:
    if part is None:
        return True
    angles = part.angles if isinstance(part, Orbit) else ()
    numbers = (*part.centre, *angles, part.magnification)
    return all(map(math.isfinite, numbers)) and part.magnification > 0


def _is_color(text: str) -> bool:
    digits = text.removeprefix("#")
    return (
        len(digits) == 6 and len(text) == 7 and all(d in "0123456789abcdefABCDEF" for d in digits)
    )
