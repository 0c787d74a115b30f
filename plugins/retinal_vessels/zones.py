"""Round the optic disc: zones B and C, vessels marked as artery or vein, CRAE, CRVE and AVR."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from plugins.retinal_vessels.skeleton import Centrelines, Floats

    Mask = NDArray[np.bool_]

Kind = Literal["artery", "vein"]
ARTERY, VEIN = 0.88, 0.95
"""Branching constants of arterioles and venules (Knudtson et al. 2003)."""
REACH = 10.0
"""A mark further than this from every centre line, px, marks nothing."""


@dataclass(frozen=True, slots=True)
class Disc:
    """The optic disc: centre and radius, px."""

    y: float
    x: float
    radius: float

    @classmethod
    def across(cls, first: Sequence[float], second: Sequence[float]) -> Disc:
        """From two opposite points (y, x) of the edge, px; UserError if they are too close."""
        (y0, x0), (y1, x1) = first, second
        radius = sqrt((y1 - y0) ** 2 + (x1 - x0) ** 2) / 2
        if radius < 3:
            raise UserError("The two points of the disc lie too close: mark opposite edges.")
        return cls((y0 + y1) / 2, (x0 + x1) / 2, radius)

    def distance(self, points: Floats) -> Floats:
        """(n,) distance of (n, 2) points (y, x) from the centre, in disc radii."""
        away: Floats = np.linalg.norm(points - (self.y, self.x), axis=1) / self.radius
        return away

    def ring(self, zone: str, shape: tuple[int, ...]) -> Mask:
        """The pixels (y, x) of zone "B" or "C"."""
        inner, outer = ZONES[zone]
        squared = self._squared(shape)
        ring: Mask = (squared >= inner**2) & (squared <= outer**2)
        return ring

    def inside(self, shape: tuple[int, ...]) -> Mask:
        """The pixels (y, x) of the disc itself."""
        inside: Mask = self._squared(shape) <= 1
        return inside

    def _squared(self, shape: tuple[int, ...]) -> Floats:
        y, x = np.ogrid[: shape[0], : shape[1]]
        squared: Floats = ((y - self.y) ** 2 + (x - self.x) ** 2) / self.radius**2
        return squared


ZONES = {"B": (2.0, 3.0), "C": (2.0, 5.0)}
"""Radii from the centre in disc radii: 0.5 to 1 and 0.5 to 2 disc diameters from the margin."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The user's word, at a place (y, x) px, on what a vessel is."""

    y: float
    x: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class Vessel:
    """A marked vessel: its centre line (n, 2) (y, x) and mean width in zone B, px (NaN: none)."""

    mark: int  # which of the marks speaks for it
    kind: Kind
    points: Floats
    width: float

    @property
    def measured(self) -> bool:
        """Whether it runs through zone B."""
        return bool(np.isfinite(self.width))


def marked_vessels(
    lines: Centrelines, marks: Sequence[Mark], disc: Disc | None
) -> tuple[Vessel, ...]:
    """The vessels at the marks; of two marks on one vessel the later counts."""
    chosen: dict[int, int] = {}
    for number, mark in enumerate(marks):
        path = nearest_path(lines, (mark.y, mark.x))
        if path is not None:
            chosen[path] = number
    return tuple(
        _vessel(lines, path, number, marks[number].kind, disc) for path, number in chosen.items()
    )


def nearest_path(lines: Centrelines, point: tuple[float, float]) -> int | None:
    """The number of the centre line nearest to a point (y, x), px; None beyond `REACH`."""
    if not lines.count:
        return None
    distance = np.linalg.norm(lines.points - point, axis=1)
    nearest = int(distance.argmin())
    return int(lines.path[nearest]) if distance[nearest] <= REACH else None


def _vessel(lines: Centrelines, path: int, mark: int, kind: Kind, disc: Disc | None) -> Vessel:
    here = slice(lines.starts[path], lines.starts[path + 1])
    points, widths = lines.points[here], lines.widths[here]
    if disc is None:
        return Vessel(mark, kind, points, float("nan"))
    inner, outer = ZONES["B"]
    away = disc.distance(points)
    usable = (away >= inner) & (away <= outer) & np.isfinite(widths)
    return Vessel(
        mark, kind, points, float(widths[usable].mean()) if usable.any() else float("nan")
    )


def equivalent(widths: Iterable[float], constant: float) -> float:
    """The width of the trunk that would feed the six widest of `widths`, in their unit.

    Knudtson et al., Curr. Eye Res. 27 (2003) 143: the widest is paired with the narrowest,
    trunk = constant * sqrt(w1² + w2²), an odd one out joins the next round, until one is left.
    """
    row = sorted(widths)[-6:]
    while len(row) > 1:
        half = len(row) // 2
        middle = row[half : len(row) - half]
        pairs = zip(row[:half], reversed(row[-half:]), strict=True)
        row = sorted([constant * sqrt(a * a + b * b) for a, b in pairs] + middle)
    return row[0] if row else float("nan")


def equivalents(vessels: Sequence[Vessel]) -> tuple[tuple[float, int], tuple[float, int]]:
    """CRAE and CRVE, px (NaN: no vessel), each with the number of vessels that it rests on."""
    return _trunk(vessels, "artery", ARTERY), _trunk(vessels, "vein", VEIN)


def _trunk(vessels: Sequence[Vessel], kind: Kind, constant: float) -> tuple[float, int]:
    widths = [vessel.width for vessel in vessels if vessel.kind == kind and vessel.measured]
    return equivalent(widths, constant), min(len(widths), 6)
