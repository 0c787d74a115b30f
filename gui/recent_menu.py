"""The menu of what was opened last."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtWidgets import QWidget


class RecentMenu(QMenu):
    """One action a file or folder; disabled while there is none."""

    asked = Signal(Path)  # to open it again

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Open recent", parent)

    def show_paths(self, paths: Iterable[Path]) -> list[QAction]:
        """List these instead; the actions, for whoever else offers them."""
        self.clear()
        actions = [self._action(path) for path in paths]
        self.addActions(actions)
        self.setEnabled(bool(actions))
        return actions

    def _action(self, path: Path) -> QAction:
        action = QAction(path.name, self)
        action.setToolTip(str(path))
        action.triggered.connect(lambda: self.asked.emit(path))
        return action
