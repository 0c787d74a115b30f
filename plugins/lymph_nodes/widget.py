"""The dock of lymph nodes: find, read one by one, compare with an earlier study, report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QWidget

from gui.learning_section import LearningSection
from gui.sections import stacked
from gui.theme import THEMES
from inference.messages import Priority
from plugins.lymph_nodes.task import TASK
from plugins.lymph_nodes.widget_compare import CompareSection
from plugins.lymph_nodes.widget_report import ReportSection
from plugins.lymph_nodes.widget_review import ReviewSection
from plugins.lymph_nodes.widget_search import SearchSection, ThresholdSection
from plugins.lymph_nodes.work import NodeWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psygnal import SignalInstance
    from qtpy.QtGui import QHideEvent, QShowEvent

    from gui.document import Document
    from gui.project import Kept
    from gui.session import Session
    from gui.settings import Settings
    from plugins.lymph_nodes.landmarks import Landmarks

LEARN = "Accepted and rejected nodes as they are outlined now: the model can learn from them"
SURVEY = "plugins.lymph_nodes.task:survey"
EDGES = 48  # px, of the dock beside the table
SOON_MS = 60  # a stroke changes labels faster than anybody can read numbers


class LymphNodesWidget(QWidget):
    """Works on the selected CT; keeps what it knows of every open one."""

    room_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._works: dict[Document, NodeWork] = {}
        self._surveyed: set[Document] = set()
        self.work: NodeWork | None = None
        self.search = SearchSection(session, self.work_of)
        self.threshold = ThresholdSection(session)
        self.review = ReviewSection(session)
        self.comparison = CompareSection(session, self.work_of)
        self.report = ReportSection(session)
        self.learning = LearningSection(session, TASK, LEARN)
        self.learning.changed.connect(self.search.offer)
        self._sections = (
            self.search, self.threshold, self.review, self.comparison, self.report,
            self.learning,
        )  # fmt: skip
        stacked(self, self._sections)
        self.review.table.room_changed.connect(self.room_changed)
        self._soon = QTimer(self, singleShot=True, interval=SOON_MS)
        self._soon.timeout.connect(self._measure)
        session.studies.selected_changed.connect(self._select)
        session.studies.removed.connect(self._forget)
        session.settings.changed.connect(self._dress)
        self._select(session.studies.selected)
        self._dress(session.settings.now)

    # --- commands ----------------------------------------------------------------------------

    def command(self, what: str) -> None:
        """Do what the table of actions calls so."""
        review = self.review
        commands: dict[str, Callable[[], object]] = {
            "find": self.search.run,
            "next": partial(review.step, 1),
            "previous": partial(review.step, -1),
            "accept": partial(review.decide, "accepted"),
            "reject": partial(review.decide, "rejected"),
            "target": review.toggle_target,
            "station": review.choose_station,
            "edit": review.edit,
            "add": review.add,
            "add_here": review.add_here,
            "split": review.split,
            "merge": review.merge,
        }
        commands[what]()

    @property
    def preferred_width(self) -> int:
        """So that the whole table is seen; px."""
        return self.review.table.whole_width + EDGES

    def work_of(self, document: Document) -> NodeWork:
        """What is known of an open document."""
        if document not in self._works:
            self._works[document] = NodeWork(document)
        return self._works[document]

    def keep(self, document: Document) -> Kept | None:
        """What was found and decided, for the project."""
        work = self._works.get(document)
        return work.kept() if work is not None else None

    def restore(self, document: Document, kept: Kept) -> None:
        """Go on with what was found and decided before."""
        self.work_of(document).restore(kept)

    # --- following ---------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the work as it is now, and leave it to be exported."""
        if self.work is not None:
            self.work.publish()
        for section in self._sections:
            section.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        """The axes belong to the table, and the mouse goes back to the views."""
        self.review.put_away()
        super().hideEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Draw the axes again."""
        super().showEvent(event)
        self.review.refresh()

    def _select(self, document: Document | None) -> None:
        for signal, slot in self._links():
            signal.disconnect(slot)
        self.work = None
        if document is not None and TASK.suits(document.series):
            self.work = self.work_of(document)
        for signal, slot in self._links():
            signal.connect(slot)
        for section in self._sections:
            section.show_work(self.work)
        self._outdated()

    def _links(self) -> Iterator[tuple[SignalInstance, Callable[..., object]]]:
        if self.work is None:
            return
        yield self.work.changed, self.refresh
        yield self.work.sizes.measured, self._measured
        yield self.work.sizes.outdated, self._outdated
        yield self.work.document.objects_changed, self.refresh
        yield self.work.document.active_changed, self.review.follow_active

    def _outdated(self) -> None:
        if not self._soon.isActive():
            self._soon.start()

    def _measure(self) -> None:
        if self.work is not None:
            self.work.sizes.measure(self.session.background, self.session.notices.failed)

    def _measured(self) -> None:
        work = self.work
        if work is not None and work.rows and work.landmarks is None:
            self._survey(work)
        self.refresh()

    def _survey(self, work: NodeWork) -> None:
        """Find what stations are told by, for nodes that nobody searched for."""
        document = work.document
        if document in self._surveyed or document in self.search.running:
            return
        self._surveyed.add(document)
        self.session.jobs.submit(
            SURVEY, {"volume": document.image}, done=partial(self._found, work),
            failed=self.session.notices.failed, priority=Priority.CLICK, title="Stations",
            spacing=document.scale,
        )  # fmt: skip

    def _found(self, work: NodeWork, marks: Landmarks) -> None:
        if work.landmarks is None:
            work.landmarks = marks
            work.changed.emit()

    def _forget(self, document: Document) -> None:
        self.search.running.forget(document)
        self.comparison.running.forget(document)
        self._surveyed.discard(document)
        if work := self._works.pop(document, None):
            work.sizes.close()

    def _dress(self, now: Settings, old: Settings | None = None) -> None:
        if old is None or now.theme != old.theme:
            self.review.apply_theme(THEMES[now.theme])
