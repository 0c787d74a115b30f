"""What stations are told by: trachea and carina, the apex of the lungs, and labelled structures.

Arrays are (z, y, x) with z to superior, y to posterior, x to left, in HU; spacing (z, y, x), mm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from plugins.lymph_nodes.regions import MARGIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.box import Box
    from inference.series import Array

AIR_HU = -650
TRACHEA_MM2 = (50.0, 800.0)
"""Area of an axial cut of the trachea; just above the carina it is widest."""
BRONCHUS_MM2 = 25.0
ASIDE = 35.0
"""The trachea lies within this distance of the middle of the thorax, mm."""
LONGEST_GAP, SHORTEST = 6.0, 30.0
"""mm: without air in the trachea, and of a trachea that is worth the name."""
NEXT = 12.0
"""From one cut to the next the trachea moves less than this, mm."""
BRANCH, FEW = 0.4, 10
"""A tube of less than this share of the trachea so far is a bronchus, after so many cuts."""
LOWEST = 0.2
"""Of the height of the lungs: below there is no carina."""
KINDS = {
    "aorta": ("aorta",),
    "vein": ("brachiocephalic_vein", "innominate", "vena_cava_superior", "superior_vena_cava",
             "svc"),
    "oesophagus": ("esophagus", "oesophagus"),
}  # fmt: skip
"""Structures that settle a station, and parts of their names."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One axial cut of a structure, voxels: front (small y), back, right (small x), left."""

    front: float
    back: float
    right: float
    left: float
    pieces: int = 1


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Where stations begin and end, in voxels of the volume; what was not found is None."""

    spacing: tuple[float, float, float]
    carina: tuple[float, float, float] | None = None
    apex: float | None = None  # z of the highest lung
    trachea: Mapping[int, Cut] = field(default_factory=dict)  # by slice, down to the carina
    structures: Mapping[str, Mapping[int, Cut]] = field(default_factory=dict)  # of `KINDS`


def find(volume: Array, spacing: Sequence[float], lungs: Box) -> Landmarks:
    """Trachea, carina and apex of a chest whose lungs lie in a box."""
    size = (float(spacing[0]), float(spacing[1]), float(spacing[2]))
    start, stop = lungs.start, lungs.stop
    columns = slice(start[2], stop[2])
    rows = slice(start[1], stop[1])
    above = start[0] + int(LOWEST * (stop[0] - start[0]))  # bowel holds air as well
    cuts = [
        tubes(cut[rows, columns] < AIR_HU, size[1:]) if z >= above else []
        for z, cut in enumerate(volume)
    ]
    apex = float(stop[0] - 1 - MARGIN / size[0]) if stop[0] < len(volume) else None
    path = _path(cuts, size, (stop[2] - start[2]) / 2)
    if (max(path, default=0) - min(path, default=0)) * size[0] < SHORTEST:
        return Landmarks(size, apex=apex)
    moved = {z: _moved(cut, start[1], start[2]) for z, cut in path.items()}
    return Landmarks(size, _carina(moved, cuts), apex, moved)


def tubes(air: Array, spacing: Sequence[float]) -> list[Cut]:
    """Round pieces of air in an axial slice (y, x) of the size of a trachea or a bronchus."""
    numbers, count = ndimage.label(air)
    if not count:
        return []
    pixel = spacing[0] * spacing[1]
    areas = np.bincount(numbers.ravel(), minlength=count + 1) * pixel
    found = []
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        high, wide = ((part.stop - part.start) for part in box)
        filled = areas[number] / (high * wide * pixel)
        if BRONCHUS_MM2 <= areas[number] <= TRACHEA_MM2[1] and filled > 0.4:
            (y, x) = box
            found.append(Cut(y.start, y.stop - 1, x.start, x.stop - 1))
    return found


def labelled(
    labels: Array, names: Mapping[int, str], offset: Sequence[int] = (0, 0, 0)
) -> dict[str, dict[int, Cut]]:
    """The cuts of labelled structures that settle a station; `offset` of the array, voxels."""
    found = {}
    for kind, parts in KINDS.items():
        values = [v for v, name in names.items() if any(part in _plain(name) for part in parts)]
        mask = np.isin(labels, values) if values else np.zeros(1, bool)
        if mask.any():
            cuts = {z + offset[0]: _extent(cut) for z, cut in enumerate(mask) if cut.any()}
            found[kind] = {z: _moved(cut, offset[1], offset[2]) for z, cut in cuts.items()}
    return found


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")


def _extent(mask: Array) -> Cut:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    pieces = ndimage.label(mask, np.ones((3, 3)))[1]
    return Cut(float(rows[0]), float(rows[-1]), float(columns[0]), float(columns[-1]), pieces)


def _moved(cut: Cut, down: float, right: float) -> Cut:
    return Cut(cut.front + down, cut.back + down, cut.right + right, cut.left + right, cut.pieces)


def middle_of(cut: Cut) -> tuple[float, float]:
    """(y, x), voxels."""
    return (cut.front + cut.back) / 2, (cut.right + cut.left) / 2


def _path(cuts: Sequence[list[Cut]], spacing: Sequence[float], middle: float) -> dict[int, Cut]:
    """The longest chain of cuts from above that may be the trachea, until it forks or ends."""
    best: dict[int, Cut] = {}
    for z in range(len(cuts) - 1, -1, -1):
        for cut in cuts[z]:
            near = abs(middle_of(cut)[1] - middle) * spacing[2] < ASIDE
            if near and _area(cut, spacing) >= TRACHEA_MM2[0] and best.get(z) != cut:
                chain = _followed(cuts, z, cut, spacing)
                best = max(best, chain, key=len)
    return best


def _followed(
    cuts: Sequence[list[Cut]], top: int, cut: Cut, spacing: Sequence[float]
) -> dict[int, Cut]:
    chain, last = {top: cut}, top
    for z in range(top - 1, -1, -1):
        if (last - z) * spacing[0] > max(LONGEST_GAP, 1.5 * spacing[0]):
            break
        near = [one for one in cuts[z] if _apart(one, chain[last], spacing) < NEXT]
        inside = [one for one in near if _overlap(one, chain[last])]
        areas = [_area(one, spacing) for one in inside]
        usual = float(np.median([_area(one, spacing) for one in chain.values()]))
        if len(inside) > 1 or (areas and areas[0] < BRANCH * usual and len(chain) > FEW):
            break  # below the carina there are two bronchi, or a narrower one
        if areas and areas[0] >= TRACHEA_MM2[0]:
            chain[z], last = inside[0], z
    return chain


def _area(cut: Cut, spacing: Sequence[float]) -> float:
    """Of the ellipse that fills it, mm²."""
    high, wide = cut.back - cut.front + 1, cut.left - cut.right + 1
    return float(np.pi / 4 * high * wide * spacing[1] * spacing[2])


def _apart(one: Cut, other: Cut, spacing: Sequence[float]) -> float:
    (a, b), (c, d) = middle_of(one), middle_of(other)
    return float(np.hypot((a - c) * spacing[1], (b - d) * spacing[2]))


def _overlap(one: Cut, other: Cut) -> bool:
    return bool(
        one.front <= other.back + 1 and other.front <= one.back + 1
        and one.right <= other.left + 1 and other.right <= one.left + 1
    )  # fmt: skip


def _carina(
    path: Mapping[int, Cut], cuts: Sequence[list[Cut]]
) -> tuple[float, float, float] | None:
    """The lowest cut of the trachea, if bronchi lie below it; in a chest cut off there are none."""
    lowest = min(path)
    if not lowest or not cuts[lowest - 1]:
        return None
    return (float(lowest), *middle_of(path[lowest]))
