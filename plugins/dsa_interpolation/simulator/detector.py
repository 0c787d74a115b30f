"""From X-rays to stored values: scatter, blur, quanta, conversion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Detector:
    """How a picture is taken and stored."""

    bits: int = 12
    intensity: Literal["linear", "logarithmic"] = "linear"
    quanta: float = 900.0  # that a mean pixel counts
    electronic: float = 3.0  # deviation of its noise, quanta
    blur: float = 0.6  # deviation, px
    scatter: float = 0.5  # over the primary rays
    scatter_reach: float = 0.12  # deviation, share of the picture's side
    gamma: float = 1.0  # of a linear picture that was prepared for viewing
    level: float = 0.42  # where the mean goes in the range of stored values

    @property
    def top(self) -> int:
        """The greatest value that can be stored."""
        return int(2**self.bits - 1)

    def exposed(self, absorbed: Image) -> Image:
        """Mean intensity (y, x) behind so much absorption; the mean of what is open is near 1."""
        primary = np.exp(-absorbed)
        coarse = primary[::8, ::8]
        spread = ndimage.gaussian_filter(coarse, self.scatter_reach * len(coarse), mode="nearest")
        scattered = enlarged(spread, primary.shape)
        seen = (primary + np.float32(self.scatter) * scattered) / np.float32(1 + self.scatter)
        return np.asarray(ndimage.gaussian_filter(seen, self.blur, mode="nearest", truncate=3))

    def noisy(self, rng: np.random.Generator, mean: Image) -> Image:
        """With quantum noise, which the scintillator blurs, and electronic noise.

        A Poisson count of hundreds of quanta is as good as normal.
        """
        count, shape = self.quanta, mean.shape
        noise = rng.standard_normal(shape, dtype=np.float32)
        quantum = noise * np.sqrt(np.maximum(mean, 0) / np.float32(count))
        quantum = ndimage.gaussian_filter(quantum, self.blur, mode="nearest", truncate=3)
        electronic = rng.standard_normal(shape, dtype=np.float32) * (self.electronic / count)
        return np.asarray(mean + quantum + electronic, np.float32)

    def stored(self, seen: Image) -> NDArray[Any]:
        """uint8 or uint16 (y, x)."""
        values = np.rint(self.top * np.clip(self.shown(seen), 0, 1))
        return values.astype(np.uint8 if self.bits <= 8 else np.uint16)

    def shown(self, seen: Image) -> Image:
        """Stored values as a share of the range, neither clipped nor rounded."""
        if self.intensity == "logarithmic":
            return np.asarray(self.level + np.log(np.maximum(seen, 1e-4)) / 5, np.float32)
        return np.asarray(self.level * np.maximum(seen, 0) ** self.gamma, np.float32)


def enlarged(coarse: Image, shape: tuple[int, ...], part: slice = slice(None)) -> Image:
    """(..., y, x) drawn out to `shape` (y, x), linear between the middles of the coarse pixels.

    Of the result, only the rows of `part`.
    """
    rows, columns = (_hats(*sizes) for sizes in zip(shape, coarse.shape[-2:], strict=True))
    return np.asarray(rows[part] @ coarse @ columns.T)


@lru_cache(maxsize=16)
def _hats(fine: int, coarse: int) -> Image:
    """(fine, coarse): shares of the two nearest coarse pixels in each fine one."""
    place = np.clip((np.arange(fine) + 0.5) * coarse / fine - 0.5, 0, coarse - 1)
    return np.asarray(np.maximum(1 - np.abs(place[:, None] - np.arange(coarse)), 0), np.float32)
