"""Before and after the network: field of view, normalisation, working scale.

Shared by task, training and evaluation; no torch here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull

from plugins.retinal_vessels.scale import DIAMETERS, factor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Photograph = NDArray[np.generic]
    """(y, x) or (y, x, 3 or more); any integer or float type."""
    Plane = NDArray[np.float32]
    Mask = NDArray[np.bool_]

SMALL = 128
"""Light varies slowly: it is measured at about this diameter of the field of view, in pixels."""

USUAL = 800
"""Diameter in pixels between those of usual photographs."""


@dataclass(frozen=True, slots=True)
class Planes:
    """What the network sees, (4, y, x), and where that lies in the photograph."""

    values: Plane
    box: tuple[slice, slice]
    shape: tuple[int, int]

    def forward(self, mask: Mask) -> Plane:
        """Bring a mask of the photograph's size to the network's, as shares of pixels."""
        height, width = self.values.shape[1:]
        return _resized(mask[self.box].astype(np.float32), (height, width))

    def back(self, values: Plane) -> Plane:
        """Bring a map of the network's size to the photograph's; 0 around the box."""
        result = np.zeros(self.shape, np.float32)
        rows, columns = self.box
        size = (rows.stop - rows.start, columns.stop - columns.start)
        result[self.box] = np.clip(_resized(values, size), 0, 1)
        return result


def planes(image: Photograph, field_of_view: Mask, largest: int = DIAMETERS[1]) -> Planes:
    """Cut to the field of view, bring it to a scale that the network knows, normalise."""
    box = bounding_box(field_of_view)
    colour, inside = as_colour(image, box), field_of_view[box]
    scale = factor(max(inside.shape), largest)
    if scale != 1:
        size = (max(1, round(inside.shape[0] * scale)), max(1, round(inside.shape[1] * scale)))
        colour = np.stack([_resized(colour[..., c], size) for c in range(3)], axis=-1)
        inside = _resized(inside.astype(np.float32), size) > 0.5
    return Planes(network_input(colour, inside), box, field_of_view.shape)


def network_input(image: Photograph, field_of_view: Mask) -> Plane:
    """Return (4, y, x): the normalised channels, and how large the field of view is in pixels.

    A vessel of one pixel is a branch in a small photograph and a capillary, or noise, in a large
    one: the network is told which by log2 of the diameter over `USUAL`. 0 outside the field.
    """
    extent = max(inside.stop - inside.start for inside in bounding_box(field_of_view))
    size = np.float32(np.log2(extent / USUAL)) * field_of_view
    return np.concatenate([normalise(image, field_of_view), size[None]])


def finite(image: Photograph) -> Photograph:
    """Return the image with values that are no numbers, or infinite, made black."""
    if not np.issubdtype(image.dtype, np.floating):
        return image
    return np.where(np.isfinite(image), image, 0)


def as_colour(image: Photograph, box: tuple[slice, slice] | None = None) -> Plane:
    """Return (y, x, 3) in [0, 1] by the type's range; floats above 1 by their maximum."""
    top = _top(image)
    part = image if box is None else image[box]
    if part.ndim == 2 or part.shape[2] < 3:
        part = np.repeat(part.reshape(*part.shape[:2], -1)[..., :1], 3, axis=2)
    colour: Plane = part[..., :3].astype(np.float32)
    colour *= np.float32(1 / top)
    return colour if image.dtype.kind in "bu" else np.clip(np.nan_to_num(colour), 0, 1)


def _top(image: Photograph) -> float:
    """White: 12-bit cameras store their values in 16 bits."""
    if image.dtype == np.bool_:
        return 1.0
    if image.dtype == np.uint16 and image.max() < 4096:
        return 4095.0
    if image.dtype.kind in "iu":
        return float(np.iinfo(image.dtype.name).max)
    return max(float(image.max()), 1.0)


def find_field_of_view(image: Photograph) -> Mask:
    """Return the lit area of a photograph (y, x); the whole frame where there is no dark border.

    The four corners show how black the border is: no threshold is taken for granted.
    """
    brightest = image if image.ndim == 2 else brightest_of(image)
    factor = -(-max(brightest.shape) // 400)
    small = ndimage.median_filter(reduced(brightest.astype(np.float32), factor), 3)
    lit = _lit(small).astype(np.float32)
    return _enlarged(lit, factor, brightest.shape) > 0.5


def brightest_of(image: NDArray[Any]) -> NDArray[Any]:
    """Of the first three channels, (y, x): channel by channel, ten times as quick as by pixels."""
    return reduce(np.maximum, np.moveaxis(image[..., :3], 2, 0))


def _lit(brightest: Plane) -> Mask:
    black, bright = _border_level(brightest), float(np.percentile(brightest, 95))
    everything = np.ones(brightest.shape, dtype=bool)
    if black > 0.4 * bright:
        return everything
    lit = brightest > black + 0.12 * (bright - black)
    lit = ndimage.binary_fill_holes(ndimage.binary_opening(lit, iterations=2))
    regions, count = ndimage.label(lit)
    if count == 0:
        return everything
    largest = regions == 1 + np.argmax(np.bincount(regions.ravel())[1:])
    return _convex(_without_notches(largest, 0.04 * min(brightest.shape)))


def _without_notches(region: Mask, radius: float) -> Mask:
    """Cut off the marks that cameras leave on the rim: what no disc of `radius` fits into."""
    core = ndimage.distance_transform_edt(region) > radius
    opened: Mask = ndimage.distance_transform_edt(~core) <= radius
    return opened if core.any() else region


def _convex(region: Mask) -> Mask:
    """Fill the bites that shadows take out of a field of view."""
    rows = np.flatnonzero(region.any(axis=1))
    left, right = (
        region[rows].argmax(axis=1),
        region.shape[1] - 1 - region[rows, ::-1].argmax(axis=1),
    )
    ends = np.concatenate([np.stack([rows, left], 1), np.stack([rows, right], 1)])
    corners = ends[ConvexHull(ends).vertices, ::-1]
    hull = Picture.new("1", region.shape[::-1])
    ImageDraw.Draw(hull).polygon([(int(x), int(y)) for x, y in corners], fill=1)
    return np.asarray(hull) | region


def _border_level(brightest: Plane) -> float:
    size = max(2, min(brightest.shape) // 40)
    ends = (slice(None, size), slice(-size, None))
    return float(np.median([np.median(brightest[y, x]) for y in ends for x in ends]))


def bounding_box(field_of_view: Mask) -> tuple[slice, slice]:
    """Return the rows and columns that hold the field of view; all of them if it is empty."""
    if not field_of_view.any():
        return (slice(0, field_of_view.shape[0]), slice(0, field_of_view.shape[1]))
    rows, columns = (np.flatnonzero(field_of_view.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def normalise(image: Photograph, field_of_view: Mask) -> Plane:
    """Return (3, y, x): each channel minus its local mean, over its local deviation, in [-4, 4].

    Cameras differ in colour, exposure and vignetting; what is left after this differs far less.
    Means and deviations look at the field of view only; outside it the result is 0.
    """
    colour = as_colour(image)
    return np.stack([standardised(colour[..., c], field_of_view) for c in range(3)])


def standardised(channel: Plane, field_of_view: Mask) -> Plane:
    """Return one channel (y, x) as `normalise` leaves it."""
    factor = max(1, round(max(field_of_view[bounding_box(field_of_view)].shape) / SMALL))
    shape = field_of_view.astype(np.float32)
    channel, weight = channel * shape, _smooth(shape, factor) + 1e-6
    mean: Plane = _smooth(channel, factor) / weight
    variance = np.maximum(_smooth(channel**2, factor) / weight - mean**2, 0)
    inside = weight > 0.5
    typical = np.sqrt(np.median(variance[inside])) if inside.any() else 0.0
    deviation = np.sqrt(variance + (0.5 * typical) ** 2 + (0.5 / 255) ** 2)
    low, spread = (_enlarged(x, factor, channel.shape) for x in (mean, deviation))
    result: Plane = np.minimum(np.maximum((channel - low) / spread, -4), 4) * shape
    return result


def _smooth(channel: Plane, factor: int) -> Plane:
    smooth: Plane = ndimage.gaussian_filter(
        reduced(channel, factor), SMALL / 20, mode="constant", truncate=3
    )
    return smooth


def reduced(channel: Plane, factor: int) -> Plane:
    """Mean of blocks of `factor` pixels; those at the end may be smaller."""
    return np.asarray(Picture.fromarray(np.ascontiguousarray(channel)).reduce(factor))


def _enlarged(small: Plane, factor: int, shape: tuple[int, ...]) -> Plane:
    """The opposite of `reduced`, bilinear."""
    if factor == 1:
        return small
    height, width = shape
    box = (0, 0, width / factor, height / factor)
    picture = Picture.fromarray(np.ascontiguousarray(small))
    return np.asarray(picture.resize((width, height), Picture.Resampling.BILINEAR, box))


def _resized(channel: Plane, size: tuple[int, int]) -> Plane:
    """Bilinear to (y, x) pixels, smoothed first where that is fewer."""
    if channel.shape == size:
        return channel
    picture = Picture.fromarray(np.ascontiguousarray(channel))
    return np.asarray(picture.resize(size[::-1], Picture.Resampling.BILINEAR))
