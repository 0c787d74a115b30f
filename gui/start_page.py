"""What a user sees before anything is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from gui.parts import Scrolled, button, column, label, letter_width, panel
from gui.theme import GRID, Theme, icon
from gui.welcome import Welcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QAction, QShowEvent

LETTERS = 72  # as wide as a line may be
BIG = {  # the actions on buttons, and their icons
    "open": "mdi6.image-plus",
    "open_folder": "mdi6.folder-open",
    "browse": "mdi6.folder-search-outline",
    "open_samples": "mdi6.flask-outline",
}


class StartPage(QWidget):
    """Ways to open something, what was opened last, and a place to drop files."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        outside = QHBoxLayout(self)
        self._drop = QFrame()
        self._drop.setObjectName("drop")
        outside.setContentsMargins(0, 0, 0, 0)
        middle = panel()
        self._scrolled = Scrolled(middle)  # large text needs more than a small window has
        inside = column(middle, (GRID, GRID, GRID, GRID), 2 * GRID)
        inside.addStretch()
        self._offers = QVBoxLayout()
        self._offers.setSpacing(GRID)
        self.welcome = Welcome()
        inside.addLayout(self._offers)
        inside.addWidget(self.welcome)
        inside.addWidget(self._drop)
        inside.addStretch()
        outside.addStretch(1)
        outside.addWidget(self._scrolled, 100)
        outside.addStretch(1)
        self._column = QVBoxLayout(self._drop)
        self._column.setContentsMargins(5 * GRID, 5 * GRID, 5 * GRID, 5 * GRID)
        self._column.setSpacing(2 * GRID)
        kinds = "DICOM, NIfTI, NRRD, MHA, PNG, JPEG or TIFF"
        for text in (
            label("Open an image to begin", "title", wrap=True),
            label(f"Drop files, a folder or a project here\n{kinds}", "quiet", wrap=True),
        ):
            text.setAlignment(Qt.AlignmentFlag.AlignCenter)
            self._column.addWidget(text)
        self._buttons = QVBoxLayout()  # side by side they would not fit a small window
        self._buttons.setSpacing(GRID)
        self._column.addLayout(self._buttons)
        self._recent = QVBoxLayout()
        self._recent.setSpacing(0)
        self._column.addLayout(self._recent)

    def offer(self, actions: dict[str, QAction]) -> None:
        """Put the ways to open something on buttons."""
        self.welcome.offer(actions)
        self._made: list[tuple[QPushButton, str]] = []
        for name in BIG:
            style = "primary" if name == "open" else ""
            made = button(actions[name].text(), actions[name].trigger, style)
            made.setMinimumHeight(4 * GRID)
            self._buttons.addWidget(made)
            self._made.append((made, name))

    def show_recent(self, actions: Sequence[QAction]) -> None:
        """List what was opened last."""
        _clear(self._recent)
        if actions:
            self._recent.addWidget(label("RECENT", "section"))
        for action in actions[:5]:
            made = button(action.text(), action.trigger, "recent", tip=action.toolTip())
            made.setFlat(True)
            self._recent.addWidget(made)

    def show_offers(self, offers: Sequence[QWidget]) -> None:
        """Show what can be recovered above everything else."""
        _clear(self._offers)
        for offer in offers:
            self._offers.addWidget(offer)

    def mark_drop(self, over: bool) -> None:
        """Show that files can be let go now."""
        self._drop.setProperty("over", over)
        self._drop.style().unpolish(self._drop)
        self._drop.style().polish(self._drop)

    def showEvent(self, event: QShowEvent) -> None:
        """The keyboard begins at the first button."""
        super().showEvent(event)
        self._made[0][0].setFocus()

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self.welcome.apply_theme(theme)
        self._scrolled.setMaximumWidth(LETTERS * letter_width(self))
        for made, name in self._made:
            made.setIcon(icon(BIG[name], theme, theme.on_accent if name == "open" else ""))


def _clear(layout: QVBoxLayout) -> None:
    while (item := layout.takeAt(0)) is not None:
        if (gone := item.widget()) is not None:
            gone.setParent(None)  # at once, or it is seen until it is deleted
            gone.deleteLater()
