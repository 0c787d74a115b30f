"""The audit trail to read: a table with a filter, the check of its chain, and a table to save."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QTableView,
    QWidget,
)

from gui.background import Background
from gui.parts import button, column, label, row_height
from gui.theme import GRID
from inference.audit import Record, Trail, Verdict

if TYPE_CHECKING:
    from gui.notices import Notices

COLUMNS = ("Time", "User", "What", "Study", "Model", "Details")
WIDTHS = (150, 90, 110, 110, 170)
FIRST = ("to", "files")  # of the details
EXPLAINED = (
    "Each record holds the hash of the one before: a record that was changed, taken out or put in "
    "is noticed. A trail that was cut off at its end, or written anew as a whole, is noticed only "
    "by its seal: note it elsewhere."
)
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
Index = QModelIndex | QPersistentModelIndex


class AuditDialog(QDialog):
    """Read in the background; the latest record first."""

    def __init__(self, notices: Notices, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Audit trail")
        self.resize(1080, 600)
        self._notices, self._background, self._seal = notices, Background(self), ""
        page = column(self, (2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID), GRID)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter: a user, a model, a study, a date…")
        self.filter.setAccessibleName("Filter")
        self.filter.setClearButtonEnabled(True)
        self.rows = self._table()
        self.filter.textChanged.connect(self._shown.setFilterFixedString)
        self.filter.textChanged.connect(self._count)
        self.verdict = label("Reading…", wrap=True)
        self.verdict.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for part in (self.filter, self.rows, self.verdict, label(EXPLAINED, "quiet", wrap=True)):
            page.addWidget(part)
        page.addLayout(self._buttons())
        self.read()

    def read(self) -> None:
        """Read and verify all records."""
        self._background.run(_look, self._show, self._failed)

    def _table(self) -> QTableView:
        self._shown = QSortFilterProxyModel(self)
        self._shown.setFilterKeyColumn(-1)
        self._shown.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        view = QTableView()
        view.setModel(self._shown)
        view.setAccessibleName("Records")
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.setSortingEnabled(True)
        view.horizontalHeader().setDefaultAlignment(LEFT)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(row_height(view))
        return view

    def _buttons(self) -> QHBoxLayout:
        line = QHBoxLayout()
        self.counted = label("", "quiet")
        self.copy = button("Copy seal", self._copy, tip="To note it elsewhere")
        self.save = button("Export CSV…", self._save)
        line.addWidget(self.counted)
        line.addStretch()
        for part in (self.copy, self.save, button("Close", self.close)):
            part.setAutoDefault(False)  # Return in the filter presses none of them
            line.addWidget(part)
        return line

    def _show(self, found: tuple[list[Record], Verdict]) -> None:
        records, verdict = found
        self._seal = verdict.seal
        self._shown.setSourceModel(RecordTable(records[::-1]))
        for number, width in enumerate(WIDTHS):
            self.rows.setColumnWidth(number, width)
        header = self.rows.horizontalHeader()
        header.setSortIndicator(0, Qt.SortOrder.DescendingOrder)
        header.setSectionResizeMode(len(WIDTHS), QHeaderView.ResizeMode.Stretch)
        self.verdict.setObjectName("error" if verdict.problems else "")
        self.verdict.style().polish(self.verdict)
        self.verdict.setText(verdict.sentence)
        self.verdict.setToolTip("\n".join(verdict.problems[:20]))
        self._count()

    def _count(self) -> None:
        every = self._shown.sourceModel()
        count, total = self._shown.rowCount(), every.rowCount() if every else 0
        self.counted.setText(f"{count} of {total} shown" if count < total else "")

    def _failed(self, error: Exception) -> None:
        self.verdict.setText(str(error))
        self.copy.setEnabled(False)
        self.save.setEnabled(False)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._seal)

    def _save(self) -> None:
        start = str(Path.home() / "audit.csv")
        chosen, _ = QFileDialog.getSaveFileName(self, "Export", start, "CSV (*.csv)")
        if chosen:
            path = Path(chosen).with_suffix(".csv")
            self._background.run(
                lambda: Trail().export(path),
                lambda count: self._notices.tell(f"Saved {count} records to {path.name}."),
                self._notices.failed,
            )


class RecordTable(QAbstractTableModel):
    """Records as rows."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__()
        self._cells = [cells(record) for record in records]

    def rowCount(self, parent: Index | None = None) -> int:
        """One a record."""
        return len(self._cells)

    def columnCount(self, parent: Index | None = None) -> int:
        """What is told of each."""
        return len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A text, whole in the tool tip."""
        wanted = role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole)
        return self._cells[index.row()][index.column()] if wanted else None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """The captions."""
        shown = role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal
        return COLUMNS[section] if shown else None


def cells(record: Record) -> tuple[str, ...]:
    """A record under the captions; times in the zone of this computer."""
    facts = dict(record.facts)
    model = facts.pop("model", None) or {}
    named = f"{facts.get('task', '')} {model.get('name', '')} {model.get('version', '')}"
    digest = str(model.get("sha256", ""))[:12]
    ordered = {name: facts[name] for name in FIRST if name in facts} | facts
    details = [f"{_plain(name)} {_plain(value)}" for name, value in ordered.items() if value]
    if digest:
        details.append(f"weights {digest}")
    return (
        _local(record.time), record.user, record.event, record.study[:12],
        " ".join(named.replace("_", " ").split()), "  ·  ".join(details),
    )  # fmt: skip


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).replace("_", " ") if isinstance(value, str) else str(value)


def _local(time: str) -> str:
    try:
        return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d  %H:%M:%S}"
    except ValueError:
        return time


def _look() -> tuple[list[Record], Verdict]:
    trail = Trail()
    return trail.records(), trail.verify()
