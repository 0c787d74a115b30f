"""The table of nodes: sorted by any column, filtered by size and state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from gui.parts import row_height
from gui.sections import offer_copy
from gui.theme import THEMES, Theme
from plugins.lymph_nodes.stations import STATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtGui import QResizeEvent

    from plugins.lymph_nodes.review import Row, State

Align = Qt.AlignmentFlag
SORT = Qt.ItemDataRole.UserRole
Index = QModelIndex | QPersistentModelIndex
SIGNS: dict[State, str] = {"open": "", "accepted": "✓", "rejected": "✕"}
DASH = "\N{EN DASH}"
PADDING = 12  # px, of both sides of a cell
NARROW = "QHeaderView::section { padding: 4px 5px; }"
ROWS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Column:
    """One column: heading, what is sorted by, what is shown, what the tool tip says."""

    title: str
    value: Callable[[Row], Any]
    text: Callable[[Row], str]
    widest: str
    tip: str
    compared: bool = False  # only shown beside an earlier study


def _figure(value: float | None, places: int = 1) -> str:
    return DASH if value is None or value != value else f"{value:.{places}f}"


def _order(row: Row) -> int:
    return list(STATIONS).index(row.station) if row.station in STATIONS else len(STATIONS)


def _station(row: Row) -> str:
    return row.station + ("" if row.review.chosen or not row.station else " ?")


def _change(row: Row) -> str:
    change, share = row.change_mm, row.change
    if change is None or share is None:
        return "new" if row.object_id else ""
    return f"{change:+.1f} ({share:+.0%})"


COLUMNS = (
    Column("", lambda row: row.review.state, lambda row: SIGNS[row.review.state]
           + ("◎" if row.review.target else ""), "✓◎", "✓ accepted, ✕ rejected, ◎ target"),
    Column("No", lambda row: row.number, lambda row: str(row.number or "…"), "188", "Number"),
    Column("Station", _order, _station, "10R ?", "IASLC station; with ? as proposed"),
    Column("Short", lambda row: row.node.short_axis_mm,
           lambda row: _figure(row.node.short_axis_mm), "88.8 ▾", "Short axis in its slice, mm"),
    Column("Long", lambda row: row.node.long_axis_mm,
           lambda row: _figure(row.node.long_axis_mm), "88.8", "Long axis in its slice, mm"),
    Column("ml", lambda row: row.node.volume_ml,
           lambda row: _figure(row.node.volume_ml, 2), "88.88", "Volume, ml"),
    Column("HU", lambda row: row.node.mean_hu,
           lambda row: _figure(row.node.mean_hu, 0), "-888", "Mean attenuation, HU"),
    Column("Conf", lambda row: -1.0 if row.confidence is None else row.confidence,
           lambda row: _figure(row.confidence, 2), "0.88", "Confidence; none if drawn"),
    Column("Before", lambda row: row.earlier.short_axis_mm if row.earlier else -1.0,
           lambda row: _figure(row.earlier.short_axis_mm if row.earlier else None),
           "88.8", "Short axis in the earlier study, mm", compared=True),
    Column("Change", lambda row: row.change_mm if row.change_mm is not None else -1e9,
           _change, "+18.8 (+188%)", "Of the short axis, mm and %", compared=True),
)  # fmt: skip
STATION = 2
FIGURES = tuple(column for column in COLUMNS[STATION + 1 :] if not column.compared)
FIRST_LEFT_OUT = ("Conf", "HU", "ml", "Long")
"""Where there is little room."""


class NodeModel(QAbstractTableModel):
    """Rows as Qt asks for them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self.theme = THEMES["dark"]

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show these from now on; those that stay keep their place and their selection."""
        same = [row.key for row in rows] == [row.key for row in self.rows]
        if not same:
            self.beginResetModel()
        self.rows = list(rows)
        if not same:
            self.endResetModel()
        elif self.rows:
            last = self.index(len(self.rows) - 1, len(COLUMNS) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Nodes."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Columns, also those that are hidden."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Headings and their tool tips."""
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return COLUMNS[section].title
            if role == Qt.ItemDataRole.ToolTipRole:
                return COLUMNS[section].tip
            if role == Qt.ItemDataRole.TextAlignmentRole and section == STATION:
                return Align.AlignLeft | Align.AlignVCenter
        return None

    def data(self, index: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows, sorts by, and says."""
        row, column = self.rows[index.row()], COLUMNS[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(row)
        if role == SORT:
            return column.value(row)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Align.AlignLeft if index.column() == STATION else Align.AlignRight
            return side | Align.AlignVCenter
        if role == Qt.ItemDataRole.ForegroundRole and row.review.state == "rejected":
            return QBrush(QColor(self.theme.disabled))
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(row)
        return None

    def _tip(self, row: Row) -> str:
        axes = " × ".join(f"{length:.1f}" for length in row.node.axes_3d_mm)
        name = STATIONS.get(row.station, "Station not known")
        reason = "chosen by you" if row.review.chosen else row.suggestion.reason
        figures = ", ".join(f"{column.title} {column.text(row)}" for column in FIGURES)
        return f"{row.key}: {row.review.state}\n{name}: {reason}\n{figures}\nIn 3D {axes} mm"


class NodeFilter(QSortFilterProxyModel):
    """Passes rows from a size on and in some state; sorts by value, not by text."""

    def __init__(self, model: NodeModel) -> None:
        super().__init__()
        self._model = model
        self.least, self.state = 0.0, ""
        self.setSourceModel(model)
        self.setSortRole(SORT)
        self.setDynamicSortFilter(True)

    def pass_only(self, least: float, state: str) -> None:
        """Short axis of `least` mm or more, this state ("": any)."""
        self.least, self.state = least, state
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: Any) -> bool:
        """Whether a row is shown."""
        row = self._model.rows[source_row]
        return row.node.short_axis_mm >= self.least and self.state in ("", row.review.state)


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
        self._row = row_height(self)
        self.verticalHeader().setDefaultSectionSize(self._row)
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
            self.selectRow(self.keys.index(key))
        self._telling = telling

    def step(self, count: int) -> None:
        """Go some rows on, from the ends not further."""
        keys = self.keys
        if keys:
            place = keys.index(self.current) + count if self.current in keys else 0
            self.selectRow(min(max(place, 0), len(keys) - 1))

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
