"""The page of the settings that names a cluster for what is slow on this computer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QFormLayout, QLineEdit, QWidget

from gui.parts import button
from gui.sections import quiet, row
from gui.theme import GRID

if TYPE_CHECKING:
    from gui.settings import SettingsFile

ABOUT = (
    "A scheduler of dask.distributed runs the models on its workers: whole images while this "
    "computer has no graphics card of its own, and the queue. Pixels and spacing travel there, no "
    "patient's name and no identifier; of the queue, the paths of files. Clicks stay here."
)
FIELDS = {
    "scheduler": ("Scheduler", "tcp://host:8786 or tls://host:8786; empty: none"),
    "scheduler_resource": ("Resource", "only workers that state it, such as GPU; empty: any"),
}
FILES = {
    "scheduler_ca": "Authority",
    "scheduler_certificate": "Our certificate",
    "scheduler_key": "Its key",
}


class ClusterPage(QWidget):
    """Every change is saved once a field is left."""

    def __init__(self, settings: SettingsFile) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._settings = settings
        self.fields: dict[str, QLineEdit] = {}
        form = QFormLayout(self)
        form.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        form.setVerticalSpacing(2 * GRID)
        form.addRow(quiet(ABOUT))
        for name, (title, hint) in FIELDS.items():
            form.addRow(title, self._field(name, title, hint))
        for name, title in FILES.items():
            field = self._field(name, title, "PEM file, for tls://")
            choose = button("…", partial(self._choose, name), "", f"Choose {title}")
            form.addRow(title, row(field, choose))

    def _field(self, name: str, title: str, hint: str) -> QLineEdit:
        field = self.fields[name] = QLineEdit(getattr(self._settings.now, name))
        field.setPlaceholderText(hint)
        field.setAccessibleName(title)
        field.editingFinished.connect(partial(self._edited, name))
        return field

    def _edited(self, name: str) -> None:
        self._settings.change(**{name: self.fields[name].text().strip()})

    def _choose(self, name: str) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose a PEM file", "", "PEM (*.pem *.crt)")
        if chosen:
            self.fields[name].setText(chosen)
            self._settings.change(**{name: chosen})
