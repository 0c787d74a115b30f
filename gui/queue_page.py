"""What the queue dock shows: what is to be done and the buttons, the cases, how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QMenu,
    QProgressBar,
    QPushButton,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.parts import button, column, label, letter_width, panel, row_height
from gui.queue_settings import SettingsButton
from gui.sections import row
from gui.theme import GRID, Theme, icon

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gui.queue_model import QueueModel

WIDTHS = (28, 18)  # letters, of the columns before the last


class QueuePage:
    """The parts of the dock, laid out in `widget`; `commands` by the names of the buttons."""

    def __init__(self, model: QueueModel, commands: Mapping[str, Callable[[], object]]) -> None:
        self.widget = panel()
        self.tasks = QComboBox()
        self.tasks.setAccessibleName("Task of the queue")
        self.options = SettingsButton()
        self.where = QComboBox()
        self.where.setAccessibleName("Where the queue runs")
        self._make_buttons(commands)
        self.table = _table(model)
        self.bar = QProgressBar(textVisible=False)
        self.bar.setAccessibleName("Progress of the queue")
        self.bar.setFixedSize(240, GRID)
        self.said, self.place = label("", "quiet"), label("", "quiet")
        self._lay_out(column(self.widget, (GRID, GRID, GRID, GRID), GRID))

    def enable(self, *, filled: bool, running: bool, paused: bool, cancelled: bool) -> None:
        """What makes sense now; `filled`: whether there is any case."""
        self.start_button.setText("Go on" if paused else "Start")
        self.start_button.setEnabled(filled and (paused or not running))
        self.pause_button.setEnabled(running and not paused and not cancelled)
        self.cancel_button.setEnabled(running and not cancelled)
        for part in (
            self.tasks, self.options, self.where, self.place_button, self.clear_button
        ):  # fmt: skip
            part.setEnabled(not running)
        self.bar.setVisible(running)

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look, and the size of its text."""
        self.start_button.setIcon(icon("mdi6.play", theme, theme.on_accent))
        self.leave.setIcon(icon("mdi6.close", theme))
        self.table.verticalHeader().setDefaultSectionSize(row_height(self.table))
        for section, letters in enumerate(WIDTHS):
            width = letters * letter_width(self.table)
            self.table.horizontalHeader().resizeSection(section, width)

    def _make_buttons(self, commands: Mapping[str, Callable[[], object]]) -> None:
        self.add_button = _adding(commands)
        self.clear_button = button(
            "Clear", commands["clear"], tip="Empty the list; no file is removed"
        )
        self.start_button = button("Start", commands["start"], "primary", "Start the queue")
        self.pause_button = button("Pause", commands["pause"], "", "Pause the queue")
        self.cancel_button = button("Cancel", commands["cancel"], "", "Cancel the queue")
        self.report_button = button("Report", commands["report"], tip="Pictures, figures and flags")
        self.place_button = button("Results in…", commands["place"], "small")
        self.leave = QToolButton()
        self.leave.setAccessibleName("Close the queue")
        self.leave.setToolTip("Close the queue; it goes on")
        self.leave.setAutoRaise(True)
        self.leave.clicked.connect(lambda: commands["close"]())

    def _lay_out(self, page: QVBoxLayout) -> None:
        space = label()
        head = row(self.tasks, self.options, self.add_button, self.clear_button, space,
                   self.where, self.start_button, self.pause_button, self.cancel_button,
                   self.report_button, self.leave)  # fmt: skip
        foot = row(self.bar, self.said, self.place, self.place_button)
        _stretch(head, space)
        _stretch(foot, self.said)
        page.addWidget(head)
        page.addWidget(self.table, 1)
        page.addWidget(foot)


def _stretch(line: QWidget, part: QWidget) -> None:
    """Let this part of a row have the room that is left."""
    line.layout().setStretchFactor(part, 1)  # type: ignore[union-attr]


def _adding(commands: Mapping[str, Callable[[], object]]) -> QPushButton:
    made = QPushButton("Add")
    made.setToolTip("Add studies to the queue")
    made.setAccessibleName("Add studies to the queue")
    menu = QMenu(made)
    menu.addAction("Every study below a folder…", lambda: commands["folder"]())
    menu.addAction("Files…", lambda: commands["files"]())
    menu.addAction("What is open", lambda: commands["open"]())
    made.setMenu(menu)
    return made


def _table(model: QueueModel) -> QTableView:
    made = QTableView()
    made.setModel(model)
    made.setAccessibleName("Cases of the queue")
    made.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    made.setShowGrid(False)
    made.setTabKeyNavigation(False)
    made.verticalHeader().hide()
    header = made.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
    header.setStretchLastSection(True)
    header.setHighlightSections(False)
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return made
