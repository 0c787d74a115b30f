"""Every part that Limn is made of, with its licence to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QPlainTextEdit,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from gui.parts import column, label, row_height
from gui.theme import GRID
from inference.parts import Part, parts
from inference.resources import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.background import Background

TITLES = ("Part", "Version", "Licence")
OWN = ROOT / "LICENSE"
RULE = "\n\n" + 72 * "─" + "\n\n"


class LicencesPage(QWidget):
    """A table of the parts; below, the licence of the chosen one."""

    def __init__(self, background: Background) -> None:
        super().__init__()
        self._parts: tuple[Part, ...] = ()
        self.rows = QTableWidget(0, len(TITLES))
        self.rows.setAccessibleName("Parts")
        self.rows.setHorizontalHeaderLabels(TITLES)
        self.rows.verticalHeader().hide()
        self.rows.verticalHeader().setDefaultSectionSize(row_height(self.rows))
        self.rows.setShowGrid(False)
        self.rows.setWordWrap(False)
        self.rows.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.rows.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.rows.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.rows.horizontalHeader().setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.rows.setColumnWidth(0, 220)
        self.rows.currentCellChanged.connect(self._show_text)
        self.text = QPlainTextEdit(OWN.read_text("utf-8"))
        self.text.setReadOnly(True)
        self.text.setAccessibleName("Licence")
        self.counted = label("Looking…", "quiet")
        inside = column(self, (GRID, GRID, GRID, GRID), GRID)
        for part, share in ((self.counted, 0), (self.rows, 3), (self.text, 4)):
            inside.addWidget(part, share)
        background.run(parts, self.show_parts)

    def show_parts(self, found: Sequence[Part]) -> None:
        """List them."""
        self._parts = tuple(found)
        self.counted.setText(f"Limn is made with {len(found)} parts of other people.")
        self.rows.setRowCount(len(found))
        for row, part in enumerate(found):
            for place, text in enumerate((part.name, part.version, part.licence)):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.rows.setItem(row, place, item)

    def _show_text(self, row: int, *_: int) -> None:
        part = self._parts[row]
        texts = [path.read_text("utf-8", "replace") for path in part.texts]
        self.text.setPlainText(RULE.join(texts) or f"{part.name}: {part.licence}")
