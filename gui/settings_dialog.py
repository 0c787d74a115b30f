"""Settings: look, device, privacy, and the keys of every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDialog,
    QFormLayout,
    QHeaderView,
    QKeySequenceEdit,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QWidget,
)

from gui.actions import Action, conflicts, sequences
from gui.cluster_page import ClusterPage
from gui.parts import button, column, label, panel
from gui.theme import GRID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gui.settings import SettingsFile
    from inference.device import Device

LOOKS = {"dark": "Dark", "light": "Light", "contrast": "High contrast"}
TEXT_SIZES = {100: "Normal", 125: "125 %", 150: "150 %", 200: "200 %"}
DEVICES = {"auto": "Automatic", "cpu": "Processor (CPU)", "cuda": "NVIDIA graphics card (CUDA)",
           "mps": "Apple graphics (MPS)"}  # fmt: skip


class SettingsDialog(QDialog):
    """Every change is in force and saved at once."""

    def __init__(
        self,
        settings: SettingsFile,
        table: Sequence[Action],
        devices: Sequence[Device],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Settings")
        self.resize(560, 560)
        self._settings = settings
        page = column(self, (GRID, GRID, GRID, GRID), GRID)
        tabs = QTabWidget()
        tabs.setDocumentMode(True)
        tabs.tabBar().setDrawBase(False)
        tabs.tabBar().setAccessibleName("Pages of settings")
        tabs.addTab(self._general([device.name for device in devices]), "General")
        self.keys = KeysPage(settings, table)
        tabs.addTab(self.keys, "Keys")
        self.cluster = ClusterPage(settings)
        tabs.addTab(self.cluster, "Cluster")
        page.addWidget(tabs)
        page.addWidget(button("Close", self.close), 0, Qt.AlignmentFlag.AlignRight)

    def _general(self, devices: Sequence[str]) -> QWidget:
        page = panel()
        form = QFormLayout(page)
        form.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        form.setVerticalSpacing(2 * GRID)
        present = {key: title for key, title in DEVICES.items()
                   if key in {"auto", "cpu", self._settings.now.device, *devices}}  # fmt: skip
        self.look = self._choice("theme", LOOKS)
        form.addRow("Look", self.look)
        form.addRow("Size of text", self._choice("text_size", TEXT_SIZES))
        form.addRow("Models run on", self._choice("device", present))
        hide = self._switch("hide_patient_names", "Hide the names of patients and of files")
        form.addRow("Privacy", hide)
        form.addRow("", self._switch("remember_recent", "Remember what was opened last"))
        return page

    def _choice(self, name: str, titles: Mapping[Any, str]) -> QComboBox:
        combo = QComboBox()
        for key, title in titles.items():
            combo.addItem(title, key)
        combo.setCurrentIndex(combo.findData(getattr(self._settings.now, name)))
        combo.currentIndexChanged.connect(
            lambda _: self._settings.change(**{name: combo.currentData()})
        )
        return combo

    def _switch(self, name: str, title: str) -> QCheckBox:
        box = QCheckBox(title)
        box.setChecked(getattr(self._settings.now, name))
        box.toggled.connect(lambda on: self._changed(name, on))
        return box

    def _changed(self, name: str, on: bool) -> None:
        forgotten = {"recent": ()} if name == "remember_recent" and not on else {}
        self._settings.change(**{name: on}, **forgotten)


class KeysPage(QWidget):
    """One line a command; a key that two commands claim is told."""

    def __init__(self, settings: SettingsFile, table: Sequence[Action]) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._settings, self._entries = settings, tuple(table)
        self.edits: dict[str, list[QKeySequenceEdit]] = {}  # by action, in the order of its keys
        page = column(self, (GRID, GRID, GRID, GRID), GRID)
        self.rows = QTableWidget(len(self._entries), 2)
        self.rows.setAccessibleName("Keys of the commands")
        self.rows.setHorizontalHeaderLabels(["Command", "Key"])
        self.rows.verticalHeader().hide()
        self.rows.setShowGrid(False)
        self.rows.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        header = self.rows.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.rows.setColumnWidth(1, 200)
        for number, entry in enumerate(self._entries):
            self._add(number, entry)
        page.addWidget(self.rows)
        self.warning = label("", "warning", wrap=True)
        page.addWidget(self.warning)
        self._warn()

    def _add(self, number: int, entry: Action) -> None:
        where = entry.menu.rpartition("/")[2]
        item = QTableWidgetItem(f"{where}:  {entry.title.rstrip('…')}")
        item.setFlags(Qt.ItemFlag.ItemIsEnabled)
        self.rows.setItem(number, 0, item)
        keys = sequences(entry, self._settings.now.shortcuts)
        count = max(len(keys), len(sequences(entry, {})), 1)
        self.edits[entry.id] = [
            self._edit(entry, place, key)
            for place, key in enumerate((*keys, *("",) * (count - len(keys))), 1)
        ]
        cell = QWidget()
        fields = column(cell, (0, 0, 0, 0), GRID // 2)
        for edit in self.edits[entry.id]:
            fields.addWidget(edit)
        self.rows.setCellWidget(number, 1, cell)
        self.rows.setRowHeight(number, count * 4 * GRID)

    def _edit(self, entry: Action, place: int, key: str) -> QKeySequenceEdit:
        edit = QKeySequenceEdit(QKeySequence(key))
        edit.setMaximumSequenceLength(1)
        edit.setClearButtonEnabled(True)
        edit.setAccessibleName(f"Key {place} of {entry.title}" if place > 1
                               else f"Key of {entry.title}")  # fmt: skip
        edit.editingFinished.connect(lambda: self._edited(entry))
        return edit

    def _edited(self, entry: Action) -> None:
        """Keep all keys of an action, unless they are its own."""
        keys = [edit.keySequence().toString() for edit in self.edits[entry.id]]
        kept = [key for key in keys if key]
        chosen = dict(self._settings.now.shortcuts)
        chosen.pop(entry.id, None)
        if kept != [QKeySequence(key).toString() for key in sequences(entry, {})]:
            chosen[entry.id] = " | ".join(kept)
        self._settings.change(shortcuts=chosen)
        self._warn()

    def _warn(self) -> None:
        lines = [
            f"{claims[0].title} and {claims[1].title} both use {key.upper()}: neither will work."
            for key, claims in conflicts(self._entries, self._settings.now.shortcuts).items()
        ]
        self.warning.setText("\n".join(lines[:3]))
