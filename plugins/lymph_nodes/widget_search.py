"""Sections of the dock that find nodes: one button, progress, the threshold of what is found."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QDoubleSpinBox

from gui.parts import button, label
from gui.running_jobs import RunningJobs
from gui.sections import Banner, Section, choice, quiet, row, silent, slider
from inference import memory, weights
from inference.errors import UserError
from plugins.lymph_nodes.outcome import anatomy_of
from plugins.lymph_nodes.prepare import is_anatomy
from plugins.lymph_nodes.task import NAME, NETWORKS, TASK, UNTRAINED, among

if TYPE_CHECKING:
    from collections.abc import Callable

    from gui.document import Document
    from gui.session import Session
    from inference.weights import WeightsInfo
    from plugins.lymph_nodes.work import NodeWork

CHOICES = {
    ("slab", "max"): "Slab by slab",
    ("full", "max"): "The whole chest at once",
    ("ensemble", "max"): "Both networks, the likelier of the two",
    ("ensemble", "mean"): "Both networks, their mean",
}
"""The model and how an ensemble is made of it."""


class SearchSection(Section["NodeWork"]):
    """One button; Cancel and progress by stage while it works."""

    def __init__(self, session: Session, work_of: Callable[[Document], NodeWork]) -> None:
        super().__init__(session, "Search")
        self._work_of = work_of
        self.model = choice("Networks")
        self.model.currentIndexChanged.connect(self._tell_about)
        self.about = quiet()
        self._present: dict[str, WeightsInfo] = {}
        self.run_button = button("Find lymph nodes", self.run, "primary")
        self.running = RunningJobs(session.jobs, "finding lymph nodes")
        self.running.changed.connect(self.refresh)
        self.running.stopped.connect(self._stopped)
        self.banner = Banner()
        for part in (self.model, self.about, self.run_button, self.running, self.banner):
            self.column.addWidget(part)
        self.offer()

    def run(self) -> None:
        """Find the nodes of the selected CT; decisions and corrections made before stay."""
        work = self.work
        if work is None or work.document in self.running or not self.run_button.isEnabled():
            return
        series = work.document.series
        model, combine = self.model.currentData()
        settings = TASK.defaults() | {
            "model": model, "combine": combine, "threshold": work.choices.threshold
        }  # fmt: skip
        if sentence := memory.check(TASK.estimate_bytes(series, settings)):
            self.session.notices.tell(sentence, level="warning")
        arrays, params = TASK.request(series, settings)
        anatomy, names = anatomy_of(work)
        arrays |= {} if anatomy is None else {"anatomy": anatomy}
        try:
            job = self.session.jobs.submit(
                TASK.entry,
                arrays,
                done=partial(self._done, work, perf_counter(), settings),
                failed=partial(self._failed, work),
                partial=partial(self._tell, work),
                device=self.session.settings.now.device,
                title=TASK.title,
                names=names,
                **params,
            )
        except UserError as error:
            self._failed(work, error)
            return
        self.running.begin(work.document, job)

    def refresh(self) -> None:
        """Show what is installed, what runs, and the warning."""
        document = self.work.document if self.work else None
        self.running.show_key(document)
        found = bool(self.work and self.work.found)
        self.run_button.setEnabled(
            document is not None and document not in self.running and self.model.count() > 0
        )
        self.run_button.setText("Find lymph nodes again" if found else "Find lymph nodes")
        self.banner.tell(self.work.warning if self.work else "")
        self._tell_about()

    def offer(self) -> None:
        """Offer the installed networks, in the versions that are in use."""
        before = self.model.currentText()
        self.model.clear()
        self._present = {info.name: info for info in weights.describe() if info.plugin == NAME}
        there = {name.removesuffix("_priors") for name in self._present}
        for (model, combine), title in CHOICES.items():
            if there.issuperset(NETWORKS[model]):
                self.model.addItem(title, (model, combine))
        self.model.setCurrentIndex(max(self.model.findText(before), 0))
        self.model.setVisible(self.model.count() > 1)
        self._tell_about()

    def _tell_about(self) -> None:
        """What a search would be made with now."""
        if self.model.currentData() is None:
            self.about.setText(UNTRAINED)
            return
        known = self.work is not None and knows_anatomy(self.work)
        model, _ = self.model.currentData()
        networks, _ = among(self._present, model, with_anatomy=known)
        said = [f"{info.summary} Version {info.version}." for info in networks]
        _, missing = among(self._present, "ensemble", with_anatomy=known)
        if missing:
            said.append(f"The network {' and '.join(missing)} is not installed: no ensemble.")
        self.about.setText(" ".join(said))

    def _tell(self, work: NodeWork, told: dict[str, Any]) -> None:
        work.tell(told["nodes"])

    def _done(
        self, work: NodeWork, started: float, settings: dict[str, Any], result: dict[str, Any]
    ) -> None:
        self.running.begin(work.document)  # the document takes it over
        if not work.found:  # what lies inside is to be seen
            self.session.views.display_for(work.document).outlined = True
        about = {"seconds": perf_counter() - started, "settings": settings}
        then = partial(self.running.end, work.document)
        failed = partial(self._failed, work)
        work.cutting.accept(
            self.session.background, result | about, settings["threshold"], then, failed
        )

    def _failed(self, work: NodeWork, error: BaseException) -> None:
        self.session.notices.failed(error)
        work.tell(None)
        self.running.end(work.document)

    def _stopped(self, document: Document) -> None:
        self._work_of(document).tell(None)


def knows_anatomy(work: NodeWork) -> bool:
    """Whether anything is labelled that is known not to be a node."""
    drawn = work.document.counts.now
    return any(is_anatomy(item.name) and drawn[i] for i, item in work.document.objects.items())


class ThresholdSection(Section["NodeWork"]):
    """Cuts the kept probability anew while the slider moves."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Sensitivity")
        self.slider = slider("Threshold", 5, 95, 40)
        self.threshold = QDoubleSpinBox(minimum=0.05, maximum=0.95, singleStep=0.01)
        self.threshold.setAccessibleName("Threshold value")
        self.column.addWidget(row(label("Threshold"), self.slider, self.threshold))
        self.slider.valueChanged.connect(lambda value: self.threshold.setValue(value / 100))
        self.threshold.valueChanged.connect(self._cut)
        self.setToolTip("Lower: more and larger nodes. What was decided on or corrected stays.")

    def refresh(self) -> None:
        """Show the value in force."""
        work = self.work
        self.setVisible(work is not None and bool(work.found))
        if work is None or work.cutting.wanted is not None:
            return
        with silent(self.slider, self.threshold):
            self.slider.setValue(round(100 * work.choices.threshold))
            self.threshold.setValue(work.choices.threshold)

    def _cut(self) -> None:
        value = round(self.threshold.value(), 2)
        with silent(self.slider):
            self.slider.setValue(round(100 * value))
        if self.work is not None:
            self.work.cutting.set_threshold(self.session.background, value, self._failed)

    def _failed(self, error: Exception) -> None:
        if self.work is not None:
            self.work.cutting.wanted = None
        self.session.notices.failed(error)
        self.refresh()
