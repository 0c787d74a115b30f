"""The settings of the queue's task, in a small form below a button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFormLayout, QMenu, QPushButton, QWidgetAction

from gui.parts import panel
from gui.task_form import make_field
from gui.theme import GRID

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from inference.tasks import Task


class SettingsButton(QPushButton):
    """Opens the form; `values` are what it says."""

    def __init__(self) -> None:
        super().__init__("Settings")
        self.setToolTip("Settings of the task, the same for all cases")
        self.fields: dict[str, QWidget] = {}
        self._values: dict[str, Callable[[], Any]] = {}

    @property
    def values(self) -> dict[str, Any]:
        """By the names of the settings."""
        return {name: value() for name, value in self._values.items()}

    def offer(self, task: Task) -> None:
        """Show the settings of this task, at their defaults."""
        page = panel()
        form = QFormLayout(page)
        form.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        self.fields, self._values = {}, {}
        for setting in task.settings:
            field, self._values[setting.name] = make_field(setting)
            self.fields[setting.name] = field
            field.setToolTip(setting.help)
            field.setAccessibleName(setting.title)
            form.addRow(setting.title, field)
        menu = QMenu(self)
        holder = QWidgetAction(menu)
        holder.setDefaultWidget(page)
        menu.addAction(holder)
        self.setMenu(menu)
