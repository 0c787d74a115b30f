"""Offers what windows that ended without warning have left, and goes on with it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from gui import recovery
from gui.background import Background
from gui.project_dialogs import RecoveryDialog, RecoveryOffer, sure_to_discard

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtWidgets import QWidget

    from gui.notices import Notices
    from gui.recovery import Left
    from gui.settings import SettingsFile
    from gui.start_page import StartPage


class Recovering(QObject):
    """Looks once after the start, beside the Qt thread; what it finds no other window gets."""

    chosen = Signal(object)  # Left, to go on with
    changed = Signal()

    def __init__(
        self, host: QWidget, page: StartPage, settings: SettingsFile, notices: Notices
    ) -> None:
        super().__init__(host)
        self._host, self._page, self._settings, self._notices = host, page, settings, notices
        self._background = Background(self)
        self.left: list[Left] = []

    def look(self, folder: Path, tell: bool) -> None:
        """Find what was left; `tell` of it, as the start page is not seen."""
        self._background.run(partial(recovery.find, folder), partial(self._found, tell))

    def ask(self) -> None:
        """Offer over what is open."""
        if self.left:
            RecoveryDialog(self._offers(), self._host).open()

    def refresh(self) -> None:
        """Offer on the start page."""
        self._page.show_offers(self._offers())
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
            self._notices.tell("Unsaved work can be recovered: File, Recover unsaved work.")

    def _offers(self) -> list[RecoveryOffer]:
        offers = []
        for left in self.left:
            offer = RecoveryOffer(left, self._settings.now.hide_patient_names)
            offer.recover_asked.connect(self._recover)
            offer.discard_asked.connect(self._discard)
            offers.append(offer)
        return offers

    def _recover(self, left: Left) -> None:
        self.left.remove(left)
        self.refresh()
        self.chosen.emit(left)

    def offer_again(self, left: Left) -> None:
        """It could not be gone on with."""
        self.left.append(left)
        self.refresh()

    def _discard(self, left: Left) -> None:
        if left in self.left and sure_to_discard(self._host):
            self.left.remove(left)
            left.discard()
            self.refresh()
