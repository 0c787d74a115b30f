"""Pictures as X-rays make them: projections of scans, invented vessels, simulated runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy import ndimage

from plugins.click_segmentation.samples import shapes
from plugins.click_segmentation.samples.framing import field
from plugins.click_segmentation.samples.pictures import Pictures
from plugins.click_segmentation.samples.volumes import LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from plugins.click_segmentation.samples.framing import Mask
    from plugins.click_segmentation.samples.volumes import Volume

WATER = 0.02  # absorption of water, 1/mm
SIDE = 256
SHOWN = ("lung", "heart", "liver", "spine", "aorta", "kidney", "rib_", "clavicula", "scapula",
         "spleen", "stomach", "vertebrae", "humerus", "trachea")  # fmt: skip


def projections(volumes: Sequence[Volume], rng: np.random.Generator, count: int = 40) -> Pictures:
    """Scans turned about the body's axis, with the shadows of what is labelled."""
    shown = [sum(t.name.startswith(SHOWN) for t in volume.targets) for volume in volumes]
    chosen = rng.choice(len(volumes), count, p=np.array(shown) / sum(shown))
    made = [_projection(volumes[index], rng) for index in chosen]
    return Pictures(np.stack([image for image, _ in made]), tuple(masks for _, masks in made), 1.5)


def _projection(
    volume: Volume, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    angle = float(rng.choice([0, 90]) + rng.normal(0, 20))
    step = 2 * volume.spacing[1]
    codes, labels = (_turned(array, angle) for array in (volume.codes, volume.labels))
    path = (WATER * (1 + LEVELS / 1000).clip(0)).astype(np.float32)[codes].sum(1) * step
    image = np.exp(-rng.uniform(0.3, 0.8) * path) if rng.random() < 0.5 else -path
    shown = [t for t in volume.targets if t.name.startswith(SHOWN)]
    chosen = rng.choice(len(shown), min(14, len(shown)), replace=False)
    seen = (np.asarray(np.isin(labels, shown[i].values)).any(1) for i in chosen)
    masks = [np.asarray(mask, np.uint8) for mask in seen]
    aspect = volume.spacing[0] / volume.spacing[1]
    return _square(_bytes(image), aspect), np.stack([_square(m, aspect) > 0 for m in masks])


def _turned(values: NDArray[np.uint8], angle: float) -> NDArray[np.uint8]:
    """Every second voxel, turned in the axial plane."""
    half = np.ascontiguousarray(values[::2, ::2, ::2])
    return np.asarray(ndimage.rotate(half, angle, (1, 2), reshape=False, order=0))


def _square(picture: NDArray[np.uint8], aspect: float) -> NDArray[np.uint8]:
    """Fit into the middle of a square of SIDE, its pixels square."""
    height, width = picture.shape[0] * aspect, picture.shape[1]
    scale = SIDE / max(height, width)
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    small = cv2.resize(picture[::-1], size, interpolation=cv2.INTER_LINEAR)
    result = np.zeros((SIDE, SIDE), np.uint8)
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    result[top : top + size[1], left : left + size[0]] = small
    return result


def _bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = np.percentile(image, (0.5, 99.8))
    return np.asarray(255 * ((image - low) / max(high - low, 1e-6)).clip(0, 1), np.uint8)


def trees(rng: np.random.Generator, count: int = 60) -> Pictures:
    """Vessels on uneven ground, as in subtracted angiograms and photographs of the retina."""
    made = [_tree(rng) for _ in range(count)]
    return Pictures(np.stack([image for image, _ in made]), tuple(m[None] for _, m in made), 0.5)


def _tree(rng: np.random.Generator) -> tuple[NDArray[np.uint8], Mask]:
    mask = shapes.tree(SIDE, rng)
    while mask.sum() < 200:
        mask = shapes.tree(SIDE, rng)
    depth = np.minimum(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3), 6) / 6
    ground = 0.6 + 0.12 * field(rng, SIDE, 3) + 0.05 * field(rng, SIDE, 12)
    image = ground - rng.uniform(0.12, 0.4) * cv2.GaussianBlur(depth**0.5, (0, 0), 0.7)
    return _bytes(np.asarray(image, np.float32)), mask


def frames(folder: Path, rng: np.random.Generator, most: int = 60) -> Pictures:
    """The fullest frame of each simulated run, plain or subtracted, with its larger vessels."""
    paths = sorted(folder.glob("run_*.npz"))
    chosen = [paths[i] for i in rng.permutation(len(paths))[:most]]
    made = [(image, _vessels(mask)) for image, mask in (_frame(path, rng) for path in chosen)]
    made = [(image, masks) for image, masks in made if len(masks)]
    return Pictures(np.stack([image for image, _ in made]), tuple(m for _, m in made), 0.4)


def _vessels(mask: Mask) -> NDArray[np.bool_]:
    """Each vessel by itself that is wide enough to be outlined (k, y, x)."""
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    wide = np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, brush))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(wide, connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    fit = 1 + np.flatnonzero((areas > 150) & (areas < 0.12 * mask.size))
    return (
        np.stack([parts == part for part in fit]) if fit.size else np.zeros((0, *mask.shape), bool)
    )


def _frame(path: Path, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Mask]:
    """Frames are stored as differences, modulo 2^16, from the mask and from each other."""
    with np.load(path) as file:
        mask = file["mask"]
        seen = np.cumsum(file["steps"], axis=0, dtype=np.uint16) + mask
        vessels = np.unpackbits(file["vessels"], axis=-1, count=mask.shape[1]).astype(bool)
    index = int(vessels.sum((1, 2)).argmax())
    image = seen[index].astype(np.float32)
    if rng.random() < 0.4:
        image = image - mask
    return _bytes(image), vessels[index]
