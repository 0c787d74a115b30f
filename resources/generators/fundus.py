"""An invented colour fundus photograph of a right eye, 800 x 800."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from resources.generators.trees import Branch, Growth, smooth_noise, thickness, trunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIZE = 800
CENTRE = np.array([400.0, 400.0])
RADIUS = 386.0  # of the field of view
DISC = np.array([392.0, 586.0])  # right eye: the nasal side is on the right
MACULA = np.array([412.0, 366.0])
DISC_RADIUS = 52.0
# absorption of a vessel per px of its thickness, in red, green and blue
ARTERY, VEIN = (0.016, 0.072, 0.045), (0.030, 0.105, 0.055)
# the courses of the great vessels (y, x) from the disc, with the radius they start with, px
COURSES = (
    (((392, 586), (330, 584), (255, 556), (196, 490), (170, 400), (184, 300), (222, 200),
      (280, 90)), 5.0),
    (((396, 584), (460, 586), (540, 552), (606, 480), (634, 390), (626, 300), (588, 190),
      (540, 80)), 5.2),
    (((386, 590), (330, 608), (270, 650), (200, 680), (120, 690)), 3.4),
    (((400, 590), (460, 614), (520, 652), (600, 672), (680, 668)), 3.3),
    (((388, 592), (372, 650), (350, 710), (340, 780)), 2.4),
    (((398, 592), (420, 650), (440, 710), (446, 780)), 2.3),
    (((388, 580), (352, 540), (340, 490), (352, 440)), 1.5),
    (((400, 580), (440, 540), (462, 490), (452, 440)), 1.5),
)  # fmt: skip


def picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """RGB (y, x, 3)."""
    light = _fundus(rng)
    for color, width, apart in ((ARTERY, 0.74, 1.06), (VEIN, 1.0, 0.97)):
        vessels = thickness((SIZE, SIZE), _vessels(rng, width, apart))
        vessels = ndimage.gaussian_filter(vessels, 0.8)
        light *= np.exp(-vessels[..., None] * np.array(color))
    return _photograph(rng, light)


def _vessels(rng: np.random.Generator, width: float, apart: float) -> list[Branch]:
    """`apart` moves the courses away from the macula, so that arteries run beside veins."""
    growth = Growth(length=40, wander=0.04, spread=0.95, thinnest=0.62, taper=0.9982, side=0.4)
    branches: list[Branch] = []
    for course, radius in COURSES:
        points = np.array(course, float)
        share = np.linspace(0, 1, len(points))[:, None] ** 0.5
        points += share * (apart - 1) * (points - MACULA) + rng.normal(0, 5, points.shape) * share
        branches += trunk(rng, points, radius * width, _past_macula, growth)
    return branches


def _past_macula(position: Floats, heading: float) -> float:
    """No vessel enters the macula: those that come near turn away."""
    away = position - MACULA
    near = np.exp(-((float(np.hypot(*away)) / 70) ** 4))
    turn = (np.arctan2(away[0], away[1]) - heading + np.pi) % (2 * np.pi) - np.pi
    return float(0.06 * near * np.sign(turn))


def _fundus(rng: np.random.Generator) -> Floats:
    """The back of the eye without vessels, linear light 0 to 1."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    from_centre = np.hypot(y - CENTRE[0], x - CENTRE[1]) / RADIUS
    from_macula = np.hypot(y - MACULA[0], x - MACULA[1])
    lamp = 1 - 0.42 * from_centre**2.2 + 0.08 * (x - CENTRE[1]) / RADIUS
    choroid = 0.035 * smooth_noise(rng, y.shape, 26) + 0.012 * smooth_noise(rng, y.shape, 6)
    light = np.stack([lamp * part for part in (0.70, 0.255, 0.085)], axis=-1)
    light *= 1 + choroid[..., None] * (0.7, 1.2, 1.0)
    pigment = 0.5 * np.exp(-((from_macula / 58) ** 2)) + 0.16 * np.exp(-((from_macula / 120) ** 2))
    light *= 1 - pigment[..., None] * (0.42, 0.72, 0.85)
    light += 0.06 * np.exp(-((from_macula / 5) ** 2))[..., None]  # the foveal reflex
    return _with_disc(rng, light, y, x)


def _with_disc(rng: np.random.Generator, light: Floats, y: Floats, x: Floats) -> Floats:
    wobble = 1 + 0.04 * smooth_noise(rng, y.shape, 40)
    away = np.hypot((y - DISC[0]) / 1.08, x - DISC[1]) * wobble
    disc = 1 / (1 + np.exp((away - DISC_RADIUS) / 2.2))
    cup = 1 / (1 + np.exp((np.hypot(y - DISC[0] - 2, x - DISC[1] + 6) - 22) / 4))
    halo = 0.12 * np.exp(-((np.maximum(away - DISC_RADIUS, 0) / 26) ** 2)) * (1 - disc)
    light = light * (1 + halo[..., None])
    nerve = np.array([0.86, 0.52, 0.24]) + cup[..., None] * (0.10, 0.22, 0.22)
    nerve = nerve * (1 + 0.03 * smooth_noise(rng, y.shape, 4)[..., None])
    return np.asarray(light * (1 - disc[..., None]) + nerve * disc[..., None])


def _photograph(rng: np.random.Generator, light: Floats) -> NDArray[np.uint8]:
    """Optics, sensor noise, gamma, and the camera's round aperture."""
    y, x = np.ogrid[:SIZE, :SIZE]
    edge = np.hypot(y - CENTRE[0], x - CENTRE[1])
    seen = np.clip(RADIUS - edge, 0, 1)
    blurred = ndimage.gaussian_filter(np.clip(light, 0, 1), (0.7, 0.7, 0))
    noisy = blurred + rng.normal(0, 0.006, blurred.shape) * np.sqrt(blurred / 0.3)
    values = np.clip(noisy, 0, 1) ** (1 / 1.5) * seen[..., None] * 255
    return np.asarray(values.round(), np.uint8)
