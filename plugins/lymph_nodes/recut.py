"""The kept probability cut at another threshold: nodes that go on keep their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from plugins.lymph_nodes import measure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.box import Box
    from inference.series import Array

SAME = 0.5
"""Of a find or of a rejected node: so much in common means that it was rejected."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Labels of a part of the volume, and the name of each from 1."""

    labels: Array
    names: tuple[str, ...]


def cut(
    probability: Array,
    spacing: Sequence[float],
    threshold: float,
    before: Array | None,
    names: Mapping[int, str],
    rejected: Sequence[tuple[Box, Array]],
    first: int,
    most: int = measure.MOST,
) -> Cut:
    """Nodes of a probability map, at most so many; those without a name are numbered from `first`.

    `before` is what the map was cut into last, whose labels have `names`; boxes of `rejected`
    masks are those of the map.
    """
    found = measure.finds(probability, spacing, threshold)
    out = _rejected(found, rejected)
    kept = [i for i in range(1, int(found.max(initial=0)) + 1) if i not in out][:most]
    numbers = np.zeros(measure.MOST + 1, np.uint8)
    numbers[kept] = np.arange(1, len(kept) + 1)
    labels = numbers[found]
    known = _continued(labels, before, names) if before is not None else {}
    free = iter(range(first, first + len(kept)))
    return Cut(labels, tuple(known.get(i) or f"Node {next(free)}" for i in range(1, len(kept) + 1)))


def _continued(labels: Array, before: Array, names: Mapping[int, str]) -> dict[int, str]:
    """Names of labels by what each has most in common with; each name once."""
    both = (labels > 0) & (before > 0)
    pairs, counts = np.unique(np.stack([labels[both], before[both]]), axis=1, return_counts=True)
    known: dict[int, str] = {}
    for place in np.argsort(-counts, kind="stable"):
        now, was = (int(value) for value in pairs[:, place])
        name = names.get(was)
        if name and now not in known and name not in known.values():
            known[now] = name
    return known


def _rejected(found: Array, rejected: Sequence[tuple[Box, Array]]) -> set[int]:
    """Labels that are much the same as something that was rejected."""
    sizes = np.bincount(found.ravel(), minlength=measure.MOST + 1)
    same: set[int] = set()
    for box, mask in rejected:
        counts = np.bincount(found[box.slices][mask], minlength=measure.MOST + 1)
        counts[0] = 0
        for number in np.flatnonzero(counts):
            common = counts[number]
            if common > SAME * sizes[number] or common > SAME * np.count_nonzero(mask):
                same.add(int(number))
    return same
