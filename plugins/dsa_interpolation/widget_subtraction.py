"""The page of the dock that subtracts: mask, pixel shift, how the difference looks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox

from gui.parts import button, label
from gui.running_jobs import RunningJobs
from gui.sections import heading, quiet, row, silent, switch
from plugins.dsa_interpolation.tools import MaskTool
from plugins.dsa_interpolation.widget_look import LookPart
from plugins.dsa_interpolation.widget_parts import Page, ToolSwitches

if TYPE_CHECKING:
    from gui.session import Session
    from plugins.dsa_interpolation.registration import Registration
    from plugins.dsa_interpolation.work import DsaWork

REGISTER = "plugins.dsa_interpolation.jobs:register_run"
MOST_SHIFT = 200.0  # px
NARROW = 72  # px: fields get narrower than they ask for, as the dock is narrow


class SubtractionPage(Page):
    """Everything here is live and takes nothing away from the run."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.switch = switch("Subtract", self._subtract, "Show the difference from the mask")
        self.state = quiet()
        self.column.addWidget(self.switch)
        self.column.addWidget(self.state)
        self.mask_part = MaskPart(session)
        self.shift_part = ShiftPart(session)
        self.look_part = LookPart(session)
        self.parts = (self.mask_part, self.shift_part, self.look_part)
        for part in self.parts:
            self.column.addWidget(part)
        self.column.addStretch()

    def show_work(self, work: DsaWork | None) -> None:
        """Show another run's subtraction."""
        for part in self.parts:
            part.show_work(work)
        super().show_work(work)

    def refresh(self) -> None:
        """Show the settings in force."""
        ready = self.work is not None and self.work.subtractor is not None
        self.switch.setEnabled(ready)
        self.switch.setChecked(ready and self.work is not None and self.work.settings.on)
        self.state.setText(self._explain())
        self.state.setVisible(bool(self.state.text()))
        for part in self.parts:
            part.setEnabled(ready)
            part.refresh()

    def _explain(self) -> str:
        work = self.work
        if work is None:
            return "Open a run to subtract its background."
        if work.document.series.rgb:
            return "This run is in colour: it can be played and interpolated, not subtracted."
        if work.subtractor is None:
            return "Looking for the frames before the bolus…"
        if work.acquisition is not None and work.acquisition.subtracted and not work.settings.on:
            told = work.document.series.acquisition is work.acquisition
            how = "was stored subtracted" if told else "looks subtracted already"
            return f"This run {how}. You can subtract all the same."
        return ""

    def _subtract(self, wanted: bool) -> None:
        if self.work is not None:
            self.work.set(on=wanted)


class MaskPart(Page):
    """Which frames are averaged to the mask."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.column.addWidget(heading("Mask"))
        self.first, self.last = QSpinBox(), QSpinBox()
        self.first.setAccessibleName("First mask frame")
        self.last.setAccessibleName("Last mask frame")
        for field in (self.first, self.last):
            field.setKeyboardTracking(False)
            field.setMinimumWidth(NARROW)
        self.first.valueChanged.connect(self._first_chosen)
        self.last.valueChanged.connect(self._last_chosen)
        here = button("Remask here", self.remask, tip="Take the shown frame as mask")
        found = button("Suggest", self._suggest, tip="The frames before the bolus arrives")
        self.column.addWidget(row(label("Frames"), self.first, label("to"), self.last))
        self.column.addWidget(row(here, found))
        self.here, self.found = here, found

    def refresh(self) -> None:
        """Show the range."""
        if self.work is None:
            return
        frames = self.work.document.shape[0]
        mask = self.work.settings.mask
        with silent(self.first, self.last):
            for field, value in ((self.first, min(mask)), (self.last, max(mask))):
                field.setRange(1, frames)
                field.setValue(value + 1)

    def remask(self) -> None:
        """Take the shown frame as mask."""
        if self.work is not None:
            here = round(self.work.display.position[0])
            self.work.set(on=True, mask=(here,), shifts=None, fields=None)

    def _suggest(self) -> None:
        if self.work is not None and self.work.prepared is not None:
            start = self.work.prepared.subtractor.settings
            self.work.set(mask=start.mask, shifts=None, fields=None)

    def _first_chosen(self, first: int) -> None:
        self._choose(first, max(first, self.last.value()))

    def _last_chosen(self, last: int) -> None:
        self._choose(min(last, self.first.value()), last)

    def _choose(self, first: int, last: int) -> None:
        if self.work is not None:
            self.work.set(mask=tuple(range(first - 1, last)), shifts=None, fields=None)


class ShiftPart(Page):
    """Where the mask lies: moved by hand, and found for each frame."""

    HINT = "Arrow keys: 0.1 px, with Shift 1 px; or drag. Esc ends it."

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.tools = ToolSwitches(session)
        self.move_button = switch("Move mask", self._move, self.HINT)
        self.tools.add(self.move_button)
        self.reset = button("Reset", self._reset, name="Reset the shift of the mask")
        self.right, self.down = _pixels("Shift to the right"), _pixels("Shift down")
        for field in (self.right, self.down):
            field.valueChanged.connect(self._typed)
        self.align = button("Align", self.run, tip="Find where the mask lies in each frame")
        self.kind = QComboBox()
        self.kind.setAccessibleName("What is aligned")
        self.kind.setMinimumWidth(NARROW)
        self.kind.addItem("whole frame", False)
        self.kind.addItem("parts of it", True)
        self.running = RunningJobs(session.jobs, "aligning")
        self.running.changed.connect(self.refresh)
        self.state = quiet()
        self.state.setMinimumHeight(2 * self.state.fontMetrics().lineSpacing())
        self.column.addWidget(heading("Pixel shift"))
        for part in (
            row(label("Right"), self.right, label("Down"), self.down),
            row(self.move_button, self.reset),
            row(self.align, self.kind),
            self.running,
            self.state,
        ):
            self.column.addWidget(part)
        session.views.tool_changed.connect(lambda tool: self._tell())

    def refresh(self) -> None:
        """Show the shift, and whether frames are being aligned."""
        if self.work is None:
            return
        down, right = self.work.settings.shift
        with silent(self.right, self.down):
            self.right.setValue(right)
            self.down.setValue(down)
        self.running.show_key(self.work)
        running = self.work in self.running
        self.align.setEnabled(not running)
        self.kind.setEnabled(not running)
        self._tell()

    def run(self) -> None:
        """Find the shift of every frame."""
        work = self.work
        if work is None or work.shared is None or work in self.running:
            return
        job = self.session.jobs.submit(
            REGISTER,
            {"frames": work.shared},
            done=partial(self._done, work),
            failed=self.session.notices.failed,
            title="Aligning the mask",
            mask=work.settings.mask,
            acquisition=work.acquisition,
            piecewise=self.kind.currentData(),
        )
        self.running.begin(work, job)

    def _tell(self) -> None:
        settings = self.work.settings if self.work else None
        if self.tools.used is not None:
            self.state.setText(self.HINT)
        elif settings is None or settings.shifts is None:
            self.state.setText("The same for all frames.")
        else:
            far = float(np.abs(settings.shifts).max())
            parts = ", parts of them on their own" if settings.fields is not None else ""
            self.state.setText(f"Frames are aligned by up to {far:.1f} px{parts}.")

    def _move(self, wanted: bool) -> None:
        work = self.work
        tool = MaskTool(work.move_mask, partial(self._move, False)) if wanted and work else None
        self.tools.use(self.move_button, tool)

    def _typed(self) -> None:
        if self.work is not None:
            self.work.set(shift=(round(self.down.value(), 2), round(self.right.value(), 2)))

    def _reset(self) -> None:
        if self.work is not None:
            self.work.set(shift=(0.0, 0.0), shifts=None, fields=None)

    def _done(self, work: DsaWork, found: Registration) -> None:
        work.set(on=True, shifts=found.shifts, fields=found.fields)


def _pixels(name: str) -> QDoubleSpinBox:
    made = QDoubleSpinBox(minimum=-MOST_SHIFT, maximum=MOST_SHIFT, singleStep=0.1, decimals=1)
    made.setAccessibleName(name)
    made.setMinimumWidth(NARROW)
    made.setSuffix(" px")
    made.setKeyboardTracking(False)
    return made
