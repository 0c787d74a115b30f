"""Frames of any depth to what the network sees and back, and how far its frames can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.series import Array

MOST = 7
"""Frames between two taken ones, at most."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps `low` to 0 and `low + width` to 1; nothing is cut off, so no value is lost."""

    low: float
    width: float

    @classmethod
    def of(cls, frames: Array) -> Scale:
        """From all but the darkest and the brightest thousandth; flat frames get width 1."""
        step = max(1, min(frames.shape[-2:]) // 128)
        low, high = (float(v) for v in np.percentile(frames[..., ::step, ::step], (0.1, 99.9)))
        return cls(low, high - low if high > low else 1.0)

    def forward(self, frames: Array) -> Array:
        """To float32, about 0 to 1."""
        shifted: Array = frames.astype(np.float32) - np.float32(self.low)
        return np.asarray(shifted / np.float32(self.width))

    def back(self, values: Array, dtype: np.dtype[Any]) -> Array:
        """To stored values; whole numbers are rounded and kept within the type's range."""
        stored = values * np.float32(self.width) + np.float32(self.low)
        if not np.issubdtype(dtype, np.integer):
            return np.asarray(stored, dtype)
        limits = np.iinfo(dtype)
        return np.asarray(np.clip(np.rint(stored), limits.min, limits.max), dtype)

    def jittered(self, rng: np.random.Generator) -> Scale:
        """For training: another window of the same values, now and then inverted."""
        width = self.width * rng.uniform(1.0, 1.6)
        low = self.low - rng.uniform(0, width - self.width)
        return Scale(low + width, -width) if rng.random() < 0.25 else Scale(low, width)


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames to make between the taken frames `index` and `index + 1`."""

    index: int
    times: tuple[float, ...]  # ms
    shares: tuple[float, ...]  # of the way from one to the other, 0 to 1


def gaps(times: Sequence[float], count: int, wanted: Sequence[float] = ()) -> list[Gap]:
    """`count` frames at equal distances between all taken ones, or just those `wanted`, ms.

    Raises UserError if that cannot be.
    """
    if len(times) < 2:
        raise UserError("This run has one frame: two are needed to make frames between them.")
    if not 1 <= count <= MOST:
        raise UserError(f"{count} frames between two are not possible: give 1 to {MOST}.")
    outside = [t for t in wanted if not times[0] < t < times[-1]]
    if outside:
        raise UserError(
            f"There are no frames around {outside[0]:g} ms: give times between "
            f"{times[0]:g} and {times[-1]:g} ms."
        )
    made = (_gap(i, times, count, wanted) for i in range(len(times) - 1))
    return [gap for gap in made if gap.times]


def _gap(index: int, times: Sequence[float], count: int, wanted: Sequence[float]) -> Gap:
    start, end = times[index], times[index + 1]
    inner = sorted({t for t in wanted if start < t < end})
    if not wanted:
        inner = [start + (end - start) * (i + 1) / (count + 1) for i in range(count)]
    if end <= start:  # a clock that stands still or runs back
        shares = tuple((i + 1) / (len(inner) + 1) for i in range(len(inner)))
    else:
        shares = tuple((t - start) / (end - start) for t in inner)
    return Gap(index, tuple(inner), shares)


@dataclass(frozen=True, slots=True)
class Signs:
    """What tells that a synthetic frame is wrong, in units of the scaled frames.

    Less counts the nearer the frame is to one that was taken.
    """

    difference: float  # between the two frames as they are merged, where it is worst
    change: float  # between the two frames as they came, where it is largest
    way: float  # px from one to the other, times that change


@dataclass(frozen=True, slots=True)
class Trust:
    """Chance that no part of a frame is off by more than `TOLERANCE`, by logistic regression."""

    offset: float = -4.3
    difference: float = -1.4
    change: float = -0.3
    way: float = -0.2

    def confidence(self, signs: Signs) -> float:
        """0 to 1."""
        score = self.offset + float(np.dot(self.weights, features(signs)))
        return float(1 / (1 + np.exp(-score)))

    @property
    def weights(self) -> tuple[float, float, float]:
        """Of `features`."""
        return self.difference, self.change, self.way

    @classmethod
    def read(cls, details: Mapping[str, Any]) -> Trust:
        """As the table of a model has it."""
        return cls(**details.get("trust", {}))


TOLERANCE = 0.1
"""Of the run's range, mean over 8×8 px: half of the contrast of a large vessel."""
DOUBTED = 0.5
"""Frames of less confidence are flagged."""
GRAIN = 4
"""Px of the blocks in which the reason for doubt is looked for, and blocks that are smoothed."""
STEPPED = 3
"""Blocks from which a motion of everything is that of the table."""


def features(signs: Signs) -> Array:
    """Logarithms: errors grow by factors."""
    values = signs.difference + 1e-3, signs.change + 1e-3, signs.way + 1e-2
    return np.asarray(np.log(values))


def worst(picture: Array, share: float = 0.005) -> float:
    """Mean of the largest values of a picture that is small already."""
    values = np.sort(picture, axis=None)
    return float(values[-max(1, round(share * values.size)) :].mean())


def reduced(picture: Array, factor: int = 8) -> Array:
    """(…, y, x): mean over blocks; what is left over at the end is cut off, if there is more."""
    y, x = picture.shape[-2:]
    rows, columns = max(1, y // factor), max(1, x // factor)
    high, wide = y // rows, x // columns
    cut = picture[..., : rows * high, : columns * wide]
    return np.asarray(cut.reshape(*cut.shape[:-2], rows, high, columns, wide).mean((-3, -1)))


def reason(first: Array, last: Array) -> str:
    """Why frames between these two, scaled, are doubtful: one of a few words for the user."""
    a, b = (_without_slopes(reduced(frame, GRAIN)) for frame in (first, last))
    way = _shift(a, b)
    together = _alike(*_overlap(a, b, way))
    if max(map(abs, way)) >= STEPPED and together > max(0.45, _alike(a, b) + 0.2):
        return "the table moved"
    alike = _alike(reduced(first), reduced(last))
    emptier, fuller = sorted((float(a.std()), float(b.std())))
    if _one_way(first, last) > 0.8 and (alike > 0.5 or emptier < 0.5 * fuller):
        return "contrast arrives or leaves"
    return "the scene changes" if alike < 0.5 else "the frames differ much"


def _one_way(first: Array, last: Array) -> float:
    """How much more of the strongest changes darken than brighten, or the reverse: 0 to 1."""
    change = reduced(last, GRAIN) - reduced(first, GRAIN)
    fine = change - 0.9 * _smooth(change)
    strong = fine[np.abs(fine) >= np.quantile(np.abs(fine), 0.98)]
    return abs(float(np.sign(strong).mean()))


def _without_slopes(picture: Array) -> Array:
    return np.asarray(picture - _smooth(picture))


def _smooth(picture: Array) -> Array:
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), GRAIN))


def _alike(a: Array, b: Array) -> float:
    """Correlation, 1 if one of them is flat."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 1.0


def _shift(a: Array, b: Array) -> tuple[int, int]:
    """By phase correlation, (y, x); none where there is nothing to see."""
    if min(float(a.std()), float(b.std())) < 1e-6:
        return 0, 0
    from skimage.registration import phase_cross_correlation

    fade = np.outer(*(np.hanning(size) for size in a.shape))
    y, x = phase_cross_correlation(fade * a, fade * b)[0]  # type: ignore[no-untyped-call]
    return round(float(y)), round(float(x))


def _overlap(a: Array, b: Array, way: tuple[int, int]) -> tuple[Array, Array]:
    """What both show after a shift (y, x)."""
    (y, x), (height, width) = way, a.shape
    here = np.s_[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
    there = np.s_[max(0, -y) : height + min(0, -y), max(0, -x) : width + min(0, -x)]
    return a[here], b[there]
