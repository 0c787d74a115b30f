"""The fields of one server; which of them are shown depends on how it is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from gui.parts import button
from gui.sections import quiet, row, silent
from gui.theme import GRID
from inference.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from plugins.dicom.widget_pacs_work import PacsWork

KINDS = {"dicom": "DICOM (DIMSE)", "web": "DICOMweb"}
WAYS = {"auto": "C-GET, else C-MOVE", "get": "C-GET only", "move": "C-MOVE only"}
FILES = "PEM (*.pem *.crt *.cer *.key);;All files (*)"
KEPT = "Kept in the keyring of this system."
NOT_KEPT = "This system has no keyring: it is asked after each start, and written nowhere."


class ServerForm(QWidget):
    """Tells of every change with the whole server."""

    changed = Signal(Server)

    def __init__(self, work: PacsWork) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._work = work
        self.server = Server("")
        self._fields: dict[str, tuple[QWidget, Callable[[], Any], Callable[[Any], Any]]] = {}
        self._rows: dict[str, list[QWidget]] = {"dicom": [], "web": [], "secure": []}
        self._form = QFormLayout(self)
        self._form.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        self._form.setVerticalSpacing(GRID)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self._build()

    def show_server(self, server: Server) -> None:
        """Fill the fields."""
        self.server = server
        for name, (field, _, write) in self._fields.items():
            with silent(field):
                write(getattr(server, name))
        self.password.clear()
        self.password_hint.setText(KEPT if self._work.passwords.kept else NOT_KEPT)
        self._show_rows()

    def _build(self) -> None:
        self.name = self._line("name", "Name")
        self.kind = self._choice("kind", "Asked over", KINDS)
        self.host = self._line("host", "Host", "dicom", "Name or address of the server")
        self.port = self._number("port", "Port", 1)
        self.ae_title = self._line("ae_title", "Its AE title", "dicom")
        self.own = self._line("own_ae_title", "Our AE title", "dicom",
                              "As the server's administrator knows this computer")  # fmt: skip
        self.way = self._choice("retrieve", "Fetched by", WAYS, "dicom")
        self.receive_port = self._number("receive_port", "Port for C-MOVE", 0)
        self.receive_port.setSpecialValueText("none")
        self.receive_port.setToolTip("Open on this computer only while a C-MOVE runs")
        self.url = self._line("url", "Address", "web", "https://host/dicom-web")
        self.user = self._line("user", "User", "web")
        self._add_password()
        self.tls = QCheckBox("Encrypted (TLS)")
        self._add("tls", "", self.tls, self.tls.isChecked, self.tls.setChecked, "dicom")
        self.tls.toggled.connect(self._changed)
        self.ca_file = self._file("ca_file", "Authority (CA)", "the system's authorities")
        self.certificate = self._file("certificate", "Our certificate", "none")
        self.key = self._file("key", "Its key", "in the same file")
        self.seconds = QDoubleSpinBox(decimals=0, minimum=1, maximum=600, suffix=" s")
        self.seconds.setToolTip("Without a sign of life for so long, the server is given up")
        self._add("seconds", "Patience", self.seconds, self.seconds.value, self.seconds.setValue)
        self.seconds.valueChanged.connect(self._changed)

    def _line(self, name: str, title: str, group: str = "", hint: str = "") -> QLineEdit:
        made = QLineEdit()
        made.setPlaceholderText(hint)
        self._add(name, title, made, lambda: made.text().strip(), made.setText, group)
        made.editingFinished.connect(self._changed)
        return made

    def _number(self, name: str, title: str, lowest: int) -> QSpinBox:
        made = QSpinBox(minimum=lowest, maximum=65535)
        self._add(name, title, made, made.value, made.setValue, "dicom")
        made.valueChanged.connect(self._changed)
        return made

    def _choice(self, name: str, title: str, entries: dict[str, str], group: str = "") -> QComboBox:
        made = QComboBox()
        for key, text in entries.items():
            made.addItem(text, key)
        self._add(
            name, title, made, made.currentData,
            lambda value: made.setCurrentIndex(made.findData(value)), group,
        )  # fmt: skip
        made.currentIndexChanged.connect(self._changed)
        return made

    def _file(self, name: str, title: str, hint: str) -> QLineEdit:
        made = QLineEdit()
        made.setPlaceholderText(hint)
        made.setAccessibleName(title)
        made.editingFinished.connect(self._changed)

        def choose() -> None:
            found, _ = QFileDialog.getOpenFileName(self, title, "", FILES)
            if found:
                made.setText(found)
                self._changed()

        self._fields[name] = (made, lambda: made.text().strip(), made.setText)
        whole = row(made, button("Choose…", choose, "small", f"Choose {title}"))
        self._form.addRow(title, whole)
        self._rows["secure"].append(whole)
        return made

    def _add_password(self) -> None:
        self.password = QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.password.setAccessibleName("Password")
        self.password.editingFinished.connect(self._typed_password)
        self.password_hint = quiet()
        for title, part in (("Password", self.password), ("", self.password_hint)):
            self._form.addRow(title, part)
            self._rows["web"].append(part)

    def _add(
        self,
        name: str,
        title: str,
        field: QWidget,
        read: Callable[[], Any],
        write: Callable[[Any], Any],
        group: str = "",
    ) -> None:
        field.setAccessibleName(title or name)
        self._fields[name] = (field, read, write)
        self._form.addRow(title, field)
        if group:
            self._rows[group].append(field)

    def _typed_password(self) -> None:
        if self.password.text():
            self._work.keep_password(self.server, self.password.text())

    def _changed(self, *_: object) -> None:
        values = {name: read() for name, (_, read, _) in self._fields.items()}
        server = replace(self.server, **values)
        if server != self.server:
            self.server = server
            self._show_rows()
            self.changed.emit(server)

    def _show_rows(self) -> None:
        kind = self.server.kind
        shown = {"dicom": kind == "dicom", "web": kind == "web", "secure": self.server.encrypted}
        for group, parts in self._rows.items():
            _set_visible(self._form, parts, shown[group])
        moves = kind == "dicom" and self.server.retrieve != "get"
        _set_visible(self._form, [self.receive_port], moves)


def _set_visible(form: QFormLayout, parts: Sequence[QWidget], shown: bool) -> None:
    for part in parts:
        form.setRowVisible(part, shown)
