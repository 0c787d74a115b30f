"""A whole angiography run with everything that is true about it: `simulate(rng, Settings())`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from plugins.dsa_interpolation.simulator.anatomy import patient
from plugins.dsa_interpolation.simulator.background import fractal
from plugins.dsa_interpolation.simulator.moves import moves
from plugins.dsa_interpolation.simulator.scene import Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plugins.dsa_interpolation.simulator.background import Image
    from plugins.dsa_interpolation.simulator.settings import Settings
    from plugins.dsa_interpolation.simulator.vessels import Floats

AIR = 0.6  # share of the median absorption below which there is no patient


@dataclass(frozen=True, slots=True)
class Run:
    """Frames as a system stores them, and the truth behind them."""

    frames: NDArray[Any]  # (t, y, x) uint8 or uint16, vessels dark
    times: Floats  # (t,) ms
    density: Image  # (t, y, x) absorption by contrast, natural logarithm, before blur and scatter
    background: Image  # (t, y, x) absorption by everything else
    motion: Floats  # (t, 2) px (y, x): where the patient has gone since the first frame
    turned: Floats  # (t,) degrees that the patient has turned since the first frame
    arrival: Image  # (y, x) ms, NaN without contrast; see Scene.maps
    peak: Image  # (y, x) ms, NaN without contrast
    exposure: Image  # (t, y, x) mean intensity without noise
    mask: Image  # (y, x) the same in the first frame's position, without contrast
    settings: Settings


def simulate(rng: np.random.Generator, settings: Settings, *, maps: bool = True) -> Run:
    """A run; without `maps`, arrival and peak stay NaN and some time is saved."""
    times = np.asarray(settings.times, float)
    scene = _scene(rng, settings, times / 1000)
    density = scene.densities(times / 1000)
    behind = _equalised(scene.behind(), settings) + scene.catheters() + _shutter(rng, settings)
    made = settings.detector
    exposure = np.stack([made.exposed(c + b) for c, b in zip(density, behind, strict=True)])
    frames = np.stack([made.stored(made.noisy(rng, frame)) for frame in exposure])
    unknown = np.full(settings.shape, np.nan, np.float32)
    arrival, peak = scene.maps(times / 1000) if maps else (unknown, unknown)
    return Run(
        frames=frames,
        times=times,
        density=density,
        background=behind,
        motion=scene.moves.shift - scene.moves.shift[0],
        turned=scene.moves.degrees - scene.moves.degrees[0],
        arrival=arrival,
        peak=peak,
        exposure=exposure,
        mask=made.exposed(behind[0]),
        settings=settings,
    )


def _scene(rng: np.random.Generator, settings: Settings, seconds: Floats) -> Scene:
    someone = patient(rng, settings)
    texture = np.maximum(1 + 0.3 * fractal(rng, settings.widened().shape, 1.0, 1.5), 0)
    return Scene(settings, someone, texture, moves(rng, settings, seconds))


def _equalised(behind: Image, settings: Settings) -> Image:
    """Exposure control: mean intensity 1, and the contrast of a prepared picture."""
    inner = behind[0, ::4, ::4]
    inner = inner[inner > AIR * np.median(inner)]
    share = np.float32(min(1.0, settings.contrast / max(float(inner.std()), 1e-3)))
    squeezed = share * (behind - inner.mean())
    return np.asarray(squeezed + np.log(np.exp(-squeezed[0, ::4, ::4]).mean()), np.float32)


def _shutter(rng: np.random.Generator, settings: Settings) -> Image:
    """(y, x) absorption by the collimator's blades."""
    place = (np.arange(settings.size, dtype=np.float32) * 2 + 1) / settings.size - 1
    y, x = (np.abs(place - offset) for offset in rng.normal(0, 0.03, 2))
    power = rng.choice((8, 24, 40))
    edge = (y[:, None] ** power + x[None] ** power) ** (1 / power)
    depth, sharp = rng.uniform(0.8, 2.5), rng.uniform(50, 150)
    return np.asarray(depth / (1 + np.exp((settings.collimator - edge) * sharp)), np.float32)
