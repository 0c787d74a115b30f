"""The tasks that suit what is shown: a card each, and the widget of the chosen one."""

from __future__ import annotations

import logging
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from weakref import WeakKeyDictionary

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QApplication, QFrame, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from gui.parts import Scrolled, button, label, panel
from gui.theme import GRID, THEMES, Theme, icon
from inference import logs
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtCore import SignalInstance

    from gui.document import Document
    from gui.project import Kept
    from gui.session import Session
    from gui.studies import Studies
    from inference.series import Kind
    from inference.tasks import Task

log = logging.getLogger(__name__)


@runtime_checkable
class Commanded(Protocol):
    """A task's widget with commands in the table of actions."""

    def command(self, what: str) -> None:
        """Do what is so called."""


@runtime_checkable
class Wide(Protocol):
    """A task's widget that wants more room than others, where there is some."""

    room_changed: SignalInstance

    @property
    def preferred_width(self) -> int:
        """What it can use, px; it works in less."""


@runtime_checkable
class Keeping(Protocol):
    """A task's widget whose work on a document is kept with the project."""

    def keep(self, document: Document) -> Kept | None:
        """The work, quickly, as it is asked for after each change; None if there is none."""

    def restore(self, document: Document, kept: Kept) -> None:
        """Go on with this work; UserError, ValueError, TypeError, KeyError if it makes no sense."""


class TaskPanel(QStackedWidget):
    """Cards of the suitable tasks; opening one shows its widget."""

    room_wanted = Signal(int)  # px of width

    def __init__(self, studies: Studies) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._studies = studies
        self._session: Session | None = None
        self._tasks: dict[str, Task] = {}
        self._theme = THEMES["dark"]
        self._carried: WeakKeyDictionary[Document, dict[str, Kept]] = WeakKeyDictionary()
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
        if self._session is not None:
            page = self._page(name, self._session)
            self._turn_to(page, page.back)
            if isinstance(page.widget, Wide):
                self._ask_for_room(page.widget)

    def _ask_for_room(self, widget: Wide) -> None:
        self.room_wanted.emit(widget.preferred_width)

    @property
    def task(self) -> str:
        """The task whose widget is shown, "" while the cards are."""
        return next((n for n, page in self.pages.items() if page is self.currentWidget()), "")

    def show_task(self, name: str) -> None:
        """Show the widget of a task if it suits what is shown, else the cards."""
        document = self._studies.selected
        if name in self._tasks and document and self._tasks[name].suits(document.series):
            self.open_task(name)
        else:
            self.leave_task()

    def keep(self, document: Document) -> dict[str, Kept]:
        """The work of all tasks on a document, by their names."""
        found = dict(self._carried.get(document, {}))
        for name, page in self.pages.items():
            kept = page.widget.keep(document) if isinstance(page.widget, Keeping) else None
            if kept is not None:
                found[name] = kept
        return found

    def restore(self, document: Document, states: Mapping[str, Kept]) -> list[str]:
        """Give tasks their work again; the names of those that cannot take it: it is only kept."""
        refused = []
        for name, kept in states.items():
            try:
                self._keeping(name).restore(document, kept)
            except (UserError, ValueError, TypeError, KeyError, IndexError) as error:
                log.warning("a task refused its work: %s", logs.stack(error))
                self._carried.setdefault(document, {})[name] = kept
                refused.append(name)
        return refused

    def _keeping(self, name: str) -> Keeping:
        if self._session is None or name not in self._tasks:
            raise KeyError(name)
        widget = self._page(name, self._session).widget
        if not isinstance(widget, Keeping):
            raise TypeError(name)
        return widget

    def _page(self, name: str, session: Session) -> TaskPage:
        if name not in self.pages:
            page = self.pages[name] = TaskPage(self._tasks[name], session, self)
            if isinstance(page.widget, Wide):
                page.widget.room_changed.connect(partial(self._ask_for_room, page.widget))
            page.left.connect(self.leave_task)
            page.apply_theme(self._theme)
            self.addWidget(page)
        return self.pages[name]

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
        left, cards = self.task, self.widget(0)
        if left and cards is not None:
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
        if document is not None:
            self._arrange(document.series.kind)
        for name, card in self.cards.items():
            card.setVisible(name in suitable)
        if document is not None and self._session is not None:
            self._hint.setText("No task suits this image; it can be drawn on and measured by hand.")
        self._hint.setVisible(not suitable)
        if self.task and self.task not in suitable:
            self.leave_task()

    def _arrange(self, kind: Kind) -> None:
        """What was made for such images comes first, by Tab too."""
        names = sorted(self.cards, key=lambda name: self._tasks[name].made_for != kind)
        cards = [self.cards[name] for name in names]
        for card in cards:
            self._column.insertWidget(self._column.count() - 2, card)  # the last before the stretch
        for before, after in pairwise(cards):
            QWidget.setTabOrder(before.button, after.button)


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

    def __init__(self, task: Task, session: Session, panel: QWidget) -> None:
        super().__init__(panel)  # from the start: all in it would be dressed again in a new place
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
