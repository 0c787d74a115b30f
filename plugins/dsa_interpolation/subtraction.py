"""Digital subtraction in the log domain: what is left of a frame without the mask's anatomy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import ceil, log
from typing import TYPE_CHECKING

import cv2
import numpy as np

from plugins.dsa_interpolation.warping import moved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from inference.series import Acquisition, Array

    Picture = NDArray[np.float32]

DARKEST = 0.5
"""Stands for a stored 0, whose logarithm there is not: half of the least value above it."""
SMOOTHEST = 0.9
"""More weight of the past would smear vessels over seconds."""
FORGOTTEN = 0.05
"""The share of a past frame below which recursive averaging leaves it out."""
EDGE_GAIN = 2.0
RIM = (0.03, 0.06)
"""Share of rows and columns in which alignment fades out: collimators stay when patients move."""


@dataclass(frozen=True, slots=True)
class Subtraction:
    """What the user can set; arrays are told apart by identity, so replace, never change them."""

    on: bool = True
    mask: tuple[int, ...] = (0,)  # averaged frames
    shift: tuple[float, float] = (0.0, 0.0)  # (y, x), px, of the mask, by hand
    shifts: Picture | None = None  # (t, 2): (y, x), px, found for each frame, added to `shift`
    fields: Picture | None = None  # (t, gy, gx, 2): what parts of a frame moved beyond `shifts`
    landmark: float = 0.0  # 0 to 1: share of the anatomy left in
    inverted: bool = False  # vessels bright
    edges: float = 0.0  # 0 to 1: unsharp masking
    smoothing: float = 0.0  # 0 to 1: weight of the past in recursive averaging


class Subtractor:
    """Frames of a run (t, y, x) as the settings want them; holds few frames, never the run."""

    def __init__(
        self, voxels: Array, acquisition: Acquisition | None, settings: Subtraction
    ) -> None:
        self.voxels, self.acquisition, self.settings = voxels, acquisition, settings
        self._place: tuple[object, ...] = ()
        self._mask_there: Picture | None = None  # the mask at that place
        self._past: tuple[int, Picture] | None = None  # the frame last averaged, for the next

    def __len__(self) -> int:
        return len(self.voxels)

    def changed(self, settings: Subtraction) -> Subtractor:
        """The same run under other settings; what they do not touch is not computed again."""
        other = Subtractor(self.voxels, self.acquisition, settings)
        kept = ["_scale", "_largest", "_background"]
        if settings.mask == self.settings.mask:
            kept += ["mask", "_mean_anatomy"]
            if settings.fields is self.settings.fields:
                kept += ["_place", "_mask_there"]
        other.__dict__ |= {name: self.__dict__[name] for name in kept if name in self.__dict__}
        return other

    @cached_property
    def mask(self) -> Picture:
        """Log intensity (y, x) of the averaged mask frames."""
        frames = self.settings.mask or (0,)
        total = np.zeros(self.voxels.shape[1:], np.float64)
        for index in frames:
            total += self.voxels[index]
        return self.log(total / len(frames))

    def frame(self, index: int) -> Picture:
        """The picture (y, x) to show: natural-log density, vessels negative unless inverted.

        Switched off, it is the frame as stored, through the same noise and edge filters.
        """
        settings, picture = self.settings, self._averaged(index)
        if settings.edges > 0:
            picture = _sharpened(picture, EDGE_GAIN * settings.edges)
        if settings.on and settings.landmark > 0:
            anatomy = self._mask_at(index) - self._mean_anatomy
            picture = picture + settings.landmark * anatomy
        return -picture if settings.inverted else picture

    def density(self, index: int) -> Picture:
        """Natural-log density (y, x), vessels negative, without landmark, filters and inversion.

        Switched off, it is that of the frame alone about the run's background: what a run that
        was stored subtracted needs.
        """
        result = self.log(self.voxels[index])
        if self.settings.on:
            result -= self._mask_at(index)
            return result
        level, sign = self._background
        result -= level
        return result if sign > 0 else -result

    def log(self, stored: Array) -> Picture:
        """Natural-log intensity of stored values."""
        if self._scale:
            return np.multiply(stored, self._scale, dtype=np.float32)
        if self.acquisition is not None and self.acquisition.inverted:
            stored = np.subtract(self._largest, stored, dtype=np.float32)
        result = np.maximum(stored, DARKEST, dtype=np.float32)
        return np.log(result, out=result)

    def stack(
        self,
        reduce: int = 1,
        frames: Iterable[int] | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Picture:
        """Densities (t, y, x) for curves, maps, interpolation; blocks of `reduce`² px averaged."""
        chosen = list(range(len(self)) if frames is None else frames)
        rows, columns = (size // reduce for size in self.voxels.shape[1:])
        result = np.empty((len(chosen), rows, columns), np.float32)
        for i, index in enumerate(chosen):
            result[i] = reduced(self.density(index), reduce)
            progress(i + 1, len(chosen))
        return result

    def window(self) -> tuple[float, float]:
        """Centre and width that show the whole run well under these settings."""
        quick = self.changed(replace(self.settings, smoothing=0.0, fields=None))
        some = np.unique(np.linspace(0, len(self) - 1, 6).astype(int))
        low, high = np.percentile([quick.frame(int(i))[::4, ::4] for i in some], (0.3, 99.7))
        return float(low + high) / 2, max(float(high - low), 1e-3)

    def _averaged(self, index: int) -> Picture:
        """Recursive averaging: the frame and, with `smoothing` as its weight, the past."""
        weight = min(self.settings.smoothing, SMOOTHEST)
        if weight <= 0:
            return self._plain(index)
        first = max(0, index - ceil(log(FORGOTTEN) / log(weight)))
        if self._past is not None and first <= self._past[0] <= index:
            first, result = self._past
        else:
            result = self._plain(first)
        for i in range(first + 1, index + 1):
            result = weight * result + (1 - weight) * self._plain(i)
        self._past = index, result
        return result

    def _plain(self, index: int) -> Picture:
        return self.density(index) if self.settings.on else self.voxels[index].astype(np.float32)

    def _mask_at(self, index: int) -> Picture:
        """The mask where it lies in a frame."""
        settings = self.settings
        found = (0.0, 0.0) if settings.shifts is None else settings.shifts[index]
        shift = (settings.shift[0] + float(found[0]), settings.shift[1] + float(found[1]))
        place = (shift, settings.fields is not None and index)
        if self._mask_there is None or self._place != place:
            field = None if settings.fields is None else settings.fields[index]
            there = moved(self.mask, shift, field)
            if settings.shifts is not None:
                there = self.mask + _open(there.shape[0], there.shape[1]) * (there - self.mask)
            self._place, self._mask_there = place, there
        return self._mask_there

    @cached_property
    def _scale(self) -> float:
        """Natural-log intensity of one step of a logarithmic run, 0 for a linear one.

        Files do not tell the scale: taken as a table that maps all of n bits onto all of n bits.
        """
        known = self.acquisition
        if known is None or not (known.subtracted or known.intensity == "logarithmic"):
            return 0.0
        step = log(self._largest) / self._largest
        return -step if known.inverted else step

    @cached_property
    def _largest(self) -> float:
        return largest_value(self.voxels)

    @cached_property
    def _background(self) -> tuple[float, float]:
        """Level of a run without its mask, and -1 where it was stored with bright vessels."""
        some = self.log(self.voxels[:: max(1, len(self) // 8), ::4, ::4])
        level = float(np.median(some))
        stored_bright = (
            self.acquisition is not None
            and self.acquisition.subtracted
            and float(((some - level) ** 3).sum()) > 0
        )
        return level, -1.0 if stored_bright else 1.0

    @cached_property
    def _mean_anatomy(self) -> float:
        return float(self.mask.mean())


def peak(
    subtractor: Subtractor,
    frames: Iterable[int] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Picture:
    """Peak opacity (y, x): the darkest value of each pixel, the brightest of an inverted run."""
    chosen = list(range(len(subtractor)) if frames is None else frames)
    strongest = np.maximum if subtractor.settings.inverted else np.minimum
    result = subtractor.frame(chosen[0]).copy()
    for done, index in enumerate(chosen, 1):
        strongest(result, subtractor.frame(index), out=result)
        progress(done, len(chosen))
    return result


def reduced(picture: Array, factor: int) -> Picture:
    """Means of blocks of `factor`² px (y, x); an incomplete last block is left out."""
    if factor == 1:
        return picture.astype(np.float32, copy=False)
    rows, columns = (size // factor for size in picture.shape)
    whole = picture[: rows * factor, : columns * factor]
    blocks = whole.reshape(rows, factor, columns, factor)
    means: Picture = blocks.mean((1, 3), dtype=np.float32)
    return means


def largest_value(voxels: Array) -> float:
    """What a run's bits can hold."""
    some = voxels[:: max(1, len(voxels) // 8), ::4, ::4]
    bits = max(8, ceil(log(float(some.max()) - min(0.0, float(some.min())) + 1, 2)))
    return float(2**bits - 1)


@lru_cache(maxsize=2)
def _open(rows: int, columns: int) -> Picture:
    """(y, x): 1 where an aligned mask moves, falling to 0 on the rim, where it stays."""
    low, high = RIM
    down, right = (
        np.clip((np.minimum(np.arange(n), np.arange(n)[::-1]) / n - low) / (high - low), 0, 1)
        for n in (rows, columns)
    )
    return np.multiply.outer(down, right).astype(np.float32)


def _sharpened(picture: Picture, gain: float) -> Picture:
    blurred = cv2.blur(picture, (5, 5), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.addWeighted(picture, 1 + gain, blurred, -gain, 0))
