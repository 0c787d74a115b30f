"""Where to, and in which kinds of files, the objects of an image are saved."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QGridLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from gui.parts import button, label
from gui.sections import heading, quiet, row
from gui.theme import GRID
from inference.object_files import offered

if TYPE_CHECKING:
    from collections.abc import Collection

    from inference.object_files import Format
    from inference.series import Series

WIDTH, COLUMNS = 800, 2  # px


class ExportDialog(QDialog):
    """A box to tick for each kind of file; those that the series rules out say why."""

    chosen = Signal(Path, list)  # folder, ids of formats

    def __init__(
        self, series: Series, folder: Path, formats: Collection[str], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export results")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(WIDTH)
        self.boxes: dict[str, QCheckBox] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID // 2)
        self._add_formats(column, series, formats)
        self._add_folder(column, folder)
        buttons = QDialogButtonBox()
        self.save = button("Export", self._accept, "primary")
        buttons.addButton(self.save, QDialogButtonBox.ButtonRole.AcceptRole)
        leave = button("Cancel", self.reject)
        buttons.addButton(leave, QDialogButtonBox.ButtonRole.RejectRole)
        column.addSpacing(GRID)
        column.addWidget(buttons)
        self._check()

    def _add_formats(self, column: QVBoxLayout, series: Series, formats: Collection[str]) -> None:
        for group, entries in groupby(offered(series), lambda entry: entry.group):
            column.addWidget(heading(group))
            grid = QGridLayout()
            grid.setHorizontalSpacing(3 * GRID)
            grid.setVerticalSpacing(GRID)
            for number, entry in enumerate(entries):
                grid.addWidget(self._choice(entry, series, formats), *divmod(number, COLUMNS))
            for place in range(COLUMNS):
                grid.setColumnStretch(place, 1)
            column.addLayout(grid)
        column.addSpacing(GRID)
        column.addWidget(
            quiet("Measurements of tasks, and how all this arose, are always saved with them.")
        )

    def _choice(self, entry: Format, series: Series, formats: Collection[str]) -> QWidget:
        """A box to tick above a line on what it brings, or on why it cannot be had."""
        refusal = entry.refusal(series)
        box = self.boxes[entry.id] = QCheckBox(entry.title)
        box.setEnabled(not refusal)
        box.setChecked(entry.id in formats and not refusal)
        box.toggled.connect(self._check)
        about = quiet(refusal or entry.help)
        about.setContentsMargins(3 * GRID, 0, 0, 0)
        box.setAccessibleName(entry.title)
        box.setAccessibleDescription(about.text())
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(box)
        column.addWidget(about)
        column.addStretch()
        return holder

    def _add_folder(self, column: QVBoxLayout, folder: Path) -> None:
        column.addWidget(heading("Folder"))
        self.folder = QLineEdit(str(folder))
        self.folder.setAccessibleName("Folder")
        self.folder.textChanged.connect(self._check)
        column.addWidget(row(self.folder, button("Choose…", self._choose, "small")))
        self.empty = label("", "warning", wrap=True)
        column.addWidget(self.empty)

    def _choose(self) -> None:
        found = QFileDialog.getExistingDirectory(self, "Export results to", self.folder.text())
        if found:
            self.folder.setText(found)

    def _formats(self) -> list[str]:
        return [name for name, box in self.boxes.items() if box.isChecked()]

    def _check(self) -> None:
        self.save.setEnabled(bool(self.folder.text().strip()))
        self.empty.setVisible(not self._formats())
        self.empty.setText("No file with the objects themselves is chosen.")

    def _accept(self) -> None:
        self.chosen.emit(Path(self.folder.text().strip()).expanduser(), self._formats())
        self.accept()
