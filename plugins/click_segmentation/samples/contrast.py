"""Other scanners: label maps rendered anew, and real pictures with other contrast and noise.

Domain randomisation as in SynthSeg (Billot et al., Medical Image Analysis 2023): grey values,
uneven light, blur, resolution and noise are drawn anew, so that no contrast can be learnt by heart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from plugins.click_segmentation.samples.framing import field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plugins.click_segmentation.samples.framing import Mask, Picture

WINDOWS = ((40, 400), (40, 250), (60, 160), (-500, 1500), (300, 1500), (400, 2600), (-50, 700))


def render(labels: NDArray[np.uint8], target: Mask, rng: np.random.Generator) -> Picture:
    """A picture of a label map in which the target differs from what surrounds it."""
    size = labels.shape[0]
    means = rng.uniform(0, 1, 256).astype(np.float32)
    if rng.random() < 0.5:
        means[0] = rng.choice((0.0, 1.0))  # air, or a bright sheet
    texture = rng.uniform(0, 0.12) * rng.random(256).astype(np.float32) ** 2
    picture = means[labels]
    contrast = _separate(picture, target, rng)
    rough = field(rng, size, int(rng.integers(4, size // 2)))
    limit = 0.5 * contrast if rng.random() < 0.8 else contrast
    picture += np.minimum(texture[labels], limit) * rough
    picture = _blurred(picture, rng.uniform(0.3, 1.6) if rng.random() < 0.8 else 0)
    return aged(picture, contrast, rng)


def _separate(picture: Picture, target: Mask, rng: np.random.Generator) -> float:
    """Give the target a level of its own, in place; return how far from its surroundings."""
    ring = cv2.dilate(target.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool) & ~target
    around = float(np.median(picture[ring])) if ring.any() else 0.5
    contrast = float(np.exp(rng.uniform(*np.log((0.07, 0.7)))))
    up = around + contrast <= 1 if rng.random() < 0.5 else around - contrast < 0
    level = around + (contrast if up else -contrast)
    inside = picture[target]
    if inside.size:
        picture[target] = level + 0.3 * min(contrast, 0.2) * (inside - inside.mean())
    return contrast


def aged(picture: Picture, contrast: float, rng: np.random.Generator) -> Picture:
    """Uneven light, coarse sampling, noise, a curve of grey values."""
    size = picture.shape[0]
    if rng.random() < 0.5:
        light = np.exp(rng.uniform(0.05, 0.35) * field(rng, size, int(rng.integers(1, 4))))
        picture = picture * light.astype(np.float32)
    if rng.random() < 0.3:
        picture = _coarser(picture, rng.uniform(1.2, 3.5))
    if rng.random() < 0.85:
        picture = picture + _noise(size, rng) * (0.02 + 0.8 * rng.random() ** 2) * min(
            contrast, 0.25
        )
    if rng.random() < 0.3:
        picture = _curved(picture, rng)
    return np.asarray(picture, np.float32)


def _blurred(picture: Picture, sigma: float) -> Picture:
    if sigma <= 0:
        return picture
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def _coarser(picture: Picture, factor: float) -> Picture:
    size = picture.shape[0]
    few = max(24, round(size / factor))
    small = cv2.resize(picture, (few, few), interpolation=cv2.INTER_AREA)
    how = cv2.INTER_LINEAR
    return np.asarray(cv2.resize(small, (size, size), interpolation=how), np.float32)


def _noise(size: int, rng: np.random.Generator) -> Picture:
    """White or, as a scanner's filter leaves it, correlated noise; deviation 1."""
    noise = rng.standard_normal((size, size), dtype=np.float32)
    if rng.random() < 0.6:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.5, 2.0)), np.float32)
        if rng.random() < 0.3:
            noise = noise - np.asarray(cv2.GaussianBlur(noise, (0, 0), 3.0), np.float32)
        noise /= noise.std()
    return noise


def _curved(picture: Picture, rng: np.random.Generator) -> Picture:
    """A monotone curve through random levels, or its inverse."""
    low, high = float(picture.min()), float(picture.max())
    levels = np.cumsum(rng.uniform(0.15, 1, 7))
    levels = levels[::-1] if rng.random() < 0.3 else levels
    known = np.linspace(low, high, 7)
    return np.asarray(np.interp(picture, known, levels / levels.max()), np.float32)


def varied(image: Picture, target: Mask, rng: np.random.Generator) -> Picture:
    """A real crop in HU, often as it is, often with other noise, window, curve or modality."""
    image = image.copy()
    if rng.random() < 0.35:
        middle, whole = WINDOWS[rng.integers(len(WINDOWS))]
        width = whole * rng.uniform(0.7, 1.4)
        centre = middle + rng.uniform(-0.15, 0.15) * width
        if _shown(image, target, centre, width):
            image = np.clip(image, centre - width / 2, centre + width / 2)
    if rng.random() < 0.18:
        image = _as_magnetic_resonance(image, rng)
    spread = float(np.percentile(image, 95) - np.percentile(image, 5)) or 1.0
    if rng.random() < 0.35:
        image = image + _noise(image.shape[0], rng) * spread * rng.uniform(0, 0.05)
    if rng.random() < 0.2:
        image = _blurred(image, rng.uniform(0.4, 1.5))
    if rng.random() < 0.1:
        image = _coarser(image, rng.uniform(1.2, 2.5))
    if rng.random() < 0.15:
        image = image * np.exp(0.2 * field(rng, image.shape[0], 2))
    return np.asarray(-image if rng.random() < 0.05 else image, np.float32)


def _shown(image: Picture, target: Mask, centre: float, width: float) -> bool:
    """Whether a window keeps the target apart from what surrounds it."""
    ring = cv2.dilate(target.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool) & ~target
    if not ring.any() or not target.any():
        return False
    low, high = centre - width / 2, centre + width / 2
    inside, outside = (np.clip(np.median(image[m]), low, high) for m in (target, ring))
    before = abs(float(np.median(image[target]) - np.median(image[ring])))
    return abs(float(inside - outside)) > 0.6 * min(before, 200.0)


def _as_magnetic_resonance(image: Picture, rng: np.random.Generator) -> Picture:
    """A curve of HU that need not be monotone: fat bright, bone dark, water anything."""
    known = np.array([-1024, -700, -150, -80, 0, 40, 80, 130, 250, 600, 1800], np.float32)
    levels = rng.uniform(0, 1, known.size)
    levels[:2] = rng.uniform(0, 0.15, 2)
    levels[3] = levels[2] + rng.uniform(-0.05, 0.05)
    steep = np.diff(levels[4:8])
    levels[5:8] = levels[4] + np.cumsum(np.sign(steep) * np.maximum(np.abs(steep), 0.15))
    return np.asarray(1000 * np.interp(image, known, levels), np.float32)


def lesion(image: Picture, shape: Mask, rng: np.random.Generator) -> Picture:
    """A focus of other density in a real crop in HU, soft at its border."""
    sign = rng.choice((-1.0, 1.0))
    depth = sign * np.exp(rng.uniform(*np.log((25, 200))))
    soft = _blurred(shape.astype(np.float32), rng.uniform(0.6, 2.5))
    inside = image[shape]
    level = float(np.median(inside)) + depth
    keep = rng.uniform(0, 1)
    texture = keep * (image - float(np.median(inside))) if inside.size else image
    texture = np.clip(texture, -1.5 * abs(depth), 1.5 * abs(depth)) * (0.4 if keep > 0.7 else 0.8)
    return np.asarray(image * (1 - soft) + soft * (level + texture), np.float32)
