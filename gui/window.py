"""The main window: what is open on the left, images in the middle, tasks and tools on the right."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QByteArray, QTimer, Signal
from qtpy.QtWidgets import QApplication, QMainWindow

from gui import layout, registry, theme
from gui.action_table import ACTIONS
from gui.audit_trail import AuditTrail
from gui.browser import Browser, BrowserContext, SavedFiles
from gui.canvas import isolate_napari, preload_napari
from gui.cine import Cine
from gui.cine_actions import CINE_SWITCHES
from gui.cine_bar import CineBar
from gui.correct import Correction
from gui.correct_panel import CorrectPanel
from gui.dialogs import Dialogs
from gui.export import Export
from gui.job_bar import JobBar
from gui.jobs import Jobs
from gui.key_pointer import KeyPointer
from gui.label_offer import LabelOffer
from gui.layout import IMAGES, PREVIEW, START, WAITING
from gui.mask_opening import MaskOpening
from gui.menus import Commands
from gui.notices import Notices
from gui.opening import Opening
from gui.preview import Preview
from gui.projects import Projects
from gui.queue_dock import Queue, QueueContext
from gui.recent_menu import RecentMenu
from gui.remote import Remote
from gui.run_export import RunExport
from gui.session import Session
from gui.settings import Settings, SettingsFile
from gui.settling import Settling
from gui.start_page import StartPage
from gui.studies import Studies
from gui.study_panel import StudyPanel
from gui.tasks import TaskPanel
from gui.veil import Veil, forget_file_dialogs
from gui.views import Views
from gui.worker_label import WorkerLabel
from gui.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtpy.QtGui import QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QShowEvent

    from gui.document import Document
    from inference.arrivals import Glimpse

IDLE_MS = 50  # between steps that prepare the views


class LimnWindow(QMainWindow):
    """Limn. What needs napari or a worker is made after the first paint."""

    ready = Signal()  # napari is loaded and the workers were started
    _loaded = Signal()
    views: Views
    studies: Studies
    cine: Cine

    def __init__(self, settings: SettingsFile | None = None) -> None:
        super().__init__()
        self.setObjectName("limn")
        self.setWindowTitle("Limn")
        self.setAcceptDrops(True)
        self.is_ready = self._started = False
        self.settings = settings or SettingsFile()
        self.studies = Studies()
        self.notices = Notices(self)
        self.notices.veil = Veil(self.studies, self.settings).over
        self.views = Views()
        self.pointer = KeyPointer(self.views)
        self.cine = Cine(self.views)
        self.correction = Correction(self.views, self.notices)
        self.dialogs = Dialogs(self)
        self.job_bar = JobBar()
        self.reader = Jobs(self, name="reader", preload=("inference.warm",))
        self.opening = Opening(self, self.reader, self.studies, self.settings, self.notices)
        self.masks = MaskOpening(self, self.reader, self.studies, self.settings, self.notices)
        self.export = Export(
            self, self.studies, self.views, self.settings, self.notices, self.reader
        )
        self.run_export = RunExport(self, self.studies, self.views, self.settings, self.notices)
        self.settling = Settling(self, self.studies)
        self.audit = AuditTrail(self, self.studies, self.settings, self.notices)
        self._build()
        self.projects = Projects(self, Workspace(self.studies, self.views, self.task_panel))
        self._connect()
        self._apply(self.settings.now)
        self._restore()

    # --- commands of the table -----------------------------------------------------------------

    def undo(self) -> None:
        """Take back the last edit of the shown document."""
        if self.studies.selected is not None:
            self.studies.selected.history.undo()

    def redo(self) -> None:
        """Do the last undone edit again."""
        if self.studies.selected is not None:
            self.studies.selected.history.redo()

    def close_document(self, document: Document | None = None) -> None:
        """Close a series, else the shown one; asks first if something drawn was not exported."""
        document = document or self.studies.selected
        if document is None:
            return
        if not self.projects.unsaved(document) or self.dialogs.may_lose(document):
            self.studies.close(document)

    def command_task(self, named: tuple[str, str]) -> None:
        """Show a task, by its name, and tell its widget to do something."""
        self.tabs.setCurrentWidget(self.task_panel)
        self.task_panel.command(*named)

    def mouse_is(self, mode: str) -> bool:
        """Whether the left mouse button does this."""
        return self.views.tool is None and self.views.gestures.mode == mode

    # --- construction ------------------------------------------------------------------------

    def _build(self) -> None:
        self.start_page = StartPage()
        self.cine_bar = CineBar(self.cine, self.views)
        self.preview = Preview()
        images = layout.below(self.views, self.cine_bar)
        self._pages = layout.pages(self.start_page, images, self.preview)
        self.setCentralWidget(layout.at_least(layout.NARROWEST, self._pages))
        self.study_panel = StudyPanel(self.studies)
        self.task_panel = TaskPanel(self.studies)
        self.correct_panel = CorrectPanel(self.correction, self.studies, self.settings)
        self.tabs = layout.tabs({"Tasks": self.task_panel, "Correct": self.correct_panel})
        docks = layout.add_docks(self, self.study_panel, self.tabs)
        self.browser = Browser(self, self._browser_context())
        self.queue = Queue(self, self._queue_context())
        docks += [self.browser, self.queue]
        self.commands = Commands(self, ACTIONS)
        actions = self.commands.actions
        for dock in docks:
            self.commands.menu("View").addAction(dock.toggleViewAction())
        self._recent_menu = RecentMenu(self)
        self.commands.menu("File").insertMenu(actions["open_samples"], self._recent_menu)
        self.start_page.offer(actions)
        self.cine_bar.add_switches(actions[name] for name in CINE_SWITCHES)
        self._worker_label = WorkerLabel()
        layout.fill_status_bar(self.statusBar(), self.job_bar, self._worker_label)

    def _browser_context(self) -> BrowserContext:
        return BrowserContext(
            self.reader, self.opening, self.studies, self.settings, self.notices,
            SavedFiles(self.export.saved, self.run_export.saved), self.job_bar.follow,
        )  # fmt: skip

    def _queue_context(self) -> QueueContext:
        return QueueContext(
            self.opening, self.masks, self.studies, self.settings, self.notices,
            self.audit.notebook,
        )  # fmt: skip

    def _connect(self) -> None:
        self.opening.drawn.connect(self.masks.open)
        offer = LabelOffer(self.masks, self.studies, self.settings, self.notices)
        self.opening.opened.connect(offer.look)
        self.studies.selected_changed.connect(self._selected)
        self.studies.added.connect(self._added)
        self.studies.removed.connect(self._removed)
        self.settings.changed.connect(self._apply)
        self.settings.failed.connect(partial(self.notices.tell, level="warning"))
        self.task_panel.room_wanted.connect(partial(layout.widen, self, "tools"))
        self.study_panel.close_asked.connect(self.close_document)
        self.study_panel.open_asked.connect(self.opening.open_expected)
        self.opening.glimpsed.connect(self._glimpse)
        self.opening.ended.connect(lambda: self._show_page(self.studies.selected))
        self.opening.project_asked.connect(self.projects.open)
        self.projects.changed.connect(self._show_title)
        for asked in (self._recent_menu.asked, self.start_page.welcome.sample_asked):
            asked.connect(lambda path: self.opening.open([path]))
        self.start_page.welcome.ended.connect(lambda: self.settings.change(welcomed=True))
        self.ready.connect(self.start_page.welcome.look)
        self.projects.recovering.changed.connect(self._refresh)
        self.job_bar.follow(self.reader)
        self.export.saved.connect(self.audit.exported)
        self.run_export.saved.connect(self.audit.exported)
        for signal in (self.views.mode_changed, self.views.tool_changed, self.views.shown,
                       self.views.layout_changed, self.cine.changed):  # fmt: skip
            signal.connect(self._refresh)
        self._loaded.connect(self._finish_start)

    def _restore(self) -> None:
        self.resize(1440, 900)
        now = self.settings.now
        self.restoreGeometry(QByteArray.fromBase64(now.geometry.encode()))
        self.resize(self.size().boundedTo(self.screen().availableSize()))
        self.restoreState(QByteArray.fromBase64(now.docks.encode()))
        self._refresh()
        if self.settings.problem:
            self.notices.tell(self.settings.problem, level="warning")

    # --- start -------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """The slow half of the start follows the first paint."""
        super().showEvent(event)
        if not self._started:
            self._started = True
            QTimer.singleShot(0, self._load)

    def _load(self) -> None:
        isolate_napari()

        def load() -> None:
            preload_napari()
            self._loaded.emit()
            registry.register()

        threading.Thread(target=load, daemon=True, name="preload").start()

    def _finish_start(self) -> None:
        jobs = Jobs(self)
        self.job_bar.follow(jobs)
        self.audit.follow(jobs)
        self.remote = Remote(jobs, self.settings)
        self._worker_label.follow(jobs)
        self.session = Session(
            self.studies, jobs, self.settings, self.notices, self.views, self.export.ask,
            correct=self.correction.use,
        )  # fmt: skip
        self.task_panel.start(self.session)
        self.is_ready = True
        self._selected(self.studies.selected)
        self.ready.emit()
        self.projects.start()
        self._prepare(self.views.prepare())

    def _prepare(self, steps: Iterator[None]) -> None:
        """Take one step whenever there is nothing else to do."""
        if next(steps, self) is None:
            QTimer.singleShot(IDLE_MS, self, lambda: self._prepare(steps))
        else:
            threading.Thread(target=registry.preload, daemon=True, name="widgets").start()
            self.settling.settle()

    # --- following ---------------------------------------------------------------------------

    def _selected(self, document: Document | None) -> None:
        self._show_page(document)
        if self.is_ready:
            self.views.show_document(document)
        self._refresh()

    def _show_page(self, document: Document | None) -> None:
        page = START if document is None else IMAGES if self.is_ready else WAITING
        self._pages.setCurrentIndex(page)

    def _glimpse(self, glimpse: Glimpse) -> None:
        """Show a first picture until its series has come."""
        self.preview.show_glimpse(glimpse)
        self._pages.setCurrentIndex(PREVIEW)

    def _added(self, document: Document) -> None:
        document.history_changed.connect(self._refresh)
        document.objects_changed.connect(self._refresh)
        document.ai_changed.connect(self._refresh)
        self.export.follow(document)

    def _removed(self, document: Document) -> None:
        self.views.forget(document)

    def _refresh(self, *_: object) -> None:
        self.commands.refresh()
        document = self.studies.selected
        undo = document.history.undo_title if document else ""
        redo = document.history.redo_title if document else ""
        self.commands.actions["undo"].setText(f"Undo {undo}".strip())
        self.commands.actions["redo"].setText(f"Redo {redo}".strip())

    def _show_title(self) -> None:
        self.setWindowTitle(self.projects.title)
        project = self.projects.path is not None  # without, the title has no place for the star
        self.setWindowModified(project and bool(self.projects.unsaved_documents))

    def _apply(self, now: Settings, old: Settings | None = None) -> None:
        """Follow the settings; what did not change is left alone, as a new look takes a second."""
        if old is None or (now.theme, now.text_size) != (old.theme, old.text_size):
            self._dress(now)
        self.start_page.welcome.setHidden(now.welcomed)
        if old is None or now.shortcuts != old.shortcuts:
            self.commands.rebind(now.shortcuts)
        if old is None or now.hide_patient_names != old.hide_patient_names:
            self.study_panel.hide_names(now.hide_patient_names)
            self.views.hide_names(now.hide_patient_names)
            self.queue.hide_names(now.hide_patient_names)
            if now.hide_patient_names:
                self.notices.forget()
                forget_file_dialogs()
            self._list_recent()
            self._show_title()
            self.projects.recovering.refresh()
        elif now.recent != old.recent:
            self._list_recent()

    def _dress(self, now: Settings) -> None:
        app = QApplication.instance()
        if isinstance(app, QApplication):
            look = theme.apply(app, now.theme, now.text_size)
            for part in (self.commands, self.start_page, self.study_panel, self.task_panel,
                         self.correct_panel, self.cine_bar, self.views, self.browser, self.queue,
                         self.preview):  # fmt: skip
                part.apply_theme(look)

    def _list_recent(self) -> None:
        now = self.settings.now
        paths = () if now.hide_patient_names else now.recent  # a name may tell the patient
        self.start_page.show_recent(self._recent_menu.show_paths(paths))

    # --- drag and drop, end ------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Welcome files."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()
            self.start_page.mark_drop(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """The files went elsewhere."""
        self.start_page.mark_drop(False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        from pathlib import Path

        self.start_page.mark_drop(False)
        event.acceptProposedAction()
        local = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        self.opening.open(map(Path, local))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask about unsaved work, then end the workers."""
        if not self.projects.leave("before Limn ends", self.close):
            return event.ignore()
        self.settings.change(
            geometry=bytes(self.saveGeometry().toBase64().data()).decode(),
            docks=bytes(self.saveState().toBase64().data()).decode(),
        )
        self.cine.stop()
        self.audit.close()
        if self.settings.now.hide_patient_names:
            forget_file_dialogs()
        self.projects.close()
        self.queue.close_run()
        self.reader.close()
        if self.is_ready:
            self.remote.close()
            self.session.jobs.close()
        return super().closeEvent(event)
