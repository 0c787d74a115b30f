"""How patient, table, heart and C-arm move during a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from plugins.dsa_interpolation.simulator.settings import Settings
    from plugins.dsa_interpolation.simulator.vessels import Floats

GRID = 0.05  # s
SLOW = 0.7  # s over which a patient's drift lasts


@dataclass(frozen=True, slots=True)
class Moves:
    """Per frame."""

    shift: Floats  # (t, 2) px (y, x) of everything
    degrees: Floats  # (t,) that everything turns in the picture
    breath: Floats  # (t,) mm towards the feet
    contraction: Floats  # (t,) of the heart
    primary: Floats  # (t,) degrees, of the C-arm

    def none(self) -> Moves:
        """The first frame's view of a patient at rest."""
        rest = np.zeros(1)
        return Moves(np.zeros((1, 2)), rest, rest, rest, self.primary[:1])


def moves(rng: np.random.Generator, settings: Settings, seconds: Floats) -> Moves:
    """Of a run with frames at `seconds` (t,)."""
    motion = settings.motion
    drift = _drift(rng, settings, seconds)
    panned = np.maximum(seconds - motion.pan_start, 0)[:, None] * np.array(motion.pan)
    phase = 2 * np.pi * motion.breaths * seconds + rng.uniform(0, 2 * np.pi)
    return Moves(
        drift[:, :2] + panned,
        drift[:, 2],
        0.5 * motion.breath * (1 - np.cos(phase)),
        settings.heartbeat.contraction(seconds),
        settings.carm.primary + motion.swing * seconds,
    )


def _drift(rng: np.random.Generator, settings: Settings, seconds: Floats) -> Floats:
    """(t, 3) y and x, px, and degrees: a slow drift with one jerk."""
    motion = settings.motion
    grid = np.arange(0, max(seconds[-1], 1) + 1, GRID)
    drift = ndimage.gaussian_filter1d(rng.standard_normal((len(grid), 3)), SLOW / GRID, axis=0)
    drift *= np.sqrt(2 * np.sqrt(np.pi) * SLOW / GRID)
    drift *= np.array((motion.shake, motion.shake, motion.turn))
    when, angle = rng.uniform(0.25, 0.9) * grid[-1], rng.uniform(0, 2 * np.pi)
    share = 1 / (1 + np.exp(-np.clip((grid - when) / 0.12, -50, 50)))
    drift[:, :2] += motion.jerk * share[:, None] * np.array((np.sin(angle), np.cos(angle)))
    return np.stack([np.interp(seconds, grid, column) for column in drift.T], axis=1)
