"""The section of the dock that measures after every change of the vessels."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from gui.parts import button
from gui.sections import Section, quiet
from inference.messages import Priority
from plugins.retinal_vessels.export import pixel_spacing
from plugins.retinal_vessels.widget_parts import MeasurementTable

if TYPE_CHECKING:
    from gui.session import Session
    from inference.job import Job
    from plugins.retinal_vessels.task import Measured
    from plugins.retinal_vessels.work import VesselWork

MEASURE = "plugins.retinal_vessels.task:measure"
SOON_MS = 15  # a stroke changes labels faster than anybody can read numbers


class MeasurementSection(Section["VesselWork"]):
    """The table, brought up to date after every change of the vessels."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Measurements")
        self.table = MeasurementTable()
        self.units = quiet()
        self.export_button = button("Export…", session.export, name="Export results")
        self.column.addWidget(self.export_button)  # above the table, to be seen without scrolling
        self.column.addWidget(self.table)
        self.column.addWidget(self.units)
        self._job: Job | None = None
        self._stale = False
        self._timer = QTimer(self, singleShot=True, interval=SOON_MS)
        self._timer.timeout.connect(self._measure)

    def refresh(self) -> None:
        """Show what was measured."""
        self.table.show_rows(self.work.rows if self.work else ())
        self.table.setVisible(bool(self.table.rows))
        self.export_button.setVisible(bool(self.table.rows))
        self.units.setText(self._explain())

    def _explain(self) -> str:
        if self.work is None or not self.table.rows:
            return "They appear as soon as vessels were found or drawn."
        spacing = pixel_spacing(self.work.document.series)
        if spacing is None:
            return "The file does not say how large a pixel is: lengths are in pixels (px)."
        return f"One pixel is {1000 * spacing:.3g} µm, as the file says."

    def outdate(self, *_: object) -> None:
        """Measure again soon."""
        self._stale = True
        if self.work is not None:
            self.work.outdate()
        if not self._timer.isActive():
            self._timer.start()

    def stroke_ended(self) -> None:
        """Measure what a stroke that is over now has left."""
        if self._stale:
            self.outdate()

    def _measure(self) -> None:
        work = self.work
        if work is None or (self._job is not None and work.document.history.grouping):
            return  # asked again when the job is done, or the stroke over
        self._stale = False
        if not work.object_id:
            work.forget_measurements()
            return
        seen = work.field_of_view
        where = {"image": work.document.image} if seen is None else {"field_of_view": seen}
        self._job = self.session.jobs.submit(
            MEASURE,
            {"mask": work.mask, **where},
            done=partial(self._done, work),
            failed=self._failed,
            priority=Priority.CLICK,
            replaces=MEASURE,
            title="Measurements",
            spacing=pixel_spacing(work.document.series),
            disc=work.choices.disc,
            marks=work.choices.marks,
        )

    def _done(self, work: VesselWork, found: Measured) -> None:
        self._job = None
        work.take_measurements(found)
        self.stroke_ended()

    def _failed(self, error: BaseException) -> None:
        self._job = None
        self.session.notices.failed(error)
