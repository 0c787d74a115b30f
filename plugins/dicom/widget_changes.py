"""The table of what de-identification changes in a file, with a search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QSignalBlocker,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHeaderView,
    QLineEdit,
    QSpinBox,
    QTableView,
    QWidget,
)

from gui.parts import column, label, letter_width, row_height
from gui.sections import row
from gui.theme import GRID

if TYPE_CHECKING:
    from plugins.dicom.deidentify_preview import Change

COLUMNS = ("Tag", "", "Name", "Before", "After")
LETTERS = (16, 12, 40, 32)  # that a column has room for; the last takes what is left
WHAT = 1  # the column that says what becomes of an element
HIDDEN = "•••"
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
Index = QModelIndex | QPersistentModelIndex


class ChangesPage(QWidget):
    """Before and after of every element of a file; what stays is shown on request."""

    file_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        page = column(self, (GRID, GRID, GRID, GRID), GRID)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search: a tag, a name, a value…")
        self.search.setAccessibleName("Search")
        self.search.setClearButtonEnabled(True)
        self.kept = QCheckBox("Also what stays")
        self.file = QSpinBox()
        self.file.setAccessibleName("File")
        self.file.setPrefix("File ")
        self.file.valueChanged.connect(self.file_changed)
        page.addWidget(row(self.search, self.file, self.kept))
        self._shown = Shown(self)
        self.search.textChanged.connect(self._filter)
        self.kept.toggled.connect(self._filter)
        self.rows = QTableView()
        self.rows.setModel(self._shown)
        self.rows.setAccessibleName("What changes")
        self.rows.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.rows.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.rows.setShowGrid(False)
        self.rows.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.rows.setWordWrap(False)
        self.rows.horizontalHeader().setDefaultAlignment(LEFT)
        self.rows.verticalHeader().hide()
        page.addWidget(self.rows, 1)
        self.counted = label("", "quiet")
        page.addWidget(self.counted)

    def offer_files(self, count: int) -> None:
        """Let the user choose among so many files, beginning with the first."""
        with QSignalBlocker(self.file):
            self.file.setRange(1, count)
            self.file.setSuffix(f" of {count}")
            self.file.setValue(1)
        self.file.setEnabled(count > 1)

    def show_changes(self, changes: tuple[Change, ...], hidden: bool) -> None:
        """Show those of another file; `hidden`: not what tells the patient."""
        self._shown.setSourceModel(ChangeTable(changes, hidden))
        for number, letters in enumerate(LETTERS):
            self.rows.setColumnWidth(number, letters * letter_width(self.rows))
        self.rows.verticalHeader().setDefaultSectionSize(row_height(self.rows))
        header = self.rows.horizontalHeader()
        header.setSectionResizeMode(len(LETTERS), QHeaderView.ResizeMode.Stretch)
        total = sum(change.what != "kept" for change in changes)
        self.counted.setText(f"{total} of {len(changes)} elements change in this file.")
        self._filter()

    def _filter(self) -> None:
        self._shown.choose(self.search.text(), self.kept.isChecked())


class Shown(QSortFilterProxyModel):
    """The rows that hold a text."""

    _text, _kept = "", False

    def choose(self, text: str, kept: bool) -> None:
        """Show these rows from now on."""
        self.beginResetModel()
        self._text, self._kept = text.casefold(), kept
        self.endResetModel()

    def filterAcceptsRow(self, source_row: int, source_parent: Index) -> bool:
        """Whether it changes, or is wanted too, and holds the text."""
        table = self.sourceModel()
        if not isinstance(table, ChangeTable):
            return False
        cells = table.cells[source_row]
        wanted = self._kept or cells[WHAT] != "kept"
        return wanted and self._text in "\n".join(cells).casefold()


class ChangeTable(QAbstractTableModel):
    """Changes as rows."""

    def __init__(self, changes: tuple[Change, ...], hidden: bool) -> None:
        super().__init__()
        self.cells = [_cells(change, hidden) for change in changes]

    def rowCount(self, parent: Index | None = None) -> int:
        """One an element."""
        return len(self.cells)

    def columnCount(self, parent: Index | None = None) -> int:
        """What is told of each."""
        return len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A text, whole in the tool tip."""
        cells = self.cells[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return cells[index.column()]
        quiet = role == Qt.ItemDataRole.ForegroundRole and cells[WHAT] == "kept"
        return QColor("gray") if quiet else None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """The captions."""
        shown = role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal
        return COLUMNS[section] if shown else None


def _cells(change: Change, hidden: bool) -> tuple[str, ...]:
    secret = hidden and change.before and change.what != "kept"
    before = HIDDEN if secret else change.before
    return change.tag, change.what, change.name, before, change.after
