"""What a reader finds while it goes on reading, told at once to whoever listens."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inference.series import FRAMES, INSTANCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from inference.series import Array, Identity, Kind, Series


@dataclass(frozen=True, slots=True)
class Entry:
    """A series that headers tell of; its pixels may not be read yet."""

    key: str  # names it among the entries of one path
    identity: Identity
    modality: str
    shape: tuple[int, ...]  # stored: (slices or frames, rows, columns)
    path: Path  # its first file

    @property
    def source(self) -> Path:
        """What a person would call it by until it is read."""
        return self.path

    @property
    def kind(self) -> Kind:
        """As far as can be told before it is read."""
        return "image" if self.shape[0] == 1 else "volume"


@dataclass(frozen=True, slots=True)
class Listed:
    """All entries known by now, in the order of the list; those of `later` are not read now.

    A later list replaces an earlier one: the last comes once all headers are read.
    """

    entries: tuple[Entry, ...]
    later: tuple[str, ...] = ()  # keys


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One picture of what is read first: uint8 (y, x) or (y, x, 3)."""

    picture: Array
    spacing: tuple[float, float]  # (y, x); only their ratio counts


@dataclass(frozen=True, slots=True)
class Arrived:
    """A series is read; `key` names the entry that it is of, "" where none was listed."""

    series: Series
    key: str = ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A file of objects that are drawn on an image, and where that is if it is to be read first."""

    path: Path
    series: tuple[str, ...]  # identifiers of the image
    files: tuple[Path, ...] = ()  # of the image; () where it is open, or nowhere to be found
    pictures: tuple[tuple[str, int], ...] = ()  # UIDs and frames, from 0, or -1: the whole file

    def share(self, series: Series) -> int:
        """How many of its pictures a series holds: several may be parts of one image."""
        instances = series.details.get(INSTANCES, ())
        frames = series.details.get(FRAMES, ()) if len(instances) == 1 else ()
        return sum(
            uid in instances and (frame < 0 or not frames or frame in frames)
            for uid, frame in self.pictures
        )


@dataclass(frozen=True, slots=True)
class Decoding:
    """A decoder, which may end the process, gets this file next."""

    mark: str


@dataclass
class Listener:
    """Who listens to a reader, and what it wants; without one, all is read and nobody hears."""

    tell: Callable[[Any], None] = lambda arrival: None
    progress: Callable[[int, int, str], None] = lambda done, total, note: None
    looks: bool = False  # whether a glimpse is worth its while
    barred: tuple[str, ...] = ()  # marks of files that no decoder may get
    only: tuple[str, ...] = ()  # keys of the entries to read; (): all
    among: tuple[Path, ...] = ()  # files of the folder to look into; (): all
    at_once: float = float("inf")  # bytes of pixels to read unasked: the rest is only listed
    images: tuple[str, ...] | None = None  # series that are open; None: nothing is drawn on them
    current: str = ""  # the key of the entry that is being read
    notes: list[str] = field(default_factory=list)  # sentences about the path as a whole


_listener: ContextVar[Listener] = ContextVar("_listener")


def listener() -> Listener:
    """Of the reading in progress."""
    return _listener.get(Listener())


@contextmanager
def heard_by(listening: Listener) -> Iterator[Listener]:
    """Let somebody listen to what is read within."""
    token = _listener.set(listening)
    try:
        yield listening
    finally:
        _listener.reset(token)
