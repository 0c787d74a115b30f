"""The part of the subtraction page that says how the difference looks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox

from gui.sections import Amount, heading, silent
from plugins.dsa_interpolation.widget_parts import Page

if TYPE_CHECKING:
    from gui.session import Session
    from plugins.dsa_interpolation.work import DsaWork


class LookPart(Page):
    """How the difference looks."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.anatomy = Amount("Anatomy", partial(self._set, "landmark"), "Landmarks left in")
        self.edges = Amount("Edges", partial(self._set, "edges"), "Sharpen fine vessels")
        self.noise = Amount("Noise", partial(self._set, "smoothing"), "Average over past frames")
        self.invert = QCheckBox("Vessels white  (I)")
        self.invert.toggled.connect(self._invert)
        self.column.addWidget(heading("Picture"))
        for part in (self.anatomy, self.edges, self.noise, self.invert):
            self.column.addWidget(part)

    def show_work(self, work: DsaWork | None) -> None:
        """Follow another run's display as well."""
        if self.work is not None:
            self.work.display.events.inverted.disconnect(self.refresh)
        super().show_work(work)
        if work is not None:
            work.display.events.inverted.connect(self.refresh)

    def refresh(self) -> None:
        """Show the amounts."""
        if self.work is None:
            return
        settings = self.work.settings
        self.anatomy.show_value(settings.landmark)
        self.edges.show_value(settings.edges)
        self.noise.show_value(settings.smoothing)
        self.anatomy.setEnabled(settings.on)
        with silent(self.invert):
            self.invert.setChecked(self.work.display.inverted)

    def _set(self, name: str, value: float) -> None:
        if self.work is not None:
            self.work.set(**{name: value})

    def _invert(self, wanted: bool) -> None:
        if self.work is not None:
            self.work.display.inverted = wanted
