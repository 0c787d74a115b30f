"""The table of nodes: sorted by any column, filtered by size and state; keys and clicks choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from gui.parts import row_height
from gui.sections import offer_copy
from plugins.lymph_nodes.widget_rows import COLUMNS, STATION, NodeFilter, NodeModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QResizeEvent

    from gui.theme import Theme
    from plugins.lymph_nodes.review import Row

PADDING = 12  # px, of both sides of a cell
NARROW = (
    "QHeaderView::section { padding: 6px 5px 3px 5px; }"
    "QHeaderView::up-arrow, QHeaderView::down-arrow { subcontrol-origin: border;"
    " subcontrol-position: top center; width: 8px; height: 6px; }"
)
"""Headings hardly wider than their text: the sign for the order stands above it."""
ROWS_SHOWN = 12
FIRST_LEFT_OUT = ("Conf", "HU", "ml", "Long")
"""Where there is little room."""


class NodeTable(QTableView):
    """Arrow keys and clicks choose a node; Shift or Ctrl choose several; Ctrl+C copies all."""

    chosen = Signal(str)  # key
    room_changed = Signal()  # `whole_width` is another

    def __init__(self) -> None:
        super().__init__()
        self.nodes = NodeModel()
        self.filter = NodeFilter(self.nodes)
        self.setModel(self.filter)
        self.setAccessibleName("Lymph nodes")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSortingEnabled(True)
        self.sortByColumn(3, Qt.SortOrder.DescendingOrder)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalHeader().hide()
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setMinimumSectionSize(20)
        self.setStyleSheet(NARROW)
        self._compared = False
        self._set_widths()
        self._telling = True
        self._lost = ""  # who was chosen and is not there while it is measured
        self.selectionModel().currentRowChanged.connect(self._current_changed)
        offer_copy(self, self.as_text)

    def _set_widths(self) -> None:
        """As wide as the longest text of each column; what is left goes to the stations."""
        self._row = row_height(self)
        self.verticalHeader().setDefaultSectionSize(self._row)
        header, advance = self.horizontalHeader(), self.fontMetrics().horizontalAdvance
        self._widths = [
            max(advance(column.title), advance(column.widest)) + PADDING for column in COLUMNS
        ]
        for number, width in enumerate(self._widths):
            self.setColumnWidth(number, width)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(STATION, QHeaderView.ResizeMode.Stretch)
        self.setMinimumWidth(self._needed(FIRST_LEFT_OUT))
        self._show_columns()

    @property
    def whole_width(self) -> int:
        """What all columns need that there are now; px."""
        return self._needed(())

    def _needed(self, left_out: Sequence[str]) -> int:
        pairs = zip(COLUMNS, self._widths, strict=True)
        shown = [
            width for column, width in pairs
            if column.title not in left_out and (self._compared or not column.compared)
        ]  # fmt: skip
        return sum(shown) + 2 * PADDING

    def changeEvent(self, event: QEvent) -> None:
        """Text of another size needs other room."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._set_widths()
            self._fit()
            self.room_changed.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave out columns that do not fit; their figures are in the tool tip of a row."""
        super().resizeEvent(event)
        self._show_columns()

    def _show_columns(self) -> None:
        count = next(
            (n for n in range(len(FIRST_LEFT_OUT)) if self._needed(FIRST_LEFT_OUT[:n])
             <= self.width()), len(FIRST_LEFT_OUT),
        )  # fmt: skip
        left_out = FIRST_LEFT_OUT[:count]
        for number, column in enumerate(COLUMNS):
            hidden = column.compared and not self._compared
            self.setColumnHidden(number, hidden or column.title in left_out)

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self.nodes.theme = theme

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show these nodes; whoever was chosen stays chosen, if it is still there."""
        key, several = self.current or self._lost, self.selected
        self._telling = False
        self.nodes.show_rows(rows)
        if key != self.current or not self.selectionModel().hasSelection():
            self.choose(key)
        self._lost = "" if self.current else key
        if len(several) > 1 and set(several) != set(self.selected):
            self.clearSelection()
            for other in several:
                self._select(other)
        self._telling = True
        self._fit()

    def show_compared(self, shown: bool) -> None:
        """Show or hide what an earlier study adds."""
        if shown != self._compared:
            self._compared = shown
            self._show_columns()
            self.room_changed.emit()

    @property
    def keys(self) -> list[str]:
        """Of the nodes that pass the filter, in the order shown."""
        places = (self.filter.index(n, 0) for n in range(self.filter.rowCount()))
        return [self.nodes.rows[self.filter.mapToSource(place).row()].key for place in places]

    @property
    def current(self) -> str:
        """The node that was chosen last, "" if none."""
        index = self.filter.mapToSource(self.currentIndex())
        return self.nodes.rows[index.row()].key if index.isValid() else ""

    @property
    def selected(self) -> list[str]:
        """All chosen nodes, in the order shown."""
        chosen = {index.row() for index in self.selectionModel().selectedRows()}
        found = [key for place, key in enumerate(self.keys) if place in chosen]
        return found or [key for key in (self.current,) if key]

    def choose(self, key: str, quietly: bool = False) -> None:
        """Choose a node, if it is shown; `quietly`: without telling of it."""
        telling, self._telling = self._telling, self._telling and not quietly
        if key in self.keys:
            self._go_to(self.keys.index(key))
        self._telling = telling

    def step(self, count: int) -> None:
        """Go some rows on, from the ends not further."""
        keys = self.keys
        if keys:
            place = keys.index(self.current) + count if self.current in keys else 0
            self._go_to(min(max(place, 0), len(keys) - 1))

    def _go_to(self, place: int) -> None:
        """Choose a row alone; `selectRow` would add it while Shift or Ctrl are held for a key."""
        flags = self.selectionModel().SelectionFlag
        index = self.filter.index(place, 0)
        self.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)

    def as_text(self) -> str:
        """The shown rows with headings, for a spreadsheet."""
        by_key = {row.key: row for row in self.nodes.rows}
        lines = ["\t".join(column.title or "State" for column in COLUMNS)]
        lines += ["\t".join(c.text(by_key[key]) for c in COLUMNS) for key in self.keys]
        return "\n".join(lines)

    def _select(self, key: str) -> None:
        flags = self.selectionModel().SelectionFlag
        if key in self.keys:
            index = self.filter.index(self.keys.index(key), 0)
            self.selectionModel().select(index, flags.Select | flags.Rows)

    def _current_changed(self, now: Any, before: Any) -> None:
        if self._telling and self.current:
            self.chosen.emit(self.current)

    def _fit(self) -> None:
        rows = min(max(self.filter.rowCount(), 3), ROWS_SHOWN)
        header = self.horizontalHeader().sizeHint().height()
        self.setFixedHeight(header + rows * self._row + 2 * self.frameWidth() + 2)
