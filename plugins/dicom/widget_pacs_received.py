"""How much was received, and a button that removes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QMessageBox, QWidget

from gui.background import Background
from gui.parts import button, label
from gui.theme import GRID
from plugins.dicom.network import received

if TYPE_CHECKING:
    from gui.notices import Notices


class ReceivedLine(QWidget):
    """One line, kept up to date by `refresh`."""

    def __init__(self, notices: Notices) -> None:
        super().__init__()
        self._notices = notices
        self._background = Background(self)
        self.text = label("", "quiet", wrap=True)
        self.empty_button = button("Empty…", self.ask_to_empty, "small",
                                   "Remove the received studies")  # fmt: skip
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GRID)
        line.addWidget(self.text, 1)
        line.addWidget(self.empty_button)
        self.refresh()

    def refresh(self) -> None:
        """Look how much is there, which may take a moment."""
        self._background.run(received.size, self._show)

    def ask_to_empty(self) -> None:
        """Ask, then remove every received study; what is open stays open."""
        answer = QMessageBox.question(
            self, "Received studies",
            f"{self.text.text()}. Remove them from this computer? The archives keep theirs; a "
            "DICOM segmentation cannot be saved any more on a series that is open from here.",
        )  # fmt: skip
        if answer == QMessageBox.StandardButton.Yes:
            self._background.run(received.empty, lambda _: self.refresh(), self._notices.failed)

    def _show(self, found: tuple[int, int]) -> None:
        count, size = found
        megabytes = f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
        some = f"{count} stud{'ies' if count != 1 else 'y'}"
        self.text.setText(f"Received and kept: {some}, {megabytes}" if count else "")
        self.empty_button.setVisible(count > 0)
