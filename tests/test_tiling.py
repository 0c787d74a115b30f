from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from inference.tiling import predict_tiled

if TYPE_CHECKING:
    from inference.series import Array


def random(*shape: int) -> Array:
    return np.random.default_rng(0).random(shape, np.float32)


@settings(deadline=None, max_examples=60)
@given(
    space=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    edge=st.integers(1, 24),
    overlap=st.floats(0, 0.75),
    multiple=st.sampled_from([1, 4, 8]),
)
def test_a_voxelwise_network_gives_what_it_gives_untiled(
    space: list[int], edge: int, overlap: float, multiple: int
) -> None:
    image = random(2, *space)
    result = predict_tiled(
        lambda tile: np.stack([tile[0] * 2, tile.sum(0), tile[1] ** 2]),
        image,
        [edge] * len(space),
        overlap=overlap,
        multiple=multiple,
    )
    expected = np.stack([image[0] * 2, image.sum(0), image[1] ** 2])
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 200, 170), (1, 60, 70, 50)])
def test_a_network_with_context_leaves_no_seams(shape: tuple[int, ...]) -> None:
    """Tiles cut off its context; blending keeps the error far below that of tiles side by side."""
    image = random(*shape)
    tile = [64] * 2 if len(shape) == 3 else [32] * 3

    def smooth(part: Array) -> Array:
        return gaussian_filter(part[0], 3, mode="nearest")[None]

    whole = smooth(image)
    blended = np.abs(predict_tiled(smooth, image, tile, overlap=0.5) - whole).max()
    side_by_side = np.abs(predict_tiled(smooth, image, tile, overlap=0) - whole).max()
    assert blended < 0.1 * side_by_side


@pytest.mark.parametrize("multiple", [8, 32])
def test_the_network_sees_one_shape_a_multiple_and_only_pixels_of_the_image(multiple: int) -> None:
    seen: list[Array] = []
    image = random(1, 100, 37) + 5
    result = predict_tiled(
        lambda tile: seen.append(tile) or tile, image, (64, 64), multiple=multiple
    )
    shapes = {tile.shape for tile in seen}
    assert shapes == {(1, 64, -(-37 // multiple) * multiple)}
    assert min(tile.min() for tile in seen) >= 5
    assert result.shape == image.shape


def test_every_tile_is_reported() -> None:
    steps: list[tuple[int, int]] = []
    predict_tiled(
        lambda tile: tile,
        random(1, 100, 100),
        (50, 100),
        overlap=0.5,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_an_image_smaller_than_a_tile_is_one_tile_of_its_size() -> None:
    seen: list[tuple[int, ...]] = []
    predict_tiled(lambda tile: seen.append(tile.shape) or tile, random(3, 5, 9), (512, 512))
    assert seen == [(3, 5, 9)]
