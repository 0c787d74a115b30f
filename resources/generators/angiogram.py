"""An invented cerebral angiogram, frontal view, 12 bit: a bolus through a carotid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from resources.generators.trees import Branch, Growth, grow, smooth_noise, thickness, trunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIZE = 288
FRAMES = 24
FRAME_MS = 250.0
SPEED = 180.0  # px a second that the bolus travels in the arteries
IODINE = 0.085  # absorption per px of a vessel filled with contrast
CAPILLARY_S, VENOUS_S = 1.6, 2.6  # after the arrival in the arteries
TOP, MIDDLE = 4095, 144.0
CAROTID = ((287, 104), (262, 108), (236, 104), (222, 112), (214, 126), (204, 122), (196, 112))
FORK = np.array((196.0, 112.0))


def run(rng: np.random.Generator) -> NDArray[np.uint16]:
    """(t, y, x); vessels are dark, as the detector sees them."""
    still = _skull(rng)
    arteries = _by_arrival(_arteries(rng))
    veins = thickness((SIZE, SIZE), _veins(rng))
    blush = _blush(rng, arteries)
    frames = [
        _frame(rng, still, arteries, veins, blush, i * FRAME_MS / 1000) for i in range(FRAMES)
    ]
    return np.stack(frames)


def _frame(
    rng: np.random.Generator,
    still: Floats,
    arteries: list[tuple[float, Floats]],
    veins: Floats,
    blush: Floats,
    seconds: float,
) -> NDArray[np.uint16]:
    contrast = sum((_bolus(seconds - at) * part for at, part in arteries), np.zeros_like(still))
    contrast = contrast + 2.2 * _bolus((seconds - CAPILLARY_S) / 1.5) * blush
    contrast = contrast + 0.8 * _bolus((seconds - VENOUS_S) / 1.4) * veins
    absorbed = still + IODINE * ndimage.gaussian_filter(contrast, 0.7)
    photons = 5200 * np.exp(-absorbed)
    seen = ndimage.gaussian_filter(rng.poisson(photons).astype(float), 0.45)
    value = TOP * np.clip(seen / 5200, 0, 1) ** 0.7
    return np.asarray((value * _aperture()).round(), np.uint16)


def _bolus(seconds: float) -> float:
    """Concentration 0 to 1: a gamma variate that peaks 0.8 s after the injection began at 0.6 s."""
    t = (seconds - 0.6) / 0.8
    return float((t * np.exp(1 - t)) ** 2.2) if t > 0 else 0.0


def _arteries(rng: np.random.Generator) -> list[Branch]:
    growth = Growth(length=34, wander=0.10, spread=0.9, thinnest=0.5, taper=0.9972, side=0.55)
    carotid = next(iter(trunk(rng, np.array(CAROTID, float), 4.6, _free, growth)))
    stem = Branch(carotid.points, np.linspace(4.6, 3.6, len(carotid.points)), 0)
    length = float(len(stem.points))
    middle = np.array(
        (FORK, (192, 92), (190, 70), (174, 50), (146, 44), (112, 48), (78, 64)), float
    )
    front = np.array((FORK, (190, 128), (180, 139), (150, 140), (112, 139), (76, 136)), float)
    found = [stem]
    for course, radius in ((middle, 3.2), (front, 2.4)):
        for branch in trunk(rng, course, radius, _within, growth):
            found.append(Branch(branch.points, branch.radii, branch.start + length))
    for row in (84.0, 100.0, 116.0, 132.0, 150.0):  # the middle artery's upper and lower trunks
        start = np.array((row + 40, 58.0 + rng.uniform(-6, 6)))
        found += list(
            grow(rng, start, np.radians(-rng.uniform(20, 120)), 1.7, _within, growth, length + 70)
        )
    return found


def _veins(rng: np.random.Generator) -> list[Branch]:
    """The great sinus in the middle, the veins that join it, and the drain to the neck."""
    growth = Growth(length=24, wander=0.12, spread=0.9, thinnest=0.5, taper=0.997, side=0.5)
    rows = np.linspace(36, 210, 350)
    middle = MIDDLE + 1.6 * np.sin(rows / 31) + 0.8 * smooth_noise(rng, rows.shape, 14)
    sinus = Branch(np.stack([rows, middle], axis=-1), np.linspace(2.0, 3.4, 350), 0)
    drain = np.array(((208, 144), (214, 118), (222, 84), (238, 72), (262, 82), (287, 86)), float)
    found = [sinus, *list(trunk(rng, drain, 4.4, _free, growth))[:1]]
    found[1] = Branch(found[1].points, np.full(len(found[1].points), 3.6), 0)
    for row in np.arange(52, 130, 13.0):
        start = np.array((row + rng.uniform(-5, 5), MIDDLE))
        found += list(grow(rng, start, np.radians(180 - rng.uniform(10, 50)), 1.5, _within, growth))
    return found


def _within(position: Floats, heading: float) -> float:
    """Vessels of the brain stay on their side of the midline and inside the skull."""
    inward = np.array((132.0, 90.0)) - position
    out = float(np.hypot(inward[0] / 108, inward[1] / 64))
    if out < 0.85:
        return 0.0
    turn = (np.arctan2(inward[0], inward[1]) - heading + np.pi) % (2 * np.pi) - np.pi
    return float(np.clip(0.10 * (out - 0.85) / 0.15, 0, 0.16) * np.sign(turn))


def _free(position: Floats, heading: float) -> float:
    return 0.0


def _by_arrival(branches: list[Branch]) -> list[tuple[float, Floats]]:
    """Vessels in classes of arrival time, s, for each its thickness."""
    pieces: dict[int, list[Branch]] = {}
    for branch in branches:
        at = (branch.start + np.arange(len(branch.points))) / SPEED
        for step in np.unique((at * 10).astype(int)):
            part = (at * 10).astype(int) == step
            pieces.setdefault(int(step), []).append(
                Branch(branch.points[part], branch.radii[part], 0)
            )
    parts = {step: thickness((SIZE, SIZE), found) for step, found in sorted(pieces.items())}
    share = thickness((SIZE, SIZE), branches) / np.maximum(sum(parts.values()), 1e-9)
    return [(step / 10, part * share) for step, part in parts.items()]


def _blush(rng: np.random.Generator, arteries: list[tuple[float, Floats]]) -> Floats:
    """Capillaries: a stain round the small vessels."""
    small = sum((part for at, part in arteries if at > 0.9), np.zeros((SIZE, SIZE)))
    stain = ndimage.gaussian_filter(small, 9)
    return np.asarray(stain * (1 + 0.25 * smooth_noise(rng, stain.shape, 3)))


def _skull(rng: np.random.Generator) -> Floats:
    """Absorption of the head without contrast."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    x -= MIDDLE
    head = _chord(((y - 152) / 150) ** 2 + (x / 128) ** 2)
    vault = head - _chord(((y - 152) / 141) ** 2 + (x / 118) ** 2)
    absorbed = 1.2 * head + 2.4 * vault
    absorbed += 0.45 * _soft(((y - 300) / 66) ** 2 + (x / 74) ** 2)  # neck and jaw
    for side in (-1, 1):
        orbit = ((y - 204) / 25) ** 2 + ((x - 44 * side) / 27) ** 2
        absorbed += 0.30 * np.exp(-(((np.sqrt(orbit) - 1) / 0.09) ** 2)) - 0.16 * _soft(orbit)
        petrous = ((y - 212 + 0.06 * np.abs(x)) / 7) ** 2 + ((x - 50 * side) / 34) ** 2
        absorbed += 0.26 * _soft(petrous)
        sinus = ((y - 246) / 22) ** 2 + ((x - 38 * side) / 18) ** 2
        absorbed -= 0.16 * _soft(sinus)
        teeth = ((y - 284) / 12) ** 2 + ((np.abs(x) % 11 - 5.5) / 4.4) ** 2 + (np.abs(x) > 42) * 9
        absorbed += 0.10 * _soft(teeth)
    absorbed += 0.14 * np.exp(-((x / 2.2) ** 2)) * (y > 212) * (y < 262)  # the nasal septum
    absorbed += (0.035 * smooth_noise(rng, y.shape, 6) + 0.02 * smooth_noise(rng, y.shape, 1.6)) * (
        head > 0
    )
    for row in (70.0, 112.0):  # sutures
        line = y - row - 10 * np.cos(x / 34) - 3 * smooth_noise(rng, y.shape, 4)
        absorbed -= 0.05 * np.exp(-((line / 1.5) ** 2)) * (np.abs(x) < 92)
    return np.asarray(ndimage.gaussian_filter(absorbed, 0.9))


def _chord(squares: Floats) -> Floats:
    """How far a ray passes through an ellipsoid, 1 in the middle."""
    return np.asarray(np.sqrt(np.maximum(1 - squares, 0)))


def _soft(squares: Floats) -> Floats:
    """1 inside an ellipse, 0 outside, with a soft border."""
    return np.asarray(1 / (1 + np.exp((np.sqrt(squares) - 1) * 14)))


def _aperture() -> Floats:
    """The collimator's rounded square."""
    y, x = (np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2) / (SIZE / 2)
    edge = (np.abs(y) ** 8 + np.abs(x) ** 8) ** (1 / 8)
    return np.asarray(0.03 + 0.97 / (1 + np.exp((edge - 0.975) * 160)))
