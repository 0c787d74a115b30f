"""Values of a volume between its voxels, linear; several times quicker than scipy's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from inference.series import Array


def sampled(values: Array, at: Array, outside: float | None = None) -> Array:
    """`values` (z, y, x) at places `at` (3, …), voxels; float32 of the places' shape.

    Beyond its edge a volume holds `outside`, or, where that is None, what its edge holds.
    """
    import torch
    from torch.nn import functional

    level = np.float32(outside or 0)
    volume = torch.from_numpy(np.ascontiguousarray(values, np.float32) - level)
    spans = np.maximum(np.asarray(values.shape, np.float32) - 1, 1).reshape(3, 1, 1, 1)
    grid = torch.from_numpy(np.asarray(2 * at / spans - 1, np.float32)).flip(0)
    found = functional.grid_sample(
        volume[None, None], grid.permute(1, 2, 3, 0)[None], mode="bilinear",
        padding_mode="border" if outside is None else "zeros", align_corners=True,
    )  # fmt: skip
    return found[0, 0].numpy() + level
