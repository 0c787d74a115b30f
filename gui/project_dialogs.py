"""What is asked about projects: images that are not found, work that was left behind."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QMessageBox,
    QVBoxLayout,
    QWidget,
)

from gui.parts import button, label
from gui.project_opening import lacking_in
from gui.studies import path_title
from gui.theme import GRID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.project import SavedDocument
    from gui.project_opening import Request
    from gui.recovery import Left

WIDTH = 520  # px
LINES = 6  # images that are listed; more are counted
Button = QMessageBox.StandardButton


class MissingDialog(QDialog):
    """Names the images that are not where they were, and asks for a folder to look in."""

    look_asked = Signal(Path)
    go_on_asked = Signal()

    def __init__(self, request: Request, hidden: bool, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open project")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(WIDTH)
        self._request = request
        lacking = lacking_in(request)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addWidget(label(_headline(request), "heading", wrap=True))
        for one in lacking[:LINES]:
            column.addWidget(label(_missing_line(one, request, hidden), wrap=True))
        if len(lacking) > LINES:
            column.addWidget(label(f"and {len(lacking) - LINES} more", "quiet"))
        about = (
            "Name a folder: images are recognised by their pixels, whatever they are called now. "
            "What you open without stays in the project."
        )
        column.addWidget(label(about, "quiet", wrap=True))
        column.addSpacing(GRID)
        self.look = button("Look in a folder…", self._look, "primary")
        self.go_on = button("Open without them", self._go_on)
        row = QHBoxLayout()
        row.addStretch()
        for part in (button("Cancel", self.reject), self.go_on, self.look):
            row.addWidget(part)
        column.addLayout(row)
        self.look.setDefault(True)
        self.look.setFocus()

    def _look(self) -> None:
        start = str(self._request.folder or Path.home())
        chosen = QFileDialog.getExistingDirectory(self, "Look for the images in", start)
        if chosen:
            self.look_asked.emit(Path(chosen))
            self.done(int(QDialog.DialogCode.Accepted))

    def _go_on(self) -> None:
        self.go_on_asked.emit()
        self.done(int(QDialog.DialogCode.Accepted))


class RecoveryOffer(QFrame):
    """What a window that ended without warning has left: which images, when, what on them."""

    recover_asked = Signal(object)  # Left
    discard_asked = Signal(object)

    def __init__(self, left: Left, hidden: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.left = left
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID // 2)
        column.addWidget(label("Unsaved work can be recovered", "big"))
        when = f"Limn ended unexpectedly {left.when(datetime.now().astimezone())}."
        column.addWidget(label(when, "quiet", wrap=True))
        lines = left.lines(hidden)
        for line in lines[:LINES]:
            column.addWidget(label(line, wrap=True))
        if len(lines) > LINES:
            column.addWidget(label(f"and {len(lines) - LINES} more", "quiet"))
        self.recover = button("Recover", lambda: self.recover_asked.emit(left), "primary")
        self.discard = button(
            "Discard…", lambda: self.discard_asked.emit(left), name="Discard the unsaved work"
        )
        row = QHBoxLayout()
        row.setContentsMargins(0, GRID // 2, 0, 0)
        row.addStretch()
        row.addWidget(self.discard)
        row.addWidget(self.recover)
        column.addLayout(row)


class RecoveryDialog(QDialog):
    """The offers over images that are open already."""

    def __init__(self, offers: Sequence[RecoveryOffer], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Recover unsaved work")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(WIDTH)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        for offer in offers:
            column.addWidget(offer)
            offer.recover_asked.connect(self.accept)
            offer.discard_asked.connect(self.accept)
        column.addWidget(button("Later", self.reject), 0, Qt.AlignmentFlag.AlignRight)
        offers[0].recover.setFocus()


def ask_unsaved(host: QWidget, count: int, why: str) -> Button:
    """Save, Discard or Cancel, before unsaved work on `count` images is left; `why` asks."""
    what = "an image" if count == 1 else f"{count} images"
    answer = QMessageBox.question(
        host,
        "Unsaved work",
        f"There is unsaved work on {what}. Save it as a project {why}?",
        Button.Save | Button.Discard | Button.Cancel,
        Button.Save,
    )
    return Button(answer)


def sure_to_discard(host: QWidget) -> bool:
    """Ask before unsaved work of an earlier window is deleted."""
    text = "The unsaved work will be deleted for good. Discard it?"
    answer = QMessageBox.question(
        host, "Discard unsaved work", text, Button.Discard | Button.Cancel, Button.Cancel
    )
    return bool(answer == Button.Discard)


def sure_to_replace(host: QWidget, name: str) -> bool:
    """Ask before a project is replaced that somebody else has saved meanwhile."""
    text = (
        f"{name} was saved by somebody else since it was opened here. Replace what they saved? "
        "Save as keeps both."
    )
    answer = QMessageBox.question(
        host, "Save project", text, Button.Yes | Button.Cancel, Button.Cancel
    )
    return bool(answer == Button.Yes)


def _headline(request: Request) -> str:
    count, total = len(lacking_in(request)), len(request.project.documents)
    if total == 1:
        return "The image of this project was not found."
    verb = "were" if count > 1 else "was"
    return f"{count} of the {total} images of this project {verb} not found."


def _missing_line(one: SavedDocument, request: Request, hidden: bool) -> str:
    source = one.source
    name = path_title(Path(source.name), hidden)
    size = "×".join(str(n) for n in reversed(source.shape))
    line = f"{name}  ({source.modality}, {size})"
    if one.key in request.changed:
        return f"{line}: it has changed since, so the work on it does not fit it any more"
    return line
