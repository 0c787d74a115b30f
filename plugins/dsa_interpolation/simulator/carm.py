"""The C-arm: how points and bodies in the patient become shadows on the detector.

Patient coordinates are LPS, mm, about the isocentre. In the frontal view the image's right is the
patient's left and its top is the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plugins.dsa_interpolation.simulator.vessels import Floats, Vessels


Box = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Solid:
    """An ellipsoid or, as a drum, an elliptic cylinder about its third axis."""

    centre: Floats  # (3,) LPS mm
    axes: Floats  # (3,) half axes, mm
    turn: Floats  # (3, 3) rows are its axes
    drum: bool = False


@dataclass(frozen=True, slots=True)
class CArm:
    """One position of the C-arm."""

    primary: float = 0.0  # degrees, LAO positive
    secondary: float = 0.0  # degrees, cranial positive
    to_patient: float = 760.0  # source to isocentre, mm
    to_detector: float = 1100.0  # source to detector, mm
    pixel: float = 0.4  # on the detector, mm

    @property
    def axes(self) -> Floats:
        """Unit vectors (3, 3): image down, image right, towards the source."""
        a, b = np.radians((self.primary, self.secondary))
        detector = np.array((np.sin(a), -np.cos(a), 0.0))
        head = np.array((0.0, 0.0, 1.0))
        up = np.cos(b) * head - np.sin(b) * detector
        right = np.array((np.cos(a), np.sin(a), 0.0))
        return np.stack([-up, right, -(np.cos(b) * detector + np.sin(b) * head)])

    @property
    def millimetres(self) -> float:
        """Size of a pixel at the isocentre."""
        return self.pixel * self.to_patient / self.to_detector

    def seen(self, points: Floats) -> tuple[Floats, Floats]:
        """Places (n, 2) in px (y, x) from the middle, and px per mm there (n,)."""
        down, right, depth = (points @ self.axes.T).T
        scale = self.to_detector / self.pixel / (self.to_patient - depth)
        return np.stack([down, right], axis=1) * scale[:, None], scale

    def rays(self, shape: tuple[int, int], box: Box) -> tuple[Floats, Floats]:
        """Places (y, 1) and (x,) of a part of the detector's pixels from its middle, mm."""
        y, x = (
            self.pixel * (np.arange(part.start, part.stop, dtype=np.float32) - (n - 1) / 2)
            for n, part in zip(shape, box, strict=True)
        )
        return y[:, None].astype(np.float32), x.astype(np.float32)

    def box(self, centre: Floats, reach: float, shape: tuple[int, int]) -> Box:
        """The pixels that a body within `reach` mm of its middle may shade."""
        place, scale = self.seen(centre[None])
        middle = place[0] + (np.array(shape) - 1) / 2
        reach = 1.15 * reach * float(scale[0]) + 2
        low = np.clip(middle - reach, 0, shape).astype(int)
        high = np.clip(middle + reach + 1, 0, shape).astype(int)
        return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))

    def chords(self, solid: Solid, shape: tuple[int, int]) -> tuple[Box, NDArray[np.float32]]:
        """How far, mm, rays (y, x) run through a solid, and the part of the image they are for.

        In the solid's own units a ray is s + λd, with d linear in the place on the detector. Round
        sides: |d|²λ² + 2(s·d)λ + |s|² - 1 = 0; the ends of a drum: s + λd = ±1.
        """
        box = self.box(solid.centre, float(np.linalg.norm(solid.axes)), shape)
        y, x = self.rays(shape, box)
        unit = (solid.turn / solid.axes[:, None]) @ self.axes.T
        source = unit @ np.array((0, 0, self.to_patient)) - (solid.turn @ solid.centre) / solid.axes
        steps = (unit * np.array((1, 1, -self.to_detector))).astype(np.float32)
        d = [row[0] * y + row[1] * x + row[2] for row in steps]
        sides = 2 if solid.drum else 3
        square = sum((v * v for v in d[1:sides]), d[0] * d[0])
        middle = sum((float(s) * v for s, v in zip(source[1:sides], d[1:], strict=False)),
                     float(source[0]) * d[0])  # fmt: skip
        root = np.sqrt(
            np.maximum(middle**2 - square * float(source[:sides] @ source[:sides] - 1), 0)
        )
        length = np.sqrt(y**2 + x**2 + np.float32(self.to_detector) ** 2)
        if not solid.drum:
            return box, 2 * root / square * length
        ends = np.sort(np.stack([(e - float(source[2])) / (d[2] + 1e-6) for e in (-1, 1)]), axis=0)
        enter, leave = (root - middle) / square, (-root - middle) / square
        inside = np.minimum(enter, ends[1]) - np.maximum(leave, ends[0])
        return box, np.where(root > 0, np.maximum(inside, 0), 0) * length


@dataclass(frozen=True, slots=True)
class Footprint:
    """How each point's unit of volume spreads over the image, px: (pixel, point, share)."""

    pixels: NDArray[np.intp]
    points: NDArray[np.intp]
    shares: NDArray[np.float32]
    shape: tuple[int, int]
    count: int

    def image(self, values: Floats) -> NDArray[np.float32]:
        """(y, x) of one value a point."""
        weights = self.shares * values.astype(np.float32)[self.points]
        flat = np.bincount(self.pixels, weights, self.shape[0] * self.shape[1])
        return flat.reshape(self.shape).astype(np.float32)

    def images(self, values: Floats) -> NDArray[np.float32]:
        """(t, y, x) of values (points, t)."""
        return np.asarray((self.matrix @ values).T.reshape(-1, *self.shape), np.float32)

    @property
    def matrix(self) -> sparse.csr_matrix:
        """(pixels, points)."""
        size = (self.shape[0] * self.shape[1], self.count)
        return sparse.csr_matrix((self.shares, (self.pixels, self.points)), shape=size)


def footprint(places: Floats, radii: Floats, shape: tuple[int, int]) -> Footprint:
    """Points as uniform discs at `places` (n, 2) px, whose row adds up to a cylinder's chords."""
    wide = np.maximum(radii, 0.5)
    sizes = np.ceil(wide + 0.5).astype(int)
    discs = [_discs(places, wide, np.flatnonzero(sizes == s), int(s), shape) for s in set(sizes)]
    empty = (np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float32))
    pixels, points, shares = (np.concatenate(part) for part in zip(empty, *discs, strict=True))
    return Footprint(pixels, points, shares, shape, len(radii))


def _discs(
    places: Floats, radii: Floats, which: NDArray[np.intp], size: int, shape: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Of one size class; discs that leave the image are dropped a little before they are out."""
    middle = np.rint(places[which]).astype(np.intp)
    inside = ((middle >= size) & (middle < np.array(shape) - size)).all(axis=1)
    which, middle = which[inside], middle[inside]
    offset = np.arange(-size, size + 1)
    part = (middle - places[which]).astype(np.float32)[:, :, None] + offset.astype(np.float32)
    distance = np.sqrt(part[:, 0, :, None] ** 2 + part[:, 1, None, :] ** 2)
    share = np.clip(
        radii[which].astype(np.float32)[:, None, None] + np.float32(0.5) - distance, 0, 1
    )
    share /= share.sum(axis=(1, 2), keepdims=True)
    flat = (middle @ np.array((shape[1], 1)))[:, None, None] + offset[:, None] * shape[1] + offset
    kept = share > 0
    owner = np.broadcast_to(which[:, None, None], share.shape)
    return flat[kept], owner[kept], share[kept]


def volumes(vessels: Vessels, scale: Floats) -> Floats:
    """(n,): of the cylinder that each point stands for, mm × px² as the detector sees it."""
    return np.asarray(np.pi * vessels.radii**2 * vessels.lengths * scale**2)
