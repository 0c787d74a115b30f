"""The tab "This computer" of the browser: the studies of the user's folders, found at once."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QCoreApplication, QDate, Qt, QTimer
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QMessageBox,
    QWidget,
)

from gui.background import Background
from gui.parts import button, column, label
from gui.running_jobs import RunningJobs
from gui.sections import choice, row, silent
from gui.theme import GRID
from inference.messages import Priority
from plugins.dicom.index import Index, SeriesRow, StudyRow, Wanted
from plugins.dicom.scan import JOB, Scanned
from plugins.dicom.widget_library_tree import LibraryTree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from gui.browser import BrowserContext
    from gui.settings import Settings

SCAN = "scan"  # the key of all scans, which come one after the other
TYPING_MS = 200  # after the last key, until the list follows
ANY = "All modalities"
PERIODS = {"Any date": None, "Today": 0, "Last 7 days": 7, "Last 30 days": 30, "Last year": 365}
LETTERS = 14  # of the longest of these
KEPT = (
    "Add a folder to list its DICOM studies here, also after the next start. The list keeps names, "
    "dates and where the files are; the images stay where they are."
)
SURE = "Empty the list of studies on this computer? The files stay where they are."


class ThisComputer(QWidget):
    """Search, open, scan again, empty."""

    def __init__(self, context: BrowserContext, index: Index | None = None) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._context = context
        self.index = index or Index()
        self._background = Background(self)
        self._folders: list[str] = []
        self._left: list[str] = []  # folders still to scan
        self._build()
        self._connect()
        self.refresh()

    def refresh(self) -> None:
        """Show what the index holds now."""
        self._ask(self.index.folders, self._show_folders)
        self._ask(self.index.modalities, self._show_modalities)
        self._search()

    def ask_folder(self) -> None:
        """Let the user choose a folder to list."""
        start = self._folders[-1] if self._folders else str(Path.home())
        chosen = QFileDialog.getExistingDirectory(self, "List the studies of a folder", start)
        if chosen:
            self.scan([chosen])

    def scan_again(self) -> None:
        """Bring the list up to date with all its folders."""
        self.scan(self._folders)

    def scan(self, folders: Sequence[str]) -> None:
        """List what folders hold, one after the other."""
        self._left += [folder for folder in folders if folder not in self._left]
        if SCAN not in self.running:
            self._next_scan()

    def ask_empty(self) -> None:
        """Empty the list if the user is sure."""
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(self, "Empty the list", SURE, buttons.Yes | buttons.Cancel)
        if answer == buttons.Yes:
            self.empty()

    def empty(self) -> None:
        """Forget all studies and folders."""
        self._left = []
        self.running.forget(SCAN)
        self._ask(self.index.empty, lambda _: self.refresh())

    def open_chosen(self) -> None:
        """Open the current study or series."""
        if (chosen := self.tree.chosen) is not None:
            self._open(chosen)

    # --- construction ------------------------------------------------------------------------

    def _build(self) -> None:
        inside = column(self, (GRID, GRID, GRID, GRID), GRID)
        self.words = QLineEdit()
        self.words.setPlaceholderText("Name, ID, description or date")
        self.words.setAccessibleName("Search studies on this computer")
        self.words.setClearButtonEnabled(True)
        self.modality = choice("Modality", [ANY], LETTERS)
        self.period = choice("Date", PERIODS, LETTERS)
        self.search = row(self.words, self.modality, self.period)
        self.tree = LibraryTree()
        self.hint = label(KEPT, "quiet", wrap=True)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.running = RunningJobs(self._context.reader, "the scan", "What was listed stays")
        self.running.show_key(SCAN)
        self.summary = label("", "quiet")
        self.add = button("Add folder…", self.ask_folder, tip="List the studies of a folder")
        self.again = button("Scan again", self.scan_again, tip="Look for new and deleted files")
        self.clear = button("Empty list…", self.ask_empty, tip="Forget all studies and folders")
        self.open_button = button("Open", self.open_chosen, "primary", "Open the current study")
        for part in (self.search, self.hint, self.tree, self.running):
            inside.addWidget(part)
        inside.setStretchFactor(self.hint, 1)
        inside.setStretchFactor(self.tree, 1)
        foot = QHBoxLayout()
        foot.setSpacing(GRID)
        foot.addWidget(self.summary, 1)
        for part in (self.add, self.again, self.clear, self.open_button):
            foot.addWidget(part)
        inside.addLayout(foot)
        self.setFocusProxy(self.words)

    def _connect(self) -> None:
        self._typing = QTimer(self, singleShot=True, interval=TYPING_MS)
        self._typing.timeout.connect(self._search)
        self.words.textChanged.connect(lambda: self._typing.start())
        self.words.returnPressed.connect(self._to_list)
        self.modality.currentTextChanged.connect(lambda _: self._search())
        self.period.currentTextChanged.connect(lambda _: self._search())
        self.tree.unfolded.connect(self._unfold)
        self.tree.wanted.connect(self._open)
        self.running.stopped.connect(lambda _: self._left.clear())
        self._context.settings.changed.connect(self._settings_changed)
        if (application := QCoreApplication.instance()) is not None:
            application.aboutToQuit.connect(self._forget_at_end)

    # --- scanning ----------------------------------------------------------------------------

    def _next_scan(self) -> None:
        if not self._left:
            return
        job = self._context.reader.submit(
            JOB,
            title="Looking for studies",
            priority=Priority.BACKGROUND,
            partial=lambda _: self.refresh(),
            done=self._scanned,
            failed=self._failed,
            index=str(self.index.path),
            folder=self._left.pop(0),
        )
        self.running.begin(SCAN, job)

    def _scanned(self, _scanned: Scanned) -> None:
        self.refresh()
        QTimer.singleShot(0, self, self._next_scan)  # once the finished job is off the list

    def _failed(self, error: BaseException) -> None:
        self._context.notices.failed(error)
        self.refresh()
        QTimer.singleShot(0, self, self._next_scan)

    # --- the list ----------------------------------------------------------------------------

    @property
    def wanted(self) -> Wanted:
        """What the fields ask for."""
        modality = self.modality.currentText()
        days = PERIODS[self.period.currentText()]
        since = "" if days is None else QDate.currentDate().addDays(-days).toString("yyyyMMdd")
        return Wanted(self.words.text(), "" if modality == ANY else modality, since)

    def _search(self) -> None:
        self._ask(partial(self.index.studies, self.wanted), self._show_studies)

    def _show_studies(self, studies: list[StudyRow]) -> None:
        hidden = self._context.settings.now.hide_patient_names
        self.tree.show_studies(studies, hidden=hidden)
        images = sum(study.images for study in studies)
        self.summary.setText(f"{_count(len(studies), 'study', 'studies')}, "
                             f"{_count(images, 'image', 'images')}")  # fmt: skip
        self.open_button.setEnabled(bool(studies))

    def _show_folders(self, folders: list[str]) -> None:
        self._folders = folders
        self.hint.setVisible(not folders)
        for part in (self.search, self.tree, self.summary, self.again, self.clear,
                     self.open_button):  # fmt: skip
            part.setVisible(bool(folders))
        names = "" if self._context.settings.now.hide_patient_names else "\n".join(folders)
        self.summary.setToolTip(names)

    def _show_modalities(self, modalities: list[str]) -> None:
        chosen = self.modality.currentText()
        with silent(self.modality):
            self.modality.clear()
            self.modality.addItems([ANY, *modalities])
            self.modality.setCurrentText(chosen if chosen in modalities else ANY)

    def _unfold(self, study: StudyRow) -> None:
        self._ask(partial(self.index.series, study.key), partial(self.tree.show_series, study.key))

    def _to_list(self) -> None:
        """From the search field into what it found."""
        self._search()
        self.tree.setFocus(Qt.FocusReason.TabFocusReason)

    def _open(self, chosen: StudyRow | SeriesRow) -> None:
        named = {"study" if isinstance(chosen, StudyRow) else "series": chosen.key}
        self._ask(partial(self.index.files, **named), self._open_files)

    def _open_files(self, files: list[Path]) -> None:
        if files:
            together = os.path.commonpath([file.parent for file in files])
            self._context.opening.open_files(Path(together), files)

    # --- settings ----------------------------------------------------------------------------

    def _settings_changed(self, now: Settings, old: Settings) -> None:
        if now.hide_patient_names != old.hide_patient_names:
            self.refresh()
        if old.remember_recent and not now.remember_recent:
            self.empty()

    def _forget_at_end(self) -> None:
        """Who wants nothing remembered keeps the list as long as the window."""
        if not self._context.settings.now.remember_recent:
            self.index.begin_anew()

    def _ask(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self._background.run(work, then, self._context.notices.failed)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}".replace(",", "\u202f")
