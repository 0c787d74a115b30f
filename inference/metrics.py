"""How well a mask or a score agrees with a drawn truth; every array any shape, both alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
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
    def precision(self) -> float:
        """The part of what was found that is true."""
        return _ratio(self.true_positive, self.true_positive + self.false_positive)

    @property
    def accuracy(self) -> float:
        """The part of everything that is right."""
        right = self.true_positive + self.true_negative
        return _ratio(right, right + self.false_positive + self.false_negative)

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


def hausdorff(
    found: Array, truth: Array, spacing: Sequence[float], percentile: float = 95
) -> float:
    """Hausdorff distance at a percentile (HD95), the larger of both directions.

    0 if both masks are empty, infinite if one is.
    """
    if not found.any() and not truth.any():
        return 0.0
    both = surface_distances(found, truth, spacing)
    if not all(distances.size for distances in both):
        return float("inf")
    return max(float(np.percentile(distances, percentile)) for distances in both)


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
