"""The queue dock: a task for many studies, one after the other, while the window goes on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QDockWidget, QFileDialog, QMainWindow, QWidget

from gui.background import Background
from gui.opening import FILTERS
from gui.parts import NARROW, Scrolled
from gui.queue_model import QueueModel
from gui.queue_page import QueuePage
from gui.queue_results import QueueResults

if TYPE_CHECKING:
    from collections.abc import Callable

    from gui.mask_opening import MaskOpening
    from gui.notices import Notices
    from gui.opening import Opening
    from gui.queue_run import QueueRun
    from gui.settings import SettingsFile
    from gui.studies import Studies
    from gui.theme import Theme
    from inference.audit import Notebook
    from inference.cases import Case
    from inference.cohort_table import Ledger
    from inference.lane import Outcome
    from inference.servers import Cluster
    from inference.tasks import Task

HEIGHT = 300  # px, when it is shown first


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
        self._results = QueueResults(context.opening, context.masks)
        self.run: QueueRun | None = None
        self.out: Path | None = None  # where results go, or went
        self.model = QueueModel()
        self.page = QueuePage(self.model, self._commands())
        self.page.tasks.currentIndexChanged.connect(lambda _: self._chosen())
        self.page.table.activated.connect(lambda index: self.open_row(index.row()))
        self.setTitleBarWidget(QWidget(self))
        self.setWidget(Scrolled(self.page.widget, NARROW))
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self)
        window.resizeDocks([self], [HEIGHT], Qt.Orientation.Vertical)
        self._refresh()
        self.hide()

    def _commands(self) -> dict[str, Callable[[], object]]:
        """By the names of the page's buttons."""
        return {
            "folder": self._ask_folder, "files": self._ask_files, "open": self.add_open,
            "clear": self.clear, "start": self.start, "pause": self.pause,
            "cancel": self.cancel, "report": self.show_report, "place": self._ask_out,
            "close": self.close,
        }  # fmt: skip

    # --- commands ----------------------------------------------------------------------------

    def open(self) -> None:
        """Show the queue, the keyboard in it."""
        self._offer_tasks()
        self.show()
        self.raise_()
        self.page.tasks.setFocus(Qt.FocusReason.ShortcutFocusReason)

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
        task = self.page.tasks.currentData()
        if self.out is not None and task is not None and self.model.entries:
            self._begin(task, self.out)

    def pause(self) -> None:
        """Begin no more cases; what runs goes on to its end."""
        self._pause(True)

    def cancel(self) -> None:
        """Stop what runs; what is finished is kept."""
        if self.run is not None:
            self.run.control.cancel()
            self.page.said.setText("Cancelling…")
            self._refresh()

    def clear(self) -> None:
        """Empty the list; files stay."""
        if self.run is None:
            self.model.clear()
            self._refresh()

    def open_row(self, number: int) -> None:
        """Open a case, with its result where there is one."""
        self._results.open(self.model.entries[number], self.out)

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
        self.model.apply_theme(theme)
        self.page.apply_theme(theme)

    def hide_names(self, hidden: bool) -> None:
        """Show numbers for the names of files, which may be patients'."""
        self.model.show_names(hidden)
        self._show_out()

    def _offer_tasks(self) -> None:
        from inference.registry import tasks

        if not self.page.tasks.count():
            for task in tasks().values():
                self.page.tasks.addItem(task.title, task)
        self.page.where.clear()
        self.page.where.addItem("On this computer", None)
        if cluster := self._context.settings.now.cluster:
            self.page.where.addItem(f"On the cluster {cluster.address}", cluster)
        self.page.where.setVisible(self.page.where.count() > 1)

    def _chosen(self) -> None:
        if (task := self.page.tasks.currentData()) is not None:
            self.page.options.offer(task)

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
            self.page.said.setText("All of these are in the queue already.")
        self._refresh()

    # --- running -----------------------------------------------------------------------------

    def _begin(self, task: Task, out: Path) -> None:
        from gui.queue_run import QueueRun
        from inference.headless import Request

        settings = task.defaults() | self.page.options.values
        device = self._context.settings.now.device
        cluster: Cluster | None = self.page.where.currentData()
        request = Request(task, settings, out, device, self._context.notebook)
        for entry in self.model.entries:
            self.model.set_state(entry.case, "waiting")
        run = QueueRun(request, [entry.case for entry in self.model.entries], cluster, self)
        run.earlier.connect(lambda case, names: self.model.set_state(case, "before", "", names))
        run.planned.connect(self._planned)
        run.started.connect(self._working)
        run.progressed.connect(self._progressed)
        run.case_ended.connect(self._case_ended)
        run.said.connect(self.page.said.setText)
        run.ended.connect(self._ended)
        self.run = run
        self.page.said.setText("Starting…")
        run.start()
        self._refresh()

    def _pause(self, paused: bool) -> None:
        if self.run is not None:
            self.run.control.paused = paused
            self._tell_pace()
            self._refresh()

    def _planned(self, count: int) -> None:
        self.page.bar.setRange(0, count)
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
        self.page.bar.setValue(pace.done)
        paused = "Paused: " if self.run.control.paused else ""
        self.page.said.setText(f"{paused}{pace.sentence}")

    def _ended(self, ledger: Ledger | None, error: BaseException | None) -> None:
        from inference.batch import summary

        run, self.run = self.run, None
        if run is None:
            return
        self.model.settle("waiting")
        if ledger is None and error is not None:
            self.page.said.setText("Stopped.")
            self._context.notices.failed(error)
        elif ledger is not None:
            cancelled = "Cancelled. " if run.control.cancelled else ""
            self.page.said.setText(f"{cancelled}{summary(ledger)}")
        self._refresh()

    def _refresh(self) -> None:
        """Enable what makes sense now."""
        control = self.run.control if self.run is not None else None
        self.page.enable(
            filled=bool(self.model.entries),
            running=control is not None,
            paused=control is not None and control.paused,
            cancelled=control is not None and control.cancelled,
        )
        self._show_out()

    def _show_out(self) -> None:
        shown = "a folder of yours" if self.model.names_hidden else str(self.out)
        self.page.place.setText(f"Results in {shown}" if self.out else "")
        self.page.place_button.setText("Change…" if self.out else "Results in…")
        made = self.out is not None and (self.out / "report.html").is_file()
        self.page.report_button.setEnabled(made and self.run is None)
