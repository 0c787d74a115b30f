"""The page of the dock that makes frames between those that were taken."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFormLayout, QLineEdit, QSpinBox

from gui.background import Background
from gui.parts import button
from gui.running_jobs import RunningJobs
from gui.sections import choice, offer_models, quiet
from gui.theme import GRID
from inference import memory
from inference.errors import UserError
from plugins.dsa_interpolation.interpolation import finished, interpolation
from plugins.dsa_interpolation.prepare import MOST
from plugins.dsa_interpolation.task import NAME, TASK, known_times, taken_frames, wanted_times
from plugins.dsa_interpolation.widget_parts import Page

if TYPE_CHECKING:
    from gui.session import Session
    from inference.job import Job
    from inference.series import Series
    from plugins.dsa_interpolation.interpolation import Interpolation
    from plugins.dsa_interpolation.work import DsaWork

ABOUT = (
    "Made frames are marked “(interpolated)” on the image and orange on the bar below it; "
    "short red ticks are those not to be trusted. Shift+I hides them."
)


@dataclass(eq=False)
class Order:
    """One that is being carried out; `wish` is None while its frames are prepared."""

    started: float
    wish: Interpolation | None = None


class InterpolatePage(Page):
    """How many frames, by which model; Cancel keeps those that are finished."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.orders: dict[DsaWork, Order] = {}
        self._background = Background(self)
        self.count = QSpinBox(minimum=1, maximum=MOST)
        self.count.setAccessibleName("New frames between each two")
        self.times = QLineEdit()
        self.times.setAccessibleName("Times of new frames, ms")
        self.times.setPlaceholderText("evenly, or ms: 120, 250.5")
        self.source = choice("Frames to start from")
        self.source.addItem("frames as stored", "raw")
        self.source.addItem("subtracted frames", "subtracted")
        self.model = choice("Model")
        offer_models(self.model, TASK)
        self.run_button = button("Interpolate", self.run, "primary")
        self.running = RunningJobs(
            session.jobs, "interpolating", "Stop, and keep the frames that are finished"
        )
        self.running.changed.connect(self.refresh)
        self.running.stopped.connect(self._stopped)
        self.note = quiet()
        self._lay_out()
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
        for part in (self.run_button, self.running, self.note, quiet(ABOUT)):
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
        order = self.orders.get(self.work) if self.work else None
        able = self.model.currentData() is not None and self._expected > 0
        self.run_button.setEnabled(able and order is None)
        self.source.setEnabled(self.work is not None and self.work.subtractor is not None)
        self.running.show_key(self.work)
        self.count.setEnabled(not self.times.text().strip())
        self.note.setText(self._tell(order))

    def run(self) -> None:
        """Make frames for the shown run; the result is a new run beside it."""
        work = self.work
        if work is None or work in self.orders:
            return
        series, settings = work.document.series, self.settings
        if sentence := memory.check(TASK.estimate_bytes(series, settings)):
            self.session.notices.tell(sentence, level="warning")
        order = self.orders[work] = Order(perf_counter())
        subtractor = work.subtractor and work.subtractor.changed(work.settings)
        window = work.prepared.window if work.prepared else work.window
        prepare = partial(interpolation, series, subtractor, settings, window)
        submit, failed = partial(self._submit, work, order), partial(self._failed, work)
        self._background.run(prepare, submit, failed)
        self.running.begin(work)

    def forget(self, work: DsaWork) -> None:
        """Stop what runs for a run that was closed."""
        self.orders.pop(work, None)
        self.running.forget(work)

    def _stopped(self, work: DsaWork) -> None:
        """The frames of finished gaps become a run of their own."""
        order = self.orders.pop(work)
        if order.wish is not None and order.wish.made:
            self._keep(work, order.started, order.wish, None)

    def _submit(self, work: DsaWork, order: Order, wish: Interpolation) -> None:
        if self.orders.get(work) is not order:  # cancelled meanwhile
            return
        order.wish = wish
        try:
            self.running.begin(work, self._start(work, order.started, wish))
        except UserError as error:
            self._failed(work, error)

    def _start(self, work: DsaWork, started: float, wish: Interpolation) -> Job:
        return self.session.jobs.submit(
            TASK.entry,
            wish.arrays,
            done=partial(self._done, work, started, wish),
            failed=partial(self._failed, work),
            partial=partial(self._took, wish),
            device=self.session.settings.now.device,
            title="Interpolating frames",
            **wish.params,
        )

    def _took(self, wish: Interpolation, part: dict[str, Any]) -> None:
        wish.take(part)
        self.refresh()

    def _done(
        self, work: DsaWork, started: float, wish: Interpolation, result: dict[str, Any]
    ) -> None:
        self.orders.pop(work)
        self._keep(work, started, wish, result)

    def _keep(
        self, work: DsaWork, started: float, wish: Interpolation, result: dict[str, Any] | None
    ) -> None:
        """Open the new run; what takes time is done beside the Qt thread."""
        seconds = perf_counter() - started

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
        self.orders.pop(work, None)
        self.session.notices.failed(error)
        self.running.end(work)

    @property
    def _expected(self) -> int:
        """New frames that the settings ask for."""
        if self.work is None:
            return 0
        series = self.work.document.series
        try:
            wanted = wanted_times(self.times.text())
        except UserError:  # said when it is asked for
            return len(self.times.text().split())
        if wanted:
            return len(set(wanted) - set(known_times(series)))
        return self.count.value() * (len(taken_frames(series)) - 1)

    def _tell(self, order: Order | None) -> str:
        if self.work is None:
            return ""
        if order is not None:
            made = order.wish.count if order.wish else 0
            return f"{made} of {self._expected} frames are made. Cancel keeps them."
        if self._expected < 1 and self.times.text().strip():
            return "There are frames at these times already."
        if self._expected < 1:
            return "A run of one frame has nothing between its frames."
        return "1 new frame." if self._expected == 1 else f"{self._expected} new frames."
