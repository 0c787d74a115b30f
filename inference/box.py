"""A box of voxels: where something lies in an array, half open, in array axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Box:
    """`start` to `stop` (not included) per array axis, voxels."""

    start: tuple[int, ...]
    stop: tuple[int, ...]

    @classmethod
    def whole(cls, shape: Sequence[int]) -> Box:
        """All of an array."""
        return cls((0,) * len(shape), tuple(shape))

    @classmethod
    def of(cls, mask: NDArray[Any]) -> Box | None:
        """The tight box round what is not zero, None if all is zero."""
        start, stop = [], []
        for axis in range(mask.ndim):
            hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
            if not len(hit):
                return None
            start.append(int(hit[0]))
            stop.append(int(hit[-1]) + 1)
        return cls(tuple(start), tuple(stop))

    @property
    def slices(self) -> tuple[slice, ...]:
        """To index an array with."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent per axis, voxels."""
        return tuple(max(0, b - a) for a, b in zip(self.start, self.stop, strict=True))

    @property
    def empty(self) -> bool:
        """Whether it holds no voxel."""
        return 0 in self.shape

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        start = tuple(map(min, self.start, other.start))
        return Box(start, tuple(map(max, self.stop, other.stop)))

    def clipped(self, shape: Sequence[int]) -> Box:
        """The part that lies in an array of this shape; may be empty."""
        start = tuple(min(max(0, a), n) for a, n in zip(self.start, shape, strict=True))
        stop = tuple(min(max(0, b), n) for b, n in zip(self.stop, shape, strict=True))
        return Box(start, stop)

    def grown(self, margin: Sequence[int], shape: Sequence[int]) -> Box:
        """Wider by `margin` voxels on both sides of each axis, inside an array of this shape."""
        start = tuple(a - m for a, m in zip(self.start, margin, strict=True))
        stop = tuple(b + m for b, m in zip(self.stop, margin, strict=True))
        return Box(start, stop).clipped(shape)

    def shifted(self, offset: Sequence[int]) -> Box:
        """Moved by `offset` voxels."""
        start = tuple(a + o for a, o in zip(self.start, offset, strict=True))
        return Box(start, tuple(b + o for b, o in zip(self.stop, offset, strict=True)))
