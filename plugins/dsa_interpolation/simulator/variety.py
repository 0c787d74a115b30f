"""Runs as they differ from clinic to clinic and from patient to patient."""

from __future__ import annotations

import numpy as np

from plugins.dsa_interpolation.simulator.carm import CArm
from plugins.dsa_interpolation.simulator.detector import Detector
from plugins.dsa_interpolation.simulator.heart import Heartbeat
from plugins.dsa_interpolation.simulator.settings import Motion, Settings
from plugins.dsa_interpolation.simulator.transport import Bolus

CORONARY_VIEWS = ((30, 0), (-30, 0), (0, -28), (0, 30), (-20, 25), (-30, -25), (45, -25), (50, 25),
                  (5, 0), (85, 0))  # fmt: skip
CEREBRAL_VIEWS = ((0, -12), (0, 0), (90, 0), (-90, 0), (30, 0), (-35, -5), (0, -25), (55, 10))


def drawn(
    rng: np.random.Generator, size: int, times: tuple[float, ...], beating: float
) -> Settings:
    """Settings of one run; a coronary one with probability `beating`."""
    return (_coronary if rng.random() < beating else _cerebral)(rng, size, times)


def _coronary(rng: np.random.Generator, size: int, times: tuple[float, ...]) -> Settings:
    rate, beat = rng.uniform(0.8, 1.8), rng.random()
    return Settings(
        style="coronary",
        size=size,
        times=times,
        carm=_view(rng, CORONARY_VIEWS),
        field_mm=rng.uniform(85, 135) * min(1.0, size / 384),
        bolus=Bolus(
            duration=rng.uniform(1.2, 3.0), strength=rng.uniform(0.6, 1.0),
            pulse=rng.uniform(0.2, 0.7), rate=rate, beat=beat,
        ),
        heartbeat=Heartbeat(rate, beat, rng.uniform(0.7, 1.5), rng.uniform(0, 0.15)),
        motion=Motion(
            shake=rng.uniform(0, 2),
            breath=rng.uniform(2, 24) * (rng.random() < 0.7),
            breaths=rng.uniform(0.2, 0.6),
            pan=_pan(rng, 0.5, 0.2 * size),
            pan_start=rng.uniform(0, 3),
            swing=_swing(rng),
        ),
        detector=detector(rng),
        contrast=rng.uniform(0.2, 0.5),
        calibre=rng.uniform(0.85, 1.35),
        collimator=rng.uniform(0.88, 1.1),
        blush=rng.uniform(0.2, 1.5),
    )  # fmt: skip


def _cerebral(rng: np.random.Generator, size: int, times: tuple[float, ...]) -> Settings:
    return Settings(
        style="cerebral",
        size=size,
        times=times,
        carm=_view(rng, CEREBRAL_VIEWS),
        field_mm=rng.uniform(110, 215) * min(1.0, size / 384),
        bolus=Bolus(
            duration=rng.uniform(1.0, 3.0), strength=rng.uniform(0.4, 0.95),
            pulse=rng.uniform(0.1, 0.5), rate=rng.uniform(0.8, 1.5), beat=rng.random(),
            dispersion=rng.uniform(0.15, 0.4),
        ),
        motion=Motion(
            shake=rng.uniform(0, 0.5), jerk=rng.uniform(0, 6) * (rng.random() < 0.35),
            turn=rng.uniform(0, 0.6) * (rng.random() < 0.3), pan=_pan(rng, 0.08, 0.08 * size),
            swing=_swing(rng),
        ),
        detector=detector(rng),
        contrast=rng.uniform(0.25, 0.6),
        calibre=rng.uniform(0.8, 1.25),
        collimator=rng.uniform(0.92, 1.2),
        veins=rng.uniform(0.5, 1.2),
        blush=rng.uniform(0.3, 1.5),
    )  # fmt: skip


def detector(rng: np.random.Generator) -> Detector:
    """Any detector and any way to store a picture."""
    logarithmic = rng.random() < 0.3
    return Detector(
        bits=int(rng.choice((8, 10, 12, 14), p=(0.4, 0.2, 0.25, 0.15))),
        intensity="logarithmic" if logarithmic else "linear",
        quanta=float(np.exp(rng.uniform(np.log(500), np.log(15000)))),
        electronic=rng.uniform(1, 8),
        blur=rng.uniform(0.35, 1.2),
        scatter=rng.uniform(0.1, 1.0),
        gamma=rng.uniform(0.7, 1.5),
        level=rng.uniform(0.55, 0.72) if logarithmic else rng.uniform(0.3, 0.52),
    )


def _view(rng: np.random.Generator, views: tuple[tuple[int, int], ...]) -> CArm:
    primary, secondary = views[rng.integers(len(views))]
    near = rng.uniform(700, 800)
    return CArm(
        primary + rng.normal(0, 5), secondary + rng.normal(0, 4), near, near + rng.uniform(250, 420)
    )


def _pan(rng: np.random.Generator, often: float, most: float) -> tuple[float, float]:
    if rng.random() > often:
        return 0.0, 0.0
    y, x = rng.uniform(-most, most, 2)
    return float(y), float(x)


def _swing(rng: np.random.Generator) -> float:
    """Rotational runs turn some 20 to 40 degrees a second."""
    return float(rng.uniform(-30, 30)) if rng.random() < 0.05 else 0.0
