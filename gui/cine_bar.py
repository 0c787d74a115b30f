"""Play, frame slider and frame number of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QSlider

from gui.parts import button
from gui.theme import GRID

if TYPE_CHECKING:
    from gui.cine import Cine
    from gui.display import Display
    from gui.document import Document
    from gui.views import Views


class CineBar(QFrame):
    """Visible while a run is shown."""

    def __init__(self, cine: Cine, views: Views) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._views = views
        self._display: Display | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        self.button = button("Play", cine.toggle, tip="Play or pause (Space)")
        self.button.setFixedWidth(80)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Frame")
        self.slider.valueChanged.connect(lambda frame: views.active.go(frame))
        self._label = QLabel()
        self._label.setMinimumWidth(64)
        row.addWidget(self.button)
        row.addWidget(self.slider, 1)
        row.addWidget(self._label)
        self.hide()
        cine.playing_changed.connect(lambda on: self.button.setText("Pause" if on else "Play"))
        views.shown.connect(self._shown)

    def _shown(self, document: Document | None) -> None:
        if self._display is not None:
            self._display.events.position.disconnect(self._moved)
            self._display = None
        run = document is not None and document.series.kind == "run"
        if document is not None and run:
            self._display = self._views.display
            with QSignalBlocker(self.slider):
                self.slider.setRange(0, document.shape[0] - 1)
            if self._display is not None:
                self._display.events.position.connect(self._moved)
            self._moved()
        self.setVisible(run)

    def _moved(self) -> None:
        if self._display is None:
            return
        frame = round(self._display.position[0])
        with QSignalBlocker(self.slider):
            self.slider.setValue(frame)
        self._label.setText(f"{frame + 1} / {self.slider.maximum() + 1}")
