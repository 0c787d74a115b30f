"""How long something with many steps will still take."""

from __future__ import annotations

import time

STEADY = 3  # steps after which a forecast is worth telling


class Pace:
    """Counts steps from now on."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self._start = total, 0, time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self.done += 1

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._start

    @property
    def remaining(self) -> float | None:
        """Seconds, None while nobody can know."""
        if self.done < min(STEADY, self.total):
            return None
        return self.seconds / max(self.done, 1) * (self.total - self.done)

    @property
    def sentence(self) -> str:
        """Such as "12 of 300 cases, about 2 h 10 min left"."""
        said = f"{self.done} of {self.total} case{'' if self.total == 1 else 's'}"
        left = self.remaining
        return said if left is None or self.done == self.total else f"{said}, {_about(left)} left"


def _about(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"about {hours} h {minutes} min" if hours < 48 else f"about {round(hours / 24)} days"
