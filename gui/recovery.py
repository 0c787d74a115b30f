"""What windows that ended without warning have left behind."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gui.recovery_file import SUFFIX, RecoveryFile, in_use
from gui.studies import path_title
from inference.errors import UserError

if TYPE_CHECKING:
    from gui.project import Project, SavedDocument


@dataclass(eq=False)
class Left:
    """Unsaved work of one window; no other window gets it while this one has it."""

    file: RecoveryFile
    project: Project

    def when(self, now: datetime) -> str:
        """When it was last kept: "today, 18:42"."""
        kept = _time(self.project.saved)
        if kept is None:
            return "at an unknown time"
        day = {0: "today", 1: "yesterday"}.get((now.date() - kept.date()).days, "")
        return f"{day or kept.strftime('%d %B %Y')}, {kept.strftime('%H:%M')}"

    def lines(self, hidden: bool) -> list[str]:
        """A line for each image: which, and what was done on it."""
        return [_line(document, hidden) for document in self.project.documents]

    def close(self) -> None:
        """Leave it for the next start."""
        self.file.close()

    def discard(self) -> None:
        """Give the work up."""
        self.file.remove()


def find(folder: Path) -> list[Left]:
    """All that no living window has, the newest first; what holds nothing is deleted."""
    try:
        paths = [path for path in folder.iterdir() if path.suffix == SUFFIX]
    except OSError:
        return []
    found = [left for left in map(_open, sorted(paths)) if left is not None]
    return sorted(found, key=lambda left: left.project.saved, reverse=True)


def _open(path: Path) -> Left | None:
    try:
        file = RecoveryFile(path)
    except sqlite3.Error as error:
        if not in_use(error):
            _set_aside(path)
        return None
    try:
        project = file.whole()
    except (UserError, sqlite3.Error):
        file.close()
        _set_aside(path)
        return None
    if not project.documents:
        file.remove()
        return None
    return Left(file, project)


def _set_aside(path: Path) -> None:
    """What cannot be read is offered no more, but not deleted: somebody may yet make sense of it.

    Nor is it left behind if it is empty, as when a window ended in the act of making it.
    """
    with suppress(OSError):
        if path.stat().st_size:
            path.rename(path.with_suffix(".damaged"))
        else:
            path.unlink()


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        return None


def _line(document: SavedDocument, hidden: bool) -> str:
    name = path_title(Path(document.source.name), hidden)
    title = f"{document.source.modality} image" if hidden else name
    return f"{title}: {_done(document)}"


def _done(document: SavedDocument) -> str:
    names = [item.name for item in document.objects]
    if not names:
        return "settings" if document.tasks else "no objects"
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
