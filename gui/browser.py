"""The browser dock: studies to open, with a tab for each place in which a plugin looks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QTabWidget, QToolButton, QWidget

from gui.layout import tabs
from gui.parts import NARROW, Scrolled
from gui.sections import row
from gui.tasks import Commanded
from gui.theme import THEMES, Theme, icon

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qtpy.QtCore import SignalInstance
    from qtpy.QtGui import QShowEvent

    from gui.jobs import Jobs
    from gui.notices import Notices
    from gui.opening import Opening
    from gui.settings import SettingsFile
    from gui.studies import Studies

HEIGHT = 360  # px, when it is shown first
Area = Qt.DockWidgetArea


class SavedFiles:
    """What the user saved last, which may be wanted elsewhere."""

    def __init__(self, *signals: SignalInstance) -> None:
        self.paths: list[Path] = []
        for signal in signals:
            signal.connect(self._remember)

    def _remember(self, _: object, paths: list[Path]) -> None:
        self.paths = paths


@dataclass(frozen=True)
class BrowserContext:
    """What a tab may use of the application.

    `reader` is the process that reads files; a tab with a worker of its own gives it to
    `follow_jobs`, which shows its jobs in the status bar.
    """

    reader: Jobs
    opening: Opening
    studies: Studies
    settings: SettingsFile
    notices: Notices
    saved: SavedFiles
    follow_jobs: Callable[[Jobs], None]


@runtime_checkable
class Themed(Protocol):
    """A tab that draws in the colours of the theme."""

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""


class Browser(QDockWidget):
    """Shows the widget of every plugin command whose id ends in `.browser`, made when first seen.

    A tab is made with a `BrowserContext`; its title is that of the command.
    """

    def __init__(self, window: QMainWindow, context: BrowserContext) -> None:
        super().__init__("Browser", window)
        self.setObjectName("browser")
        self._context = context
        self._theme = THEMES["dark"]
        self.pages: dict[str, QWidget] = {}
        self.tabs: QTabWidget = tabs({})
        self.tabs.tabBar().setAccessibleName("Places to look for studies")
        self._add_buttons()
        self.setWidget(self.tabs)
        self._no_title = QWidget(self)
        self.topLevelChanged.connect(self._frame)
        self._frame(floating=False)
        window.addDockWidget(Area.BottomDockWidgetArea, self)
        window.resizeDocks([self], [HEIGHT], Qt.Orientation.Vertical)
        self.hide()

    def open(self, title: str = "") -> None:
        """Show the browser, the tab with this title in front."""
        self._fill()
        self.show()
        self.raise_()
        if title in self.pages:
            self.tabs.setCurrentIndex(list(self.pages).index(title))
        shown = self.tabs.currentWidget()
        if isinstance(shown, Scrolled) and (page := shown.widget()):
            page.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def command(self, named: tuple[str, str]) -> None:
        """Show a tab, by its title, and tell it to do something."""
        title, what = named
        self.open(title)
        page = self.pages.get(title)
        if isinstance(page, Commanded):
            page.command(what)

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self._theme = theme
        self.apart.setIcon(icon("mdi6.dock-window", theme))
        self.leave.setIcon(icon("mdi6.close", theme))
        for page in self.pages.values():
            if isinstance(page, Themed):
                page.apply_theme(theme)

    def showEvent(self, event: QShowEvent) -> None:
        """The tabs bring libraries that few need at once."""
        super().showEvent(event)
        self._fill()

    def _add_buttons(self) -> None:
        self.apart = _tool("In a window of its own", lambda: self.setFloating(True))
        self.leave = _tool("Close the browser", self.close)
        self.tabs.setCornerWidget(row(self.apart, self.leave))

    def _fill(self) -> None:
        from inference.registry import load, titled

        for title, name in titled(".browser").items():
            if title not in self.pages:
                page = self.pages[title] = load(name)(self._context)
                if isinstance(page, Themed):
                    page.apply_theme(self._theme)
                self.tabs.addTab(Scrolled(page, NARROW), title)

    def _frame(self, floating: bool) -> None:
        """A window of its own has the frame of the desktop; in the main window, tabs are enough."""
        self.setTitleBarWidget(None if floating else self._no_title)  # type: ignore[arg-type]
        self.apart.setVisible(not floating)
        self.leave.setVisible(not floating)


def _tool(name: str, slot: Callable[[], object]) -> QToolButton:
    made = QToolButton()
    made.setAccessibleName(name)
    made.setToolTip(name)
    made.setAutoRaise(True)
    made.setIconSize(QSize(14, 14))
    made.clicked.connect(lambda: slot())
    return made
