"""A patient on the table: vessels, catheter and what lies behind them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from plugins.dsa_interpolation.simulator import head, heart
from plugins.dsa_interpolation.simulator.skull import skull
from plugins.dsa_interpolation.simulator.thorax import heart_shadow, thorax
from plugins.dsa_interpolation.simulator.vessels import Growth, Vessels, join

if TYPE_CHECKING:
    from collections.abc import Callable

    from plugins.dsa_interpolation.simulator.background import Image
    from plugins.dsa_interpolation.simulator.carm import CArm
    from plugins.dsa_interpolation.simulator.settings import Settings
    from plugins.dsa_interpolation.simulator.vessels import Floats

CAPILLARIES = 900  # balls of tissue that stain


@dataclass(frozen=True, slots=True)
class Layers:
    """Shadows without contrast, with a margin: each moves as a whole."""

    still: Image
    breathing: Image | None = None
    beating: Image | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """Vessels in LPS about `centre`, or in the heart's frame; mm."""

    vessels: Vessels
    capillaries: Vessels
    catheter: Vessels
    centre: Floats
    layers: Callable[[CArm], Layers]


def patient(rng: np.random.Generator, settings: Settings) -> Patient:
    """Drawn for the settings."""
    pixel = settings.field_mm / settings.size
    growth = Growth(step=max(0.12, 0.6 * pixel), thinnest=max(0.2, 0.5 * pixel))
    return (_with_heart if settings.style == "coronary" else _with_head)(rng, settings, growth)


def _with_heart(rng: np.random.Generator, settings: Settings, growth: Growth) -> Patient:
    side = settings.part or str(rng.choice(["left", "right"]))
    arteries = heart.coronary(rng, side, growth, settings.calibre)
    root = arteries.points[0]
    catheter = heart.catheter(rng, root)
    vessels = join([arteries, heart.reflux(rng, root), _lumen(catheter)])
    stain = _capillaries(rng, arteries, 0.1 * settings.blush, 1.6, 5.0)
    shape, seed = settings.widened().shape, int(rng.integers(2**31))

    def layers(carm: CArm) -> Layers:
        same = np.random.default_rng(seed)
        return Layers(*thorax(same, carm, shape), heart_shadow(same, carm, shape))

    return Patient(vessels, stain, catheter, rng.normal(0, 8, 3), layers)


def _with_head(rng: np.random.Generator, settings: Settings, growth: Growth) -> Patient:
    kind = settings.part or str(rng.choice(["carotid", "carotid", "vertebral"]))
    make = head.anterior_circulation if kind == "carotid" else head.posterior_circulation
    arteries = make(rng, int(rng.choice((-1, 1))), growth, settings.calibre)
    catheter = head.catheter(rng, arteries.points[0])
    through = float(np.quantile(arteries.delays, 0.8)) + rng.uniform(1.2, 2.2)
    veins = head.veins(rng, growth, settings.calibre, through, settings.veins)
    stain = _capillaries(rng, arteries, 0.5 * settings.blush, 0.9, 7.0)
    shape, seed = settings.widened().shape, int(rng.integers(2**31))

    def layers(carm: CArm) -> Layers:
        return Layers(skull(np.random.default_rng(seed), carm, shape))

    centre = rng.normal(0, 6, 3) + np.array((0, 0, 8.0))
    return Patient(join([arteries, _lumen(catheter), veins]), stain, catheter, centre, layers)


def _capillaries(
    rng: np.random.Generator, arteries: Vessels, filled: float, delay: float, radius: float
) -> Vessels:
    """Tissue about the finest arteries, as wide soft balls, filled a little and late."""
    fine = np.flatnonzero(arteries.radii < np.quantile(arteries.radii, 0.5))
    chosen = rng.choice(fine, min(CAPILLARIES, len(fine)), replace=False)
    count = len(chosen)
    points = arteries.points[chosen] + rng.normal(0, 0.4 * radius, (count, 3))
    lengths = 0.5 * filled / radius * rng.uniform(0.3, 1.7, count)
    delays = arteries.delays[chosen] + delay * rng.uniform(0.6, 1.5, count)
    return Vessels(points, rng.uniform(0.7, 1.4, count) * radius, lengths, delays)


def _lumen(catheter: Vessels) -> Vessels:
    """What flows inside a catheter, ahead of the blood."""
    delays = np.zeros(len(catheter.radii))
    return replace(catheter, radii=0.72 * catheter.radii, delays=delays)
