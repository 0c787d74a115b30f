"""Run a network over an image of any size in overlapping tiles, blended without seams."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inference.series import Array


def predict_tiled(
    predict: Callable[[Array], Array],
    image: Array,
    tile: Sequence[int],
    *,
    overlap: float = 0.25,
    multiple: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Array:
    """Blend `predict` ((channels, *tile) -> (classes, *tile)) over a (channels, *space) image.

    `tile` in voxels per axis of space, cut to an image smaller than it; the shape that `predict`
    sees is rounded up to a `multiple`, for which the image is reflected at its end. Neighbours
    share `overlap` of a tile, over which one fades into the other. Gives float32 (classes, *space).
    """
    space = image.shape[1:]
    edges = [
        _round_up(min(edge, length), multiple) for edge, length in zip(tile, space, strict=True)
    ]
    padded = _reflect(image, edges)
    axes = [_axis(*lengths, overlap) for lengths in zip(padded.shape[1:], edges, strict=True)]
    total = int(np.prod([len(axis) for axis in axes]))
    result = None
    for done, place in enumerate(product(*axes), start=1):
        where = (slice(None), *(slice(start, start + len(w)) for start, w in place))
        values = np.asarray(predict(padded[where]), np.float32)
        if result is None:
            result = np.zeros((len(values), *padded.shape[1:]), np.float32)
        result[where] += values * _outer([weights for _, weights in place])
        progress(done, total)
    if result is None:
        raise ValueError("An image without pixels has no tiles.")
    return result[(slice(None), *map(slice, space))]


def _axis(length: int, edge: int, overlap: float) -> list[tuple[int, Array]]:
    """(start, weights) of each tile along one axis; at every voxel the weights sum to 1."""
    stride = max(1, round(edge * (1 - overlap)))
    count = 1 + max(0, -(-(length - edge) // stride))
    starts = np.linspace(0, length - edge, count).round().astype(int)
    total, bell = np.zeros(length, np.float32), _bell(edge)
    for start in starts:
        total[start : start + edge] += bell
    return [(int(start), bell / total[start : start + edge]) for start in starts]


def _bell(edge: int) -> Array:
    """Highest at a tile's centre, where a network sees most context (nnU-Net: sigma edge / 8)."""
    distance = np.linspace(-4, 4, edge + 2, dtype=np.float32)[1:-1]
    bell: Array = np.exp(-0.5 * distance**2)
    return bell


def _outer(weights: Sequence[Array]) -> Array:
    product = weights[0]
    for more in weights[1:]:
        product = product[..., None] * more
    return product


def _reflect(image: Array, edges: Sequence[int]) -> Array:
    missing = [max(0, edge - n) for edge, n in zip(edges, image.shape[1:], strict=True)]
    if not any(missing):
        return image
    return np.pad(image, [(0, 0), *((0, more) for more in missing)], mode="reflect")


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
