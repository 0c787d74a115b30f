"""The PACS tab of the browser: search an archive, look at what is there, fetch it, send results."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from gui.parts import button, column, label, panel
from gui.running_jobs import RunningJobs
from gui.sections import row, silent
from gui.theme import GRID
from plugins.dicom.network.archive import MOST, FoundSeries, Query, Study
from plugins.dicom.widget_pacs_preview import Preview
from plugins.dicom.widget_pacs_received import ReceivedLine
from plugins.dicom.widget_pacs_results import ResultsTree
from plugins.dicom.widget_pacs_search import SearchForm
from plugins.dicom.widget_pacs_send import SendDialog
from plugins.dicom.widget_pacs_servers import ServersDialog
from plugins.dicom.widget_pacs_work import PacsWork

if TYPE_CHECKING:
    from gui.browser import BrowserContext
    from inference.job import Job
    from inference.servers import Server

TRANSFER = "transfer"  # the key of all transfers, which come one after the other


class PacsBrowser(QWidget):
    """Choose a server, search, open series or studies; `command("send")` sends files."""

    def __init__(self, context: BrowserContext) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._context = context
        self.work = PacsWork(self, context)
        self._search: Job | None = None
        self._build()
        self._connect()
        self._show_servers()
        self._settings_changed()

    @property
    def server(self) -> Server | None:
        """The chosen one."""
        place = self.servers.currentIndex()
        known = self._context.settings.now.servers
        return known[place] if 0 <= place < len(known) else None

    def command(self, what: str) -> None:
        """Send files, the last exported ones first."""
        if what == "send":
            self.ask_to_send()

    def edit_servers(self) -> None:
        """Open the list of servers."""
        dialog = ServersDialog(self._context.settings, self.work, self)
        dialog.finished.connect(lambda _: self._show_servers())
        dialog.open()

    def ask_to_send(self) -> None:
        """Let the user choose files and a server."""
        settings = self._context.settings.now
        if not settings.servers:
            return self.edit_servers()
        saved = [path for path in self._context.saved.paths if path.suffix == ".dcm"]
        dialog = SendDialog(settings.servers, settings.server, saved, self)
        dialog.chosen.connect(self.send)
        return dialog.open()

    def send(self, server: Server, paths: list[Path]) -> None:
        """Store files on a server."""
        where = f"{len(paths)} file{'s' if len(paths) != 1 else ''} to {server.name}"
        self._transfer(
            "send", server, lambda sent: self._context.notices.tell(f"Sent {where}."),
            title=f"Sending {where}", paths=[str(path) for path in paths],
        )  # fmt: skip

    def retrieve(self) -> None:
        """Fetch what is selected, and open it."""
        server, (studies, series) = self.server, self.tree.selection()
        if server is not None and (studies or series):
            self._transfer(
                "retrieve", server, self._arrived, title=f"Receiving from {server.name}",
                studies=studies, series=series,
            )  # fmt: skip

    @cached_property
    def running(self) -> RunningJobs:
        """Progress and Cancel of what is moved; the process that moves it begins with it."""
        made = RunningJobs(self.work.transfers, "the transfer", "What has arrived is kept")
        made.show_key(TRANSFER)
        self._column.addWidget(made)
        return made

    # --- construction ------------------------------------------------------------------------

    def _build(self) -> None:
        self._pages = QStackedWidget()
        whole = column(self, (0, 0, 0, 0), 0)
        whole.addWidget(self._pages, 1)
        self._pages.addWidget(self._empty_page())
        page = panel()
        self._column = column(page, (GRID, GRID, GRID, GRID), GRID)
        self._pages.addWidget(page)
        self._add_search()
        self._add_results()
        whole.addWidget(self._foot())

    def _empty_page(self) -> QWidget:
        page = panel()
        inside = column(page, (2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID), GRID)
        text = label("No server is known yet. Add your hospital's archive (PACS) to search it.",
                     "quiet", wrap=True)  # fmt: skip
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.add_first = button("Add server…", self.edit_servers, "primary")
        inside.addStretch()
        inside.addWidget(text)
        inside.addWidget(self.add_first, 0, Qt.AlignmentFlag.AlignHCenter)
        inside.addStretch()
        return page

    def _add_search(self) -> None:
        self.servers = QComboBox()
        self.servers.setAccessibleName("Server")
        self.servers.setMinimumWidth(18 * GRID)
        self.servers.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.form = SearchForm()
        line = QHBoxLayout()
        line.setSpacing(GRID)
        left = QVBoxLayout()
        left.setSpacing(GRID // 2)
        left.addWidget(label("Server", "quiet"))
        left.addWidget(self.servers)
        left.addStretch()
        line.addLayout(left)
        line.addWidget(self.form, 1)
        self._column.addLayout(line)

    def _add_results(self) -> None:
        self.tree = ResultsTree()
        self.preview = Preview(self.work)
        self.open_button = button("Open", self.retrieve, "primary", "Open what is selected",
                                  "Fetch what is selected, and open it")  # fmt: skip
        side = panel()
        inside = column(side, (GRID, 0, 0, 0), GRID)
        inside.addWidget(self.preview, 1)
        inside.addWidget(self.open_button)
        parts = QSplitter()
        parts.addWidget(self.tree)
        parts.addWidget(side)
        parts.setStretchFactor(0, 1)
        parts.setChildrenCollapsible(False)
        self.said = label("", "quiet", wrap=True)
        self._column.addWidget(self.said)
        self._column.addWidget(parts, 1)

    def _foot(self) -> QWidget:
        self.received = ReceivedLine(self._context.notices)
        self.edit_button = button("Servers…", self.edit_servers, "small", "Edit servers")
        tip = "Store DICOM files, such as results, on a server"
        self.send_button = button("Send files…", self.ask_to_send, "small", tip=tip)
        foot = row(self.received, self.send_button, self.edit_button)
        foot.setContentsMargins(GRID, 0, GRID, GRID)
        return foot

    def _connect(self) -> None:
        self.form.asked.connect(self.search)
        self.servers.currentIndexChanged.connect(self._chose_server)
        self.tree.opened.connect(self._open_study)
        self.tree.chosen.connect(self._chosen)
        self.tree.wanted.connect(self.retrieve)
        self._context.settings.changed.connect(self._settings_changed)
        self._chosen(None)

    # --- search --------------------------------------------------------------------------------

    def search(self, query: Query) -> None:
        """Look for studies; pressed again while it lasts, stop."""
        server = self.server
        if self._search is not None:
            self._search.cancel()
            return self._ended("Stopped.")
        if server is None:
            return None
        self._say(f"Searching {server.name}…")
        self.form.search.setText("Stop")
        return self.work.submit(
            self.work.queries, "find_studies", server, self._found, self._failed, self._began,
            query=query, title=f"Searching {server.name}",
        )  # fmt: skip

    def _began(self, job: Job) -> None:
        self._search = job
        self.work.queries.job_finished.connect(self._stopped)

    def _stopped(self, job: Job) -> None:
        """Of the search, when it was cancelled in the status bar."""
        if job is self._search and job.withdrawn:
            self._ended("Stopped.")

    def _found(self, studies: list[Study]) -> None:
        patients = len({(study.patient_id, study.patient_name) for study in studies})
        some = f"{len(studies)} stud{'ies' if len(studies) != 1 else 'y'} of {patients} patient"
        most = (
            f" Only the first {MOST} are shown: narrow the search." if len(studies) >= MOST else ""
        )
        text = f"{some}{'s' if patients != 1 else ''}.{most}" if studies else "Nothing matches."
        self._ended(text)
        self.tree.show_studies(studies)

    def _failed(self, error: BaseException | None) -> None:
        self._ended(str(error) if error else "", wrong=error is not None)

    def _ended(self, text: str, wrong: bool = False) -> None:
        self._search = None
        self.form.search.setText("Search")
        self._say(text, wrong)

    def _say(self, text: str, wrong: bool = False) -> None:
        self.said.setObjectName("error" if wrong else "quiet")
        self.said.setText(text)
        self.said.style().polish(self.said)

    def _open_study(self, study: Study) -> None:
        server = self.server
        if server is not None:
            self.work.submit(
                self.work.queries, "find_series", server,
                partial(self.tree.show_series, study.study_uid), self._failed,
                study_uid=study.study_uid, title="Listing the series",
            )  # fmt: skip

    def _chosen(self, found: Any) -> None:
        series = found if isinstance(found, FoundSeries) else None
        self.preview.show_series(self.server, series)
        self.open_button.setEnabled(any(self.tree.selection()))

    # --- transfers -----------------------------------------------------------------------------

    def _transfer(self, what: str, server: Server, done: Any, **request: Any) -> None:
        self.work.submit(
            self.work.transfers, what, server, done, self._transfer_failed,
            partial(self.running.begin, TRANSFER), **request,
        )  # fmt: skip

    def _arrived(self, folders: list[str]) -> None:
        self.received.refresh()
        self._context.opening.open(map(Path, folders))

    def _transfer_failed(self, error: BaseException | None) -> None:
        self.received.refresh()
        if error is not None:
            self._context.notices.failed(error)

    # --- servers -------------------------------------------------------------------------------

    def _show_servers(self) -> None:
        now = self._context.settings.now
        names = [server.name for server in now.servers]
        with silent(self.servers):
            self.servers.clear()
            self.servers.addItems(names)
            self.servers.setCurrentIndex(names.index(now.server) if now.server in names else 0)
        self._pages.setCurrentIndex(1 if names else 0)

    def _chose_server(self) -> None:
        if self.server is not None:
            self._context.settings.change(server=self.server.name)
            self.tree.show_studies([])
            self._say("")

    def _settings_changed(self, *_: object) -> None:
        now = self._context.settings.now
        self.tree.hide_names(now.hide_patient_names)
        if [server.name for server in now.servers] != [
            self.servers.itemText(place) for place in range(self.servers.count())
        ]:
            self._show_servers()
