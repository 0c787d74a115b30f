"""Keeps unsaved work in a recovery file, a moment after each change, beside the Qt thread."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from platformdirs import user_data_path
from qtpy.QtCore import QObject, QTimer, Signal

from gui.autosave_writer import AutosaveWriter, Base, Tick, Written
from gui.keeping import LABELS
from gui.recovery_file import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from gui.document import Document
    from gui.project import Project, SavedDocument
    from gui.voxel_edit import VoxelEdit

    Arrays = dict[str, NDArray[Any]]

BEHIND_MS = 300  # a change is handed to the writer this much later, with what follows it
MOST_EDITS = 128 << 20  # bytes of changes of an image, after which all of it is written anew


def recovery_folder() -> Path:
    """Where unsaved work is kept: the user's data folder; LIMN_DATA_DIR names another."""
    folder = os.environ.get("LIMN_DATA_DIR") or user_data_path("limn", appauthor=False)
    return Path(folder) / "recovery"


REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "nothing may be written there",
    sqlite3.SQLITE_CANTOPEN: "nothing can be written there",
    sqlite3.SQLITE_BUSY: "another program is using it",
}


def trouble(error: BaseException) -> str:
    """What to tell the user of a failure to keep unsaved work."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    reason = REASONS.get(code) or getattr(error, "strerror", "") or "the disk refused"
    return (
        f"Unsaved work cannot be kept in {recovery_folder()} ({reason.lower()}): save often. "
        "Limn goes on trying."
    )


@dataclass(eq=False)
class _Followed:
    """What the writer knows of a document."""

    key: str
    document: Document
    empty: bool  # when it was opened: the changes alone make its labels
    known: bool = False  # to the writer
    touched: bool = False
    nbytes: int = 0  # of its changes
    arrays: Arrays = field(default_factory=dict)


class Autosave(QObject):
    """Listens to documents. Nothing is written before anything was drawn or set."""

    failed = Signal(object)  # the error: told once, until it has worked again
    healed = Signal()
    _lost = Signal()

    def __init__(
        self,
        take: Callable[[str, Document], tuple[SavedDocument, Arrays]],
        project: Callable[[tuple[SavedDocument, ...]], Project],
        folder: Path | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._folder = folder or recovery_folder()
        self._take, self._project = take, project
        self._followed: dict[Document, _Followed] = {}
        self._saved: dict[str, SavedDocument] = {}
        self._edits: list[Written] = []
        self._closed: list[str] = []
        self._place = 0
        self._writer: AutosaveWriter | None = None
        self._timer = QTimer(self, singleShot=True, interval=BEHIND_MS)
        self._timer.timeout.connect(self.write)
        self._lost.connect(self._begin_anew)

    @property
    def path(self) -> Path | None:
        """The file in use."""
        return self._writer.path if self._writer else None

    def follow(self, key: str, document: Document) -> None:
        """Keep a document from now on."""
        one = _Followed(key, document, not (document.counts.now.any() or document.counts.ai.any()))
        self._followed[document] = one
        document.written.connect(self._written_to(one))
        for signal in (document.history_changed, document.objects_changed, document.state_changed,
                       document.probability_changed):  # fmt: skip
            signal.connect(lambda *_: self.touch(document))
        if self._writer is not None:
            self.touch(document)

    def forget(self, document: Document) -> None:
        """It was closed: its work is given up, or saved."""
        one = self._followed.pop(document, None)
        if not self._followed:
            self.saved()
        elif one is not None and one.known:
            self._saved.pop(one.key, None)
            self._closed.append(one.key)
            self._start()

    def touch(self, document: Document) -> None:
        """Something of a document has changed that is kept."""
        if document in self._followed:
            self._followed[document].touched = True
            self._start()

    def write(self) -> None:
        """Hand over what has changed."""
        touched = [one for one in self._followed.values() if one.touched or self._writer is None]
        if not any(one.touched for one in touched) and not self._closed:
            return
        if self._writer is None:
            self._writer = self._begin()
        arrays = [array for one in touched for array in self._taken(one)]
        bases = [base for one in touched for base in self._bases(one)]
        edits, self._edits = self._edits, []
        closed, self._closed = self._closed, []
        project = self._project(tuple(self._saved.values()))
        self._writer.put(Tick(project, tuple(edits), tuple(arrays), tuple(bases), tuple(closed)))

    def wait(self, seconds: float = 60.0) -> bool:
        """In any thread: wait until what was handed over is on the disk; whether it is."""
        writer = self._writer
        return writer is None or writer.flush(seconds)

    def saved(self) -> None:
        """All work is in a project file: what was kept here is not needed any more."""
        self.close(remove=True, seconds=0)
        for one in self._followed.values():
            one.known, one.touched, one.empty, one.arrays = False, False, False, {}
        self._saved.clear()
        self._edits.clear()
        self._closed.clear()

    def close(self, *, remove: bool, seconds: float = 5.0) -> None:
        """End; `remove` what was kept; wait so long for that at most."""
        self._timer.stop()
        if self._writer is not None:
            self._writer.close(remove=remove, seconds=seconds)
            self._writer = None

    # --- inside -------------------------------------------------------------------------------

    def _start(self) -> None:
        """The timer is not begun again, so that a change waits no longer for those after it."""
        if not self._timer.isActive():
            self._timer.start()

    def _begin(self) -> AutosaveWriter:
        path = self._folder / f"{uuid4().hex[:12]}{SUFFIX}"
        return AutosaveWriter(path, self._troubled, self.healed.emit)

    def _written_to(self, one: _Followed) -> Callable[[str, VoxelEdit], None]:
        def note(layer: str, edit: VoxelEdit) -> None:
            self._place += 1
            if one.known or one.empty:
                self._edits.append(Written(one.key, layer, self._place, edit))
                one.nbytes += edit.nbytes
            self.touch(one.document)

        return note

    def _taken(self, one: _Followed) -> list[tuple[str, str, NDArray[Any]]]:
        """The arrays of a document that the writer does not know."""
        self._saved[one.key], arrays = self._take(one.key, one.document)
        one.touched, before = False, one.arrays
        one.arrays = arrays
        return [(one.key, n, a) for n, a in arrays.items() if before.get(n) is not a]

    def _bases(self, one: _Followed) -> list[Base]:
        """Its labels as a whole, if there were any before, or if the changes take too much room."""
        owed = not one.known and not one.empty
        full = one.nbytes > MOST_EDITS
        one.known = True
        if not (owed or full):
            return []
        one.nbytes = 0
        layers = [layer for layer in LABELS if getattr(one.document, layer) is not None]
        return [Base(one.key, layer, self._place, one.document, owed) for layer in layers]

    def _troubled(self, error: BaseException, lost: bool) -> None:
        self.failed.emit(error)
        if lost:
            self._lost.emit()

    def _begin_anew(self) -> None:
        """The file is gone: write everything to another."""
        if self._writer is not None:
            self._writer.close(remove=True)
            self._writer = None
        for one in self._followed.values():
            one.known, one.touched, one.empty, one.arrays = False, True, False, {}
        self._edits.clear()
        self._closed.clear()
        self._start()
