"""Plays a run at the pace at which it was taken, or at a multiple of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import QElapsedTimer, QObject, Qt, QTimer, Signal

from gui.timeline import Timeline, frames_shown, stepped

if TYPE_CHECKING:
    from gui.display import Display
    from gui.document import Document
    from gui.views import Views

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
EVERY = (1, 2, 3, 4, 5)  # every so manieth frame


class Cine(QObject):
    """Moves the shown run along its timeline; frames that come too late are passed over."""

    playing_changed = Signal(bool)
    changed = Signal()  # speed, direction, which frames are played or marked

    def __init__(self, views: Views) -> None:
        super().__init__(views)
        self._views = views
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._advance)
        self._clock = QElapsedTimer()
        self._timeline: Timeline | None = None
        self._origin = 0.0  # where on the timeline the clock started, ms
        self._frame = 0  # shown last; another one is there if the user went elsewhere
        self.playing = False
        self.speed, self.every, self.swings, self.marks_skipped = 1.0, 1, False, False
        views.shown.connect(self._shown)

    # --- commands ----------------------------------------------------------------------------

    def toggle(self) -> None:
        """Play or pause."""
        if self.playing or self._run is None:
            self._set_playing(False)
        else:
            self._set_playing(True)
            self._restart()

    def stop(self) -> None:
        """Pause."""
        self._set_playing(False)

    def set_speed(self, speed: float) -> None:
        """So many times as fast as the run was taken."""
        self.speed = speed
        self._alter()

    def change_speed(self, steps: int) -> None:
        """The next faster or slower speed."""
        place = min(max(SPEEDS.index(self.speed) + steps, 0), len(SPEEDS) - 1)
        self.set_speed(SPEEDS[place])

    def set_every(self, every: int) -> None:
        """Play every frame, every second one and so on, at the same pace."""
        self.every = every
        self._alter()

    def toggle_swing(self) -> None:
        """Play forth and back, or from the start again."""
        self.swings = not self.swings
        self._alter()

    def toggle_marks_skipped(self) -> None:
        """Leave the marked frames out while playing."""
        self.marks_skipped = not self.marks_skipped
        self._alter()

    def toggle_mark(self) -> None:
        """Mark the shown frame, or take its mark away."""
        if display := self.display:
            display.marked = display.marked ^ {round(display.position[0])}
            self._alter()

    def step_mark(self, count: int) -> None:
        """Go to the next or previous marked frame."""
        display = self.display
        if display and display.marked:
            marked = sorted(display.marked)
            self._views.active.go(stepped(marked, round(display.position[0]), count))

    def toggle_hidden(self) -> None:
        """Hide or show the frames that a model made."""
        if display := self.display:
            display.synthetic_hidden = not display.synthetic_hidden
            self._views.active.go(round(display.position[0]))
            self._alter()

    # --- playing -----------------------------------------------------------------------------

    @property
    def _run(self) -> Document | None:
        document = self._views.document
        return document if document and document.series.kind == "run" else None

    @property
    def display(self) -> Display | None:
        """How the shown run is looked at; None if none is shown."""
        return self._views.display if self._run else None

    @property
    def on_mark(self) -> bool:
        """Whether the shown frame is marked."""
        display = self.display
        return display is not None and round(display.position[0]) in display.marked

    @property
    def hides(self) -> bool:
        """Whether the frames that a model made are passed over."""
        return self.display is not None and self.display.synthetic_hidden

    def _shown(self, document: Document | None) -> None:
        self._set_playing(False)

    def _set_playing(self, playing: bool) -> None:
        self._timer.stop()
        if playing != self.playing:
            self.playing = playing
            self.playing_changed.emit(playing)

    def _alter(self) -> None:
        if self.playing:
            self._restart()
        self.changed.emit()

    def _restart(self) -> None:
        """Go on from the frame that is shown."""
        run, display = self._run, self.display
        if run is None or display is None:
            return
        frames = frames_shown(run.series, display)
        if self.marks_skipped:
            frames = [frame for frame in frames if frame not in display.marked] or frames
        self._timeline = Timeline.of(run.series, frames[:: self.every], self.swings)
        self._frame = round(display.position[0])
        self._origin = self._timeline.start_of(self._frame)
        self._clock.start()
        self._wait()

    @property
    def _now(self) -> float:
        return self._origin + self._clock.nsecsElapsed() / 1e6 * self.speed

    def _wait(self) -> None:
        if self._timeline is not None:
            self._timer.start(math.ceil(self._timeline.left_at(self._now) / self.speed))

    def _advance(self) -> None:
        """Show the frame that is due now."""
        display, timeline = self.display, self._timeline
        if display is None or timeline is None:
            return
        if round(display.position[0]) != self._frame:  # the user went elsewhere
            self._restart()
        else:
            self._frame = timeline.frames[timeline.place_at(self._now)]
            self._views.active.go(self._frame)
            self._wait()
