"""Flat pictures of the pack: projections, with masks that may overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Pictures:
    """A series of pictures of one kind; what is seen in picture i is `masks[i]`."""

    images: NDArray[np.uint8]  # (n, y, x)
    masks: tuple[NDArray[np.bool_], ...]  # (k, y, x) each
    spacing: float  # mm


def write_pictures(path: Path, pictures: Pictures) -> None:
    """As one compressed .npz."""
    np.savez_compressed(
        path,
        images=pictures.images,
        spacing=pictures.spacing,
        counts=[len(masks) for masks in pictures.masks],
        masks=np.packbits(np.concatenate(pictures.masks), axis=-1),
    )


def read_pictures(path: Path) -> Pictures:
    """What `write_pictures` wrote."""
    with np.load(path) as file:
        images = file["images"]
        masks = np.unpackbits(file["masks"], axis=-1, count=images.shape[2]).astype(bool)
        parts = np.split(masks, np.cumsum(file["counts"])[:-1])
        return Pictures(images, tuple(parts), float(file["spacing"]))
