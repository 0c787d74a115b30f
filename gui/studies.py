"""What is open, without Qt: documents in the order of opening, and which one is selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from psygnal import Signal

from gui.document import Document
from inference.names import names_of, without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from inference.arrivals import Entry
    from inference.series import Identity, Kind, Series

UNNAMED = "Files"
"""The title of a study that nothing is known of."""


class Named(Protocol):
    """A series, read or not, as far as its names go."""

    @property
    def identity(self) -> Identity:
        """Who and what."""

    @property
    def path(self) -> Path:
        """Its first file."""

    @property
    def source(self) -> Path:
        """What a person would call it by: its file, or the folder of its files."""

    @property
    def kind(self) -> Kind:
        """Volume, run or image."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A series that is known by its headers alone."""

    entry: Entry
    root: Path  # what was opened
    coming: bool  # whether it is being read; else it waits for the user to ask
    among: tuple[Path, ...] = ()  # files of the root that were looked into; (): all


class Studies:
    """Open documents; `selected` is the one that the views show."""

    expected_changed = Signal()
    added = Signal(Document)
    removed = Signal(Document)
    selected_changed = Signal(object)  # Document or None

    def __init__(self) -> None:
        self.open: list[Document] = []
        self.expected: dict[str, Expected] = {}  # by the entry's key
        self.selected: Document | None = None

    def add(self, series: Series) -> Document:
        """Open a series; opening the same pixels of the same path again selects them instead."""
        for known in self.open:
            if _same(known.series, series):
                return known
        return self.take(Document(series))

    def take(self, document: Document) -> Document:
        """Open a document that was filled before, such as from a project."""
        self.open.append(document)
        self.added.emit(document)
        return document

    def expect(self, entries: Iterable[Expected]) -> None:
        """List series before they are read."""
        self.expected |= {expected.entry.key: expected for expected in entries}
        self.expected_changed.emit()

    def expect_no_more(self, keys: Iterable[str]) -> None:
        """Take series off the list that were read, or will not be."""
        gone = [self.expected.pop(key) for key in keys if key in self.expected]
        if gone:
            self.expected_changed.emit()

    def select(self, document: Document | None) -> None:
        """Show this document."""
        if document is not self.selected:
            self.selected = document
            self.selected_changed.emit(document)

    def close(self, document: Document) -> None:
        """Forget a document; its neighbour is selected first if it was: nobody asks for it then."""
        place = self.open.index(document)
        self.open.remove(document)
        if self.selected is document:
            left = self.open[min(place, len(self.open) - 1)] if self.open else None
            self.select(left)
        self.removed.emit(document)


def _same(a: Series, b: Series) -> bool:
    return a.paths == b.paths and bool(a.sha256) and a.sha256 == b.sha256


def patient_title(series: Named, hidden: bool) -> str:
    """How the patient is called in the list."""
    identity = series.identity
    if not (identity.patient_name or identity.patient_id):
        return "Without patient"
    if hidden:
        return "Patient"
    return " · ".join(filter(None, (person(identity.patient_name), identity.patient_id)))


def person(name: str) -> str:
    """A DICOM name as it is read: in Latin letters, then as it is written where that differs."""
    latin, _, written = name.partition("=")
    found = (latin, written.partition("=")[0])
    parts = [" ".join(part.replace("^", " ").split()) for part in found]
    return f"{parts[0]} ({parts[1]})" if all(parts) else parts[0] or parts[1]


def study_title(series: Named, hidden: bool = False) -> str:
    """How the study is called: its description and date, else the folder unless hidden."""
    identity = series.identity
    date = identity.study_date
    readable = f"{date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) == 8 else date
    folder = "" if hidden else series.path.parent.name
    described = _described(identity.study_description, identity, hidden)
    return " · ".join(filter(None, (described, readable))) or folder or UNNAMED


def series_title(series: Named, hidden: bool = False) -> str:
    """How the series is called: its description, else its file or folder, its kind if hidden."""
    identity = series.identity
    numbered = f"{identity.series_number}  " if identity.series_number else ""
    plain = series.kind.capitalize() if hidden else series.source.name
    return numbered + (_described(identity.series_description, identity, hidden) or plain)


def _described(text: str, identity: Identity, hidden: bool) -> str:
    """A description, which people write names into, without them if these are hidden."""
    return without(text, names_of(identity)) if hidden else text


def path_title(path: Path, hidden: bool) -> str:
    """How a file or folder is called, as its name may tell who the patient is."""
    return "the file" if hidden else path.name


def without_path(text: str, path: Path, hidden: bool) -> str:
    """A sentence about a file, without its name if that is hidden."""
    if not hidden:
        return text
    text = text.replace(str(path), "the file").replace(path.name, "the file")
    return f"{text[:1].upper()}{text[1:]}"


def series_facts(series: Series) -> str:
    """Modality, size and spacing in one line."""
    facts = [series.modality, "×".join(str(n) for n in reversed(series.spatial_shape))]
    steps = [
        f"{mm:.3g}" for mm in reversed(series.scale[1:] if series.kind == "run" else series.scale)
    ]
    if series.geometry.known:
        facts.append("×".join(dict.fromkeys(steps)) + " mm")
    return " · ".join(facts)


def expected_facts(expected: Expected) -> str:
    """Modality and size in one line, and what becomes of it."""
    entry = expected.entry
    size = "×".join(str(n) for n in reversed(entry.shape))
    return f"{'Reading…' if expected.coming else 'Enter opens it'} · {entry.modality} · {size}"


def follow(
    before: Document | None, now: Document | None, slots: Mapping[str, Callable[..., None]]
) -> None:
    """Let slots, by the name of their signal, hear another document than before."""
    for name, slot in slots.items():
        if before is not None:
            getattr(before, name).disconnect(slot)
        if now is not None:
            getattr(now, name).connect(slot)
