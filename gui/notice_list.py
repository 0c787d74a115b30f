"""All notices since the start, the latest first, with what is behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QDialog, QHBoxLayout, QListWidget, QPlainTextEdit, QWidget

from gui.parts import button, column, label
from gui.theme import GRID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.notices import Told


class NoticeList(QDialog):
    """A row for each notice; the details of the chosen one below."""

    def __init__(self, notices: Sequence[Told], parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Notices")
        self.resize(720, 480)
        self._notices = tuple(reversed(notices))
        page = column(self, (2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID), GRID)
        self.rows = QListWidget()
        self.rows.setAccessibleName("Notices")
        self.rows.setWordWrap(True)
        self.rows.addItems([told.title for told in self._notices])
        self.details = QPlainTextEdit(readOnly=True)
        self.details.setAccessibleName("Details")
        page.addWidget(self.rows, 2)
        self._caption = label("DETAILS", "section")
        page.addWidget(self._caption)
        page.addWidget(self.details, 1)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(button("Copy all", self._copy))
        buttons.addWidget(button("Close", self.close))
        page.addLayout(buttons)
        self.rows.currentRowChanged.connect(self._show)
        self.rows.setCurrentRow(0)
        self._show(self.rows.currentRow())

    def _show(self, row: int) -> None:
        text = self._notices[row].details if 0 <= row < len(self._notices) else ""
        self.details.setPlainText(text)
        for part in (self._caption, self.details):
            part.setVisible(bool(text))

    def _copy(self) -> None:
        texts = ("\n".join(filter(None, (told.title, told.details))) for told in self._notices)
        QGuiApplication.clipboard().setText("\n\n".join(texts))
