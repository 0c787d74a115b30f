"""What is being worked on, in the status bar: progress, note and Cancel of the oldest job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QSizePolicy, QWidget

from gui.parts import button, label
from gui.theme import GRID

if TYPE_CHECKING:
    from gui.jobs import Jobs
    from inference.job import Job

APPEARS_MS = 250  # what is over sooner is not worth a flicker


class JobBar(QWidget):
    """Shows one job and how many more there are; its height is always the same."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: dict[Job, JobRow] = {}
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(2 * GRID, 0, GRID, 0)
        self._line.setSpacing(GRID)
        self._more = label("", "quiet")
        self.cancel_all_button = button("Cancel all", self.cancel_all, "small")
        self._line.addWidget(self._more)
        self._line.addWidget(self.cancel_all_button)
        self._show_first()

    def follow(self, jobs: Jobs) -> None:
        """Show the jobs of a worker."""
        jobs.job_started.connect(self._started)
        jobs.job_progress.connect(self._progressed)
        jobs.job_finished.connect(self._finished)

    def cancel_all(self) -> None:
        """Stop everything."""
        for row in list(self.rows.values()):
            row.cancel()

    def _started(self, job: Job) -> None:
        row = self.rows[job] = JobRow(job)
        row.hide()
        self._line.insertWidget(0, row, 1)
        QTimer.singleShot(APPEARS_MS, row, self._show_first)

    def _progressed(self, job: Job, done: int, total: int, note: str) -> None:
        if job in self.rows:
            self.rows[job].show_progress(done, total, note)

    def _finished(self, job: Job) -> None:
        row = self.rows.pop(job, None)
        if row is not None:
            self._line.removeWidget(row)
            row.hide()
            row.deleteLater()
        self._show_first()

    def _show_first(self) -> None:
        for number, row in enumerate(self.rows.values()):
            row.setVisible(number == 0)
        more = len(self.rows) - 1
        self._more.setText(f"and {more} more")
        self._more.setVisible(more > 0)
        self.cancel_all_button.setVisible(more > 0)


class JobRow(QWidget):
    """One job."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        self._note = label("Waiting", "quiet")
        self._note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._bar = QProgressBar()
        self._bar.setMaximum(0)
        self._bar.setTextVisible(False)
        self._bar.setFixedSize(160, GRID)
        self._bar.setAccessibleName(job.title)
        self.cancel_button = button("Cancel", self.cancel, "small", f"Cancel {job.title}")
        row.addWidget(label(job.title))
        row.addWidget(self._bar)
        row.addWidget(self.cancel_button)
        row.addWidget(self._note, 1)

    def show_progress(self, done: int, total: int, note: str) -> None:
        """How far the job is; a total of 0 means nobody knows."""
        self._bar.setMaximum(total)
        self._bar.setValue(done)
        self._note.setText(note)

    def cancel(self) -> None:
        """Stop the job."""
        self.cancel_button.setEnabled(False)
        self._note.setText("Cancelling…")
        self._job.cancel()
