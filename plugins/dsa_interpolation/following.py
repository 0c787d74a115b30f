"""Curves of regions of a run, and their figures as a table shows them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from gui.display import frame_durations
from plugins.dsa_interpolation.curves import Figures, density, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inference.series import Array, Series
    from plugins.dsa_interpolation.regions import Point, Region
    from plugins.dsa_interpolation.scatter import Scatter
    from plugins.dsa_interpolation.subtraction import Subtractor

Known = list[tuple["Region", "Followed"]]


@dataclass(frozen=True, eq=False)
class Followed:
    """The curve of one region (t,), density, and what it tells."""

    curve: Array
    figures: Figures


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; a text for each region."""

    caption: str
    help: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Figure:
    name: str
    caption: str
    help: str
    divisor: float = 1.0
    digits: int = 2


FIGURES = (
    _Figure("arrival", "Arrival, s", "When a tenth of the peak is reached", 1000),
    _Figure("time_to_peak", "Peak at, s", "When the density is largest", 1000),
    _Figure("peak", "Peak, ln", "Largest density above the baseline", digits=3),
    _Figure("width", "Width, s", "Full width at half maximum", 1000),
    _Figure("area", "Area, ln·s", "Under the first pass of the contrast", 1000),
    _Figure("mean_transit", "Transit, s", "From arrival to the centre of the first pass", 1000),
)
COARSE = 320
"""Rows and columns in which scatter is looked for."""
UNKNOWN = "\N{EN DASH}"


def run_times(series: Series) -> tuple[float, ...]:
    """When each frame was taken, ms from the first; as the cine plays where unknown."""
    times = series.frame_times
    if times and len(times) == series.spatial_shape[0]:
        return times
    return tuple(map(float, accumulate(frame_durations(series)[:-1], initial=0)))


def frame_at(times: Sequence[float], ms: float) -> int:
    """The frame next to a time."""
    return int(np.abs(np.subtract(times, ms)).argmin())


def scatter_over(subtractor: Subtractor, series: Series) -> Scatter | None:
    """Scatter over a run as it is subtracted; None if it is not, for then bone is in its densities.

    It is so wide that averaged blocks tell it.
    """
    if not subtractor.settings.on:
        return None
    from plugins.dsa_interpolation.maps import scatter_of  # only then, for scipy takes long to load

    factor = -(-max(series.spatial_shape[1:]) // COARSE)
    return scatter_of(subtractor.stack(factor), np.asarray(run_times(series)))


def follow(
    subtractor: Subtractor,
    series: Series,
    regions: Sequence[Region],
    scatter: Scatter | None,
    wanted: Callable[[], bool],
) -> dict[tuple[Point, ...], Followed]:
    """The curves of regions, behind scatter, by corners; nothing once they are wanted no more."""
    rows, columns = series.spatial_shape[1:]
    masks = [region.inside((rows, columns)) for region in regions]
    some = np.logical_or.reduce(masks)
    curves = np.zeros((len(regions), len(subtractor)), np.float32)
    for index in range(len(subtractor)):
        if not wanted():
            return {}
        picture = subtractor.density(index)
        if scatter is not None:
            picture[some] -= scatter.taken(index, -picture, some)
        curves[:, index] = [density(picture[None], mask)[0] for mask in masks]
    times = run_times(series)
    return {
        region.corners: Followed(curve, measure(times, curve))
        for region, curve in zip(regions, curves, strict=True)
    }


def rows_of(known: Known) -> list[Row]:
    """What the table shows of these regions."""
    return [
        Row(f.caption, f.help, tuple(_text(f, followed.figures) for _, followed in known))
        for f in FIGURES
    ]


def _text(figure: _Figure, figures: Figures) -> str:
    value = getattr(figures, figure.name)
    return UNKNOWN if value is None else f"{value / figure.divisor:.{figure.digits}f}"
