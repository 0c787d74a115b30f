"""One training sample of each kind, from the pack's contents and a generator of random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from plugins.click_segmentation.samples import contrast, framing, shapes, volumes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from plugins.click_segmentation.samples.framing import Frame, Mask, Picture
    from plugins.click_segmentation.samples.pictures import Pictures
    from plugins.click_segmentation.samples.volumes import Slice, Target, Volume

Random = np.random.Generator
LEAST, MOST = 20, 0.92  # pixels of a target; part of the crop that it may fill


@dataclass(frozen=True, slots=True)
class Made:
    """A crop before it is normalised; `neighbour` is empty where no slice lies beside."""

    image: Picture
    target: Mask
    neighbour: Mask
    spacing: float  # mm per pixel

    @property
    def is_fit(self) -> bool:
        """Whether there is, or was on the slice beside, something to click on."""
        shown = self.target if self.target.any() else self.neighbour
        return bool(shown.sum() >= LEAST and shown.mean() <= MOST)


def labelled(volume: Volume, size: int, rng: Random) -> Made | None:
    """A real crop round something that was labelled."""
    found = _aimed(volume, size, rng)
    if found is None:
        return None
    plane, target, frame = found
    here = np.isin(plane.labels, target.values)
    mask = frame.mask(here)
    beside = frame.mask(np.isin(plane.next_labels, target.values))
    mask, beside = one_or_all(mask, beside, rng)
    image = contrast.varied(_hounsfield(plane, frame, rng), mask, rng)
    return Made(image, mask, beside, frame.spacing)


def ended(volume: Volume, size: int, rng: Random) -> Made | None:
    """A real crop just beyond the end of something: the slice beside still shows it."""
    target = volume.targets[int(rng.integers(len(volume.targets)))]
    values = list(target.values)
    axis = int(rng.choice(3, p=(0.5, 0.25, 0.25)))
    shown = np.flatnonzero(volume.counts[axis][:, values].sum(1) >= volumes.LEAST_PIXELS)
    if not shown.size:
        return None
    upward = bool(rng.random() < 0.5)
    last, beyond = (shown[-1], shown[-1] + 2) if upward else (shown[0], shown[0] - 2)
    if not 0 <= beyond < volume.codes.shape[axis]:
        return None
    here, beside = (volumes.cut_slice(volume, axis, int(i), None, rng) for i in (beyond, last))
    if np.isin(here.labels, values).any():
        return None
    mask = np.isin(beside.labels, values)
    frame = framing.frame_round(mask, here.spacing, size, rng)
    seen = frame.mask(mask)
    image = contrast.varied(_hounsfield(here, frame, rng), seen, rng)
    return Made(image, np.zeros_like(seen), seen, frame.spacing)


def rendered(volume: Volume, size: int, rng: Random) -> Made | None:
    """The label map of a crop in another contrast."""
    found = _aimed(volume, size, rng)
    if found is None:
        return None
    plane, target, frame = found
    values = list(target.values)
    labels = _merged(frame.labels(plane.labels), values, rng)
    mask = np.isin(labels, values)
    beside = frame.mask(np.isin(plane.next_labels, values))
    mask, beside = one_or_all(mask, beside, rng)
    return Made(contrast.render(labels, mask, rng), mask, beside, frame.spacing)


def _aimed(volume: Volume, size: int, rng: Random) -> tuple[Slice, Target, Frame] | None:
    weights = np.array([target.weight for target in volume.targets])
    target = volume.targets[rng.choice(len(weights), p=weights / weights.sum())]
    place = volumes.slice_with(volume, target, rng)
    if place is None:
        return None
    plane = volumes.cut_slice(volume, *place, None, rng)
    here = np.isin(plane.labels, target.values)
    aim, _ = one_or_all(here, here, rng)
    return plane, target, framing.frame_round(aim, plane.spacing, size, rng)


def _merged(labels: NDArray[np.uint8], keep: Sequence[int], rng: Random) -> NDArray[np.uint8]:
    """Some labels beside the target lose their border: not every organ is drawn by its contrast."""
    table = np.arange(256, dtype=np.uint8)
    others = np.setdiff1d(np.unique(labels), keep)
    if others.size > 1 and rng.random() < 0.5:
        chosen = others[rng.random(others.size) < 0.4]
        table[chosen] = rng.choice(others)
    table[list(keep)] = keep[0]
    table[keep[0]] = keep[0]
    return np.where(np.isin(labels, keep), labels, table[labels])


def one_or_all(mask: Mask, beside: Mask, rng: Random) -> tuple[Mask, Mask]:
    """Mostly one component, chosen by a pixel; all of them if they are few, sometimes."""
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    if count <= 2 or (count <= 5 and rng.random() < 0.35):
        return mask, beside
    place = tuple(rng.choice(np.argwhere(mask)))
    part: Mask = parts == parts[place]
    _, others = cv2.connectedComponents(beside.astype(np.uint8), connectivity=4)
    touching = np.unique(others[part & beside])
    return part, beside & np.isin(others, touching)


def _hounsfield(plane: Slice, frame: Frame, rng: Random) -> Picture:
    outside = None if rng.random() < 0.08 else -1000.0
    return frame.picture(volumes.LEVELS[plane.codes], outside)


def region(volume: Volume, size: int, rng: Random) -> Made | None:
    """A real crop round a region that stands out by itself, whatever it is."""
    axis, index = volumes.any_slice(volume, rng)
    level = int(rng.integers(len(volume.regions)))
    plane = volumes.cut_slice(volume, axis, index, level, rng)
    chosen = _region_at(plane, rng)
    if chosen is None or plane.regions is None or plane.next_regions is None:
        return None
    frame = framing.frame_round(plane.regions == chosen, plane.spacing, size, rng)
    mask, beside = (
        _tidy(frame.mask(_component(regions == chosen)))
        for regions in (plane.regions, plane.next_regions)
    )
    image = _hounsfield(plane, frame, rng)
    if not _stands_out(image, mask):
        return None
    return Made(contrast.varied(image, mask, rng), mask, beside, frame.spacing)


def _region_at(plane: Slice, rng: Random) -> int | None:
    """A region inside the body, not tiny and not nearly all that is seen of it."""
    if plane.regions is None:
        return None
    places = np.flatnonzero(plane.regions)
    for _ in range(4 if places.size else 0):
        chosen = int(plane.regions.flat[rng.choice(places)])
        if 40 <= np.count_nonzero(plane.regions == chosen) <= 0.4 * places.size:
            return chosen
    return None


def _component(mask: Mask) -> Mask:
    """The largest component."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count <= 2:
        return mask
    return np.asarray(parts == 1 + stats[1:, cv2.CC_STAT_AREA].argmax())


def _tidy(mask: Mask) -> Mask:
    """Smooth outline, no holes: as a person would draw it."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5) > 0.5
    outlines, _ = cv2.findContours(soft.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, (1,), cv2.FILLED)
    return filled.astype(bool)


def _stands_out(image: Picture, mask: Mask) -> bool:
    """Whether grey values inside differ from those just outside by more than they vary inside."""
    body = mask.astype(np.uint8)
    ring = cv2.dilate(body, np.ones((9, 9), np.uint8)).astype(bool) & ~mask
    if mask.sum() < LEAST or ring.sum() < LEAST:
        return False
    inside, outside = image[mask], image[ring]
    difference = abs(float(np.median(inside) - np.median(outside)))
    return difference > 12 and difference > 0.6 * min(float(inside.std()), float(outside.std()))


def lesion(volume: Volume, size: int, rng: Random) -> Made | None:
    """A focus set into a real crop."""
    axis, index = volumes.any_slice(volume, rng)
    plane = volumes.cut_slice(volume, axis, index, None, rng)
    body = plane.codes > 40
    if not body.any():
        return None
    middle = rng.choice(np.argwhere(body)) * plane.spacing
    side = float(np.exp(rng.uniform(*np.log((25, 300)))))
    frame = framing.frame(np.asarray(middle), side, plane.spacing, size, rng)
    radius = float(np.exp(rng.uniform(*np.log((0.02, 0.3))))) * size
    shape = shapes.moved(shapes.blob(size, radius, rng), 0.3 * size, rng)
    image = _hounsfield(plane, frame, rng)
    if shape.sum() < LEAST or np.mean(image[shape] > -300) < 0.7:
        return None
    image = contrast.lesion(image, shape, rng)
    beside = shapes.changed(shape, 0.15 * radius, rng)
    return Made(contrast.varied(image, shape, rng), shape, beside, frame.spacing)


def invented(size: int, rng: Random) -> Made:
    """Touching regions with shapes laid over them; the target is one of either."""
    labels = shapes.regions(size, rng)
    count = int(rng.integers(0, 7))
    layers = [shapes.shape(size, rng) for _ in range(count)]
    for value, layer in enumerate(layers, start=20):
        labels[layer] = value
    if count and rng.random() < 0.75:
        mask = labels == rng.integers(20, 20 + count)
    else:
        mask = labels == labels.flat[rng.integers(labels.size)]
    mask, _ = one_or_all(mask, mask, rng)
    beside = shapes.changed(mask, rng.uniform(0.5, 6), rng)
    return Made(contrast.render(labels, mask, rng), mask, beside, float(rng.uniform(0.3, 2)))


def projected(pictures: Pictures, size: int, rng: Random) -> Made | None:
    """A crop of a projection, with the grey values of a detector."""
    index = int(rng.integers(len(pictures.images)))
    masks = pictures.masks[index]
    mask = masks[rng.integers(len(masks))]
    if mask.sum() < LEAST:
        return None
    spacing = (pictures.spacing, pictures.spacing)
    frame = framing.frame_round(mask, spacing, size, rng)
    seen = frame.mask(mask)
    seen_grey = frame.picture(pictures.images[index], 0.0) * np.float32(1 / 255)
    image = contrast.aged(seen_grey, 0.15, rng)
    beside = np.zeros_like(seen)
    return Made(-image if rng.random() < 0.3 else image, seen, beside, frame.spacing)
