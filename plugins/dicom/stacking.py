"""Whether planes form a volume, in which order, and with what geometry: pure functions."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from inference.series import Array, Geometry
    from plugins.dicom.header import Plane

    Floats = NDArray[np.float64]

TURNED = 2e-3  # between direction cosines of slices that lie alike
SAME_PLACE = 0.01  # mm between slices that lie at one place
UNEVEN = 0.1  # mm off an even grid: headers round positions to 0.1 mm
TILT = 0.01  # sine of the angle between the stack and the slices' normal
MIN_SLICES = 3
MAX_FILL = 2  # an even grid may have at most this many times the slices that were stored


@dataclass(frozen=True, slots=True)
class Stack:
    """An even grid of `count` slices; `places` tells where the given slices fall on it."""

    order: tuple[int, ...]
    geometry: Geometry
    places: tuple[float, ...]  # grid index of each ordered slice, whole numbers if even
    count: int
    notes: tuple[str, ...]
    tilted: bool = False  # the slices do not advance along their normal

    @property
    def even(self) -> bool:
        """Whether the grid holds the stored slices and nothing else."""
        return self.places == tuple(range(self.count))


def same_orientation(a: Plane, b: Plane) -> bool:
    """Whether two planes could belong to one stack."""
    cosines = zip((*a.across, *a.down), (*b.across, *b.down), strict=True)
    spacings = zip(a.spacing, b.spacing, strict=True)
    return all(abs(here - there) <= TURNED for here, there in cosines) and all(
        math.isclose(here, there, rel_tol=1e-3) for here, there in spacings
    )


def offsets(planes: Sequence[Plane]) -> Floats:
    """Where each plane lies along the common normal, mm."""
    positions = np.array([plane.position for plane in planes])
    return np.asarray(positions @ planes[0].normal)


def place_numbers(planes: Sequence[Plane]) -> list[int]:
    """The same number for planes that lie at one place."""
    along = offsets(planes)
    order = np.argsort(along, kind="stable")
    numbers = np.cumsum(np.diff(along[order], prepend=along[order[0]]) >= SAME_PLACE)
    found = np.empty(len(planes), int)
    found[order] = numbers
    return [int(place) for place in found]


def repeats(planes: Sequence[Plane], key: Callable[[int], Any]) -> list[list[int]]:
    """Split planes that share places: the k-th of each place, by `key`, go into the k-th list."""
    places = place_numbers(planes)
    stacks: list[list[int]] = []
    taken: Counter[int] = Counter()
    for index in sorted(range(len(planes)), key=lambda i: (places[i], key(i))):
        rank = taken[places[index]]
        taken[places[index]] += 1
        stacks += [[]] if rank == len(stacks) else []
        stacks[rank].append(index)
    return stacks


def stack(planes: Sequence[Plane]) -> Stack | str:
    """The volume that planes of one orientation form, or the sentence why they form none."""
    if len(planes) < MIN_SLICES:
        return "Fewer than 3 slices belong together: they do not make a volume."
    along = offsets(planes)
    order = np.argsort(along, kind="stable")
    along, positions = along[order], np.array([planes[i].position for i in order])
    along -= along[0]
    step, places = _grid(along)
    count = round(places[-1]) + 1
    if count > MAX_FILL * len(planes):
        return "The slices lie too unevenly to make a volume."
    advance = (positions[-1] - positions[0]) / along[-1]
    if np.abs(positions - positions[0] - along[:, None] * advance).max() > 0.25 * step + UNEVEN:
        return "The slices do not lie in a row: they do not make a volume."
    tilt = _tilt(advance, planes[0])
    notes = (*_unevenness(places, count, step), *tilt)
    geometry = planes[order[0]].geometry(advance * step)
    return Stack(tuple(order.tolist()), geometry, places, count, notes, bool(tilt))


def _grid(along: Floats) -> tuple[float, tuple[float, ...]]:
    """Step, mm, and the grid index of every slice, whole where it is even within the rounding."""
    n = len(along)
    if np.abs(along - np.linspace(0, along[-1], n)).max() <= UNEVEN:
        return float(along[-1] / (n - 1)), tuple(float(i) for i in range(n))
    step = along[-1] / round(along[-1] / np.median(np.diff(along)))
    places = along / step
    whole = np.round(places)
    return float(step), tuple(np.where(np.abs(places - whole) * step <= UNEVEN, whole, places))


def _unevenness(places: tuple[float, ...], count: int, step: float) -> tuple[str, ...]:
    missing = sorted(set(range(count)) - set(places))
    if not missing:
        return ()
    if all(place == int(place) for place in places):
        return (
            f"{len(missing)} of {count} slices are missing ({step:.3g} mm apart): "
            "each was filled from its neighbours.",
        )
    return (f"The slices are unevenly spaced: they were resampled to {step:.3g} mm.",)


def _tilt(advance: Floats, plane: Plane) -> tuple[str, ...]:
    sine = float(np.linalg.norm(np.cross(advance, plane.normal)) / np.linalg.norm(advance))
    if sine <= TILT:
        return ()
    return (
        f"The gantry was tilted by {np.degrees(np.arcsin(min(1.0, sine))):.0f} degrees: "
        "the slices were moved back above each other.",
    )


def onto_grid(slices: Array, stack: Stack) -> Array:
    """Ordered slices on the stack's even grid: stored ones as they are, others interpolated."""
    if stack.even:
        return slices
    grid = np.empty((stack.count, *slices.shape[1:]), slices.dtype)
    places = np.array(stack.places)
    for index in range(stack.count):
        above = min(int(np.searchsorted(places, index)), len(places) - 1)
        below = max(above - 1, 0)
        share = (index - places[below]) / max(places[above] - places[below], 1e-9)
        grid[index] = _between(slices[below], slices[above], float(np.clip(share, 0, 1)))
    return grid


def _between(below: Array, above: Array, share: float) -> Array:
    if share in {0.0, 1.0}:
        return above if share else below
    mixed: Any = below * (1 - share) + above * share
    return np.asarray(np.rint(mixed) if below.dtype.kind in "iu" else mixed, below.dtype)
