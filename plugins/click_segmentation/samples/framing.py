"""Crops of a plane: where they lie, and pictures and masks looked up through them.

A crop is square, its pixels too, in mm; it may be turned, mirrored, bent and hang over the border.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.float32]
    Mask = NDArray[np.bool_]

FILLS = (0.04, 0.9)  # the object's longer side as a part of the crop's


@dataclass(frozen=True, slots=True)
class Frame:
    """For each pixel of a crop where it lies in the plane; `spacing` in mm per pixel."""

    down: Picture  # (s, s), pixels of the plane
    right: Picture
    spacing: float
    coarse: float  # the crop's pixels in the plane's, the larger of both axes

    def picture(self, plane: NDArray[Any], outside: float | None = None) -> Picture:
        """Look up (y, x) linearly, blurred before it is reduced; `outside`: None repeats."""
        source = plane.astype(np.float32)
        if self.coarse > 1.3:
            source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.4 * self.coarse), np.float32)
        border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
        found = cv2.remap(
            source, self.right, self.down, cv2.INTER_LINEAR, None, border, outside or 0.0
        )
        return np.asarray(found, np.float32)

    def mask(self, plane: NDArray[Any]) -> Mask:
        """Look up a mask with a smooth outline: pixels of the plane leave no stairs."""
        return self.share(plane) > 0.5

    def share(self, plane: NDArray[Any]) -> Picture:
        """How much of a mask lies round each pixel; in [0, 1]."""
        source = plane.astype(np.float32)
        sigma = max(0.55, 0.3 * self.coarse)
        return np.asarray(
            cv2.remap(
                cv2.GaussianBlur(source, (0, 0), sigma), self.right, self.down, cv2.INTER_LINEAR
            ),
            np.float32,
        )

    def labels(self, plane: NDArray[np.uint8], most: int = 24) -> NDArray[np.uint8]:
        """Look up a label map with smooth outlines for the labels that fill most."""
        box = self._box(plane.shape)
        counts = np.bincount(plane[box].ravel(), minlength=256)
        values = np.argsort(counts)[::-1][: min(most, np.count_nonzero(counts))]
        shares = np.stack([self.share(plane == value) for value in values])
        return np.asarray(values.astype(np.uint8)[shares.argmax(0)])

    def _box(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """The part of the plane that is seen."""
        found = []
        for places, length in ((self.down, shape[0]), (self.right, shape[1])):
            low = int(np.clip(np.floor(places.min()), 0, length - 1))
            found.append(slice(low, int(np.clip(np.ceil(places.max()), low, length - 1)) + 1))
        return found[0], found[1]


def frame_round(
    mask: NDArray[Any], spacing: tuple[float, float], size: int, rng: np.random.Generator
) -> Frame:
    """A crop of any scale that shows at least a part of the object."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    low = np.array([rows[0], columns[0]]) * spacing
    high = np.array([rows[-1] + 1, columns[-1] + 1]) * spacing
    extent = max(high - low)
    whole = max(n * step for n, step in zip(mask.shape, spacing, strict=True))
    side = float(np.clip(extent / _fill(rng), 24 * min(spacing), 1.25 * whole))
    room = max(side - extent, 0.25 * extent, 0.1 * side) / 2
    middle = (low + high) / 2 + rng.uniform(-0.9, 0.9, 2) * room
    if rng.random() < 0.15:  # the object is cut: the crop's middle lies anywhere in it
        middle = rng.choice(np.argwhere(mask)) * spacing
    return frame(middle, side, spacing, size, rng)


def _fill(rng: np.random.Generator) -> float:
    """Half of the crops fit the object, as after a first outline; half have any scale."""
    if rng.random() < 0.5:
        return float(rng.uniform(0.35, FILLS[1]))
    return float(np.exp(rng.uniform(*np.log(FILLS))))


def frame(
    middle: NDArray[np.float64],
    side: float,
    spacing: tuple[float, float],
    size: int,
    rng: np.random.Generator,
) -> Frame:
    """A square of `side` mm round `middle` (down, right; mm), turned, mirrored, a little bent."""
    turn = _turn(rng)
    line = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    down, right = np.meshgrid(line, line, indexing="ij")
    if rng.random() < 0.4:
        bend = rng.uniform(0.01, 0.05)
        down = down + bend * field(rng, size, int(rng.integers(2, 7)))
        right = right + bend * field(rng, size, int(rng.integers(2, 7)))
    y = (turn[0, 0] * down + turn[0, 1] * right) * side + middle[0]
    x = (turn[1, 0] * down + turn[1, 1] * right) * side + middle[1]
    step = side / size
    return Frame(
        np.asarray(y / spacing[0] - 0.5, np.float32),
        np.asarray(x / spacing[1] - 0.5, np.float32),
        step,
        step / min(spacing),
    )


def _turn(rng: np.random.Generator) -> NDArray[np.float64]:
    """Quarter turns and mirrors, sometimes any angle and a little stretch."""
    angle = rng.integers(4) * np.pi / 2
    stretch = np.ones(2)
    if rng.random() < 0.35:
        angle += np.deg2rad(rng.uniform(-45, 45))
        stretch = np.exp(rng.uniform(-0.15, 0.15, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found: NDArray[np.float64] = turn @ np.diag(stretch * [1, rng.choice([-1, 1])])
    return found


def field(rng: np.random.Generator, size: int, cells: int) -> Picture:
    """Smooth noise with about `cells` hills along a side; deviation about 1."""
    coarse = rng.standard_normal((cells + 2, cells + 2)).astype(np.float32)
    fine = round(size * (cells + 2) / cells)
    large = cv2.resize(coarse, (fine, fine), interpolation=cv2.INTER_CUBIC)
    offset = (large.shape[0] - size) // 2
    return np.asarray(large[offset : offset + size, offset : offset + size], np.float32)
