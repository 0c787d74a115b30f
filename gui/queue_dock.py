"""The queue dock: a task for many studies, one after the other, while the window goes on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDockWidget,
    QFileDialog,
    QHeaderView,
    QMainWindow,
    QMenu,
    QProgressBar,
    QPushButton,
    QTableView,
    QToolButton,
    QWidget,
)

from gui.background import Background
from gui.opening import FILTERS
from gui.parts import NARROW, Scrolled, button, column, label, panel
from gui.queue_model import QueueModel
from gui.queue_settings import SettingsButton
from gui.sections import row
from gui.theme import GRID, THEMES, Theme, icon

if TYPE_CHECKING:

    from gui.document import Document
    from gui.mask_opening import MaskOpening
    from gui.notices import Notices
    from gui.opening import Opening
    from gui.queue_run import QueueRun
    from gui.settings import SettingsFile
    from gui.studies import Studies
    from inference.audit import Notebook
    from inference.cases import Case
    from inference.cohort_table import Ledger
    from inference.lane import Outcome
    from inference.servers import Cluster
    from inference.tasks import Task

HEIGHT = 300  # px, when it is shown first
OBJECTS = ("_nodes.nii.gz", "_nodes.nrrd", "_mask.nii.gz", "_vessels.png", "_mask.png")
"""Endings of the files in which tasks leave their objects."""
RUNS = ("_interpolated.dcm", "_interpolated")
"""And their new runs."""


@dataclass(frozen=True)
class QueueContext:
    """What the queue may use of the application."""

    opening: Opening
    masks: MaskOpening
    studies: Studies
    settings: SettingsFile
    notices: Notices
    notebook: Notebook


class Queue(QDockWidget):
    """Add studies, choose a task, start; each case tells how it went and opens with its result."""

    def __init__(self, window: QMainWindow, context: QueueContext) -> None:
        super().__init__("Queue", window)
        self.setObjectName("queue")
        self._context = context
        self._background = Background(self)
        self._theme = THEMES["dark"]
        self._wanted: tuple[Path, str] | None = None  # what opens next, and its result
        self.run: QueueRun | None = None
        self.out: Path | None = None  # where results go, or went
        self.model = QueueModel()
        self._build()
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self)
        window.resizeDocks([self], [HEIGHT], Qt.Orientation.Vertical)
        context.opening.opened.connect(self._opened)
        self.hide()

    # --- commands ----------------------------------------------------------------------------

    def open(self) -> None:
        """Show the queue, the keyboard in it."""
        self._offer_tasks()
        self.show()
        self.raise_()
        self.tasks.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def add_folder(self, folder: Path) -> None:
        """Add every case below a folder, which may take a while to find."""
        from inference import cases  # here as below: the window comes up sooner without it

        self._background.run(
            partial(cases.find, folder, self.out), self._add, self._context.notices.failed
        )

    def add_files(self, paths: list[Path]) -> None:
        """Add a case for each path."""
        from inference import cases

        self._add(cases.named(paths))

    def add_open(self) -> None:
        """Add the files of what is open."""
        documents = self._context.studies.open
        roots = [document.root for document in documents if document.root is not None]
        self.add_files(list(dict.fromkeys(roots)))

    def start(self) -> None:
        """Begin, or go on after a pause; asks where to if that is not said yet."""
        if self.run is not None:
            self._pause(False)
            return
        if self.out is None:
            self._ask_out()
        task = self.tasks.currentData()
        if self.out is not None and task is not None and self.model.entries:
            self._begin(task, self.out)

    def pause(self) -> None:
        """Begin no more cases; what runs goes on to its end."""
        self._pause(True)

    def cancel(self) -> None:
        """Stop what runs; what is finished is kept."""
        if self.run is not None:
            self.run.control.cancel()
            self.said.setText("Cancelling…")
            self._refresh()

    def clear(self) -> None:
        """Empty the list; files stay."""
        if self.run is None:
            self.model.clear()
            self._refresh()

    def open_row(self, number: int) -> None:
        """Open a case, with its result where there is one."""
        entry = self.model.entries[number]
        if not isinstance(entry.case.source, Path):
            return
        result = entry.results[0] if entry.results else ""
        self._wanted = (entry.case.source, result)
        self._context.opening.open([entry.case.source])

    def show_report(self) -> None:
        """In the browser of the system."""
        if self.out is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.out / "report.html")))

    def close_run(self) -> None:
        """Stop, and wait until nothing is written any more: the window ends."""
        if self.run is not None:
            self.run.control.cancel()
            self.run.wait()

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self._theme = theme
        self.model.apply_theme(theme)
        self.start_button.setIcon(icon("mdi6.play", theme, theme.on_accent))
        for part, name in self._icons.items():
            part.setIcon(icon(name, theme))

    def hide_names(self, hidden: bool) -> None:
        """Show numbers for the names of files, which may be patients'."""
        self.model.show_names(hidden)
        self._show_out()

    # --- construction ------------------------------------------------------------------------

    def _build(self) -> None:
        inside = panel()
        page = column(inside, (GRID, GRID, GRID, GRID), GRID)
        self.tasks = QComboBox()
        self.tasks.setAccessibleName("Task of the queue")
        self.options = SettingsButton()
        self.tasks.currentIndexChanged.connect(lambda _: self._chosen())
        self.where = QComboBox()
        self.where.setAccessibleName("Where the queue runs")
        self.start_button = button("Start", self.start, "primary", "Start the queue")
        self.pause_button = button("Pause", self.pause, "", "Pause the queue")
        self.cancel_button = button("Cancel", self.cancel, "", "Cancel the queue")
        self.report_button = button("Report", self.show_report, tip="Pictures, figures and flags")
        self.leave = QToolButton()
        self.leave.setAccessibleName("Close the queue")
        self.leave.setToolTip("Close the queue; it goes on")
        self.leave.setAutoRaise(True)
        self.leave.clicked.connect(self.close)
        stretch = label()
        self.add_button = self._adding()
        self.clear_button = button("Clear", self.clear, tip="Empty the list; no file is removed")
        page.addWidget(row(self.tasks, self.options, self.add_button, self.clear_button, stretch,
                           self.where, self.start_button, self.pause_button, self.cancel_button,
                           self.report_button, self.leave))  # fmt: skip
        stretch.parentWidget().layout().setStretchFactor(stretch, 1)  # type: ignore[union-attr]
        page.addWidget(self._table(), 1)
        page.addWidget(self._foot())
        self._icons = {self.leave: "mdi6.close"}
        self.setTitleBarWidget(QWidget(self))
        self.setWidget(Scrolled(inside, NARROW))
        self._refresh()

    def _adding(self) -> QPushButton:
        made = QPushButton("Add")
        made.setToolTip("Add studies to the queue")
        made.setAccessibleName("Add studies to the queue")
        menu = QMenu(made)
        menu.addAction("Every study below a folder…", self._ask_folder)
        menu.addAction("Files…", self._ask_files)
        menu.addAction("What is open", self.add_open)
        made.setMenu(menu)
        return made

    def _table(self) -> QTableView:
        self.table = QTableView()
        self.table.setModel(self.model)
        self.table.setAccessibleName("Cases of the queue")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.resizeSection(0, 280)
        header.resizeSection(1, 140)
        self.table.activated.connect(lambda index: self.open_row(index.row()))
        return self.table

    def _foot(self) -> QWidget:
        self.bar = QProgressBar(textVisible=False)
        self.bar.setAccessibleName("Progress of the queue")
        self.bar.setFixedSize(240, GRID)
        self.said = label("", "quiet")
        self.place = label("", "quiet")
        self.place_button = button("Results in…", self._ask_out, "small")
        made = row(self.bar, self.said, self.place, self.place_button)
        made.layout().setStretchFactor(self.said, 1)  # type: ignore[union-attr]
        return made

    def _offer_tasks(self) -> None:
        from inference.registry import tasks

        if not self.tasks.count():
            for task in tasks().values():
                self.tasks.addItem(task.title, task)
        self.where.clear()
        self.where.addItem("On this computer", None)
        if cluster := self._context.settings.now.cluster:
            self.where.addItem(f"On the cluster {cluster.address}", cluster)
        self.where.setVisible(self.where.count() > 1)

    def _chosen(self) -> None:
        if (task := self.tasks.currentData()) is not None:
            self.options.offer(task)

    # --- adding ------------------------------------------------------------------------------

    def _ask_folder(self) -> None:
        if chosen := QFileDialog.getExistingDirectory(self, "Add every study of a folder"):
            self.add_folder(Path(chosen))

    def _ask_files(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, "Add studies", "", FILTERS)
        self.add_files([Path(name) for name in chosen])

    def _ask_out(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the results of the queue")
        if chosen:
            self.out = Path(chosen)
        self._show_out()

    def _add(self, found: list[Case]) -> None:
        from inference import cases

        names = {entry.case.name.casefold() for entry in self.model.entries}
        fresh = [case for case in found if case.name.casefold() not in names]
        others = [case for case in found if case.name.casefold() in names]
        taken = self.model.add(fresh) + self.model.add(cases.unlike(others, names))
        if not taken and found:
            self.said.setText("All of these are in the queue already.")
        self._refresh()

    # --- running -----------------------------------------------------------------------------

    def _begin(self, task: Task, out: Path) -> None:
        from gui.queue_run import QueueRun
        from inference.headless import Request

        settings = task.defaults() | self.options.values
        device = self._context.settings.now.device
        cluster: Cluster | None = self.where.currentData()
        request = Request(task, settings, out, device, self._context.notebook)
        for entry in self.model.entries:
            self.model.set_state(entry.case, "waiting")
        run = QueueRun(request, [entry.case for entry in self.model.entries], cluster, self)
        run.earlier.connect(lambda case, names: self.model.set_state(case, "before", "", names))
        run.planned.connect(self._planned)
        run.started.connect(self._working)
        run.progressed.connect(self._progressed)
        run.case_ended.connect(self._case_ended)
        run.said.connect(self.said.setText)
        run.ended.connect(self._ended)
        self.run = run
        self.said.setText("Starting…")
        run.start()
        self._refresh()

    def _pause(self, paused: bool) -> None:
        if self.run is not None:
            self.run.control.paused = paused
            self._tell_pace()
            self._refresh()

    def _planned(self, count: int) -> None:
        self.bar.setRange(0, count)
        self._tell_pace()

    def _progressed(self, case: Case, done: int, total: int, note: str) -> None:
        share = f"{round(100 * done / total)} %" if total else ""
        self._working(case, " · ".join(filter(None, (note, share))))

    def _working(self, case: Case, note: str = "") -> None:
        if self.run is not None:  # news of a run that has ended come from other threads, and late
            self.model.set_state(case, "running", note)

    def _case_ended(self, outcome: Outcome) -> None:
        self.model.conclude(outcome)
        self._tell_pace()

    def _tell_pace(self) -> None:
        if self.run is None or self.run.control.cancelled:
            return
        pace = self.run.pace
        self.bar.setValue(pace.done)
        paused = "Paused: " if self.run.control.paused else ""
        self.said.setText(f"{paused}{pace.sentence}")

    def _ended(self, ledger: Ledger | None, error: BaseException | None) -> None:
        from inference.batch import summary

        run, self.run = self.run, None
        if run is None:
            return
        self.model.settle("waiting")
        if ledger is None and error is not None:
            self.said.setText("Stopped.")
            self._context.notices.failed(error)
        elif ledger is not None:
            cancelled = "Cancelled. " if run.control.cancelled else ""
            self.said.setText(f"{cancelled}{summary(ledger)}")
        self._refresh()

    def _refresh(self) -> None:
        """Enable what makes sense now."""
        running = self.run is not None
        paused = running and bool(self.run and self.run.control.paused)
        cancelled = running and bool(self.run and self.run.control.cancelled)
        self.start_button.setText("Go on" if paused else "Start")
        self.start_button.setEnabled(bool(self.model.entries) and (paused or not running))
        self.pause_button.setEnabled(running and not paused and not cancelled)
        self.cancel_button.setEnabled(running and not cancelled)
        for part in (
            self.tasks, self.options, self.where, self.place_button, self.clear_button
        ):  # fmt: skip
            part.setEnabled(not running)
        self.bar.setVisible(running)
        self._show_out()

    def _show_out(self) -> None:
        shown = "a folder of yours" if self.model.names_hidden else str(self.out)
        self.place.setText(f"Results in {shown}" if self.out else "")
        self.place_button.setText("Change…" if self.out else "Results in…")
        made = self.out is not None and (self.out / "report.html").is_file()
        self.report_button.setEnabled(made and self.run is None)

    def _opened(self, documents: list[Document]) -> None:
        """Lay the result over the image that it was asked for."""
        if self._wanted is None or not documents or documents[0].root != self._wanted[0]:
            return
        name, self._wanted = self._wanted[1], None
        if not name or self.out is None:
            return
        stem = self.out / name
        for ending in OBJECTS:
            if (path := stem.with_name(stem.name + ending)).is_file():
                self._context.masks.open(path, documents[0])
                return
        for ending in RUNS:
            if (path := stem.with_name(stem.name + ending)).exists():
                self._context.opening.open([path])
                return
