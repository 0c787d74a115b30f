"""Progress and Cancel of what a dock works on, one job for each document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from gui.parts import button
from gui.sections import quiet, row
from gui.theme import GRID

if TYPE_CHECKING:
    from collections.abc import Hashable

    from gui.jobs import Jobs
    from inference.job import Job


@dataclass(eq=False)
class Running:
    """One piece of work; `job` is None while it is prepared here or its result is taken over."""

    job: Job | None
    done: int = 0
    total: int = 0  # 0: nobody knows
    note: str = ""


class RunningJobs(QWidget):
    """Shows the work for one key, such as the selected document; keeps that for the others.

    Work ends with its job by itself: `changed`. If it is cancelled, here or in the status bar, its
    key comes with `stopped` first. Hidden while nothing runs for the key that is shown.
    """

    changed = Signal()
    stopped = Signal(object)  # key

    def __init__(self, jobs: Jobs, name: str, tip: str = "") -> None:
        super().__init__()
        self._running: dict[Hashable, Running] = {}
        self._shown: Hashable = None
        self.bar = QProgressBar(textVisible=False)
        self.bar.setAccessibleName(f"Progress of {name}")
        self.cancel_button = button("Cancel", self.cancel, "", f"Cancel {name}", tip)
        self.note = quiet()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        column.addWidget(row(self.bar, self.cancel_button))
        column.addWidget(self.note)
        jobs.job_progress.connect(self._progressed)
        jobs.job_finished.connect(self._finished)
        self.hide()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._running

    def begin(self, key: Hashable, job: Job | None = None) -> None:
        """Work for a key has begun or goes on, from now on with this job, or with none yet."""
        self._running[key] = Running(job)
        self._tell()

    def end(self, key: Hashable) -> None:
        """Work without a job is over."""
        if self._running.pop(key, None):
            self._tell()

    def forget(self, key: Hashable) -> None:
        """Stop what runs for a key; nobody wants to hear of it."""
        running = self._running.pop(key, None)
        if running is not None and running.job is not None:
            running.job.cancel()
        self._tell()

    def cancel(self) -> None:
        """Stop what runs for the shown key."""
        self._stop(self._shown)

    def show_key(self, key: Hashable) -> None:
        """Show the work for this key from now on."""
        self._shown = key
        running = self._running.get(key)
        self.setVisible(running is not None)
        if running is not None:
            self.bar.setRange(0, running.total)
            self.bar.setValue(running.done)
            self.note.setText(running.note)

    def _stop(self, key: Hashable) -> None:
        if key in self._running:
            running = self._running.pop(key)
            if running.job is not None:
                running.job.cancel()
            self.stopped.emit(key)
            self._tell()

    def _tell(self) -> None:
        self.show_key(self._shown)
        self.changed.emit()

    def _progressed(self, job: Job, done: int, total: int, note: str) -> None:
        for running in self._running.values():
            if running.job is job:
                running.done, running.total, running.note = done, total, note
                self.show_key(self._shown)

    def _finished(self, job: Job) -> None:
        for key in [key for key, running in self._running.items() if running.job is job]:
            if job.withdrawn:
                self._stop(key)
            else:
                self.end(key)
