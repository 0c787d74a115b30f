"""Maps of a run as pictures: colours for what was measured, brightness for how much contrast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gui.display import Legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference.series import Array
    from inference.windowing import Window

# "Turbo" (A. Mikhailov, 2019) without its dark ends, at equal steps.
TURBO = (
    "#4145ab", "#4675ed", "#39a2fc", "#1bcfd4", "#24eca6", "#61fc6c", "#a4fc3b", "#d1e834",
    "#f3c63a", "#fe9b2d", "#f36315", "#d93806",
)  # fmt: skip
EARLY_FIRST = TURBO[::-1]
"""Red for early and blue for late, as angiography systems show time."""
DARKEST = 0.3
"""Brightness of the faintest contrast that still has a colour."""
STRONG = 99.0
"""Percentile of the peak density that is shown at full brightness."""


@dataclass(frozen=True, slots=True)
class MapKind:
    """What a map shows."""

    key: str
    title: str
    unit: str
    colors: Sequence[str]
    divisor: float = 1.0  # from what was computed to the unit shown
    help: str = ""


@dataclass(frozen=True, eq=False)
class MapPicture:
    """A coloured map (y, x), NaN where there is no contrast; the same for every frame."""

    kind: MapKind
    values: Array  # in the unit shown
    peak: Array  # (y, x) largest density, for the brightness
    low: float
    high: float
    window: Window = (127.5, 255.0)

    @property
    def title(self) -> str:
        """For the corner of the view."""
        return self.kind.title

    @property
    def legend(self) -> Legend:
        """The scale."""
        kind = self.kind
        ends = f"{self.low:.3g} {kind.unit}", f"{self.high:.3g} {kind.unit}"
        return Legend(kind.title, kind.colors, *ends)

    def frame(self, index: int) -> Array:
        """uint8 (y, x, 3)."""
        return self._colored

    def scaled(self, low: float, high: float) -> MapPicture:
        """The same map on another scale."""
        return replace(self, low=low, high=high)

    def value(self, index: int, y: int, x: int) -> str:
        """With its unit."""
        value = float(self.values[y, x])
        return f"{value:.3g} {self.kind.unit}" if np.isfinite(value) else "no contrast"

    @cached_property
    def _colored(self) -> Array:
        known = np.isfinite(self.values)
        share = (np.nan_to_num(self.values) - self.low) / max(self.high - self.low, 1e-9)
        steps = np.clip(share, 0, 1) * 255
        strength = np.nan_to_num(self.peak) / max(_strong(self.peak, known), 1e-9)
        light = np.sqrt(np.clip(strength, 0, 1))
        light = np.where(known, np.maximum(light, DARKEST), 0)
        colors = table(self.kind.colors)[steps.astype(np.uint8)]
        colored: Array = (colors * light[..., None]).astype(np.uint8)
        return colored


@dataclass(frozen=True, eq=False)
class PeakPicture:
    """Peak opacity (y, x): every place as dark as it becomes in the run."""

    values: Array
    window: Window
    subtracted: bool  # its values are densities, else stored grey levels
    title: str = "Peak opacity"
    legend: Legend | None = None

    def frame(self, index: int) -> Array:
        """(y, x), the same for every frame."""
        return self.values

    def value(self, index: int, y: int, x: int) -> str:
        """In the unit of the frames."""
        return grey_text(float(self.values[y, x]), self.subtracted)


def grey_text(value: float, subtracted: bool) -> str:
    """What a frame has at a place; contrast is positive, as in the curves."""
    return f"{-value:.3f} ln" if subtracted else f"{value:.4g}"


def fitting(values: Array) -> tuple[float, float]:
    """Lowest and highest value of a scale that leaves outliers out."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(known, (2, 98)))
    return low, high if high > low else low + 1.0


def table(colors: Sequence[str]) -> Array:
    """256 colours (256, 3), 0 to 255, through the given ones at equal steps."""
    known = np.array([list(bytes.fromhex(color[1:])) for color in colors], float)
    places = np.linspace(0, len(colors) - 1, 256)
    channels = [np.interp(places, np.arange(len(colors)), known[:, i]) for i in range(3)]
    return np.stack(channels, axis=1)


def _strong(peak: Array, known: Array) -> float:
    return float(np.percentile(peak[known], STRONG)) if known.any() else 1.0
