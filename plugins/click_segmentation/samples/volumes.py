"""Volumes of the pack: codes of Hounsfield units, label maps and regions on one grid."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Codes = NDArray[np.uint8]
    Regions = NDArray[np.uint16]

# One byte a voxel: finer than its noise in soft tissue, coarse in lungs and bone.
LEVELS = np.concatenate(
    [np.arange(-1024, -200, 16), np.arange(-200, 300, 3), np.arange(300, 1780, 40)]
).astype(np.float32)
LEAST_PIXELS = 12  # of an object in a slice


@dataclass(frozen=True, slots=True)
class Target:
    """Something that a user may want: the voxels with one of these labels."""

    name: str
    values: tuple[int, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Volume:
    """One scan, (z, y, x); `regions` are pseudo-objects at several levels of detail."""

    name: str
    codes: Codes
    labels: Codes
    regions: tuple[Regions, ...]
    spacing: tuple[float, float, float]  # mm
    targets: tuple[Target, ...]
    counts: tuple[NDArray[np.int64], ...] = field(default=())  # for each axis: (slices, labels)


@dataclass(frozen=True, slots=True)
class Slice:
    """One plane of a volume and the next one, as stored."""

    codes: Codes
    labels: Codes
    regions: Regions | None
    next_labels: Codes
    next_regions: Regions | None
    spacing: tuple[float, float]  # mm: down, right
    gap: float  # mm to the next plane


def encode(image: NDArray[np.int16]) -> Codes:
    """HU to the nearest of LEVELS."""
    middles = (LEVELS[1:] + LEVELS[:-1]) / 2
    return np.searchsorted(middles, image).astype(np.uint8)


def write_volume(path: Path, volume: Volume) -> None:
    """As one compressed .npz."""
    targets = json.dumps([[t.name, t.values, t.weight] for t in volume.targets])
    parts = {f"regions_{i}": regions for i, regions in enumerate(volume.regions)}
    np.savez_compressed(
        path,
        codes=_differences(volume.codes),
        labels=volume.labels,
        spacing=volume.spacing,
        targets=np.array(targets),
        **parts,  # type: ignore[arg-type]
    )


def read_volume(path: Path) -> Volume:
    """What `write_volume` wrote."""
    with np.load(path) as file:
        regions = sorted(name for name in file.files if name.startswith("regions_"))
        labels = file["labels"]
        z, y, x = (float(step) for step in file["spacing"])
        rows = json.loads(str(file["targets"]))
        return Volume(
            path.stem.removeprefix("volume_"),
            np.add.accumulate(file["codes"], axis=2, dtype=np.uint8),
            labels,
            tuple(file[name] for name in regions),
            (z, y, x),
            tuple(Target(name, tuple(values), weight) for name, values, weight in rows),
            tuple(_counts(np.moveaxis(labels, axis, 0)) for axis in range(3)),
        )


def _differences(codes: Codes) -> Codes:
    """Along rows, modulo 256: they deflate better than the codes themselves."""
    return np.diff(codes, axis=2, prepend=np.uint8(0))


def _counts(labels: Codes) -> NDArray[np.int64]:
    return np.stack([np.bincount(plane.ravel(), minlength=256) for plane in labels])


def slice_with(volume: Volume, target: Target, rng: np.random.Generator) -> tuple[int, int] | None:
    """Choose a plane (axis, index) that shows the target; thin planes of thick slices seldom."""
    for axis in _axes(volume, rng):
        pixels = volume.counts[axis][:, list(target.values)].sum(1)
        shown = np.flatnonzero(pixels >= max(LEAST_PIXELS, 0.04 * pixels.max()))
        if shown.size:
            return axis, int(rng.choice(shown))
    return None


def any_slice(volume: Volume, rng: np.random.Generator) -> tuple[int, int]:
    """Choose a plane (axis, index) away from the borders."""
    axis = _axes(volume, rng)[0]
    return axis, int(rng.integers(1, volume.codes.shape[axis] - 1))


def _axes(volume: Volume, rng: np.random.Generator) -> list[int]:
    """Axial first in half of the cases."""
    weights = np.array([2.0, 1, 1]) if volume.spacing[0] < 4 else np.array([6.0, 1, 1])
    return [int(axis) for axis in rng.choice(3, 3, replace=False, p=weights / weights.sum())]


def cut_slice(
    volume: Volume, axis: int, index: int, level: int | None, rng: np.random.Generator
) -> Slice:
    """Take a plane and one at most 6 mm beside it; `level` chooses the regions."""
    step = volume.spacing[axis]
    reach = int(rng.integers(1, max(1, round(6 / step)) + 1)) * int(rng.choice((-1, 1)))
    last = volume.codes.shape[axis] - 1
    beside = index + reach if 0 <= index + reach <= last else int(np.clip(index - reach, 0, last))
    regions = None if level is None or not volume.regions else volume.regions[level]
    down, right = (s for i, s in enumerate(volume.spacing) if i != axis)
    return Slice(
        _plane(volume.codes, axis, index),
        _plane(volume.labels, axis, index),
        None if regions is None else _plane(regions, axis, index),
        _plane(volume.labels, axis, beside),
        None if regions is None else _plane(regions, axis, beside),
        (down, right),
        abs(beside - index) * step,
    )


def _plane(array: NDArray[Any], axis: int, index: int) -> NDArray[Any]:
    return np.ascontiguousarray(array.take(index, axis))
