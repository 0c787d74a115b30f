"""Where in a chest CT a body may grow: fat of the mediastinum, most of all near the airways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from inference.morphology import distance, keep_largest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference.series import Array

FAT_HU = (-150.0, -25.0)
AIR_HU, BONE_HU = -400.0, 300.0
STATIONS_MM = 14.0
"""Nodes get rarer with the distance from the large airways, by a factor of e in so many mm."""


@dataclass(frozen=True, slots=True)
class Sites:
    """Where bodies may start: fat of the mediastinum, with mm to what is no fat and to bone."""

    places: Array  # (n, 3) voxels
    clearance: Array  # (n,) mm
    bone: Array  # (n,) mm
    weight: Array  # (n,)
    airway: Array  # bool (z, y, x): trachea and bronchi with their walls

    @classmethod
    def of(cls, volume: Array, mediastinum: Array, spacing: Sequence[float]) -> Sites:
        """From a scene's tissue."""
        smooth = smoothed(volume, spacing)
        fat = (smooth > FAT_HU[0]) & (smooth < FAT_HU[1])
        lumen = airways(volume, mediastinum, spacing)
        to_airway = distance(~lumen, spacing)
        candidates = fat & mediastinum & (distance(smooth > AIR_HU, spacing) > 2.5)
        places = np.argwhere(candidates)
        at = tuple(places.T)
        free = np.minimum(distance(fat, spacing)[at], 60.0)
        bone = np.minimum(distance(smooth < BONE_HU, spacing)[at], 200.0)
        near = np.exp(-np.minimum(to_airway[at], 200.0) / STATIONS_MM) + 0.01
        return cls(places, free, bone, near * (np.minimum(free, 3.0) + 0.3), to_airway < 1.5)

    def within(
        self, centre: Sequence[float], half: Sequence[float], spacing: Sequence[float]
    ) -> Sites:
        """Only those in a box of half size `half`, mm, round `centre`, voxels."""
        offset = np.abs(self.places - np.asarray(centre)) * np.asarray(spacing)
        return replace(self, weight=self.weight * (offset < np.asarray(half)).all(1))


def airways(volume: Array, mediastinum: Array, spacing: Sequence[float]) -> Array:
    """Trachea and main bronchi: round holes of air in axial slices of the mediastinum."""
    area = spacing[1] * spacing[2]
    found = np.zeros(volume.shape, bool)
    for index, cut in enumerate(volume):
        numbers, _ = ndimage.label(cut < -500)
        sizes = np.bincount(numbers.ravel()) * area
        within = np.bincount(numbers.ravel(), mediastinum[index].ravel()) * area
        darkest = ndimage.minimum(cut, numbers, np.arange(len(sizes)))
        hole = (sizes > 25) & (sizes < 900) & (within > 0.8 * sizes) & (darkest < -880)
        hole[0] = False
        found[index] = hole[numbers]
    return keep_largest(found)


def smoothed(volume: Array, spacing: Sequence[float]) -> Array:
    """A volume in which tissue can be told by its HU in spite of noise, float32."""
    return np.asarray(
        ndimage.gaussian_filter(volume.astype(np.float32), [0.8 / s for s in spacing])
    )


def site(
    rng: np.random.Generator, sites: Sites, to_bone: float, to_tissue: float
) -> tuple[tuple[float, float, float], float] | None:
    """A place so many mm from bone and from what is no fat, and its clearance; None: no such."""
    weight = sites.weight * (sites.bone > to_bone) * (sites.clearance > to_tissue)
    total = weight.sum()
    if total <= 0:
        return None
    index = int(rng.choice(len(weight), p=weight / total))
    z, y, x = sites.places[index] + rng.uniform(-0.5, 0.5, 3)
    return (float(z), float(y), float(x)), float(sites.clearance[index])
