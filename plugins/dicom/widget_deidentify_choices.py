"""What the user chooses of de-identified copies: series, what is kept, the folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gui.parts import button, column, label
from gui.sections import heading, quiet, row
from gui.studies import series_facts, series_title
from gui.theme import GRID
from plugins.dicom.profile import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.document import Document
    from gui.settings import SettingsFile

NO_PROMISE = (
    "Faces in head scans, and text that a person typed in words not known from the file, are not "
    "found. Look at the copies before you pass them on."
)


class Choices(QWidget):
    """Ticks, one of them only where text in a picture is feared, and a folder."""

    changed = Signal()  # what decides whether copies can be written
    rules_changed = Signal()  # what is kept of each file

    def __init__(self, documents: Sequence[Document], settings: SettingsFile) -> None:
        super().__init__()
        self._documents, self._settings = tuple(documents), settings
        self._feared = False
        lines = column(self, (0, 0, GRID, 0), GRID // 2)
        self._add_series(lines)
        self._add_options(lines)
        self._add_looked(lines)
        self._add_folder(lines)
        lines.addWidget(quiet(NO_PROMISE))
        lines.addStretch()

    def _add_series(self, lines: QVBoxLayout) -> None:
        lines.addWidget(heading("Series"))
        self.series = QListWidget()
        self.series.setAccessibleName("Series")
        self.series.setMaximumHeight(18 * GRID)
        hidden = self._settings.now.hide_patient_names
        for document in self._documents:
            files, title = len(document.series.paths), series_title(document.series, hidden)
            plural = "s" if files != 1 else ""
            facts = f"{series_facts(document.series)} · {files} file{plural}"
            item = QListWidgetItem(f"{title}\n{facts}")
            item.setCheckState(Qt.CheckState.Checked)
            self.series.addItem(item)
        self.series.itemChanged.connect(self.changed)
        lines.addWidget(self.series)

    def _add_options(self, lines: QVBoxLayout) -> None:
        lines.addWidget(heading("Keep"))
        self.options: dict[str, QCheckBox] = {}
        for option in OPTIONS:
            box = self.options[option.name] = QCheckBox(option.title)
            box.setToolTip(f"{option.help}\n\nPS3.15: {option.meaning}")
            box.setAccessibleDescription(option.help)
            box.toggled.connect(self.rules_changed)
            lines.addWidget(box)
        lines.addWidget(quiet("Nothing ticked: the basic profile of DICOM PS3.15."))

    def _add_looked(self, lines: QVBoxLayout) -> None:
        self.fear = label("", "warning", wrap=True)
        self.looked = QCheckBox("I looked: no picture shows who it is")
        self.looked.toggled.connect(self.changed)
        lines.addSpacing(GRID)
        lines.addWidget(self.fear)
        lines.addWidget(self.looked)

    def _add_folder(self, lines: QVBoxLayout) -> None:
        lines.addWidget(heading("Folder"))
        start = self._settings.now.export_folder or Path.home()
        self.folder = QLineEdit(str(start / "deidentified"))
        self.folder.setAccessibleName("Folder")
        self.folder.textChanged.connect(self.changed)
        lines.addWidget(row(self.folder, button("Choose…", self._choose, "small")))

    def _choose(self) -> None:
        found = QFileDialog.getExistingDirectory(self, "Write copies to", self.folder.text())
        if found:
            self.folder.setText(found)

    @property
    def kept(self) -> frozenset[str]:
        """The options that are ticked."""
        return frozenset(name for name, box in self.options.items() if box.isChecked())

    @property
    def included(self) -> list[Document]:
        """The series that are ticked."""
        rows = enumerate(self._documents)
        checked = Qt.CheckState.Checked
        return [d for number, d in rows if self.series.item(number).checkState() == checked]

    @property
    def current(self) -> Document:
        """The series that is looked at."""
        return self._documents[max(0, self.series.currentRow())]

    @property
    def out(self) -> str:
        """The folder, absolute."""
        return str(Path(self.folder.text().strip()).expanduser().absolute())

    @property
    def complete(self) -> bool:
        """Whether all is said that must be said before copies are written."""
        looked = self.looked.isChecked() or not self._feared
        return bool(self.included and self.folder.text().strip()) and looked

    def warn(self, fear: str) -> None:
        """Ask the user to look, and to say so, for there may be text in a picture; "": no need."""
        self._feared = bool(fear)
        self.fear.setText(fear)
        self.fear.setVisible(self._feared)
        self.looked.setVisible(self._feared)
