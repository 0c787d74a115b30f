"""Frames of any depth to what the network sees and back, and how far its frames can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from inference.series import Array


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps `low` to 0 and `low + width` to 1; nothing is cut off, so no value is lost."""

    low: float
    width: float

    @classmethod
    def of(cls, frames: Array) -> Scale:
        """From all but the darkest and the brightest thousandth; flat frames get width 1."""
        values = frames[..., ::2, ::2] if frames.shape[-1] > 256 else frames
        low, high = (float(v) for v in np.percentile(values, (0.1, 99.9)))
        return cls(low, high - low if high > low else 1.0)

    def forward(self, frames: Array) -> Array:
        """To float32, about 0 to 1."""
        result: Array = (frames.astype(np.float32) - np.float32(self.low)) / np.float32(self.width)
        return result

    def back(self, values: Array, dtype: np.dtype) -> Array:
        """To stored values; whole numbers are rounded and kept within the type's range."""
        stored = values * np.float32(self.width) + np.float32(self.low)
        if not np.issubdtype(dtype, np.integer):
            return stored.astype(dtype)
        limits = np.iinfo(dtype)
        return np.clip(np.rint(stored), limits.min, limits.max).astype(dtype)

    def jittered(self, rng: np.random.Generator) -> Scale:
        """For training: another window of the same values, now and then inverted."""
        width = self.width * rng.uniform(1.0, 1.6)
        low = self.low - rng.uniform(0, width - self.width)
        return Scale(low + width, -width) if rng.random() < 0.25 else Scale(low, width)
