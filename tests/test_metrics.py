from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.metrics import Confusion, area_under_curve, confusion, surface_distances


def test_confusion_counts_only_inside() -> None:
    found = np.array([[1, 1, 0, 0], [1, 0, 0, 0]])
    truth = np.array([[1, 0, 1, 0], [1, 1, 0, 0]])
    inside = np.array([[1, 1, 1, 1], [0, 0, 0, 0]])
    assert confusion(found, truth) == Confusion(2, 1, 2, 3)
    assert confusion(found, truth, inside) == Confusion(1, 1, 1, 1)


def test_ratios_of_a_known_table() -> None:
    counts = Confusion(true_positive=6, false_positive=2, false_negative=3, true_negative=9)
    assert counts.dice == pytest.approx(12 / 17)
    assert counts.sensitivity == pytest.approx(6 / 9)
    assert counts.specificity == pytest.approx(9 / 11)
    expected = (6 * 9 - 2 * 3) / math.sqrt(8 * 9 * 11 * 12)
    assert counts.matthews == pytest.approx(expected)


def test_two_empty_masks_agree() -> None:
    nothing = np.zeros((4, 4), bool)
    assert confusion(nothing, nothing).dice == 1
    assert math.isnan(confusion(nothing, nothing).sensitivity)
    assert confusion(nothing, nothing).matthews == 0


def test_matthews_of_a_large_image_does_not_overflow() -> None:
    counts = Confusion(10**8, 10**7, 10**7, 10**9)
    assert 0.89 < counts.matthews < 0.91


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40).filter(
        lambda pairs: len({truth for _, truth in pairs}) == 2
    )
)
def test_auc_is_the_chance_that_an_object_outranks(pairs: list[tuple[int, bool]]) -> None:
    score, truth = (np.array(column) for column in zip(*pairs, strict=True))
    objects, others = score[truth], score[~truth]
    wins = (objects[:, None] > others).sum() + 0.5 * (objects[:, None] == others).sum()
    assert area_under_curve(score, truth) == pytest.approx(wins / (len(objects) * len(others)))


def test_auc_of_shuffled_labels_is_a_half() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(200_000) < 0.1
    assert area_under_curve(rng.random(200_000), truth) == pytest.approx(0.5, abs=0.01)
    assert math.isnan(area_under_curve(rng.random(9), np.zeros(9)))


def test_auc_of_a_mask_is_the_mean_of_sensitivity_and_specificity() -> None:
    rng = np.random.default_rng(0)
    found, truth = rng.random((2, 500)) < 0.4
    counts = confusion(found, truth)
    mean = (counts.sensitivity + counts.specificity) / 2
    assert area_under_curve(found, truth) == pytest.approx(mean)


def test_surfaces_of_shifted_cubes_are_as_far_apart_as_the_shift_in_millimetres() -> None:
    first, second = np.zeros((2, 20, 20, 20), bool)
    first[5:10, 5:10, 5:10] = True
    second[7:12, 5:10, 5:10] = True
    for distances in surface_distances(first, second, (2.5, 1, 1)):
        assert distances.max() == pytest.approx(5)
    for distances in surface_distances(first, first, (2.5, 1, 1)):
        assert not distances.any()


def test_a_surface_is_infinitely_far_from_none() -> None:
    nothing, something = np.zeros((8, 8), bool), np.eye(8, dtype=bool)
    there, back = surface_distances(something, nothing, (1, 1))
    assert np.isinf(there).all()
    assert back.size == 0
