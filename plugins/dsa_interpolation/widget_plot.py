"""Density over time: one line a region, and a cursor at the frame that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Signal
from qtpy.QtGui import QColor, QPalette

from plugins.dsa_interpolation.widget_parts import legible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtCore import QEvent

    from plugins.dsa_interpolation.following import Known
    from plugins.dsa_interpolation.regions import Region

HEIGHT = 220


class CurvePlot(pg.PlotWidget):
    """Seconds to the right, density upwards; the cursor can be dragged."""

    time_asked = Signal(float)  # ms

    def __init__(self) -> None:
        super().__init__(background=None)
        self.setFixedHeight(HEIGHT)
        self.setMinimumWidth(120)
        self.setAccessibleName("Contrast over time")
        self.setMenuEnabled(False)
        self.setMouseEnabled(x=False, y=False)
        self.hideButtons()
        self.setLabel("bottom", "s")
        self.setLabel("left", "density, ln")
        self.getAxis("left").enableAutoSIPrefix(False)
        self.getAxis("bottom").enableAutoSIPrefix(False)
        self.cursor_line = pg.InfiniteLine(angle=90, movable=True)
        self.cursor_line.sigDragged.connect(
            lambda line: self.time_asked.emit(1000 * float(line.value()))
        )
        self.addItem(self.cursor_line, ignoreBounds=True)
        self.lines: list[Any] = []
        self._regions: list[Region] = []
        self.ensurePolished()  # for the size of its text
        self._dress()

    def show_curves(self, times: Sequence[float], known: Known) -> None:
        """The curve of each region, at times in ms."""
        for line in self.lines:
            self.removeItem(line)
        seconds = np.divide(times, 1000)
        self._regions = [region for region, _ in known]
        self.lines = [
            self.plot(seconds, followed.curve, pen=self._pen(region), antialias=True)
            for region, followed in known
        ]

    def show_time(self, ms: float) -> None:
        """Move the cursor."""
        self.cursor_line.setValue(ms / 1000)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the window's look."""
        super().changeEvent(event)
        looks = event.Type.PaletteChange, event.Type.FontChange
        if event.type() in looks and hasattr(self, "cursor_line"):
            self._dress()

    def _pen(self, region: Region) -> Any:
        return pg.mkPen(legible(region.color, self), width=2)

    def _dress(self) -> None:
        text = QColor(self.palette().color(QPalette.ColorRole.WindowText))
        accent = QColor(self.palette().color(QPalette.ColorRole.Highlight))
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(text)
            self.getAxis(side).setTextPen(text)
            self.getAxis(side).setTickFont(self.font())
            self.getAxis(side).label.setFont(self.font())
        for line, region in zip(self.lines, self._regions, strict=True):
            line.setPen(self._pen(region))
        self.cursor_line.setPen(pg.mkPen(accent, width=2))
        self.cursor_line.setHoverPen(pg.mkPen(accent, width=4))
