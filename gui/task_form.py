"""A plain form for a task that has no widget of its own: its settings, Run, what came out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from gui.parts import button, label
from gui.task_runner import run_task
from gui.theme import GRID

if TYPE_CHECKING:
    from collections.abc import Callable

    from gui.session import Session
    from inference.job import Job
    from inference.tasks import Setting, Task

Field = tuple[QWidget, "Callable[[], Any]"]


class TaskForm(QWidget):
    """Runs the task on the selected document."""

    def __init__(self, task: Task, session: Session) -> None:
        super().__init__()
        self._task, self._session = task, session
        self._job: Job | None = None
        self._values: dict[str, Callable[[], Any]] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addWidget(label(task.summary, "quiet", wrap=True))
        form = QFormLayout()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for setting in task.settings:
            field, self._values[setting.name] = make_field(setting)
            field.setToolTip(setting.help)
            field.setAccessibleName(setting.title)
            form.addRow(setting.title, field)
        column.addLayout(form)
        self.button = button("Run", self._run_or_cancel, "primary")
        column.addWidget(self.button)
        column.addStretch()

    @property
    def settings(self) -> dict[str, Any]:
        """What the form says."""
        return {name: value() for name, value in self._values.items()}

    def _run_or_cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            return self._ended()
        document = self._session.studies.selected
        if document is not None:
            self._job = run_task(self._session, self._task, document, self.settings, self._ended)
            self.button.setText("Cancel" if self._job else "Run")
        return None

    def _ended(self) -> None:
        self._job = None
        self.button.setText("Run")


def make_field(setting: Setting) -> Field:
    """A field for one setting and how to ask it for its value."""
    if setting.choices:
        combo = QComboBox()
        combo.addItems(list(setting.choices))
        combo.setCurrentText(str(setting.default))
        return combo, combo.currentText
    if setting.kind is bool:
        box = QCheckBox()
        box.setChecked(bool(setting.default))
        return box, box.isChecked
    if setting.kind is int:
        whole = QSpinBox()
        whole.setRange(-(10**9), 10**9)
        whole.setValue(int(setting.default))
        return whole, whole.value
    if setting.kind is float:
        number = QDoubleSpinBox()
        number.setRange(-1e9, 1e9)
        number.setDecimals(3)
        number.setValue(float(setting.default))
        number.setSingleStep(0.05)
        return number, number.value
    line = QLineEdit(str(setting.default or ""))
    return line, lambda: Path(line.text()) if setting.kind is Path else line.text()
