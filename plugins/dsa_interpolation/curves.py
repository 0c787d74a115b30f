"""How contrast comes and goes: time-density curves of regions, and the figures drawn from them.

One set of definitions serves regions and, pixel by pixel, the maps. Times are ms on the run's clock
(its first frame is 0), densities natural-log attenuation by contrast, positive.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from inference.writing import write_csv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inference.series import Array

    Curves = NDArray[np.float32]

SMOOTHED = 250.0
"""Half the time in which samples are fitted by a parabola, ms: contrast takes longer to change."""
ARRIVED = 0.1
"""Share of the peak at which contrast has come, and at which its first pass is over."""
NEAR = 0.9
"""Share of the peak from which samples tell its time, where there are enough of them."""
HALF = 0.5


@dataclass(frozen=True, slots=True)
class Figures:
    """What a time-density curve tells; None where the run does not show it."""

    arrival: float | None  # ms: where the curve, on its way to the peak, passes a tenth of it
    time_to_peak: float | None  # ms: vertex of the parabola through the peak and its neighbours
    peak: float | None  # density above the baseline, the mean before the arrival
    width: float | None  # ms: full width at half maximum
    area: float | None  # density x ms: under the first pass, from arrival to a tenth or the end
    mean_transit: float | None  # ms from arrival to the first pass's centre of mass, if half gone


class Timing(NamedTuple):
    """`Figures` of many curves, (n,) each; NaN where the run does not show it."""

    arrival: Curves
    time_to_peak: Curves
    peak: Curves
    width: Curves
    area: Curves
    mean_transit: Curves


def density(stack: Array, inside: Array) -> Curves:
    """Mean density (t,) over the pixels inside (y, x), positive; `stack` has vessels negative."""
    curve: Curves = -stack[:, inside].mean(axis=1, dtype=np.float32)
    return curve


def measure(times: Sequence[float], curve: Array) -> Figures:
    """The figures of one curve (t,) at `times`, ms."""
    found = timing(np.asarray(times, np.float64), np.asarray(curve, np.float32)[:, None])
    values = {name: float(value[0]) for name, value in found._asdict().items()}
    return Figures(**{name: v if np.isfinite(v) else None for name, v in values.items()})


def write_curves(path: Path, times: Sequence[float], curves: Mapping[str, Array]) -> None:
    """`path` with a row per frame and a column per region, and `<stem>_figures.csv`; UserError."""
    samples = [
        {"frame": index, "time_ms": round(float(time), 3)}
        | {name: round(float(curve[index]), 5) for name, curve in curves.items()}
        for index, time in enumerate(times)
    ]
    figures = [{"region": name} | asdict(measure(times, curve)) for name, curve in curves.items()]
    write_csv(path, samples)
    write_csv(path.with_name(f"{path.stem}_figures{path.suffix}"), figures)


def timing(times: Array, curves: Array) -> Timing:
    """Figures of curves (t, n) at `times` (t,), ms; samples not later than others are left out."""
    later = np.diff(np.maximum.accumulate(times), prepend=-np.inf) > 0
    times, curves = times[later], curves[later]
    count = len(times)
    if count < 3 or curves.shape[1] == 0:
        nothing = np.full(curves.shape[1], np.nan, np.float32)
        return Timing(*(nothing for _ in fields(Figures)))
    smooth = smoother(times) @ curves
    above = smooth - _baseline(smooth, curves)
    top = above.argmax(axis=0)
    vertex, peak = _vertex(times, above, top)
    fitted = _fitted_peak(times, above, top, peak)
    peak_time = np.where(np.isnan(fitted), vertex, fitted)
    arrival = _passed(times, above, top, ARRIVED * peak, -1)
    rise = _passed(times, above, top, HALF * peak, -1)
    fall = _passed(times, above, top, HALF * peak, 1)
    area, centre = _first_pass(times, above, top, peak)
    some = peak > 0
    transit = np.where(np.isfinite(fall), centre - arrival, np.nan)
    found = (arrival, peak_time, peak, fall - rise, area, transit)
    return Timing(*(np.where(some, values, np.nan).astype(np.float32) for values in found))


def smoother(times: Array) -> NDArray[np.float32]:
    """(t, t): what each sample counts in the parabola fitted about each time (Cleveland 1979).

    Where frames are so far apart that a parabola goes through them, nothing is smoothed.
    """
    apart = (times[None, :] - times[:, None]) / SMOOTHED
    weights = np.maximum(1 - np.abs(apart) ** 3, 0) ** 3
    rows = np.eye(len(times))
    for i, (far, weight) in enumerate(zip(apart, weights, strict=True)):
        near = weight > 0
        if near.sum() > 3:
            root = np.sqrt(weight[near])
            powers = np.vander(far[near], 3) * root[:, None]
            rows[i, near] = np.linalg.pinv(powers)[-1] * root
    return rows.astype(np.float32)


def _baseline(smooth: Curves, curves: Curves) -> Curves:
    """Mean (n,) of the samples before contrast comes, or the least before the peak."""
    index = np.arange(len(curves), dtype=np.int32)[:, None]
    level = np.where(index <= smooth.argmax(axis=0), smooth, np.inf).min(axis=0)
    sums = np.cumsum(curves, axis=0)
    for _ in range(2):
        above = smooth - level
        last = _last_below(above, above.argmax(axis=0), ARRIVED * above.max(axis=0))
        mean = _at(sums, np.maximum(last, 0)) / np.maximum(last + 1, 1)
        level = np.where(last < 0, level, mean)
    base: Curves = level.astype(np.float32)
    return base


def _last_below(above: Curves, top: Array, level: Array) -> Array:
    """Index (n,) of the last sample before the peak that is under `level`, -1 if there is none."""
    index = np.arange(len(above), dtype=np.int32)[:, None]
    last: Array = np.where((above < level) & (index < top), index, -1).max(axis=0)
    return last


def _passed(times: Array, above: Curves, top: Array, level: Array, way: int) -> Array:
    """When (n,) curves pass `level` nearest the peak, before it (-1) or after it (1); else NaN.

    Between the samples on both sides a parabola that the next one bends: the foot is hollow.
    """
    if way > 0:
        end = len(times) - 1
        mirrored = _passed(-times[::-1], above[::-1], end - top, level, -1)
        return -mirrored
    low = _last_below(above, top, level)
    first = np.maximum(low, 0)
    second, third = first + 1, np.minimum(first + 2, len(times) - 1)
    start, rise = _at(above, first), _at(above, second) - _at(above, first)
    step = times[second] - times[first]
    next_step = np.maximum(times[third] - times[second], 1e-9)
    next_rise = _at(above, third) - _at(above, second)
    bend = (next_rise / next_step * step - rise) * step / (step + next_step)
    bend = np.where(third > second, bend.clip(-np.abs(rise), np.abs(rise)), 0)  # still rises
    straight = rise - bend
    root = np.sqrt(np.maximum(straight**2 + 4 * bend * (level - start), 0))
    share = 2 * (level - start) / np.maximum(straight + root, 1e-12)
    return np.where(low < 0, np.nan, times[first] + share.clip(0, 1) * step)


def _vertex(times: Array, above: Curves, top: Array) -> tuple[Array, Array]:
    """Time and height (n,) of the peaks; a curve that still rises at the end shows no peak time."""
    last = len(times) - 1
    middle = top.clip(1, last - 1)
    before, at, after = (_at(above, middle + n) for n in (-1, 0, 1))
    left, right = times[middle] - times[middle - 1], times[middle + 1] - times[middle]
    rise, drop = (at - before) / left, (after - at) / right
    bend = np.minimum((drop - rise) / (left + right), -1e-12)
    slope = (rise * right + drop * left) / (left + right)
    ahead = (-slope / (2 * bend)).clip(-left, right)
    time = times[middle] + ahead
    height = at + slope * ahead + bend * ahead**2
    inner = top == middle
    time = np.where(inner, time, np.where(top == 0, times[0], np.nan))
    return time, np.where(inner, height, _at(above, top))


def _fitted_peak(times: Array, above: Curves, top: Array, peak: Array) -> Array:
    """Time (n,) of the maximum of a cubic through the samples near the peak; NaN if too few.

    A parabola would be drawn to the slow side: contrast leaves more slowly than it comes.
    """
    inside = _about_peak(above, top, NEAR * peak)
    scale = np.maximum(np.where(inside, np.abs(times[:, None] - times[top]), 0).max(axis=0), 1e-9)
    place = ((times[:, None] - times[top]) / scale).astype(np.float32)
    powers = [inside.astype(np.float32)]
    for _ in range(6):
        powers.append(powers[-1] * place)
    sums = np.stack([power.sum(axis=0, dtype=np.float64) for power in powers])
    drive = np.stack([(power * above).sum(axis=0, dtype=np.float64) for power in powers[:4]])
    order = np.arange(4)
    normal = sums[order[:, None] + order].transpose(2, 0, 1) + 1e-9 * np.eye(4)
    _, slope, bend, twist = np.linalg.solve(normal, drive.T[..., None])[..., 0].T
    root = bend**2 - 3 * twist * slope
    ahead = -slope / np.minimum(bend - np.sqrt(np.maximum(root, 0)), -1e-12)
    usable = (sums[0] >= 6) & (root > 0) & (bend < 0) & (np.abs(ahead) < 1)
    return np.where(usable, times[top] + ahead * scale, np.nan)


def _about_peak(above: Curves, top: Array, level: Array) -> Array:
    """Which samples (t, n) about the peak are over `level` without a gap."""
    end = len(above) - 1
    first = _last_below(above, top, level)
    last = end - _last_below(above[::-1], end - top, level)
    index = np.arange(len(above), dtype=np.int32)[:, None]
    inside: Array = (index > first) & (index < last)
    return inside


def _first_pass(times: Array, above: Curves, top: Array, peak: Array) -> tuple[Array, Array]:
    """Area and centre of mass (n,) between the samples about the peak that are over a tenth."""
    weights = np.gradient(times).astype(np.float32)
    weights[[0, -1]] /= 2
    part = np.where(_about_peak(above, top, ARRIVED * peak), above, 0) * weights[:, None]
    area = part.sum(axis=0)
    return area, (times.astype(np.float32) @ part) / np.maximum(area, 1e-12)


def _at(values: Array, index: Array) -> Array:
    """The value of each column (n,) at its own row."""
    found: Array = np.take_along_axis(values, index[None], axis=0)[0]
    return found
