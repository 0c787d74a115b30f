"""The cases of the queue as rows: which, how far, and what is to be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from qtpy.QtGui import QColor

from gui.theme import THEMES, Theme

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inference.cases import Case
    from inference.lane import Outcome

    Index = QModelIndex | QPersistentModelIndex

HEADINGS = ("Case", "State", "Notes")
WORDS = {
    "waiting": "Waiting", "running": "Working", "done": "Done", "flagged": "Done, to look at",
    "before": "Done before", "failed": "Failed", "skipped": "Not for this task",
}  # fmt: skip
NONE = QModelIndex()


@dataclass
class Entry:
    """One row."""

    case: Case
    state: str = "waiting"
    note: str = ""
    results: tuple[str, ...] = ()  # the names of its outputs


class QueueModel(QAbstractTableModel):
    """Rows in the order in which they were added."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.names_hidden = False
        self._rows: dict[str, int] = {}
        self._theme = THEMES["dark"]

    def add(self, cases: Iterable[Case]) -> int:
        """Add those whose source is not there yet; how many."""
        known = {entry.case.source for entry in self.entries}
        fresh = [case for case in cases if case.source not in known]
        self.beginInsertRows(NONE, len(self.entries), len(self.entries) + len(fresh) - 1)
        for case in fresh:
            self._rows[case.name] = len(self.entries)
            self.entries.append(Entry(case))
        self.endInsertRows()
        return len(fresh)

    def clear(self) -> None:
        """Remove all."""
        self.beginResetModel()
        self.entries, self._rows = [], {}
        self.endResetModel()

    def set_state(
        self, case: Case, state: str, note: str = "", results: tuple[str, ...] = ()
    ) -> None:
        """What is known of a case now."""
        row = self._rows.get(case.name)
        if row is not None:
            self.entries[row] = Entry(case, state, note, results)
            self.dataChanged.emit(self.index(row, 1), self.index(row, 2))

    def conclude(self, outcome: Outcome) -> None:
        """A case has ended."""
        doubts = [line for result in outcome.results for line in result.record["warnings"]]
        state = "flagged" if outcome.state == "done" and doubts else outcome.state
        names = tuple(result.name for result in outcome.results)
        self.set_state(outcome.case, state, " ".join([*outcome.problems, *doubts]), names)

    def settle(self, state: str) -> None:
        """Whatever waits or runs is in this state from now on."""
        for entry in self.entries:
            if entry.state in {"waiting", "running"}:
                self.set_state(entry.case, state, results=(entry.case.name,))

    def show_names(self, hidden: bool) -> None:
        """Whether names of files, which may be patients', are numbers instead."""
        self.names_hidden = hidden
        self.layoutChanged.emit()

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self._theme = theme
        self.layoutChanged.emit()

    def rowCount(self, parent: Index = NONE) -> int:
        """One for each case."""
        return 0 if parent.isValid() else len(self.entries)

    def columnCount(self, parent: Index = NONE) -> int:
        """Of HEADINGS."""
        return 0 if parent.isValid() else len(HEADINGS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """The headings."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return HEADINGS[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts, whole texts as tips, and the colour of what is to be looked at."""
        entry = self.entries[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (self._name(index.row()), WORDS[entry.state], self._note(entry))[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole and index.column() == 2:
            return self._note(entry)
        if role == Qt.ItemDataRole.ForegroundRole and index.column():
            colours = {"failed": self._theme.error, "flagged": self._theme.warning}
            colour = colours.get(entry.state, self._theme.text if index.column() == 1
                                 else self._theme.quiet)  # fmt: skip
            return QColor(colour)
        return None

    def _name(self, row: int) -> str:
        return f"Case {row + 1}" if self.names_hidden else self.entries[row].case.name

    def _note(self, entry: Entry) -> str:
        """Without the name of the file that a sentence may begin with."""
        if not self.names_hidden:
            return entry.note
        return entry.note.replace(entry.case.source.name, "the file")
