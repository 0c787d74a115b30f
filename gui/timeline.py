"""Which frames of a run are shown, in which order and for how long; knows no Qt."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from gui.display import frame_durations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.display import Display
    from inference.series import Series


def frames_shown(series: Series, display: Display) -> list[int]:
    """The frames that can be looked at: all, or those that were taken."""
    flags = series.synthetic if display.synthetic_hidden else None
    frames = range(series.spatial_shape[0])
    return [i for i in frames if not flags[i]] if flags else list(frames)


def stepped(frames: Sequence[int], here: int, count: int) -> int:
    """The frame so many on, at most the first or last; `here` need not be one of the frames."""
    start = bisect_right(frames, here) - 1 if count > 0 else bisect_left(frames, here)
    return frames[min(max(start + count, 0), len(frames) - 1)]


def nearest(frames: Sequence[int], index: int) -> int:
    """The frame next to a number, the earlier of two."""
    return min(frames, key=lambda frame: abs(frame - index))


@dataclass(frozen=True)
class Timeline:
    """Frames in the order in which they are played, again and again."""

    frames: tuple[int, ...]
    durations: tuple[float, ...]  # ms, of each at true speed

    @classmethod
    def of(cls, series: Series, frames: Sequence[int], swing: bool = False) -> Timeline:
        """Each frame stays until the next one of these is due, so that the run keeps its pace."""
        stored = frame_durations(series)
        ends = [*frames[1:], len(stored)]
        lasting = {a: float(sum(stored[a:b])) for a, b in zip(frames, ends, strict=True)}
        order = [*frames, *frames[-2:0:-1]] if swing else list(frames)
        return cls(tuple(order), tuple(lasting[frame] for frame in order))

    @cached_property
    def ends(self) -> tuple[float, ...]:
        """When each is over, ms from the start."""
        return tuple(accumulate(self.durations))

    @property
    def starts(self) -> list[float]:
        """When each is due, ms from the start."""
        return [end - lasting for end, lasting in zip(self.ends, self.durations, strict=True)]

    def place_at(self, ms: float) -> int:
        """The place in `frames` that is due."""
        return bisect_right(self.ends, ms % self.ends[-1])

    def start_of(self, frame: int) -> float:
        """When a frame, or else the one next to it, is first due, ms."""
        place = self.frames.index(nearest(self.frames, frame))
        return self.starts[place]

    def left_at(self, ms: float) -> float:
        """How long until the next frame is due, ms."""
        return self.ends[self.place_at(ms)] - ms % self.ends[-1]
