"""The section of a task's dock in which corrected cases are kept for its model to learn from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from qtpy.QtCore import Signal

from gui.learning_dialog import LearningDialog, counted
from gui.parts import button
from gui.sections import Section, quiet, row
from inference.corrections import Corrections
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gui.document import Document
    from gui.session import Session
    from inference.corrections import Entry
    from inference.series import Array
    from inference.tasks import Task

    Taught = tuple[Mapping[str, Array], Mapping[str, Any]]
    """Arrays and figures of a case, as the task's learning.py reads them."""

PROMISE = (
    "A kept case stays on this computer: pixels and outlines, without names. The model can learn "
    "from it, and you choose whether the result is used."
)


class Teacher(Protocol):
    """The work on a document of a task that learns."""

    @property
    def document(self) -> Document:
        """What is worked on."""

    def lesson(self) -> Taught:
        """What can be learned from it as it is now; raises UserError if nothing can."""


class LearningSection(Section[Teacher]):
    """Keep this case, how many there are, and the way to a better model."""

    changed = Signal()  # another version of the model is in force

    def __init__(self, session: Session, task: Task, tip: str) -> None:
        super().__init__(session, "Learning")
        self._task, self._corrections = task, Corrections(task.name)
        self._entries: list[Entry] = []
        self.dialog: LearningDialog | None = None
        self.keep_button = button("Keep this case", self.keep, tip=tip)
        self.improve_button = button(
            "Improve…", self.improve, name="Improve the model",
            tip="Let the model learn from the kept cases, compare its versions, choose one",
        )  # fmt: skip
        self.count = quiet()
        self.column.addWidget(row(self.keep_button, self.improve_button))
        self.column.addWidget(self.count)
        self._recount()

    def refresh(self) -> None:
        """Say whether the shown case is kept."""
        shown = self.work.document.series if self.work else None
        key = self._corrections.key_of(shown) if shown is not None else ""
        kept = key in [entry.key for entry in self._entries]
        self.keep_button.setText("Keep as it is now" if kept else "Keep this case")
        here = " This case is among them." if kept else ""
        self.count.setText(f"{counted(self._entries)}{here}" if self._entries else PROMISE)

    def keep(self) -> None:
        """Keep the case with its corrections as they are."""
        work = self.work
        if work is None:
            return
        try:
            arrays, figures = work.lesson()
        except UserError as error:
            self.session.notices.failed(error)
            return
        store = partial(self._corrections.keep, work.document.series, arrays, figures)
        self.session.background.run(store, lambda _: self._recount(), self.session.notices.failed)

    def improve(self) -> None:
        """Show what is kept, what came of it, and the way to more."""
        if self.dialog is None:
            self.dialog = LearningDialog(self.session, self._task, self.window())
            self.dialog.emptied.connect(self._recount)
            self.dialog.chosen.connect(self.changed)
        self.dialog.show_state()
        self.dialog.show()
        self.dialog.raise_()

    def _recount(self) -> None:
        self._entries = self._corrections.entries()
        self.refresh()
        if self.dialog is not None:
            self.dialog.show_state()
