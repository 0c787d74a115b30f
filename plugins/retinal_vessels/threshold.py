"""From probability to vessels; light, for the window calls it at every move of the slider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cc3d
import numpy as np

if TYPE_CHECKING:
    from inference.series import Array

VESSEL = 1
"""The label of a vessel."""


def vessels(probability: Array, threshold: float, smallest: int = 0) -> Array:
    """Labels (y, x) uint8: `VESSEL` from `threshold` up, islands below `smallest` px dropped."""
    found = (probability >= threshold).view(np.uint8)
    if smallest > 1:
        found = cc3d.dust(found, threshold=smallest, connectivity=8)
    return found * np.uint8(VESSEL)
