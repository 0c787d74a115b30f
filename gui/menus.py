"""Turns the table of actions into QActions, menus and a toolbar."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QMenu, QToolBar

from gui.actions import Action, sequences
from gui.theme import Theme, icon

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gui.window import LimnWindow


class Commands:
    """The QActions of a window, kept up to date by `refresh`, `rebind` and `apply_theme`."""

    def __init__(self, window: LimnWindow, table: Sequence[Action]) -> None:
        self._window, self.table = window, tuple(table)
        self.actions = {action.id: self._make(action) for action in self.table}
        self._menus: dict[str, QMenu] = {}
        self._fill_menus()
        self.toolbar = self._make_toolbar()

    def menu(self, path: str) -> QMenu:
        """The menu "View", or the submenu "View/Window"; made if it is new."""
        if path not in self._menus:
            parent, _, title = path.rpartition("/")
            if parent:
                self._menus[path] = self.menu(parent).addMenu(title)
            else:
                self._menus[path] = self._window.menuBar().addMenu(self._lettered(title))
        return self._menus[path]

    def refresh(self) -> None:
        """Enable and check what the state of the window allows."""
        for entry in self.table:
            action = self.actions[entry.id]
            action.setEnabled(entry.enabled(self._window))
            if entry.checked is not None:
                action.setChecked(entry.checked(self._window))

    def rebind(self, chosen: Mapping[str, str]) -> None:
        """Give the actions their keys: the user's where chosen."""
        for entry in self.table:
            keys = sequences(entry, chosen)
            self.actions[entry.id].setShortcuts([QKeySequence(key) for key in keys])
            self.actions[entry.id].setToolTip(_tip(entry, keys))

    def apply_theme(self, theme: Theme) -> None:
        """Draw the icons in the colours of the theme."""
        for entry in self.table:
            if entry.icon:
                self.actions[entry.id].setIcon(icon(entry.icon, theme))

    def _make(self, entry: Action) -> QAction:
        action = QAction(entry.title, self._window)
        action.setObjectName(entry.id)
        action.setCheckable(entry.checked is not None)
        action.triggered.connect(partial(self._run, entry))
        home = self._window.views if entry.where == "views" else self._window
        if entry.where == "views":
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        home.addAction(action)
        return action

    def _run(self, entry: Action, checked: bool = False) -> None:
        slot = attrgetter(entry.slot)(self._window)
        arguments = () if entry.argument is None else (entry.argument,)
        slot(*arguments)
        self.refresh()

    def _lettered(self, title: str) -> str:
        """With a mark before the first letter that no other menu has: Alt opens it."""
        taken = {menu.title().partition("&")[2][:1].lower() for menu in self._menus.values()}
        free = (n for n, letter in enumerate(title) if letter.lower() not in taken)
        place = next(free, 0)
        return f"{title[:place]}&{title[place:]}"

    def _fill_menus(self) -> None:
        groups: dict[str, int] = {}
        for entry in self.table:
            menu = self.menu(entry.menu)
            if groups.setdefault(entry.menu, entry.group) != entry.group:
                menu.addSeparator()
                groups[entry.menu] = entry.group
            menu.addAction(self.actions[entry.id])

    def _make_toolbar(self) -> QToolBar:
        bar = QToolBar("Toolbar", self._window)
        bar.setObjectName("toolbar")
        bar.setMovable(False)
        bar.setIconSize(QSize(18, 18))
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        last = ""
        for entry in self.table:
            if entry.toolbar:
                if last and entry.menu != last:
                    bar.addSeparator()
                last = entry.menu
                self.actions[entry.id].setIconText(entry.toolbar)
                bar.addAction(self.actions[entry.id])
        self._window.addToolBar(bar)
        return bar


def _tip(entry: Action, keys: Sequence[str]) -> str:
    plain = entry.tip or entry.title.rstrip("…")
    shown = ", ".join(
        QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in keys
    )
    return f"{plain}  ({shown})" if shown else plain
