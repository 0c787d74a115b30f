"""What is being worked on: one line a job with progress, note and Cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from gui.parts import button, label
from gui.theme import GRID

if TYPE_CHECKING:
    from gui.jobs import Jobs
    from inference.client import Job

APPEARS_MS = 250  # what is over sooner is not worth a flicker


class JobBar(QFrame):
    """Lists running and waiting jobs; takes no room when there are none."""

    shown_changed = Signal(bool)  # whether there is something to show

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.rows: dict[Job, JobRow] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        self._column.setSpacing(GRID // 2)

    def follow(self, jobs: Jobs) -> None:
        """Show the jobs of a worker."""
        jobs.job_started.connect(self._started)
        jobs.job_progress.connect(self._progressed)
        jobs.job_finished.connect(self._finished)

    def _started(self, job: Job) -> None:
        row = self.rows[job] = JobRow(job)
        QTimer.singleShot(APPEARS_MS, row, lambda: self._appear(job))

    def _appear(self, job: Job) -> None:
        if job in self.rows:
            self._column.addWidget(self.rows[job])
            self.shown_changed.emit(True)

    def _progressed(self, job: Job, done: int, total: int, note: str) -> None:
        if job in self.rows:
            self.rows[job].show_progress(done, total, note)

    def _finished(self, job: Job) -> None:
        row = self.rows.pop(job, None)
        if row is not None:
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.shown_changed.emit(any(row.parent() is self for row in self.rows.values()))


class JobRow(QWidget):
    """One job."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        self._title = label(job.title)
        self._title.setMinimumWidth(160)
        self._note = label("Waiting", "quiet")
        self._note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._bar = QProgressBar()
        self._bar.setMaximum(0)
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(job.title)
        self._bar.setFixedWidth(240)
        self.cancel_button = button("Cancel", self._cancel, name=f"Cancel {job.title}")
        row.addWidget(self._title)
        row.addWidget(self._bar)
        row.addWidget(self._note, 1)
        row.addWidget(self.cancel_button)

    def show_progress(self, done: int, total: int, note: str) -> None:
        """How far the job is; a total of 0 means nobody knows."""
        self._bar.setMaximum(total)
        self._bar.setValue(done)
        self._note.setText(note)

    def _cancel(self) -> None:
        self.cancel_button.setEnabled(False)
        self._note.setText("Cancelling…")
        self._job.cancel()
