"""Contrast medium on its way: the injection, the pulse that drives it, dispersion on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plugins.dsa_interpolation.simulator.vessels import Floats

STEP = 0.02  # s between the places of the table
LEVELS = 24  # of dispersion in the table
LATEST = 16.0  # s after which dispersion grows no more


@dataclass(frozen=True, slots=True)
class Bolus:
    """An injection; times in s."""

    start: float = 0.8
    duration: float = 2.0
    rise: float = 0.25
    strength: float = 0.8  # share of contrast medium in the blood
    dispersion: float = 0.25  # deviation after 1 s on the way, grows with the root of the time
    pulse: float = 0.4  # share of the flow that comes with the heartbeat
    rate: float = 1.1  # heartbeats a second
    beat: float = 0.0  # phase of the heartbeat at time 0, 0 to 1

    def clock(self, times: Floats) -> Floats:
        """Seconds at mean flow that bring blood as far as it has come at `times`."""
        turn = 2 * np.pi
        swing = np.cos(turn * (self.rate * times + self.beat)) - np.cos(turn * self.beat)
        return np.asarray(times - self.pulse * swing / (turn * self.rate))

    def inlet(self, clock: Floats) -> Floats:
        """Share of contrast medium in the blood that enters.

        A hand or a pump pushes evenly into a flow that pulsates: the share swings against it.
        """
        since = clock - self.start
        begun = 1 / (1 + np.exp(-(since / self.rise - 1) * 5))
        ended = 1 / (1 + np.exp(-((since - self.duration) / (1.6 * self.rise) - 1) * 5))
        swing = 1 - 0.5 * self.pulse * np.sin(2 * np.pi * (self.rate * clock + self.beat))
        return np.asarray(self.strength * np.clip(begun - ended, 0, 1) * np.minimum(swing, 1.2))

    def shares(self, delays: Floats, times: Floats) -> NDArray[np.float32]:
        """(n, t): share of contrast medium after `delays` (n,) s on the way at `times` (t,) s."""
        kinds = np.arange(0, float(delays.max(initial=0)) + 2 * STEP, STEP)
        table = self._table(float(times.max(initial=0)) + 2)
        level = np.sqrt(np.clip(kinds, 0, LATEST) / LATEST) * (LEVELS - 1)
        place = (self.clock(times)[None, :] - kinds[:, None]) / STEP
        where = np.stack(np.broadcast_arrays(level[:, None], place)).astype(np.float32)
        found = ndimage.map_coordinates(table, where, order=1, mode="nearest", output=np.float32)
        found[place <= 0] = 0
        return np.asarray(found[np.rint(delays / STEP).astype(int)])

    def _table(self, until: float) -> Floats:
        """(level, time): the injection, ever more dispersed; late tails as blood mixes."""
        inlet = self.inlet(np.arange(0, until, STEP))
        deviations = self.dispersion * np.sqrt(LATEST) * np.linspace(0, 1, LEVELS) / STEP
        return np.stack([_dispersed(inlet, deviation) for deviation in deviations])


def _dispersed(curve: Floats, deviation: float) -> Floats:
    """Half of it spreads evenly, half trails behind, as in a tube with slow walls."""
    if deviation < 0.5:
        return curve.astype(np.float32)
    even = ndimage.gaussian_filter1d(curve, 0.7 * deviation, mode="constant")
    fall = np.exp(-np.arange(int(6 * deviation)) / (0.7 * deviation))
    trailing = np.convolve(even, fall / fall.sum())[: len(curve)]
    return np.asarray(trailing, np.float32)
