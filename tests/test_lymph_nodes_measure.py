from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from inference.metrics import average_surface_distance, detections, match_objects
from plugins.lymph_nodes.measure import at_threshold, axes, axes_3d, components, finds, nodes

SPACING = (2.5, 0.6, 0.7)


def grid(shape: tuple[int, ...], spacing: tuple[float, ...]) -> np.ndarray:
    """Points (z, y, x, 3) in mm round the centre of the array."""
    index = np.stack(np.indices(shape), -1) - (np.array(shape) - 1) / 2
    return index * spacing


def ellipsoid(
    half: tuple[float, float, float], turn: Rotation, spacing: tuple[float, ...] = SPACING
) -> np.ndarray:
    shape = tuple(2 * int(max(half) / step + 3) + 1 for step in spacing)
    local = grid(shape, spacing) @ turn.as_matrix()
    return ((local / half) ** 2).sum(-1) <= 1


def section(half: tuple[float, float, float], turn: Rotation) -> tuple[float, float]:
    """Full axes, mm, of the section of an ellipsoid by the axial plane through its centre."""
    quadric = turn.as_matrix() @ np.diag(1 / np.square(half)) @ turn.as_matrix().T
    short, long = 2 / np.sqrt(np.linalg.eigvalsh(quadric[1:, 1:])[::-1])
    return float(short), float(long)


@pytest.fixture(scope="module")
def errors() -> np.ndarray:
    """(40, 5): short and long axis and the three of 3D, mm off, of turned ellipsoids."""
    found = []
    for seed in range(40):
        half = np.sort(np.random.default_rng(seed).uniform(5, 14, 3))
        turn = Rotation.random(random_state=seed)
        (node,) = nodes(ellipsoid(tuple(half), turn).astype(np.uint8), SPACING)
        measured = (node.short_axis_mm, node.long_axis_mm, *node.axes_3d_mm)
        found.append(np.subtract(measured, (*section(tuple(half), turn), *2 * half[::-1])))
    return np.array(found)


def test_axes_of_turned_ellipsoids_are_right_to_three_tenths_of_a_millimetre_off_the_grid(
    errors,
):
    in_slice, solid = errors[:, :2], errors[:, 2:]
    assert np.abs(in_slice.mean(0)).max() < 0.05
    assert (np.abs(in_slice) < 0.3).mean() > 0.95
    assert np.abs(in_slice).max() < 0.75 * max(SPACING[1:])  # a side along the grid: half a voxel
    assert np.abs(solid.mean(0)).max() < 0.05
    assert (np.abs(solid) < 0.3).mean() > 0.9


def test_axes_follow_the_probability_between_the_voxels():
    """Where a node is as the network drew it: never more than 0.3 mm off."""
    for seed in range(20):
        half = tuple(np.sort(np.random.default_rng(seed).uniform(5, 14, 3)))
        turn = Rotation.random(random_state=seed)
        fine = tuple(step / n for step, n in zip(SPACING, (1, 5, 5), strict=True))
        shape = tuple(2 * int(14 / step + 3) + 1 for step in SPACING)
        local = grid((shape[0], 5 * shape[1], 5 * shape[2]), fine) @ turn.as_matrix()
        inside = ((local / half) ** 2).sum(-1) <= 1
        share = inside.reshape(shape[0], shape[1], 5, shape[2], 5).mean((2, 4))
        (node,) = nodes((share >= 0.5).astype(np.uint8), SPACING, probability=share)
        error = np.subtract((node.short_axis_mm, node.long_axis_mm), section(half, turn))
        assert np.abs(error).max() < 0.3


def test_volume_of_a_turned_ellipsoid():
    half = (6.0, 9.0, 12.0)
    (node,) = nodes(ellipsoid(half, Rotation.random(random_state=1)).astype(np.uint8), SPACING)
    assert node.volume_ml == pytest.approx(4 / 3 * np.pi * np.prod(half) / 1000, rel=0.02)


def test_the_short_axis_is_perpendicular_to_the_long_one_in_millimetres():
    spacing = (0.5, 1.5)
    y, x = grid((61, 41), spacing).transpose(2, 0, 1)
    turned = np.stack([y + x, y - x]) / np.sqrt(2)
    found = axes((turned[0] / 10) ** 2 + (turned[1] / 4) ** 2 <= 1, spacing)
    long, short = (np.subtract(*ends) * spacing for ends in (found.long_ends, found.short_ends))
    assert abs(long @ short) < 0.02 * np.linalg.norm(long) * np.linalg.norm(short)
    assert np.linalg.norm(long) == pytest.approx(found.long_mm)
    assert np.linalg.norm(short) == pytest.approx(found.short_mm)


def test_where_a_node_lies_and_what_it_holds():
    labels = np.zeros((10, 30, 40), np.uint8)
    labels[3:6, 10:20, 5:15] = 1
    volume = np.where(labels == 1, 45, -90).astype(np.int16)
    probability = np.where(labels == 1, 0.8, 0.1).astype(np.float32)
    (node,) = nodes(labels, SPACING, volume, probability, offset=(100, 200, 300))
    assert node.centroid == (104, 214.5, 309.5)
    assert node.slice == 103
    assert (node.mean_hu, node.confidence) == (45, pytest.approx(0.8))
    assert 200 + 9 < min(y for y, _ in node.long_ends) < 200 + 20


@pytest.mark.parametrize(
    "mask", [np.ones((1, 1), bool), np.ones((1, 6), bool), np.eye(2, dtype=bool)]
)
def test_specks_and_lines_have_axes_too(mask):
    found = axes(mask, (0.7, 0.7))
    assert 0 < found.long_mm < 6
    assert found.short_mm <= found.long_mm + 1e-6


def test_a_single_voxel_is_as_large_as_itself():
    assert axes_3d(np.ones((1, 1, 1), bool), (1, 1, 1)) == pytest.approx((1.29,) * 3, abs=0.01)


def test_components_are_numbered_by_size_and_small_ones_dropped():
    mask = np.zeros((5, 20, 20), bool)
    mask[2, 2:4, 2:4] = True
    mask[1:4, 10:18, 10:18] = True
    mask[0, 9, 9] = True  # touches it at a corner
    assert components(mask, (1, 1, 1)).max() == 2
    assert components(mask, (1, 1, 1))[0, 9, 9] == 1
    assert components(mask, (1, 1, 1), smallest_mm3=5).max() == 1


def test_a_threshold_renumbers_what_is_left():
    probability = np.zeros((9, 40, 40), np.float32)
    probability[3:7, 2:8, 2:8] = 0.58
    probability[2:7, 15:35, 15:35] = 0.9
    volume = np.zeros(probability.shape, np.int16)
    both, of_both = at_threshold(probability, volume, (2, 1, 1), 0.4)
    one, of_one = at_threshold(probability, volume, (2, 1, 1), 0.4, smallest_mm=10)
    assert both.max() == len(of_both) == 2
    assert one.max() == len(of_one) == 1
    assert at_threshold(probability, volume, (2, 1, 1), 0.6)[0].max() == 1
    assert at_threshold(probability, volume, (2, 1, 1), 0.95)[1] == []


def test_a_find_reaches_down_to_the_threshold_but_rises_well_above_it():
    probability = np.zeros((9, 40, 40), np.float32)
    probability[2:7, 4:14, 4:14] = 0.42
    probability[2:7, 20:34, 20:34] = 0.42
    assert finds(probability, (2, 1, 1), 0.4).max() == 0
    probability[4, 26, 26] = 0.6
    found = finds(probability, (2, 1, 1), 0.4)
    np.testing.assert_array_equal(np.argwhere(found == 1).min(0), (2, 20, 20))
    assert np.count_nonzero(found) == 5 * 14 * 14


def three_objects() -> np.ndarray:
    truth = np.zeros((1, 20, 60), np.uint8)
    for number in range(3):
        truth[0, 5:15, 20 * number + 5 : 20 * number + 15] = number + 1
    return truth


def test_objects_are_matched_one_to_one_for_the_largest_sum():
    truth = three_objects()
    found = np.zeros_like(truth)
    found[0, 5:15, 7:33] = 1  # lies over the first and a part of the second
    found[0, 5:15, 33:36] = 2
    matches = {match.found: match.truth for match in match_objects(found, truth)}
    assert matches == {1: 1, 2: 2}
    assert match_objects(np.zeros_like(truth), truth) == []


def test_an_empty_answer_scores_nothing():
    truth = three_objects()
    score = detections(np.zeros_like(truth), truth, [True] * 3)
    assert (score.recall, score.f1, score.false_positive) == (0, 0, 0)


def test_objects_that_do_not_count_are_neither_right_nor_wrong():
    truth = three_objects()
    found = np.where(truth == 2, 1, 0) + np.where(truth == 3, 2, 0)
    found[0, 0:3, 0:3] = 3
    score = detections(found, truth, [True, True, False])
    assert (score.truth, score.hit, score.false_positive) == (2, 1, 1)
    assert score.dice == (1.0,)
    assert score.f1 == pytest.approx(0.5)


def test_surface_distance_is_the_mean_of_both_ways():
    first, second = np.zeros((2, 5, 20, 20), bool)
    first[:, 5:15, 5:15] = second[:, 5:15, 7:17] = True
    assert average_surface_distance(first, first, (1, 1, 1)) == 0
    assert 0.5 < average_surface_distance(first, second, (1, 1, 1)) < 1.5
    assert average_surface_distance(first, np.zeros_like(first), (1, 1, 1)) == np.inf
