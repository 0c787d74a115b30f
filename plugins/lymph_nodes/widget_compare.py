"""The section of the dock that compares with an earlier study: matched nodes, change in mm, %."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gui.parts import button
from gui.running_jobs import RunningJobs
from gui.sections import Section, choice, quiet, row, silent
from gui.studies import UNNAMED, series_title, study_title
from inference.errors import UserError
from plugins.lymph_nodes.review import Earlier
from plugins.lymph_nodes.task import TASK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gui.document import Document
    from gui.session import Session
    from plugins.lymph_nodes.review import Row
    from plugins.lymph_nodes.work import NodeWork

COMPARE = "plugins.lymph_nodes.task:compare"
HINT = (
    "Open the earlier CT as well, with its nodes: found here, or opened as a mask on it. Both are "
    "laid over each other, and nodes that lie together are compared."
)


class CompareSection(Section["NodeWork"]):
    """Which open study is the earlier one, Compare, and what has gone since."""

    def __init__(self, session: Session, work_of: Callable[[Document], NodeWork]) -> None:
        super().__init__(session, "Earlier study")
        self._work_of = work_of
        self._waiting: tuple[NodeWork, NodeWork] | None = None
        self.choice = choice("Earlier study", letters=10)
        self.button = button("Compare", self.compare, name="Compare with the earlier study")
        self.running = RunningJobs(session.jobs, "comparing studies")
        self.running.changed.connect(self.refresh)
        self.note = quiet(HINT)
        for part in (row(self.choice, self.button), self.running, self.note):
            self.column.addWidget(part)
        session.studies.added.connect(self.refresh)
        session.studies.removed.connect(self.refresh)

    def compare(self) -> None:
        """Lay the chosen study under this one and match the nodes of both."""
        work, document = self.work, self.choice.currentData()
        if work is None or document is None or work.document in self.running:
            return
        before = self._work_of(document)
        self._waiting = work, before
        if before.sizes.current:
            self.measured(before)
        else:
            before.sizes.measured.connect(partial(self.measured, before))
            before.sizes.measure(self.session.background, self.session.notices.failed)

    def measured(self, before: NodeWork) -> None:
        """The earlier nodes are measured: ask the worker."""
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting[1] is not before:
            return
        work, rows, theirs = waiting[0], _kept(waiting[0]), _kept(before)
        if not rows or not theirs:
            which = "This study" if not rows else "The earlier study"
            self.session.notices.tell(f"{which} has no nodes: find them first.", level="warning")
            return
        both = work.document, before.document
        try:
            job = self.session.jobs.submit(
                COMPARE,
                {"now": both[0].image, "before": both[1].image},
                done=partial(self._done, work, rows, theirs, before),
                failed=self.session.notices.failed,
                title="Compare studies",
                geometries=tuple(document.series.canonical_geometry for document in both),
                places=tuple([r.node.centroid for r in each] for each in (rows, theirs)),
                short_axes=tuple([r.node.short_axis_mm for r in each] for each in (rows, theirs)),
            )
        except UserError as error:
            self.session.notices.failed(error)
        else:
            self.running.begin(work.document, job)

    def refresh(self, *_: object) -> None:
        """Offer the other open CTs; say what has gone."""
        work = self.work
        self.running.show_key(work.document if work else None)
        others = [d for d in self.session.studies.open if _suits(d) and work is not None
                  and d is not work.document]  # fmt: skip
        before = self.choice.currentData()
        with silent(self.choice):
            self.choice.clear()
            for document in others:
                self.choice.addItem(self._title(document), document)
            if before in others:
                self.choice.setCurrentIndex(others.index(before))
            if not others:
                self.choice.addItem("No other CT is open", None)
        busy = work is not None and work.document in self.running
        self.choice.setEnabled(bool(others))
        self.button.setEnabled(bool(others) and not busy)
        self.note.setText(_gone(work) if work and work.compared_with else HINT)

    def _title(self, document: Document) -> str:
        hidden = self.session.settings.now.hide_patient_names
        titles = study_title(document.series, hidden), series_title(document.series, hidden)
        return " · ".join(titles)

    def _done(
        self,
        work: NodeWork,
        rows: Sequence[Row],
        theirs: Sequence[Row],
        before: NodeWork,
        pairs: Sequence[tuple[int, int]],
    ) -> None:
        known = [Earlier(row.key, row.node.short_axis_mm) for row in theirs]
        same = {rows[now].key: known[then] for now, then in pairs}
        matched = {then for _, then in pairs}
        gone = tuple(one for place, one in enumerate(known) if place not in matched)
        work.compare(_told(before.document), same, gone)


def _told(document: Document) -> str:
    """How a study is called in a report: by nothing that may tell whose it is, such as a folder."""
    title = study_title(document.series, hidden=True)
    return "an earlier CT" if title == UNNAMED else f"the study {title}"


def _kept(work: NodeWork) -> list[Row]:
    return [row for row in work.rows if row.object_id]


def _suits(document: Document) -> bool:
    return TASK.suits(document.series)


def _gone(work: NodeWork) -> str:
    """What was compared, and the earlier nodes that are no longer there."""
    many = len(work.earlier)
    said = f"Compared with {work.compared_with}: {many} node{'s' * (many != 1)} matched."
    if not work.gone:
        return said
    listed = ", ".join(f"{one.name} ({one.short_axis_mm:.1f} mm)" for one in work.gone)
    return f"{said} Not found again: {listed}."
