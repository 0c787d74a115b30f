"""Whether a picture looks like a fundus photograph at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.feature import hessian_matrix, hessian_matrix_eigvals

from plugins.retinal_vessels.prepare import (
    as_colour,
    bounding_box,
    brightest_of,
    reduced,
    standardised,
)

if TYPE_CHECKING:
    from plugins.retinal_vessels.prepare import Mask, Photograph, Plane

LOOKS = 512
"""What a photograph looks like is judged at about this diameter, in pixels."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What a photograph looks like; each number means little alone."""

    colour: float
    """Mean distance between the brightest and the darkest channel, in [0, 1]."""
    red: float
    """Red over green, mean."""
    yellow: float
    """Green over blue, mean."""
    round: float
    """Dice of the field of view with a disc that the frame may cut; 0 without a dark border."""
    shade: float
    """Dark (5th percentile) over medium brightness."""
    grain: float
    """Deviation of the finest detail in the normalised green channel."""
    lines: float
    """Strength of dark lines of a vessel's calibre, 97th percentile."""


def fundus_warning(image: Photograph, field_of_view: Mask) -> str | None:
    """Return why this may be no fundus photograph, as one sentence; None if it looks like one."""
    doubt = _doubt(_looks(image, field_of_view))
    if doubt is None:
        return None
    return f"This may not be a fundus photograph ({doubt}): do not rely on the vessels shown."


def _doubt(looks: Looks) -> str | None:
    strict = 1.0 if looks.round > 0.95 else 1.2
    if looks.grain > 0.6:
        return "it is mostly noise or fine print"
    if looks.shade < 0.3:
        return "its light is too uneven"
    if looks.lines < 0.03:
        return "it shows no lines like vessels"
    if looks.colour < 0.05 and looks.round < 0.985:
        return "it is grey without a round, dark border"
    if looks.colour >= 0.05 and (looks.red < 1.15 * strict or looks.yellow < 1.1 * strict):
        return "its colours are not those of a retina"
    return None


def _looks(image: Photograph, field_of_view: Mask) -> Looks:
    box = bounding_box(field_of_view)
    factor = max(1, round(max(field_of_view[box].shape) / LOOKS))
    whole = as_colour(image, box)
    colour = np.stack([reduced(whole[..., c], factor) for c in range(3)], axis=-1)
    shape = reduced(field_of_view[box].astype(np.float32), factor) > 0.5
    core = ndimage.binary_erosion(shape, iterations=10)
    core = core if core.any() else np.ones_like(shape)
    red, green, blue = colour[core].mean(axis=0) + 1e-3
    brightest = brightest_of(colour)[core]
    light = np.percentile(brightest, [5, 50]) + 1e-3
    normal = standardised(colour[..., 1], shape)
    return Looks(
        colour=float((brightest + brightest_of(-colour)[core]).mean()),
        red=float(red / green),
        yellow=float(green / blue),
        round=0.0 if field_of_view.all() else _roundness(shape),
        shade=float(light[0] / light[1]),
        grain=float((normal - ndimage.gaussian_filter(normal, 1))[core].std()),
        lines=_dark_lines(normal, core),
    )


def _roundness(shape: Mask) -> float:
    height, width = shape.shape
    y, x = np.ogrid[:height, :width]
    radius = max(height, width) / 2
    disc = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2 <= radius**2
    return float(2 * (disc & shape).sum() / (disc.sum() + shape.sum()))


def _dark_lines(normal: Plane, core: Mask) -> float:
    if min(normal.shape) < 3:
        return 0.0
    hessian = hessian_matrix(  # type: ignore[no-untyped-call]
        normal, sigma=2, order="rc", use_gaussian_derivatives=False
    )
    across, along = hessian_matrix_eigvals(hessian)  # type: ignore[no-untyped-call]
    lines = np.where((across > 0) & (np.abs(along) < 0.5 * across), across, 0)
    return float(np.percentile(lines[core], 97))
