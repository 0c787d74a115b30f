"""The list of servers, a form for one of them, and a test that says what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QHBoxLayout, QListWidget, QVBoxLayout, QWidget

from gui.parts import Scrolled, button, column, label
from gui.sections import row, silent
from gui.theme import GRID
from inference.servers import Server
from plugins.dicom.widget_pacs_server_form import ServerForm

if TYPE_CHECKING:
    from gui.settings import SettingsFile
    from inference.job import Job
    from plugins.dicom.widget_pacs_work import PacsWork

NEW = "New server"


class ServersDialog(QDialog):
    """Every change is in force and saved at once."""

    def __init__(self, settings: SettingsFile, work: PacsWork, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Servers")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(720, 560)
        self._settings, self._work = settings, work
        self._test: Job | None = None
        self.names = QListWidget()
        self.names.setAccessibleName("Servers")
        self.form = ServerForm(work)
        self.answer = label("", "quiet", wrap=True)
        self._build()
        self._show_names(settings.now.server)
        self.names.currentRowChanged.connect(self._show)
        self.form.changed.connect(self._changed)
        self._show()
        if not settings.now.servers:
            self.add_server()

    def add_server(self) -> None:
        """Begin a new one."""
        known = {server.name for server in self._settings.now.servers}
        name = next(n for n in (NEW, *(f"{NEW} {i}" for i in range(2, 99))) if n not in known)
        self._save([*self._settings.now.servers, Server(name)])
        self._show_names(name)
        self._show()
        self.form.name.setFocus()
        self.form.name.selectAll()

    def remove_server(self) -> None:
        """Forget the chosen one and its password."""
        place = self.names.currentRow()
        servers = list(self._settings.now.servers)
        if 0 <= place < len(servers):
            self._work.forget_password(servers.pop(place))
            self._save(servers)
            self._show_names("")
            self._show()

    def test(self) -> None:
        """Ask the server for a sign of life."""
        self._say(f"Asking {self.form.server.name}…")
        self.test_button.setEnabled(False)
        self._work.submit(
            self._work.queries, "check", self.form.server, lambda _: self._tested(None),
            self._tested, title=f"Testing {self.form.server.name}",
        )  # fmt: skip

    def _build(self) -> None:
        whole = column(self, (2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID), GRID)
        parts = QHBoxLayout()
        parts.setSpacing(2 * GRID)
        left = QVBoxLayout()
        self.names.setFixedWidth(180)
        left.addWidget(self.names)
        self.add_button = button("Add", self.add_server, "small", "Add a server")
        self.remove_button = button("Remove", self.remove_server, "small", "Remove this server")
        left.addWidget(row(self.add_button, self.remove_button))
        parts.addLayout(left)
        parts.addWidget(Scrolled(self.form), 1)
        whole.addLayout(parts, 1)
        whole.addWidget(self.answer)
        foot = QHBoxLayout()
        self.test_button = button("Test connection", self.test)
        foot.addWidget(self.test_button)
        foot.addStretch()
        foot.addWidget(button("Close", self.accept, "primary"))
        whole.addLayout(foot)

    def _show_names(self, chosen: str) -> None:
        names = [server.name for server in self._settings.now.servers]
        with silent(self.names):
            self.names.clear()
            self.names.addItems(names)
            self.names.setCurrentRow(names.index(chosen) if chosen in names else 0)

    def _show(self) -> None:
        place, servers = self.names.currentRow(), self._settings.now.servers
        there = 0 <= place < len(servers)
        self._say("")
        for part in (self.form, self.remove_button, self.test_button):
            part.setEnabled(there)
        if there:
            self.form.show_server(servers[place])

    def _changed(self, server: Server) -> None:
        """Two servers of one name could not be told apart in the list."""
        place, servers = self.names.currentRow(), list(self._settings.now.servers)
        others = {other.name for number, other in enumerate(servers) if number != place}
        if not server.name or server.name in others:
            return self._say("Give each server a name of its own.", "error")
        self._say("")
        if self._settings.now.server == servers[place].name:
            self._settings.change(server=server.name)
        servers[place] = server
        self._save(servers)
        self.names.item(place).setText(server.name)
        return None

    def _save(self, servers: list[Server]) -> None:
        self._settings.change(servers=tuple(servers))

    def _tested(self, error: BaseException | None) -> None:
        self.test_button.setEnabled(True)
        if error is None:
            self._say(f"{self.form.server.name} answers.")
        else:
            self._say(str(error), "error")

    def _say(self, text: str, style: str = "quiet") -> None:
        self.answer.setObjectName(style)
        self.answer.setText(text)
        self.answer.style().polish(self.answer)
