"""Regions in which contrast is followed over time, as the user drew them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import cos, pi, sin
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Point = tuple[float, float]  # (y, x), px

COLORS = ("#ff5d73", "#4cc9f0", "#ffd166", "#7ae582", "#c89bff", "#ff9f5a", "#f08ad1", "#a9b8c6")
CORNERS = 72
"""Of the polygon that stands for an ellipse."""
SMALLEST = 4.0
"""Area below which a region is taken for a slip of the mouse, px."""


@dataclass(frozen=True)
class Region:
    """A closed outline; the last corner is joined to the first."""

    name: str
    color: str  # "#rrggbb"
    corners: tuple[Point, ...]

    def inside(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The pixels (y, x) whose centres lie inside."""
        from skimage.draw import polygon2mask

        corners = np.array(self.corners)
        mask: NDArray[np.bool_] = polygon2mask(shape, corners)  # type: ignore[no-untyped-call]
        return mask

    @cached_property
    def area(self) -> float:
        """Px."""
        return area(self.corners)


def ellipse(first: Point, last: Point) -> tuple[Point, ...]:
    """The ellipse that fills the box between two corners (y, x), px."""
    y, x = (first[0] + last[0]) / 2, (first[1] + last[1]) / 2
    height, width = abs(last[0] - first[0]) / 2, abs(last[1] - first[1]) / 2
    angles = (2 * pi * i / CORNERS for i in range(CORNERS))
    return tuple((y + height * sin(a), x + width * cos(a)) for a in angles)


def area(corners: Sequence[Point]) -> float:
    """Of a polygon, px, by the shoelace formula."""
    if len(corners) < 3:
        return 0.0
    y, x = np.array(corners).T
    return 0.5 * abs(float(y @ np.roll(x, 1) - x @ np.roll(y, 1)))


def next_region(known: Sequence[Region], corners: tuple[Point, ...]) -> Region:
    """A region with a name and a colour that none of the others has, as far as there are any."""
    number = 1 + max((int(r.name.rsplit(" ", 1)[-1]) for r in known if _numbered(r)), default=0)
    return Region(f"Region {number}", COLORS[(number - 1) % len(COLORS)], corners)


def _numbered(region: Region) -> bool:
    word, _, number = region.name.rpartition(" ")
    return word == "Region" and number.isdigit()
