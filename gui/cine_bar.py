"""Frame slider of a run, and below it play, frame number and time, speed and direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QToolButton, QVBoxLayout

from gui.cine import SPEEDS
from gui.frame_slider import FrameSlider, Ticks
from gui.parts import button
from gui.theme import GRID, icon

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtGui import QAction

    from gui.cine import Cine
    from gui.display import Display
    from gui.document import Document
    from gui.theme import Theme
    from gui.views import Views


class CineBar(QFrame):
    """Visible while a run is shown."""

    def __init__(self, cine: Cine, views: Views) -> None:
        super().__init__()
        self.setObjectName("panel")
        self._cine, self._views = cine, views
        self._display: Display | None = None
        self._build()
        self.hide()
        cine.playing_changed.connect(self._play_changed)
        cine.changed.connect(self._refresh)
        views.shown.connect(self._shown)

    def add_switches(self, actions: Iterable[QAction]) -> None:
        """Buttons for commands at the right end."""
        for action in actions:
            made = QToolButton()
            made.setDefaultAction(action)
            made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
            made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            made.setAccessibleName(action.text())
            self._row.addWidget(made)

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self._icons = [icon(f"mdi6.{name}", theme) for name in ("play", "pause")]
        self.button.setIcon(self._icons[self._cine.playing])
        self.slider.apply_theme(theme)

    def _build(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(*[GRID // 2] * 4)
        rows.setSpacing(0)
        row = self._row = QHBoxLayout()
        row.setSpacing(GRID // 2)
        self.button = button("", self._cine.toggle, name="Play", tip="Play or pause  (Space)")
        self.button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.slider = FrameSlider()
        self.slider.valueChanged.connect(self._go)
        self.label = QLabel()
        self.speed = QComboBox()
        self.speed.setAccessibleName("Speed")
        self.speed.setToolTip("How many times as fast as the run was taken")
        self.speed.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g} ×", speed)
        self.speed.activated.connect(lambda: self._cine.set_speed(self.speed.currentData()))
        rows.addWidget(self.slider)  # a row of its own: a long run needs all the width there is
        rows.addLayout(row)
        row.addWidget(self.button)
        row.addWidget(self.label)
        row.addStretch()
        row.addWidget(self.speed)

    def _play_changed(self, on: bool) -> None:
        self.button.setAccessibleName("Pause" if on else "Play")
        self.button.setIcon(self._icons[on])

    def _go(self, frame: int) -> None:
        self._views.active.go(frame)
        self._moved()

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
            self._refresh()
        self.setVisible(run)

    def _refresh(self) -> None:
        self.speed.setCurrentIndex(SPEEDS.index(self._cine.speed))
        document, display = self._views.document, self._display
        if document is None or display is None:
            return
        flags = document.series.synthetic or ()
        self.slider.show_ticks(
            Ticks(
                frozenset(i for i, made in enumerate(flags) if made),
                document.series.confidence or (),
                display.marked,
                display.synthetic_hidden,
            )
        )

    def _moved(self) -> None:
        if self._display is None:
            return
        frame = round(self._display.position[0])
        with QSignalBlocker(self.slider):
            self.slider.setValue(frame)
        self.label.setText(self._text(frame))

    def _text(self, frame: int) -> str:
        count = f"{frame + 1} / {self.slider.maximum() + 1}"
        series = self._views.document.series if self._views.document else None
        times = series.frame_times if series else None
        timed = times is not None and frame < len(times)
        return f"{count}   {times[frame] / 1000:.2f} s" if times and timed else count
