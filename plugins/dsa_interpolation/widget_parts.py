"""What the pages of the dock share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QWidget

from gui.parts import column
from gui.theme import GRID

if TYPE_CHECKING:
    from qtpy.QtWidgets import QPushButton

    from gui.session import Session
    from gui.tool import Tool
    from plugins.dsa_interpolation.work import DsaWork


def legible(color: str, on: QWidget) -> QColor:
    """A region's colour, which is made for dark images, such that it shows on a panel too."""
    light = on.palette().color(QPalette.ColorRole.Base).lightness() > 128
    return QColor(color).darker(160) if light else QColor(color)


class Page(QWidget):
    """One page, for the work on one run at a time."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.work: DsaWork | None = None
        self.column = column(self, (0, GRID // 2, 0, 0), GRID)

    def show_work(self, work: DsaWork | None) -> None:
        """Show another run's work, or none."""
        self.work = work
        self.refresh()

    def refresh(self) -> None:
        """Show the work as it is now."""


class ToolSwitches:
    """Buttons that each put a mouse tool to use, of which one at most is down."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._buttons: list[QPushButton] = []
        self._used: tuple[QPushButton, Tool] | None = None
        session.views.tool_changed.connect(self._changed)

    def add(self, button: QPushButton) -> None:
        """Keep this button's state in step with the tool."""
        self._buttons.append(button)

    def use(self, button: QPushButton, tool: Tool | None) -> None:
        """Put a tool to use on behalf of a button, or put the button's tool away."""
        self._used = None if tool is None else (button, tool)
        self._session.views.tool = tool
        self._changed(tool)

    def put_away(self) -> None:
        """Give the mouse back, if it is a tool of these buttons that has it."""
        if self._used is not None and self._session.views.tool is self._used[1]:
            self._session.views.tool = None

    @property
    def used(self) -> QPushButton | None:
        """The button whose tool is in use."""
        held = self._used is not None and self._session.views.tool is self._used[1]
        return self._used[0] if held and self._used else None

    def _changed(self, tool: object) -> None:
        for one in self._buttons:
            one.setChecked(one is self.used)
