"""Sections of the dock that are drawn on the image: disc, arteries and veins, explanation."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gui.parts import button
from gui.sections import Section, quiet, row, slider, switch
from gui.tool import Mark
from plugins.retinal_vessels.tools import CircleTool, ClickTool, zone_outlines
from plugins.retinal_vessels.widget_parts import Legend

if TYPE_CHECKING:
    from gui.planes import Position
    from gui.session import Session
    from gui.tool import Tool
    from inference.series import Array
    from plugins.retinal_vessels.work import Choices, VesselWork
    from plugins.retinal_vessels.zones import Disc

EXPLAIN = "plugins.retinal_vessels.task:explain"
COLORS = {"artery": "#ff6a5e", "vein": "#6aa2ff"}
DISC_COLOR = "#ffcf5c"


class MarkSection(Section["VesselWork"]):
    """The optic disc, and which vessels are arteries and which veins."""

    HINTS = {
        "disc": "Drag across the optic disc, from edge to opposite edge, or click both edges.",
        "vessel": "Click a vessel between the outer rings, zone B: artery, again: vein, "
        "once more: neither.",
        "": "With the disc marked, zones B and C are measured; with arteries and veins marked "
        "as well, CRAE, CRVE and AVR.",
    }

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Optic disc, arteries and veins")
        self.disc_button = switch("Mark disc", self._mark_disc)
        self.vessel_button = switch("Artery / vein", self._mark_vessels)
        self.clear_button = button("Clear", self._clear, name="Clear disc and vessel marks")
        self.hint = quiet(self.HINTS[""])
        self.column.addWidget(row(self.disc_button, self.vessel_button, self.clear_button))
        self.column.addWidget(self.hint)
        self._tool: Tool | None = None
        session.views.tool_changed.connect(self._tool_changed)

    def refresh(self) -> None:
        """Show disc and marks over the image."""
        choices = self.work.choices if self.work else None
        self.vessel_button.setEnabled(choices is not None and choices.disc is not None)
        self.clear_button.setEnabled(bool(choices and (choices.disc or choices.marks)))
        if choices is not None:
            disc = choices.disc
            self.session.views.set_marks(self._marks(choices))
            self.session.views.set_outlines(zone_outlines(disc, DISC_COLOR) if disc else ())

    def _marks(self, choices: Choices) -> list[Mark]:
        disc = choices.disc
        shown = [Mark((disc.y, disc.x), DISC_COLOR, "Disc")] if disc else []
        vessels = self.work.vessels if self.work else ()
        widths = {vessel.mark: vessel.width for vessel in vessels}
        for index, mark in enumerate(choices.marks):
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
        disc = self.work.choices.disc if self.work else None
        self._use(ClickTool(self._vessel_clicked) if wanted and disc else None)

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


class ExplainSection(Section["VesselWork"]):
    """What in the image drove the model, in a region that the user draws."""

    HINT = (
        "Drag across a region, from edge to opposite edge: what made the model see vessels there?"
    )

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Explanation")
        self._heat: Array | None = None
        self._tool: Tool | None = None
        self.button = switch("Explain…", self._choose_region)
        self.hide_button = button("Hide", self._hide, name="Hide the explanation")
        self.opacity = slider("Opacity of the explanation", 0, 100, 80)
        self.legend = Legend()
        self.hint = quiet(self.HINT)
        self.column.addWidget(row(self.button, self.hide_button, self.opacity))
        self.column.addWidget(self.hint)
        self.column.addWidget(self.legend)
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
            model=work.model,
        )

    def _explained(self, work: VesselWork, heat: Array) -> None:
        if work is self.work:
            self._show(heat)

    def _hide(self) -> None:
        self._show(None)

    def _show(self, heat: Array | None) -> None:
        self._heat = heat
        self._overlay()
        self.refresh()

    def _overlay(self) -> None:
        self.session.views.show_heat(self._heat, self.opacity.value() / 100)
