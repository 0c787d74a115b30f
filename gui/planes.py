"""What a 2D view shows: which axes, which way up, and where a pixel of the screen lies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference.series import Kind

Point = tuple[float, float]
Position = tuple[float, ...]

OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}


@dataclass(frozen=True, slots=True)
class Plane:
    """Axes of the canonical array: `slicing` is stepped through, `down` and `right` are shown."""

    name: str
    slicing: int | None
    down: int
    right: int
    upward: bool = False  # the `down` axis increases to the top of the screen instead

    @property
    def order(self) -> tuple[int, ...]:
        """Axis order for napari: the last two are shown."""
        return (*(() if self.slicing is None else (self.slicing,)), self.down, self.right)

    @property
    def letters(self) -> tuple[str, str, str, str]:
        """Patient directions at the left, right, top and bottom edge of a canonical volume."""
        towards = "SPL"  # the direction in which z, y and x increase
        right = towards[self.right]
        bottom = OPPOSITE[towards[self.down]] if self.upward else towards[self.down]
        return OPPOSITE[right], right, OPPOSITE[bottom], bottom


# Radiological convention: axial seen from the feet, coronal from the front, sagittal from the left.
AXIAL = Plane("Axial", 0, 1, 2)
CORONAL = Plane("Coronal", 1, 0, 2, upward=True)
SAGITTAL = Plane("Sagittal", 2, 0, 1, upward=True)
FRAME = Plane("Frame", 0, 1, 2)
PICTURE = Plane("", None, 0, 1)


def planes(kind: Kind) -> tuple[Plane, ...]:
    """The planes in which a series of this kind can be looked at, the main one first."""
    return {"volume": (AXIAL, CORONAL, SAGITTAL), "run": (FRAME,), "image": (PICTURE,)}[kind]


@dataclass(frozen=True, slots=True)
class Framing:
    """The part of a plane that is looked at, in a view of any size."""

    centre: Point  # (down, right) mm
    magnification: float  # 1 where the whole plane fits


@dataclass(frozen=True, slots=True)
class Orbit:
    """From where a volume is looked at in 3D, in a view of any size."""

    angles: tuple[float, float, float]  # degrees, as those of napari's camera
    centre: tuple[float, float, float]  # (z, y, x) mm
    magnification: float  # 1 where the whole volume fits
    rendering: str  # its title


@dataclass(frozen=True, slots=True)
class Camera:
    """A 2D camera: `centre` (down, right) in mm and `zoom` in screen pixels per mm."""

    centre: Point
    zoom: float
    size: Point  # of the canvas (width, height), screen pixels
    upward: bool = False

    @property
    def _sign(self) -> int:
        return -1 if self.upward else 1

    def to_world(self, pixel: Point) -> Point:
        """(x, y) screen pixel to (down, right) mm."""
        x, y = pixel[0] - self.size[0] / 2, pixel[1] - self.size[1] / 2
        return self.centre[0] + self._sign * y / self.zoom, self.centre[1] + x / self.zoom

    def to_screen(self, world: Point) -> Point:
        """(down, right) mm to (x, y) screen pixel."""
        down, right = world[0] - self.centre[0], world[1] - self.centre[1]
        return (
            self.size[0] / 2 + right * self.zoom,
            self.size[1] / 2 + self._sign * down * self.zoom,
        )

    def panned(self, start: Point, end: Point) -> Point:
        """The centre after dragging the picture from one screen pixel to another."""
        a, b = self.to_world(start), self.to_world(end)
        return self.centre[0] + a[0] - b[0], self.centre[1] + a[1] - b[1]

    def zoomed(self, factor: float, at: Point) -> tuple[Point, float]:
        """Centre and zoom after magnifying about a screen pixel, which stays in place."""
        fixed = self.to_world(at)
        centre = (
            fixed[0] + (self.centre[0] - fixed[0]) / factor,
            fixed[1] + (self.centre[1] - fixed[1]) / factor,
        )
        return centre, self.zoom * factor


def fit(plane: Plane, shape: Sequence[int], scale: Sequence[float], size: Point) -> Camera:
    """A camera that shows the whole plane of an array with a small margin."""
    height = max(shape[plane.down] * scale[plane.down], 1e-6)
    width = max(shape[plane.right] * scale[plane.right], 1e-6)
    zoom = 0.96 * min(max(size[0], 1) / width, max(size[1], 1) / height)
    centre = ((height - scale[plane.down]) / 2, (width - scale[plane.right]) / 2)
    return Camera(centre, zoom, size, plane.upward)


def scale_bar(zoom: float, width: float) -> float:
    """A round length (1, 2 or 5 times a power of ten) that fits `width` pixels, mm."""
    longest = width / zoom
    power = 10.0 ** math.floor(math.log10(longest))
    return max(step * power for step in (1, 2, 5) if step * power <= longest)
