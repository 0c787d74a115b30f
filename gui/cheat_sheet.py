"""All keys and what the mouse does, on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from gui.action_table import MOUSE_HELP
from gui.actions import Action, sequences
from gui.parts import label
from gui.theme import GRID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLUMNS = 3


class CheatSheet(QDialog):
    """Groups by menu, spread over columns of like height."""

    def __init__(self, table: Sequence[Action], chosen: Mapping[str, str], parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Keys and mouse")
        outside = QVBoxLayout(self)
        outside.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 3 * GRID)
        row = QHBoxLayout()
        row.setSpacing(4 * GRID)
        columns = [QVBoxLayout() for _ in range(COLUMNS)]
        heights = [0] * COLUMNS
        for title, lines in groups(table, chosen).items():
            shortest = heights.index(min(heights))
            columns[shortest].addWidget(_group(title, lines))
            heights[shortest] += len(lines) + 2
        for column in columns:
            column.addStretch()
            row.addLayout(column)
        inside = QWidget()
        inside.setLayout(row)
        area = QScrollArea()
        area.setAccessibleName("Keys and mouse")
        area.setWidgetResizable(True)
        area.setWidget(inside)
        outside.addWidget(area)
        wanted = inside.sizeHint() + QSize(8 * GRID, 8 * GRID)
        self.resize(wanted.boundedTo(self.screen().availableSize() * 0.9))


def groups(table: Sequence[Action], chosen: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """(keys, what they do) by menu, the mouse first."""
    found: dict[str, list[tuple[str, str]]] = {"Mouse": list(MOUSE_HELP)}
    for action in table:
        keys = ", ".join(readable(key) for key in sequences(action, chosen))
        if keys:
            menu = action.menu.rpartition("/")[2]
            found.setdefault(menu, []).append((keys, action.title.rstrip("…")))
    return found


def readable(key: str) -> str:
    """A key as this system writes it."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)


def _group(title: str, lines: Sequence[tuple[str, str]]) -> QFrame:
    frame = QFrame()
    grid = QGridLayout(frame)
    grid.setContentsMargins(0, GRID, 0, 0)
    grid.setHorizontalSpacing(2 * GRID)
    grid.setVerticalSpacing(GRID // 2)
    grid.addWidget(label(title.upper(), "section"), 0, 0, 1, 2)
    for number, (keys, what) in enumerate(lines, 1):
        grid.addWidget(label(keys), number, 0, Qt.AlignmentFlag.AlignTop)
        grid.addWidget(label(what, "quiet", wrap=len(what) > 40), number, 1)
    grid.setColumnStretch(1, 1)
    return frame
