"""Plays a run at the pace at which it was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QElapsedTimer, QObject, Qt, QTimer, Signal

from gui.display import frame_durations

if TYPE_CHECKING:
    from gui.document import Document
    from gui.views import Views


class Cine(QObject):
    """Steps through the frames of the shown run; frames that come too late are skipped."""

    playing_changed = Signal(bool)

    def __init__(self, views: Views) -> None:
        super().__init__(views)
        self._views = views
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._advance)
        self._clock = QElapsedTimer()
        self._durations: list[int] = []
        self._late = 0.0
        self.playing = False
        views.shown.connect(self._shown)

    def toggle(self) -> None:
        """Play or pause."""
        document = self._views.document
        if self.playing or document is None or document.series.kind != "run":
            self._set_playing(False)
        else:
            self._durations = frame_durations(document.series)
            self._late = 0.0
            self._set_playing(True)
            self._wait(self._frame)

    def stop(self) -> None:
        """Pause."""
        self._set_playing(False)

    @property
    def _frame(self) -> int:
        display = self._views.display
        return round(display.position[0]) if display else 0

    def _shown(self, document: Document | None) -> None:
        self._set_playing(False)

    def _set_playing(self, playing: bool) -> None:
        self._timer.stop()
        if playing != self.playing:
            self.playing = playing
            self.playing_changed.emit(playing)

    def _wait(self, frame: int) -> None:
        self._due = self._durations[frame] - self._late
        self._clock.start()
        self._timer.start(max(0, round(self._due)))

    def _advance(self) -> None:
        """Show the frame that is due now."""
        frame = (self._frame + 1) % len(self._durations)
        self._late = max(0.0, self._clock.elapsed() - self._due)
        while self._late >= self._durations[frame]:
            self._late -= self._durations[frame]
            frame = (frame + 1) % len(self._durations)
        self._views.active.go(frame)
        self._wait(frame)
