"""The sections of the dock; each shows the work on one document and acts on it."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QProgressBar,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from gui.theme import GRID
from gui.tool import Mark
from inference import memory, weights
from inference.messages import Priority
from plugins.retinal_vessels.task import NAME, TASK, pixel_spacing
from plugins.retinal_vessels.tools import CircleTool, ClickTool
from plugins.retinal_vessels.widget_parts import (
    Banner,
    Legend,
    MeasurementTable,
    button,
    heading,
    quiet,
    row,
    slider,
)

if TYPE_CHECKING:
    from gui.document import Document
    from gui.planes import Position
    from gui.session import Session
    from gui.tool import Tool
    from inference.client import Job
    from inference.series import Array
    from plugins.retinal_vessels.task import Measured
    from plugins.retinal_vessels.work import VesselWork
    from plugins.retinal_vessels.zones import Disc

MEASURE, EXPLAIN = "plugins.retinal_vessels.task:measure", "plugins.retinal_vessels.task:explain"
COLORS = {"artery": "#ff6a5e", "vein": "#6aa2ff"}
DISC_COLOR = "#ffcf5c"
SOON_MS = 15  # a stroke changes labels faster than anybody can read numbers


class Section(QWidget):
    """A heading with widgets below it, for the work on one document at a time."""

    def __init__(self, session: Session, title: str) -> None:
        super().__init__()
        self.session = session
        self.work: VesselWork | None = None
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(GRID)
        self.column.addWidget(heading(title))

    def show_work(self, work: VesselWork | None) -> None:
        """Show another document's vessels, or none."""
        self.work = work
        self.setEnabled(work is not None)
        self.refresh()

    def refresh(self) -> None:
        """Show the work as it is now."""


class ModelSection(Section):
    """Which model, Run, Cancel, progress."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Model")
        self._jobs: dict[Document, Job] = {}
        self.model = QComboBox()
        self.model.setAccessibleName("Model")
        self.about = quiet()
        self.run_button = button("Find vessels", primary=True)
        self.cancel_button = button("Cancel", "Cancel finding vessels")
        self.bar = QProgressBar(textVisible=False)
        self.bar.setAccessibleName("Progress")
        self.note = quiet()
        self.banner = Banner()
        buttons = row(self.run_button, self.cancel_button)
        for part in (self.model, self.about, buttons, self.bar, self.note, self.banner):
            self.column.addWidget(part)
        self._offer_models()
        self.model.currentIndexChanged.connect(self.refresh)
        self.run_button.clicked.connect(self.run)
        self.cancel_button.clicked.connect(self.cancel)

    def run(self) -> None:
        """Find the vessels of the selected image; corrections made before stay."""
        work = self.work
        if work is None or work.document in self._jobs:
            return
        series = work.document.series
        settings = {**work.settings, "model": self.model.currentData()}
        arrays, params = TASK.request(series, settings)
        if sentence := memory.check(TASK.estimate_bytes(series, settings)):
            self.session.notices.tell(sentence, level="warning")
        self.bar.setRange(0, 0)
        self._jobs[work.document] = self.session.jobs.submit(
            TASK.entry,
            arrays,
            done=partial(self._done, work),
            failed=partial(self._failed, work),
            progress=partial(self._progressed, work),
            device=self.session.settings.now.device,
            title=TASK.title,
            **params,
            measured=False,
        )
        self.refresh()

    def cancel(self) -> None:
        """Stop finding vessels in the selected image."""
        if self.work is not None:
            self.forget(self.work.document)
        self.refresh()

    def forget(self, document: Document) -> None:
        """Stop what runs for a document."""
        if job := self._jobs.pop(document, None):
            job.cancel()

    def refresh(self) -> None:
        """Show what is chosen, what runs, and the warning."""
        running = self.work is not None and self.work.document in self._jobs
        self.about.setText(self.model.currentData(Qt.ItemDataRole.ToolTipRole) or "")
        self.run_button.setEnabled(not running and self.model.currentData() is not None)
        self.run_button.setText("Find vessels again" if self._found else "Find vessels")
        self.cancel_button.setEnabled(running)
        self.bar.setVisible(running)
        self.note.setVisible(running)
        self.banner.tell(self.work.warning if self.work else "")

    @property
    def _found(self) -> bool:
        return self.work is not None and self.work.document.probability is not None

    def _offer_models(self) -> None:
        models = {info.name: info for info in weights.describe() if info.plugin == NAME}
        choices = next(setting for setting in TASK.settings if setting.name == "model").choices
        for name in (name for name in choices if name in models):
            info = models[name]
            self.model.addItem(f"{name.capitalize()}, version {info.version}", name)
            self.model.setItemData(
                self.model.count() - 1, info.summary, Qt.ItemDataRole.ToolTipRole
            )
        if not self.model.count():
            self.model.addItem("No model is installed", None)

    def _done(self, work: VesselWork, result: dict[str, Any]) -> None:
        self._jobs.pop(work.document, None)
        work.accept(result)
        self.refresh()

    def _failed(self, work: VesselWork, error: BaseException) -> None:
        self._jobs.pop(work.document, None)
        self.session.notices.failed(error)
        self.refresh()

    def _progressed(self, work: VesselWork, done: int, total: int, note: str) -> None:
        if work is self.work:
            self.bar.setRange(0, total)
            self.bar.setValue(done)
            self.note.setText(note)


class ThresholdSection(Section):
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
        parts = self.slider, self.threshold, self.smallest
        with ExitStack() as silence:
            for part in parts:
                silence.enter_context(QSignalBlocker(part))
            self.slider.setValue(round(100 * choices.threshold))
            self.threshold.setValue(choices.threshold)
            self.smallest.setValue(choices.smallest)

    def _cut(self) -> None:
        if self.work is not None:
            self.work.set_threshold(round(self.threshold.value(), 2), self.smallest.value())


class MarkSection(Section):
    """The optic disc, and which vessels are arteries and which veins."""

    HINTS = {
        "disc": "Drag across the optic disc, from edge to opposite edge, or click both edges.",
        "vessel": "Click a vessel in zone B: artery, again: vein, once more: neither.",
        "": "With the disc marked, zones B and C are measured; with arteries and veins marked "
        "as well, CRAE, CRVE and AVR.",
    }

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Optic disc, arteries and veins")
        self.disc_button = button("Mark disc", switch=True)
        self.vessel_button = button("Artery / vein", switch=True)
        self.remove_button = button("Clear", "Clear disc and vessel marks")
        self.hint = quiet()
        self.column.addWidget(row(self.disc_button, self.vessel_button, self.remove_button))
        self.column.addWidget(self.hint)
        self._tool: Tool | None = None
        self.disc_button.clicked.connect(self._mark_disc)
        self.vessel_button.clicked.connect(self._mark_vessels)
        self.remove_button.clicked.connect(self._clear)
        session.views.tool_changed.connect(self._tool_changed)

    def refresh(self) -> None:
        """Show disc and marks over the image."""
        choices = self.work.choices if self.work else None
        self.vessel_button.setEnabled(choices is not None and choices.disc is not None)
        self.remove_button.setEnabled(bool(choices and (choices.disc or choices.marks)))
        self.session.views.set_marks(self._marks())

    def _marks(self) -> list[Mark]:
        if self.work is None:
            return []
        disc = self.work.choices.disc
        shown = [Mark((disc.y, disc.x), DISC_COLOR, "Disc")] if disc else []
        widths = {vessel.mark: vessel.width for vessel in self.work.vessels}
        for index, mark in enumerate(self.work.choices.marks):
            width = widths.get(index, float("nan"))
            text = (
                f"{mark.kind}, {width:.1f} px"
                if np.isfinite(width)
                else f"{mark.kind}: not in zone B"
            )
            shown.append(Mark((mark.y, mark.x), COLORS[mark.kind], text))
        return shown

    def _mark_disc(self, wanted: bool) -> None:
        self._use(CircleTool(self._disc_drawn, self.session.views.redraw) if wanted else None)

    def _mark_vessels(self, wanted: bool) -> None:
        self._use(ClickTool(self._vessel_clicked) if wanted else None)

    def _use(self, tool: Tool | None) -> None:
        self._tool = tool
        self.session.views.tool = tool
        self._tool_changed(tool)

    def _tool_changed(self, tool: Tool | None) -> None:
        mine = tool is not None and tool is self._tool
        self.disc_button.setChecked(mine and isinstance(tool, CircleTool))
        self.vessel_button.setChecked(mine and isinstance(tool, ClickTool))
        used = "disc" if self.disc_button.isChecked() else "vessel"
        self.hint.setText(self.HINTS[used if mine else ""])

    def _disc_drawn(self, disc: Disc) -> None:
        self._use(None)
        if self.work is not None:
            self.work.set_disc(disc)

    def _vessel_clicked(self, position: Position) -> None:
        if self.work is not None:
            self.work.cycle(*position)

    def _clear(self) -> None:
        if self.work is not None:
            self.work.clear_marks()


class ExplainSection(Section):
    """What in the image drove the model, in a region that the user draws."""

    HINT = (
        "Drag across a region, from edge to opposite edge: what made the model see vessels there?"
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Explanation")
        self._heat: Array | None = None
        self._tool: Tool | None = None
        self.button = button("Explain…", switch=True)
        self.hide_button = button("Hide", "Hide the explanation")
        self.opacity = slider("Opacity of the explanation", 0, 100, 80)
        self.legend = Legend()
        self.hint = quiet(self.HINT)
        self.column.addWidget(row(self.button, self.hide_button, self.opacity))
        self.column.addWidget(self.hint)
        self.column.addWidget(self.legend)
        self.button.clicked.connect(self._choose_region)
        self.hide_button.clicked.connect(partial(self._show, None))
        self.opacity.valueChanged.connect(self._overlay)
        session.views.tool_changed.connect(self._tool_changed)

    def show_work(self, work: VesselWork | None) -> None:
        """Explanations are not kept from one document to the next."""
        self._heat = None
        super().show_work(work)

    def refresh(self) -> None:
        """Offer to explain what was found, and to hide what is shown."""
        self.button.setEnabled(self.work is not None and bool(self.work.model))
        shown = self._heat is not None
        for part in (self.hide_button, self.opacity, self.legend):
            part.setVisible(shown)

    def _choose_region(self, wanted: bool) -> None:
        self._tool = CircleTool(self._drawn, self.session.views.redraw) if wanted else None
        self.session.views.tool = self._tool

    def _tool_changed(self, tool: Tool | None) -> None:
        mine = tool is not None and tool is self._tool
        self.button.setChecked(mine)
        self.hint.setVisible(mine)

    def _drawn(self, circle: Disc) -> None:
        self.session.views.tool = None
        work = self.work
        if work is None:
            return
        region = circle.inside(work.document.shape)
        drawn = region & work.mask
        self.session.jobs.submit(
            EXPLAIN,
            {"image": work.document.image, "region": drawn if drawn.any() else region},
            done=partial(self._explained, work),
            failed=self.session.notices.failed,
            replaces=EXPLAIN,
            device=self.session.settings.now.device,
            title="Explanation",
            model=work.model["name"],
        )

    def _explained(self, work: VesselWork, heat: Array) -> None:
        if work is self.work:
            self._show(heat)

    def _show(self, heat: Array | None) -> None:
        self._heat = heat
        self._overlay()
        self.refresh()

    def _overlay(self) -> None:
        heat = self._heat
        share = self.opacity.value() / 100
        self.session.views.show_heat(None if heat is None else heat * np.float32(share))


class MeasurementSection(Section):
    """The table, brought up to date after every change of the vessels."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Measurements")
        self.table = MeasurementTable()
        self.units = quiet()
        self.column.addWidget(self.table)
        self.column.addWidget(self.units)
        self._job: Job | None = None
        self._stale = False
        self._timer = QTimer(self, singleShot=True, interval=SOON_MS)
        self._timer.timeout.connect(self._measure)

    def refresh(self) -> None:
        """Show what was measured."""
        self.table.show_rows(self.work.rows if self.work else ())
        spacing = pixel_spacing(self.work.document.series) if self.work else None
        self.units.setText(
            "The file does not say how large a pixel is: lengths are in pixels (px)."
            if spacing is None
            else f"One pixel is {1000 * spacing:.3g} µm, as the file says."
        )

    def outdate(self, *_: object) -> None:
        """Measure again soon."""
        self._stale = True
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
            self.table.show_rows(())
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
