"""Which files go to which server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QListWidget,
    QListWidgetItem,
    QWidget,
)

from gui.parts import button, column
from gui.sections import heading
from gui.theme import GRID
from inference.servers import Server

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PATH = Qt.ItemDataRole.UserRole


class SendDialog(QDialog):
    """Begins with the DICOM files that were exported last."""

    chosen = Signal(Server, list)  # and paths

    def __init__(
        self, servers: Sequence[Server], name: str, paths: Iterable[Path], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Send files to a server")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(460)
        self._servers = tuple(servers)
        self.server = QComboBox()
        self.server.setAccessibleName("Server")
        self.server.addItems([server.name for server in servers])
        self.server.setCurrentText(name)
        self.files = QListWidget()
        self.files.setAccessibleName("Files")
        self.files.itemChanged.connect(self._check)
        self._build()
        self.add(paths)

    def add(self, paths: Iterable[Path]) -> None:
        """Offer more files, which are to be sent."""
        for path in paths:
            item = QListWidgetItem(path.name)
            item.setToolTip(str(path))
            item.setData(PATH, path)
            item.setCheckState(Qt.CheckState.Checked)
            self.files.addItem(item)
        self._check()

    def _build(self) -> None:
        inside = column(self, (2 * GRID, GRID, 2 * GRID, 2 * GRID), GRID)
        inside.addWidget(heading("Server"))
        inside.addWidget(self.server)
        inside.addWidget(heading("DICOM files"))
        inside.addWidget(self.files)
        more = button("Add files…", self._choose, "small")
        inside.addWidget(more, 0, Qt.AlignmentFlag.AlignLeft)
        buttons = QDialogButtonBox()
        self.send = button("Send", self._accept, "primary")
        buttons.addButton(self.send, QDialogButtonBox.ButtonRole.AcceptRole)
        leave = button("Cancel", self.reject)
        buttons.addButton(leave, QDialogButtonBox.ButtonRole.RejectRole)
        inside.addWidget(buttons)

    def _paths(self) -> list[Path]:
        items = [self.files.item(place) for place in range(self.files.count())]
        return [item.data(PATH) for item in items if item.checkState() == Qt.CheckState.Checked]

    def _choose(self) -> None:
        found, _ = QFileDialog.getOpenFileNames(
            self, "Files to send", "", "DICOM (*.dcm *.dicom *.ima);;All files (*)"
        )
        self.add(map(Path, found))

    def _check(self) -> None:
        self.send.setEnabled(bool(self._paths()))

    def _accept(self) -> None:
        self.chosen.emit(self._servers[self.server.currentIndex()], self._paths())
        self.accept()
