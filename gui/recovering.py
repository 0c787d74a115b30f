"""Offers what windows that ended without warning have left, and goes on with it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from gui import recovery
from gui.background import Background
from gui.project_dialogs import RecoveryDialog, RecoveryOffer, sure_to_discard
from gui.project_file import Closed, read_project
from gui.project_opening import Opened, ProjectOpening, Request
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gui.autosave import Autosave
    from gui.project import Project, SavedDocument
    from gui.project_saving import Carried
    from gui.recovery import Left
    from gui.window import LimnWindow

    Adopt = Callable[[Project, Sequence[Opened], Sequence[Carried]], None]


class Recovering(QObject):
    """Looks once after the start, beside the Qt thread; what it finds no other window gets."""

    changed = Signal()

    def __init__(
        self, window: LimnWindow, opening: ProjectOpening, autosave: Autosave, adopt: Adopt
    ) -> None:
        super().__init__(window)
        self._window, self._opening = window, opening
        self._autosave, self._adopt = autosave, adopt
        self._background = Background(self)
        self.left: list[Left] = []

    def look(self, folder: Path, tell: bool) -> None:
        """Find what was left; `tell` of it, as the start page is not seen."""
        self._background.run(partial(recovery.find, folder), partial(self._found, tell))

    def ask(self) -> None:
        """Offer over what is open."""
        if self.left:
            RecoveryDialog(self._offers(), self._window).open()

    def refresh(self) -> None:
        """Offer on the start page."""
        self._window.start_page.show_offers(self._offers())
        self.changed.emit()

    def close(self) -> None:
        """Leave for the next start what was neither recovered nor discarded."""
        for left in self.left:
            left.close()
        self.left.clear()

    def _found(self, tell: bool, found: list[Left]) -> None:
        self.left = found
        self.refresh()
        if found and tell:
            sentence = "Unsaved work can be recovered: File, Recover unsaved work."
            self._window.notices.tell(sentence)

    def _offers(self) -> list[RecoveryOffer]:
        offers = []
        for left in self.left:
            offer = RecoveryOffer(left, self._window.settings.now.hide_patient_names)
            offer.recover_asked.connect(self._recover)
            offer.discard_asked.connect(self._discard)
            offers.append(offer)
        return offers

    def _discard(self, left: Left) -> None:
        if left in self.left and sure_to_discard(self._window):
            self.left.remove(left)
            left.discard()
            self.refresh()

    def _recover(self, left: Left) -> None:
        self.left.remove(left)
        self.refresh()
        folder = Path(left.project.path).parent if left.project.path else None
        done = partial(self._go_on, left)
        failed = partial(self._not_recovered, left)
        self._opening.open(Request(left.project, left.file, folder, done, failed))

    def _not_recovered(self, left: Left, error: BaseException | None) -> None:
        self.left.append(left)
        self.refresh()
        if error is not None:
            self._window.notices.failed(error, "The unsaved work could not be recovered.")

    def _go_on(self, left: Left, opened: list[Opened], lacking: list[SavedDocument]) -> None:
        """What was left is on the disk again, as this window's, before it is deleted."""
        self._close_copies(opened)
        carried = [*_absent(left.project), *((one, left.file) for one in lacking)]
        self._adopt(left.project, opened, carried)
        if not lacking:
            self._background.run(self._autosave.wait, partial(_release, left))

    def _close_copies(self, opened: Sequence[Opened]) -> None:
        """Images that are open already, without work on them."""
        pixels = {one.document.series.sha256 for one in opened}
        for document in list(self._window.studies.open):
            if document.series.sha256 in pixels and not document.history.undo_title:
                self._window.studies.close(document)


def _absent(project: Project) -> list[Carried]:
    """The images of the project that was open which were not found then."""
    path = Path(project.path)
    try:
        documents = read_project(path).documents if project.absent else ()
    except UserError:
        return []
    return [(one, Closed(path)) for one in documents if one.key in project.absent]


def _release(left: Left, kept: bool) -> None:
    """Once the work is kept anew, what was left is not needed any more."""
    if kept:
        left.discard()
    else:
        left.close()
