"""The table of what curves tell: a row for each figure, a column for each region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QBrush
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QInputDialog,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
)

from gui.parts import row_height
from gui.sections import offer_copy
from plugins.dsa_interpolation.widget_parts import legible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from plugins.dsa_interpolation.following import Row
    from plugins.dsa_interpolation.regions import Region

COLUMN = 78  # px, at least
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class FigureTable(QTableWidget):
    """A double click on a name renames the region; Ctrl+C copies all."""

    def __init__(self, rename: Callable[[Region, str], None]) -> None:
        super().__init__()
        self._rename = rename
        self._rows: Sequence[Row] = ()
        self._regions: Sequence[Region] = ()
        self.setAccessibleName("Figures of the curves")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectColumns)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setMinimumSectionSize(COLUMN)
        self.horizontalHeader().sectionDoubleClicked.connect(self._ask_name)
        self.horizontalHeader().setToolTip("Double click to rename")
        self.verticalHeader().setDefaultSectionSize(row_height(self))
        offer_copy(self, self.as_text)

    @property
    def chosen(self) -> Region | None:
        """The region whose column is selected, or the only one there is."""
        columns = {item.column() for item in self.selectedItems()}
        if len(self._regions) == 1:
            return self._regions[0]
        return self._regions[columns.pop()] if columns else None

    def show_rows(self, rows: Sequence[Row], regions: Sequence[Region]) -> None:
        """Show these figures, in the order of the regions."""
        self._rows, self._regions = rows, regions
        self.setRowCount(len(rows))
        self.setColumnCount(len(regions))
        for place, region in enumerate(regions):
            header = QTableWidgetItem(region.name)
            header.setForeground(QBrush(legible(region.color, self)))
            self.setHorizontalHeaderItem(place, header)
        for line, row in enumerate(rows):
            title = QTableWidgetItem(row.caption)
            title.setToolTip(row.help)
            self.setVerticalHeaderItem(line, title)
            for place, text in enumerate(row.texts):
                item = QTableWidgetItem(text)
                item.setTextAlignment(RIGHT)
                item.setToolTip(row.help)
                self.setItem(line, place, item)
        self._fit()

    def as_text(self) -> str:
        """Names on top, one line a figure, for a spreadsheet."""
        names = "\t".join(["", *(region.name for region in self._regions)])
        lines = ["\t".join([row.caption, *row.texts]) for row in self._rows]
        return "\n".join([names, *lines])

    def _fit(self) -> None:
        """As high as its rows, for the dock scrolls as a whole."""
        rows = sum(self.rowHeight(i) for i in range(self.rowCount()))
        wide = len(self._regions) * COLUMN + self.verticalHeader().sizeHint().width()
        bar = self.horizontalScrollBar().sizeHint().height() if wide > self.width() else 0
        self.setFixedHeight(self.horizontalHeader().sizeHint().height() + rows + bar + 4)

    def _ask_name(self, column: int) -> None:
        region = self._regions[column]
        name, sure = QInputDialog.getText(
            self, "Rename region", "Name", QLineEdit.EchoMode.Normal, region.name
        )
        if sure:
            self._rename(region, name.strip())
