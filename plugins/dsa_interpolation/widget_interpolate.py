"""The page of the dock that makes frames between those that were taken."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFormLayout, QLineEdit, QProgressBar, QSpinBox

from gui.background import Background
from gui.parts import button
from gui.sections import quiet, row
from gui.theme import GRID
from inference import memory, weights
from plugins.dsa_interpolation.interpolation import finished, order
from plugins.dsa_interpolation.prepare import MOST
from plugins.dsa_interpolation.task import NAME, TASK, taken_frames
from plugins.dsa_interpolation.widget_parts import Page

if TYPE_CHECKING:
    from gui.session import Session
    from inference.client import Job
    from inference.series import Series
    from inference.shared import SharedArray
    from plugins.dsa_interpolation.interpolation import Interpolation
    from plugins.dsa_interpolation.work import DsaWork

TIP = int(Qt.ItemDataRole.ToolTipRole)
ABOUT = (
    "Made frames are marked “(interpolated)” on the image and orange on the bar below it; "
    "short red ticks are those not to be trusted. Shift+I hides them."
)


@dataclass(eq=False)
class Running:
    """One order that is being carried out; `job` is None while its frames are prepared."""

    started: float
    wish: Interpolation | None = None
    job: Job | None = None


class InterpolatePage(Page):
    """How many frames, by which model; Cancel keeps those that are finished."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._running: dict[DsaWork, Running] = {}
        self._background = Background(self)
        self.count = QSpinBox(minimum=1, maximum=MOST)
        self.count.setAccessibleName("New frames between each two")
        self.times = QLineEdit()
        self.times.setAccessibleName("Times of new frames, ms")
        self.times.setPlaceholderText("evenly, or ms: 120, 250.5")
        self.source = QComboBox()
        self.source.setAccessibleName("Frames to start from")
        self.source.addItem("frames as stored", "raw")
        self.source.addItem("subtracted frames", "subtracted")
        self.model = QComboBox()
        self.model.setAccessibleName("Model")
        self._offer_models()
        self.run_button = button("Interpolate", self.run, "primary")
        self.cancel_button = button("Cancel", self.cancel, name="Cancel, keep finished frames")
        self.cancel_button.setToolTip("Stop, and keep the frames that are finished")
        self.bar = QProgressBar(textVisible=False)
        self.bar.setAccessibleName("Progress of interpolating")
        self.note = quiet()
        self._lay_out()
        session.jobs.job_finished.connect(self._ended)
        self.count.valueChanged.connect(self.refresh)
        self.times.textChanged.connect(self.refresh)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setSpacing(GRID)
        form.addRow("Frames between", self.count)
        form.addRow("At times", self.times)
        form.addRow("From", self.source)
        form.addRow("Model", self.model)
        self.column.addLayout(form)
        self.column.addWidget(row(self.run_button, self.cancel_button))
        for part in (self.bar, self.note, quiet(ABOUT)):
            self.column.addWidget(part)
        self.column.addStretch()

    @property
    def settings(self) -> dict[str, Any]:
        """As the task takes them."""
        return {
            "model": self.model.currentData(),
            "frames": self.count.value(),
            "times": self.times.text(),
            "source": self.source.currentData() if self.source.isEnabled() else "raw",
        }

    def refresh(self) -> None:
        """Show what can be done and what is being done."""
        running = self._running.get(self.work) if self.work else None
        able = self.model.currentData() is not None and self._expected > 0
        self.run_button.setEnabled(able and running is None)
        self.source.setEnabled(self.work is not None and self.work.subtractor is not None)
        self.cancel_button.setEnabled(running is not None)
        self.bar.setVisible(running is not None)
        self.count.setEnabled(not self.times.text().strip())
        self.note.setText(self._tell(running))

    def run(self) -> None:
        """Make frames for the shown run; the result is a new run beside it."""
        work = self.work
        if work is None or work in self._running:
            return
        series, settings = work.document.series, self.settings
        if sentence := memory.check(TASK.estimate_bytes(series, settings)):
            self.session.notices.tell(sentence, level="warning")
        running = self._running[work] = Running(perf_counter())
        subtractor = work.subtractor and work.subtractor.changed(work.settings)
        window = work.prepared.window if work.prepared else work.window

        def ordered() -> tuple[Interpolation, SharedArray]:
            wish = order(series, subtractor, settings, window)
            shared = self.session.jobs.share(wish.arrays["run"])
            shared.wait()
            return wish, shared

        def prepare() -> tuple[Interpolation, SharedArray] | Exception:
            try:
                return ordered()
            except Exception as error:  # noqa: BLE001 (told on the Qt thread)
                return error

        self.bar.setRange(0, 0)
        self._background.run(prepare, partial(self._submit, work, running))
        self.refresh()

    def cancel(self) -> None:
        """Stop; the frames of finished gaps become a run of their own."""
        if self.work is not None:
            self._stop(self.work)

    def _stop(self, work: DsaWork) -> None:
        running = self._running.pop(work, None)
        if running is None:
            return
        if running.job is not None:
            running.job.cancel()
        if running.wish is not None and running.wish.made:
            self._keep(work, running, running.wish, None)
        self.refresh()

    def forget(self, work: DsaWork) -> None:
        """Stop what runs for a run that was closed."""
        running = self._running.pop(work, None)
        if running is not None and running.job is not None:
            running.job.cancel()

    def _ended(self, job: Job) -> None:
        """A job that is still known here when it ends was cancelled elsewhere."""
        for work, running in list(self._running.items()):
            if running.job is job:
                self._stop(work)

    def _submit(
        self,
        work: DsaWork,
        running: Running,
        found: tuple[Interpolation, SharedArray] | Exception,
    ) -> None:
        if isinstance(found, Exception):
            self._failed(work, found)
            return
        wish, shared = found
        if self._running.get(work) is running:  # not cancelled meanwhile
            self._start(work, running, wish, shared)
        shared.close()

    def _start(
        self, work: DsaWork, running: Running, wish: Interpolation, shared: SharedArray
    ) -> None:
        running.wish = wish
        running.job = self.session.jobs.submit(
            TASK.entry,
            {"run": shared},
            done=partial(self._done, work, running, wish),
            failed=partial(self._failed, work),
            progress=partial(self._progressed, work),
            partial=partial(self._took, wish),
            device=self.session.settings.now.device,
            title="Interpolating frames",
            **wish.params,
        )

    def _took(self, wish: Interpolation, part: dict[str, Any]) -> None:
        wish.take(part)
        self.refresh()

    def _done(
        self, work: DsaWork, running: Running, wish: Interpolation, result: dict[str, Any]
    ) -> None:
        self._running.pop(work, None)
        self._keep(work, running, wish, result)
        self.refresh()

    def _keep(
        self, work: DsaWork, running: Running, wish: Interpolation, result: dict[str, Any] | None
    ) -> None:
        """Open the new run; what takes time is done beside the Qt thread."""
        seconds = perf_counter() - running.started

        def make() -> tuple[Series, dict[str, Any]]:
            found = wish.so_far() if result is None else result
            device = self.session.settings.now.device
            about = {"settings": wish.settings, "device": device, "seconds": seconds}
            return finished(wish, found), about | found

        self._background.run(make, partial(self._open, work))

    def _open(self, work: DsaWork, made: tuple[Series, dict[str, Any]]) -> None:
        series, result = made
        document = self.session.studies.add(series)
        document.results[NAME] = result
        if self.session.studies.selected is work.document:
            self.session.studies.select(document)
        if result["warning"]:
            self.session.notices.tell(result["warning"], level="warning")

    def _failed(self, work: DsaWork, error: BaseException) -> None:
        self._running.pop(work, None)
        self.session.notices.failed(error)
        self.refresh()

    def _progressed(self, work: DsaWork, done: int, total: int, note: str) -> None:
        if work is self.work:
            self.bar.setRange(0, total)
            self.bar.setValue(done)

    @property
    def _expected(self) -> int:
        """New frames that the settings ask for."""
        if self.work is None:
            return 0
        if times := self.times.text().replace(",", " ").split():
            return len(times)
        return self.count.value() * (len(taken_frames(self.work.document.series)) - 1)

    def _tell(self, running: Running | None) -> str:
        if self.work is None:
            return ""
        if running is not None:
            made = running.wish.count if running.wish else 0
            return f"{made} of {self._expected} frames are made. Cancel keeps them."
        if self._expected < 1:
            return "A run of one frame has nothing between its frames."
        return f"{self._expected} new frames."

    def _offer_models(self) -> None:
        for info in (info for info in weights.describe() if info.plugin == NAME):
            self.model.addItem(f"{info.name.capitalize()}, version {info.version}", info.name)
            self.model.setItemData(self.model.count() - 1, info.summary, TIP)
        if not self.model.count():
            self.model.addItem("No model is installed", None)
