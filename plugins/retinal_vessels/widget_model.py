"""Sections of the dock that find vessels: model, Run, Cancel, threshold."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QSpinBox

from gui.parts import button
from gui.running_jobs import RunningJobs
from gui.sections import Banner, Section, choice, offer_models, quiet, silent, slider
from gui.task_runner import deliver
from gui.theme import GRID
from inference import memory
from plugins.retinal_vessels.task import TASK

if TYPE_CHECKING:
    from gui.session import Session
    from plugins.retinal_vessels.work import VesselWork


class ModelSection(Section["VesselWork"]):
    """Which model, Run, Cancel, progress."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Model")
        self.model = choice("Model")
        self.about = quiet()
        self.run_button = button("Find vessels", self.run, "primary")
        self.running = RunningJobs(session.jobs, "finding vessels")
        self.running.changed.connect(self.refresh)
        self.banner = Banner()
        for part in (self.model, self.about, self.run_button, self.running, self.banner):
            self.column.addWidget(part)
        self.offer()
        self.model.currentIndexChanged.connect(self.refresh)

    def offer(self) -> None:
        """Show the installed models in the versions that are in use."""
        offer_models(self.model, TASK)

    def run(self) -> None:
        """Find the vessels of the selected image; corrections made before stay."""
        work = self.work
        if work is None or work.document in self.running:
            return
        series = work.document.series
        settings = {**work.settings, "model": self.model.currentData()}
        if sentence := memory.check(TASK.estimate_bytes(series, settings)):
            self.session.notices.tell(sentence, level="warning")
        arrays, params = TASK.request(series, settings)
        job = self.session.jobs.submit(
            TASK.entry,
            arrays,
            done=partial(self._done, work, perf_counter()),
            failed=partial(self._failed, work),
            device=self.session.settings.now.device,
            title=TASK.title,
            **params,
            measured=False,
        )
        self.running.begin(work.document, job)

    def refresh(self) -> None:
        """Show what is chosen, what runs, and the warning."""
        document = self.work.document if self.work else None
        self.running.show_key(document)
        self.about.setText(self.model.currentData(Qt.ItemDataRole.ToolTipRole) or "")
        self.run_button.setEnabled(
            document not in self.running and self.model.currentData() is not None
        )
        self.run_button.setText("Find vessels again" if self._found else "Find vessels")
        self.banner.tell(self.work.warning if self.work else "")

    @property
    def _found(self) -> bool:
        return self.work is not None and self.work.document.probability is not None

    def _done(self, work: VesselWork, started: float, result: dict[str, Any]) -> None:
        self.running.begin(work.document)  # the document takes it over
        shown = work.accept(result, perf_counter() - started)
        then, failed = partial(self._delivered, work), partial(self._failed, work)
        deliver(self.session.background, work.document, shown, then, failed)

    def _delivered(self, work: VesselWork) -> None:
        work.outdate()
        self.running.end(work.document)

    def _failed(self, work: VesselWork, error: BaseException) -> None:
        self.session.notices.failed(error)
        self.running.end(work.document)


class ThresholdSection(Section["VesselWork"]):
    """Cuts the kept probability anew while the slider moves."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Result")
        self.slider = slider("Threshold", 1, 99, 50)
        self.threshold = QDoubleSpinBox(minimum=0.01, maximum=0.99, singleStep=0.01)
        self.threshold.setAccessibleName("Threshold value")
        self.smallest = QSpinBox(maximum=5000, suffix=" px")
        self.smallest.setAccessibleName("Smallest island")
        self.smallest.setSpecialValueText("keep all")
        form = QFormLayout()
        form.setSpacing(GRID)
        form.addRow("Threshold", self.threshold)
        form.addRow(self.slider)
        form.addRow("Drop islands below", self.smallest)
        self.column.addLayout(form)
        self.slider.valueChanged.connect(lambda value: self.threshold.setValue(value / 100))
        self.threshold.valueChanged.connect(self._cut)
        self.smallest.valueChanged.connect(self._cut)

    def refresh(self) -> None:
        """Show the values in force."""
        work = self.work
        self.setEnabled(work is not None and work.document.probability is not None)
        if work is None:
            return
        choices = work.choices
        with silent(self.slider, self.threshold, self.smallest):
            self.slider.setValue(round(100 * choices.threshold))
            self.threshold.setValue(choices.threshold)
            self.smallest.setValue(choices.smallest)

    def _cut(self) -> None:
        if self.work is not None:
            self.work.set_threshold(round(self.threshold.value(), 2), self.smallest.value())
