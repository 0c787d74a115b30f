"""Prompts of one crop as maps for the network; no torch here.

Points are (down, right) in the crop's pixels, centres at whole numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from plugins.click_segmentation.prompts import Prompt

    Plane = NDArray[np.float32]

SIGMA, RADIUS, FAR = 2.0, 5.0, 64.0
"""Of the Gaussian and of the disc round a click, and where a distance map ends, px."""

PROFILES: dict[str, Callable[[Plane], Plane]] = {
    "gaussian": lambda distance: np.exp(-(distance**2) / (2 * SIGMA**2)),
    "disc": lambda distance: (distance <= RADIUS).astype(np.float32),
    "distance": lambda distance: np.maximum(0, 1 - distance / FAR),
}
"""What a click leaves in its map, by the distance from it in px: as published by Sakinis et al.
(arXiv 1903.08205), RITM (arXiv 2102.06583) and Xu et al. (arXiv 1603.04042), there up to 255 px."""

AREA = 0.5
"""What a box and a lasso enclose is marked so strongly: they say less of a pixel than a click."""

BESIDE = 0.5
"""The neighbouring slice's mask is marked so strongly: it says where to look, not what is there."""

ALIKE = 0.2
"""Deviation of the grey values that count as alike; the image spans -1 to 1."""

MOST = 8
"""So many places of a scribble are compared with the image."""


def encode(
    image: Plane,
    prompts: Sequence[Prompt],
    previous: NDArray[np.uint8] | None,
    strength: float = 1.0,
    profile: str = "gaussian",
) -> Plane:
    """Return (5, down, right): positive, negative, previous mask, like positive, like negative.

    `image` is the crop (2, down, right) as `prepare.normalise` leaves it; `strength` is 1 for a
    mask of this slice and `BESIDE` for one of the slice beside it, `profile` is one of `PROFILES`,
    the one that the network was trained with. The last two maps say how
    much the grey values resemble those under the nearest clicks in brightness: they need no
    training, and hold for structures and scanners that were never seen.
    """
    shape = (image.shape[1], image.shape[2])
    sides = [[p for p in prompts if p.positive is positive] for positive in (True, False)]
    before = np.zeros(shape, np.float32) if previous is None else strength * (previous > 0)
    maps = [drawn(shape, side, PROFILES[profile]) for side in sides]
    smooth = np.stack([cv2.blur(view, (3, 3)) for view in image])
    return np.stack([*maps, before, *(alike(smooth, side) for side in sides)]).astype(np.float32)


def drawn(
    shape: tuple[int, int], prompts: Sequence[Prompt], profile: Callable[[Plane], Plane]
) -> Plane:
    """Clicks and lines by their profile, enclosed areas at `AREA`; in [0, 1]."""
    free = np.ones(shape, np.uint8)
    areas = np.zeros(shape, np.float32)
    for prompt in prompts:
        if prompt.kind in ("box", "lasso"):
            np.maximum(areas, AREA * enclosed(shape, prompt), out=areas)
        else:
            free[line(shape, prompt) > 0] = 0
    if free.all():
        return areas
    distance = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.maximum(areas, profile(np.asarray(distance))), np.float32)


def line(shape: tuple[int, int], prompt: Prompt) -> NDArray[np.uint8]:
    """The pixels of a click or a scribble, 0/1; points outside the crop are left out."""
    canvas = np.zeros(shape, np.uint8)
    places = _places(prompt)
    if len(places) == 1:
        (down, right) = places[0]
        if 0 <= down < shape[0] and 0 <= right < shape[1]:
            canvas[down, right] = 1
    else:
        cv2.polylines(canvas, [places[:, ::-1].copy()], isClosed=False, color=1)
    return canvas


def enclosed(shape: tuple[int, int], prompt: Prompt) -> NDArray[np.uint8]:
    """The pixels in a box or a lasso, 0/1."""
    canvas = np.zeros(shape, np.uint8)
    places = _places(prompt)
    if prompt.kind == "box":
        (top, left), (bottom, right) = places.min(0), places.max(0)
        places = np.array([[top, left], [top, right], [bottom, right], [bottom, left]], np.int32)
    cv2.fillPoly(canvas, [places[:, ::-1].copy()], color=1)
    return canvas


def alike(smooth: Plane, prompts: Sequence[Prompt]) -> Plane:
    """How much each place resembles the clicked ones; in [0, 1], 0 without clicks."""
    shape = smooth.shape[1:]
    result = np.zeros(shape, np.float32)
    for down, right in _compared(shape, prompts):
        apart = smooth - smooth[:, down, right, None, None]
        closeness = np.exp(np.einsum("cij,cij->ij", apart, apart) * np.float32(-0.5 / ALIKE**2))
        np.maximum(result, closeness, out=result)
    return result


def _compared(shape: tuple[int, ...], prompts: Sequence[Prompt]) -> NDArray[np.int32]:
    found = [np.empty((0, 2), np.int32)]
    for prompt in prompts:
        if prompt.kind in ("click", "scribble"):
            places = _places(prompt)
            chosen = np.linspace(0, len(places) - 1, min(MOST, len(places)))
            found.append(places[chosen.astype(int)])
    places = np.concatenate(found)
    inside = np.all((places >= 0) & (places < shape), axis=1)
    return np.asarray(places[inside])


def _places(prompt: Prompt) -> NDArray[np.int32]:
    return np.asarray(np.rint(np.asarray(prompt.points)), np.int32)
