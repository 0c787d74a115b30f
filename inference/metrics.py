"""How well a mask or a score agrees with a drawn truth; every array any shape, both alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference.series import Array


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of a binary mask against the truth; a ratio of nothing to nothing is NaN."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def dice(self) -> float:
        """Dice, the same as F1; 1 if both are empty."""
        wrong = self.false_positive + self.false_negative
        total = 2 * self.true_positive + wrong
        return 2 * self.true_positive / total if total else 1.0

    @property
    def sensitivity(self) -> float:
        """Recall: the part of the truth that was found."""
        return _ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float:
        """The part of the background that was left alone."""
        return _ratio(self.true_negative, self.true_negative + self.false_positive)

    @property
    def matthews(self) -> float:
        """Matthews correlation coefficient; 0 if a row or a column is empty (the usual limit)."""
        tp, fp = float(self.true_positive), float(self.false_positive)
        fn, tn = float(self.false_negative), float(self.true_negative)
        scale = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
        return float((tp * tn - fp * fn) / scale) if scale else 0.0


def confusion(found: Array, truth: Array, inside: Array | None = None) -> Confusion:
    """Count where `found` and `truth` (non-zero: object) agree, only `inside` if that is given."""
    a, b = found.astype(bool), truth.astype(bool)
    if inside is not None:
        a, b = a[inside.astype(bool)], b[inside.astype(bool)]
    both, ours, theirs = (int(np.count_nonzero(x)) for x in (a & b, a, b))
    return Confusion(both, ours - both, theirs - both, a.size - ours - theirs + both)


def area_under_curve(score: Array, truth: Array, inside: Array | None = None) -> float:
    """ROC AUC of a continuous score: the chance that a random object pixel outranks a random other.

    Mann-Whitney with mean ranks for ties; NaN unless both kinds are there.
    """
    score, truth = np.ravel(score), np.ravel(truth).astype(bool)
    if inside is not None:
        chosen = np.ravel(inside).astype(bool)
        score, truth = score[chosen], truth[chosen]
    objects = int(np.count_nonzero(truth))
    pairs = objects * (truth.size - objects)
    ranks = float(rankdata(score)[truth].sum())
    return _ratio(ranks - objects * (objects + 1) / 2, pairs)


def surface_distances(found: Array, truth: Array, spacing: Sequence[float]) -> tuple[Array, Array]:
    """Distance of each surface element of one mask to the other's surface, both ways.

    In the unit of `spacing` (one value for each axis); infinite if one mask is empty.
    """
    first, second = (_surface(mask.astype(bool)) for mask in (found, truth))
    return _distances(first, second, spacing), _distances(second, first, spacing)


def _surface(mask: Array) -> Array:
    """Elements of the mask with a face on the background; the outside of the array counts."""
    surface: Array = mask & ~ndimage.binary_erosion(mask)
    return surface


def _distances(start: Array, end: Array, spacing: Sequence[float]) -> Array:
    if not end.any():
        return np.full(int(np.count_nonzero(start)), np.inf)
    to_end: Array = ndimage.distance_transform_edt(~end, sampling=spacing)
    return to_end[start]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


@dataclass(frozen=True, slots=True)
class Match:
    """An object that was found and the true one it is taken for, by their numbers."""

    found: int
    truth: int
    dice: float


def match_objects(found: Array, truth: Array, least_dice: float = 0.1) -> list[Match]:
    """Pair numbered objects of two maps one to one so that the sum of their Dice is largest.

    Hungarian assignment; pairs of no more than `least_dice` are none. One joint histogram serves
    all pairs, whatever their number.
    """
    overlap, ours, theirs = _overlaps(found, truth)
    dice = 2 * overlap / np.maximum(ours[:, None] + theirs[None], 1)
    dice[dice <= least_dice] = 0
    rows, columns = linear_sum_assignment(dice, maximize=True)
    return [
        Match(int(row) + 1, int(column) + 1, float(dice[row, column]))
        for row, column in zip(rows, columns, strict=True)
        if dice[row, column] > 0
    ]


def _overlaps(found: Array, truth: Array) -> tuple[Array, Array, Array]:
    """Common voxels of objects 1, 2, … of both maps, and the voxels of each."""
    rows, columns = int(found.max(initial=0)) + 1, int(truth.max(initial=0)) + 1
    pairs = np.ravel(found).astype(np.int64) * columns + np.ravel(truth)
    joint = np.bincount(pairs, minlength=rows * columns).reshape(rows, columns)
    return joint[1:, 1:].astype(float), joint[1:].sum(1), joint[:, 1:].sum(0)


@dataclass(frozen=True, slots=True)
class Detections:
    """How many of one patient's objects count and were found; `neutral` finds count nowhere."""

    truth: int
    hit: int
    wrong: tuple[int, ...]  # numbers of the finds that are none of them
    dice: tuple[float, ...]  # of each hit

    @property
    def false_positive(self) -> int:
        """Finds that are none of them."""
        return len(self.wrong)

    @property
    def recall(self) -> float:
        """NaN for a patient without objects."""
        return _ratio(self.hit, self.truth)

    @property
    def f1(self) -> float:
        """0 if nothing was found and there was something; NaN if there was nothing at all."""
        return _ratio(2 * self.hit, self.hit + self.false_positive + self.truth)


def detections(found: Array, truth: Array, counts: Sequence[bool]) -> Detections:
    """Score numbered objects; `counts` says for each true object 1, 2, … whether it matters.

    A find that is matched to, or lies mostly in, a true object that does not is neither right nor
    wrong.
    """
    matches = match_objects(found, truth)
    hits = [match for match in matches if counts[match.truth - 1]]
    overlap, ours, _ = _overlaps(found, truth)
    spared = [not count for count in counts]
    inside = overlap[:, spared].sum(1) if any(spared) else np.zeros(len(ours))
    neutral = {int(i) + 1 for i in np.flatnonzero(inside > ours / 2)}
    neutral |= {match.found for match in matches if not counts[match.truth - 1]}
    matched = {match.found for match in hits}
    present = {int(i) + 1 for i in np.flatnonzero(ours)}
    wrong = tuple(sorted(present - matched - neutral))
    return Detections(sum(counts), len(hits), wrong, tuple(match.dice for match in hits))


def average_surface_distance(found: Array, truth: Array, spacing: Sequence[float]) -> float:
    """ASSD: mean over the surface elements of both masks; 0 if both are empty, inf if one is."""
    if not found.any() and not truth.any():
        return 0.0
    return float(np.concatenate(surface_distances(found, truth, spacing)).mean())
