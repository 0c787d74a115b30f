from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from inference import morphology
from inference.box import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Change = Callable[[Mask, Sequence[float]], Mask]

SPACING = (3.0, 0.7, 1.1)
TURNS = tuple(product(permutations(range(3)), product((False, True), repeat=3)))


@pytest.fixture(scope="module")
def phantom() -> Mask:
    """An ellipsoid with a hole, a dent and two islands, and no symmetry."""
    z, y, x = np.ogrid[:14, :30, :24]
    body = ((z - 6) * 3) ** 2 / 15**2 + (y - 13) ** 2 / 11**2 + (x - 10) ** 2 / 9**2 < 1
    body[5:8, 11:15, 8:11] = False
    body[2:5, 4:9, 12:16] = False
    body[12, 26:28, 20:23] = True
    body[1, 1:3, 1] = True
    return body


def turned(mask: Mask, order: Sequence[int], flips: Sequence[bool]) -> Mask:
    return mask.transpose(order)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]


CHANGES: dict[str, Change] = {
    "grow": lambda mask, spacing: morphology.grow(mask, 2.5, spacing),
    "shrink": lambda mask, spacing: morphology.shrink(mask, 1.6, spacing),
    "smooth": lambda mask, spacing: morphology.smooth(mask, 2.0, spacing),
    "islands": lambda mask, _: morphology.remove_islands(mask, 5),
    "largest": lambda mask, _: morphology.keep_largest(mask),
    "holes": lambda mask, _: morphology.fill_holes(mask),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_all_48_axis_orders_give_the_same_shape(phantom: Mask, change: Change) -> None:
    expected = change(phantom, SPACING)
    assert expected.any()
    assert not np.array_equal(expected, phantom)
    for order, flips in TURNS:
        found = change(turned(phantom, order, flips), [SPACING[axis] for axis in order])
        assert np.array_equal(found, turned(expected, order, flips)), (order, flips)


def test_slices_are_interpolated_alike_along_every_axis(phantom: Mask) -> None:
    drawn = phantom.copy()
    drawn[[4, 5, 7, 8]] = False
    expected = morphology.interpolate_slices(drawn, 0, SPACING)
    for order in permutations(range(3)):
        axis = order.index(0)
        turned_spacing = [SPACING[place] for place in order]
        found = morphology.interpolate_slices(drawn.transpose(order), axis, turned_spacing)
        assert np.mean(found != expected.transpose(order)) < 1e-3  # ties, rounded another way


def test_growing_and_shrinking_are_in_millimetres(phantom: Mask) -> None:
    small = phantom[:8, 6:16, 5:14]
    grid = np.stack(np.indices(small.shape), -1) * SPACING

    def nearest(of: Mask) -> NDArray[np.float64]:
        apart = grid[..., None, :] - grid[of]
        return np.sqrt((apart**2).sum(-1)).min(-1)

    grown, shrunk = morphology.grow(small, 3.2, SPACING), morphology.shrink(small, 1.5, SPACING)
    assert np.array_equal(grown, nearest(small) <= 3.2)
    assert np.array_equal(shrunk, nearest(~small) > 1.5)


def test_growing_shows_no_seams_between_its_tiles() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((150, 140, 20)) > 0.9997
    direct = morphology.distance(~mask, SPACING) <= 5
    assert np.array_equal(morphology.grow(mask, 5, SPACING), direct)
    assert np.array_equal(morphology.shrink(~mask, 5, SPACING), ~direct)


def test_the_edge_of_the_image_is_no_border() -> None:
    mask = np.zeros((20, 20), bool)
    mask[:10] = True
    shrunk = morphology.shrink(mask, 3, (1, 1))
    assert shrunk[:7].all()
    assert not shrunk[7:].any()
    assert morphology.shrink(np.ones((5, 5), bool), 2, (1, 1)).all()
    assert morphology.smooth(np.ones((5, 5), bool), 4, (1, 1)).all()


def test_nothing_stays_nothing() -> None:
    nothing = np.zeros((4, 5, 6), bool)
    for change in CHANGES.values():
        assert not change(nothing, SPACING).any()
    assert not morphology.interpolate_slices(nothing, 0, SPACING).any()


def test_smoothing_keeps_the_size_and_takes_off_spikes() -> None:
    rows, columns = np.ogrid[:80, :80]
    disk = (rows - 40) ** 2 + (columns - 40) ** 2 < 20**2
    rough = disk.copy()
    rough[40, 60:70] = True
    rough[38:40, 21:26] = False
    smooth = morphology.smooth(rough, 4, (1, 1))
    assert abs(int(smooth.sum()) - int(disk.sum())) < 0.02 * disk.sum()
    assert not smooth[40, 64:].any()


def test_islands_are_counted_in_voxels_with_corners_touching() -> None:
    mask = np.zeros((10, 10), bool)
    mask[0, 0] = mask[1, 1] = mask[2, 2] = True
    mask[8, 8] = True
    assert morphology.remove_islands(mask, 3).sum() == 3
    assert morphology.remove_islands(mask, 4).sum() == 0
    assert morphology.keep_largest(mask).sum() == 3


def test_holes_are_filled_up_to_a_size_and_bays_are_not() -> None:
    mask = np.ones((12, 12), bool)
    mask[2:4, 2:4] = mask[6:10, 6:10] = mask[5, 11] = False
    assert morphology.fill_holes(mask).sum() == 143
    assert morphology.fill_holes(mask, 4).sum() == 127


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 1.5)])
def test_between_two_circles_lie_circles(spacing: tuple[float, float]) -> None:
    rows, columns = np.ogrid[:120, :90]
    radii, rows_at, columns_at = (6.0, 22.0), (50.0, 62.0), (40.0, 46.0)

    def circle(part: float) -> tuple[float, float, float]:
        first, last = zip(*(radii, rows_at, columns_at), strict=True)
        r, y, x = (a + (b - a) * part for a, b in zip(first, last, strict=True))
        return r, y, x

    def drawn(part: float) -> Mask:
        r, y, x = circle(part)
        apart = ((rows - y) * spacing[0]) ** 2 + ((columns - x) * spacing[1]) ** 2
        return np.asarray(apart <= r**2)

    steps = 8
    slices = list(morphology.between(drawn(0), drawn(1), steps, spacing))
    assert len(slices) == steps - 1
    for number, found in enumerate(slices, 1):
        r, y, x = circle(number / steps)
        area = found.sum() * spacing[0] * spacing[1]
        assert np.sqrt(area / np.pi) == pytest.approx(r, abs=max(spacing))
        assert np.argwhere(found).mean(0) == pytest.approx((y, x), abs=1)
        assert np.logical_xor(found, drawn(number / steps)).sum() < 0.12 * found.sum() + 12


def test_a_volume_with_drawn_slices_is_filled_between_them_alone() -> None:
    mask = np.zeros((20, 30, 30), bool)
    mask[3, 10:20, 10:20] = mask[9, 12:18, 12:18] = mask[10, 12:18, 12:18] = True
    filled = morphology.interpolate_slices(mask, 0, (2, 1, 1))
    assert filled.any(axis=(1, 2)).nonzero()[0].tolist() == list(range(3, 11))
    for drawn in (3, 9, 10):
        assert np.array_equal(filled[drawn], mask[drawn])
    areas = filled[3:10].sum(axis=(1, 2))
    assert (np.diff(areas.astype(int)) <= 0).all()


def test_boxes() -> None:
    mask = np.zeros((4, 5, 6), bool)
    assert Box.of(mask) is None
    mask[1, 2:4, 5] = True
    box = Box.of(mask)
    assert box == Box((1, 2, 5), (2, 4, 6))
    assert (box.shape, box.empty) == ((1, 2, 1), False)
    assert mask[box.slices].all()
    assert box.grown((1, 9, 1), mask.shape) == Box((0, 0, 4), (3, 5, 6))
    assert box.union(Box((0, 0, 0), (1, 1, 1))) == Box((0, 0, 0), (2, 4, 6))
    assert box.shifted((0, 9, 0)).clipped(mask.shape).empty
