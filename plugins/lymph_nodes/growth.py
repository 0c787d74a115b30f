"""Grow a body into a CT: tissue gives way as it would, nothing is cut through.

A body starts as a small core in fat and swells: what lay outside the core moves outwards, less and
less with distance. So vessels and airways that are in the way are displaced, planes of fat are
squeezed thin, and every structure stays connected. Arrays (z, y, x), lengths mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from scipy import ndimage
from scipy.special import ndtr

from inference.box import Box
from plugins.lymph_nodes.sampling import sampled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference.series import Array

YIELD = 1.2
"""Tissue moves out to this many radii from a body's surface."""
LEAST_YIELD = 8.0
"""… and at least so far, mm."""
BLUR = 0.5
"""Deviation of the scanner's point spread, in voxels of each axis."""


class Body(Protocol):
    """A shape in mm round the origin."""

    @property
    def radius(self) -> float:
        """Typical half thickness, mm."""

    @property
    def reach(self) -> tuple[float, float, float]:
        """Half size (z, y, x) of a box that holds it, mm."""

    def depth(self, points: Array) -> tuple[Array, Array]:
        """For points (3, …): distance from the core over that of the surface, and the core."""


@dataclass(frozen=True, slots=True)
class Blob:
    """An ellipsoid with lobes: `axes` half lengths, mm; `turn` (3, 3); `waves` (n, 4)."""

    axes: tuple[float, float, float]
    turn: Array
    waves: Array  # direction (z, y, x) of a lobe, and its height as a share of the radius

    @property
    def radius(self) -> float:
        """The shortest half axis."""
        return min(self.axes)

    @property
    def reach(self) -> tuple[float, float, float]:
        """The longest half axis and the lobes, every way."""
        longest = max(self.axes) * 1.25
        return longest, longest, longest

    def depth(self, points: Array) -> tuple[Array, Array]:
        """The core is the centre."""
        local = np.tensordot(self.turn, points, 1) / np.reshape(self.axes, (3, 1, 1, 1))
        distance = np.sqrt((local**2).sum(0)) + 1e-6
        surface = np.ones_like(distance)
        for *direction, height in self.waves:
            along = np.tensordot(direction, local, 1) / distance
            surface += height * np.exp(3 * (along - 1))
        return distance / surface, np.zeros_like(points)


@dataclass(frozen=True, slots=True)
class Tube:
    """A vessel along `line` (n, 3), mm, of `thickness` (half), thinner towards both ends."""

    line: Array
    thickness: float

    @property
    def radius(self) -> float:
        """Half thickness."""
        return self.thickness

    @property
    def reach(self) -> tuple[float, float, float]:
        """Of the line and its thickness."""
        z, y, x = np.abs(self.line).max(0) + self.thickness * 1.25
        return float(z), float(y), float(x)

    def depth(self, points: Array) -> tuple[Array, Array]:
        """The core is the line."""
        nearest = np.full(points.shape[1:], np.inf, np.float32)
        core = np.zeros_like(points)
        shares = np.linspace(-1, 1, len(self.line))
        for place, share in zip(self.line, shares, strict=True):
            thickness = self.thickness * max(0.15, 1 - share**6) ** 0.5
            offset = points - place.reshape(3, 1, 1, 1)
            distance = np.sqrt((offset**2).sum(0)) / thickness
            closer = distance < nearest
            nearest[closer] = distance[closer]
            core[:, closer] = np.broadcast_to(place.reshape(3, 1, 1, 1), core.shape)[:, closer]
        return nearest + 1e-6, core


@dataclass(frozen=True, slots=True)
class Grown:
    """A body in place: `share` of each voxel in `box` that is body, and where tissue came from."""

    box: Box
    share: Array
    depth: Array  # 0 in the core, 1 at the surface
    source: Array  # (3, …) voxels within the box

    def moved(self, values: Array, order: Literal[1, 3] = 1) -> Array:
        """The box of an array over the whole volume, with its tissue where it went."""
        part = values[self.box.slices].astype(np.float32)
        if order == 1:
            return sampled(part, self.source)
        return np.asarray(ndimage.map_coordinates(part, self.source, order=order, mode="nearest"))


def grow(
    body: Body,
    centre: Sequence[float],
    core: float,
    spacing: Sequence[float],
    shape: Sequence[int],
) -> Grown:
    """Grow `body` at `centre`, voxels, out of a core that takes a share `core` of its radius."""
    reach = 1 + max(YIELD, LEAST_YIELD / body.radius)
    margin = [r + (reach - 1) * body.radius for r in body.reach]
    start = [int(np.floor(c - m / s)) for c, m, s in zip(centre, margin, spacing, strict=True)]
    stop = [int(np.ceil(c + m / s)) + 1 for c, m, s in zip(centre, margin, spacing, strict=True)]
    box = Box(tuple(start), tuple(stop)).clipped(shape)
    first = np.reshape(np.asarray(box.start, np.float32), (3, 1, 1, 1))
    index = np.indices(box.shape, np.float32) + first
    size = np.reshape(np.asarray(spacing, np.float32), (3, 1, 1, 1))
    points = (index - np.reshape(np.asarray(centre, np.float32), (3, 1, 1, 1))) * size
    depth, middle = body.depth(points)
    origin = middle + (points - middle) * (came_from(depth, core, reach) / depth)
    source = index + (origin - points) / size - first
    return Grown(box, occupied(depth, spacing), depth, source.astype(np.float32))


def came_from(depth: Array, core: float, reach: float) -> Array:
    """Where, in radii, the tissue that is now at `depth` was before; itself from `reach` on."""
    left = np.clip((reach - depth) / (reach - 1), 0, 1)
    outside = depth - (1 - core) * left**2
    return np.asarray(np.where(depth < 1, core * depth, outside))


def occupied(depth: Array, spacing: Sequence[float]) -> Array:
    """Share of each voxel inside the surface, as a scanner would blur it across and along."""
    slopes = np.gradient(depth, *spacing)
    steep = np.sqrt(sum(slope**2 for slope in slopes)) + 1e-6
    blur = np.sqrt(
        sum((slope / steep * BLUR * step) ** 2 for slope, step in zip(slopes, spacing, strict=True))
    )
    return np.asarray(ndtr((1 - depth) / steep / blur), np.float32)
