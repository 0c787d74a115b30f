"""The tasks that suit what is shown: a card each, and the widget of the chosen one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QApplication, QFrame, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from gui.parts import Scrolled, button, label, panel
from gui.theme import GRID, THEMES, Theme, icon

if TYPE_CHECKING:
    from gui.document import Document
    from gui.session import Session
    from gui.studies import Studies
    from inference.tasks import Task


@runtime_checkable
class Commanded(Protocol):
    """A task's widget with commands in the table of actions."""

    def command(self, what: str) -> None:
        """Do what is so called."""


class TaskPanel(QStackedWidget):
    """Cards of the suitable tasks; opening one shows its widget."""

    def __init__(self, studies: Studies) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._studies = studies
        self._session: Session | None = None
        self._tasks: dict[str, Task] = {}
        self._theme = THEMES["dark"]
        self.pages: dict[str, TaskPage] = {}
        self.cards: dict[str, TaskCard] = {}
        self._build()
        studies.selected_changed.connect(self._selected)

    def start(self, session: Session) -> None:
        """Find the tasks and offer them from now on."""
        from inference.registry import tasks

        self._session, self._tasks = session, tasks()
        for task in self._tasks.values():
            card = self.cards[task.name] = TaskCard(task)
            card.opened.connect(self.open_task)
            card.apply_theme(self._theme)
            self._column.insertWidget(self._column.count() - 1, card)
        self._selected(self._studies.selected)

    def open_task(self, name: str) -> None:
        """Show the widget of a task."""
        if self._session is None:
            return
        if name not in self.pages:
            page = self.pages[name] = TaskPage(self._tasks[name], self._session)
            page.left.connect(self.leave_task)
            page.apply_theme(self._theme)
            self.addWidget(page)
        self._turn_to(self.pages[name], self.pages[name].back)

    def command(self, name: str, what: str) -> None:
        """Show a task that suits what is shown, and tell its widget to do something."""
        document = self._studies.selected
        if document is None or name not in self._tasks:
            return
        if self._tasks[name].suits(document.series):
            self.open_task(name)
            widget = self.pages[name].widget
            if isinstance(widget, Commanded):
                widget.command(what)

    def leave_task(self) -> None:
        """Back to the cards."""
        left = next((n for n, page in self.pages.items() if page is self.currentWidget()), None)
        cards = self.widget(0)
        if left is not None and cards is not None:
            self._turn_to(cards, self.cards[left].button)

    def _turn_to(self, page: QWidget, first: QWidget) -> None:
        """Show a page; the keyboard goes along if it was in here."""
        focused = QApplication.focusWidget()
        ours = focused is not None and self.isAncestorOf(focused)
        self.setCurrentWidget(page)
        if ours:
            first.setFocus(Qt.FocusReason.TabFocusReason)

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self._theme = theme
        parts: list[TaskCard | TaskPage] = [*self.cards.values(), *self.pages.values()]
        for part in parts:
            part.apply_theme(theme)

    def _build(self) -> None:
        inside = panel()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(GRID, GRID, GRID, GRID)
        self._column.setSpacing(GRID)
        self._hint = label("Open an image to see what can be done with it.", "quiet", wrap=True)
        self._column.addWidget(self._hint)
        self._column.addStretch()
        self.addWidget(Scrolled(inside))

    def _selected(self, document: Document | None) -> None:
        suitable = [
            name for name, task in self._tasks.items() if document and task.suits(document.series)
        ]
        for name, card in self.cards.items():
            card.setVisible(name in suitable)
        if document is not None and self._session is not None:
            self._hint.setText("No task suits this image; it can be drawn on and measured by hand.")
        self._hint.setVisible(not suitable)
        current = next((n for n, page in self.pages.items() if page is self.currentWidget()), None)
        if current and current not in suitable:
            self.leave_task()


class TaskCard(QFrame):
    """Title, one sentence, and a button."""

    opened = Signal(str)

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.setObjectName("card")
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID // 2)
        column.addWidget(label(task.title, "big"))
        column.addWidget(label(task.summary, "quiet", wrap=True))
        self.button = button(
            "Open", lambda: self.opened.emit(task.name), "primary", f"Open {task.title}"
        )
        row = QHBoxLayout()
        row.setContentsMargins(0, GRID // 2, 0, 0)
        row.addStretch()
        row.addWidget(self.button)
        column.addLayout(row)

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self.button.setIcon(icon("mdi6.arrow-right", theme, theme.on_accent))


class TaskPage(QWidget):
    """The widget of a task below a line that leads back."""

    left = Signal()

    def __init__(self, task: Task, session: Session) -> None:
        super().__init__()
        self.setObjectName("panel")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.back = button(task.title, self.left.emit, "back", "Back to all tasks")
        self.back.setFlat(True)
        column.addWidget(self.back)
        self.widget = make_widget(task, session)
        column.addWidget(Scrolled(self.widget), 1)

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self.back.setIcon(icon("mdi6.chevron-left", theme))


def make_widget(task: Task, session: Session) -> QWidget:
    """The task's own widget, or a form made from its settings."""
    from gui.task_form import TaskForm
    from inference.registry import load

    if task.widget:
        made: QWidget = load(task.widget)(session)
        return made
    return TaskForm(task, session)
