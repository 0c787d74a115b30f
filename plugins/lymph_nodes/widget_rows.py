"""What the table of nodes shows: its columns, its rows as Qt asks for them, and the filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)
from qtpy.QtGui import QBrush, QColor

from gui.theme import THEMES
from plugins.lymph_nodes.stations import STATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from plugins.lymph_nodes.review import Row, State

Align = Qt.AlignmentFlag
SORT = Qt.ItemDataRole.UserRole
Index = QModelIndex | QPersistentModelIndex
SIGNS: dict[State, str] = {"open": "", "accepted": "✓", "rejected": "✕"}
DASH = "\N{EN DASH}"


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
           lambda row: _figure(row.node.short_axis_mm), "88.8", "Short axis in its slice, mm"),
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
