"""The dock of retinal vessels: run, threshold, disc, arteries and veins, explain, measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from gui.learning_section import LearningSection
from gui.sections import stacked
from inference.messages import Priority
from plugins.retinal_vessels.task import TASK
from plugins.retinal_vessels.widget_marks import ExplainSection, MarkSection
from plugins.retinal_vessels.widget_measurements import MeasurementSection
from plugins.retinal_vessels.widget_model import ModelSection, ThresholdSection
from plugins.retinal_vessels.work import VesselWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psygnal import SignalInstance

    from gui.document import Document
    from gui.project import Kept
    from gui.session import Session

LEARN = "Once the vessels are right everywhere in this photograph: the model can learn from them"
WARM_UP = "plugins.retinal_vessels.task:warm_up"


class RetinalVesselsWidget(QWidget):
    """Works on the selected image; keeps what it knows of every open one."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._works: dict[Document, VesselWork] = {}
        self.work: VesselWork | None = None
        self.model = ModelSection(session)
        self.threshold = ThresholdSection(session)
        self.marks = MarkSection(session)
        self.explanation = ExplainSection(session)
        self.measurements = MeasurementSection(session)
        self.learning = LearningSection(session, TASK, LEARN)
        self.learning.changed.connect(self.model.offer)
        self._sections = (
            self.model, self.threshold, self.marks, self.measurements, self.explanation,
            self.learning,
        )  # fmt: skip
        stacked(self, self._sections)
        session.studies.selected_changed.connect(self._select)
        session.studies.removed.connect(self._forget)
        session.jobs.submit(WARM_UP, priority=Priority.CLICK, title="Preparing")
        self._select(session.studies.selected)

    def refresh(self) -> None:
        """Show the work as it is now."""
        for section in self._sections:
            section.refresh()

    def keep(self, document: Document) -> Kept | None:
        """What was set and marked, for the project."""
        work = self._works.get(document)
        return work.kept() if work is not None else None

    def restore(self, document: Document, kept: Kept) -> None:
        """Go on with what was set and marked before."""
        self._works.setdefault(document, VesselWork(document)).restore(kept)

    def _select(self, document: Document | None) -> None:
        for signal, slot in self._links():
            signal.disconnect(slot)
        self.work = None
        if document is not None and TASK.suits(document.series):
            self.work = self._works.setdefault(document, VesselWork(document))
        for signal, slot in self._links():
            signal.connect(slot)
        for section in self._sections:
            section.show_work(self.work)
        self.measurements.outdate()

    def _links(self) -> Iterator[tuple[SignalInstance, Callable[..., object]]]:
        if self.work is None:
            return
        document, measurements = self.work.document, self.measurements
        yield self.work.choices_changed, self.refresh
        yield self.work.choices_changed, measurements.outdate
        yield self.work.measured, self.refresh
        yield document.labels_changed, measurements.outdate
        yield document.objects_changed, measurements.outdate
        yield document.history_changed, measurements.stroke_ended
        yield document.probability_changed, self.refresh

    def _forget(self, document: Document) -> None:
        self.model.running.forget(document)
        self._works.pop(document, None)
