"""Training samples: parts of chest CTs with implanted or drawn nodes; a function of (seed, step).

Arrays of a sample are (1, z, y, x) on the network's grid: `image` normalised, `nodes` 0 or 1,
`known` 1 where what is not marked is no node, `priors` known anatomy (none in many samples).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from plugins.lymph_nodes import cases
from plugins.lymph_nodes.implants import Scene, implant
from plugins.lymph_nodes.prepare import normalise
from plugins.lymph_nodes.sampling import sampled
from plugins.lymph_nodes.sites import Sites

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from inference.series import Array
    from plugins.lymph_nodes.cases import Case

    Sample = dict[str, Array]

NAMES = ("image", "nodes", "known", "priors")
ABSENT = 0.5
"""So many samples come without known anatomy."""
AIR = -1024.0
NODES, DECOYS = (2, 9), (1, 8)
"""Implants in a sample, from and to (not included)."""


@dataclass(frozen=True, slots=True)
class Patch:
    """The part of a case to show: (z, y, x) voxels of `spacing` mm."""

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]


class Samples:
    """Batches of random patches of a pack's cases, each a function of (seed, step)."""

    def __init__(self, found: Sequence[Case], patch: Patch, batch: int = 2, seed: int = 0) -> None:
        self._cases, self._patch, self._batch, self._seed = list(found), patch, batch, seed
        self._sites: dict[str, Sites] = {}
        voxels = np.array([np.sqrt(case.volume.size) for case in self._cases])
        self._chances = voxels / voxels.sum()

    def __call__(self, step: int) -> Sample:
        """The batch of a step: arrays (b, 1, z, y, x), float32."""
        drawn = [self.sample(step, index) for index in range(self._batch)]
        return {name: np.stack([one[name] for one in drawn]) for name in NAMES}

    def sample(self, step: int, index: int) -> Sample:
        """One sample of a batch."""
        rng = np.random.default_rng((self._seed, step, index))
        case = self._cases[int(rng.choice(len(self._cases), p=self._chances))]
        if case.nodes is not None:
            return view(rng, case, self._patch, case.volume.astype(np.float32), case.nodes)
        if case.name not in self._sites:
            self._sites[case.name] = Sites.of(case.volume, case.mediastinum, case.spacing)
        return implanted(rng, case, self._patch, self._sites[case.name])


def implanted(rng: np.random.Generator, case: Case, patch: Patch, sites: Sites) -> Sample:
    """A patch of a case in which nodes and decoys grow."""
    volume, enhanced = contrasted(rng, case)
    centre = centre_of(rng, case)
    scene = Scene(
        volume, case.spacing, case.mediastinum, case.kernel, case.tissue, enhanced,
        nodes=np.zeros(volume.shape, np.float32), bodies=np.zeros(volume.shape, np.float32),
        moving=(case.vessels > 127,),
    )  # fmt: skip
    half = [n * step / 2 for n, step in zip(patch.size, patch.spacing, strict=True)]
    near = sites.within(centre, half, case.spacing)
    many = max(1.0, float(np.prod(patch.size) * np.prod(patch.spacing)) / 2e6)
    count, decoys = (int(rng.integers(*few) * many**0.5) for few in (NODES, DECOYS))
    implant(rng, scene, near, count, decoys)
    return view(rng, case, patch, scene.volume, scene.nodes, scene.moving[0], centre)


def contrasted(rng: np.random.Generator, case: Case) -> tuple[Array, bool]:
    """The volume with more, less or no contrast medium in its vessels, and whether it has any."""
    volume = case.volume.astype(np.float32)
    if not case.enhanced or rng.random() < 0.3:
        return volume, case.enhanced
    blood = rng.uniform(110, 450) if rng.random() < 0.6 else case.tissue + rng.uniform(-12, 10)
    volume += (np.float32(blood - case.blood) / 255) * case.vessels
    return volume, bool(blood > case.tissue + cases.ENHANCED_HU)


def centre_of(rng: np.random.Generator, case: Case) -> tuple[float, float, float]:
    """A height anywhere in the mediastinum, near its middle across and forward."""
    heights = np.flatnonzero(case.mediastinum.any(axis=(1, 2)))
    z = float(rng.choice(heights))
    if case.nodes is not None and case.nodes.any() and rng.random() < 0.7:
        z = float(rng.choice(np.flatnonzero(case.nodes.any(axis=(1, 2)))))
    y, x = (np.array(case.volume.shape[1:]) - 1) / 2
    shift = rng.normal(0, 15, 2) / case.spacing[1:]
    return z, float(y + shift[0]), float(x + shift[1])


def view(
    rng: np.random.Generator,
    case: Case,
    patch: Patch,
    volume: Array,
    nodes: Array,
    vessels: Array | None = None,
    centre: tuple[float, float, float] | None = None,
) -> Sample:
    """A patch turned, scaled and flipped, with other noise, slices and HU."""
    middle = centre_of(rng, case) if centre is None else centre
    look = _looker(rng, case.spacing, patch, middle)
    image = degraded(rng, look(volume, AIR), patch.spacing)
    priors = case.priors if case.priors is not None else vessels
    marked = (look(nodes, 0) > 0.5).astype(np.float32)
    return {
        "image": normalise(image)[None],
        "nodes": marked[None],
        "known": np.maximum(marked, look(case.sure, 1) > 0.5)[None],
        "priors": _shown(rng, priors, look, patch)[None],
    }


def _looker(
    rng: np.random.Generator,
    spacing: Sequence[float],
    patch: Patch,
    centre: Sequence[float],
) -> Callable[[Array, float], Array]:
    """A function (array, value outside) -> patch, with one random turn, scale and flip."""
    scale = rng.uniform(0.85, 1.18) * np.exp(rng.normal(0, 0.04, 3))
    flips = np.where(rng.random(3) < (0.15, 0.0, 0.5), -1.0, 1.0)
    turn = Rotation.from_rotvec(rng.normal(0, (0.12, 0.05, 0.05))).as_matrix()
    to_mm = turn @ np.diag(np.asarray(patch.spacing) * scale * flips)
    matrix = np.diag(1 / np.asarray(spacing)) @ to_mm
    start = np.asarray(centre) - matrix @ ((np.asarray(patch.size) - 1) / 2)
    places = np.tensordot(matrix, np.indices(patch.size), 1) + start.reshape(3, 1, 1, 1)

    def look(array: Array, outside: float) -> Array:
        return sampled(array, places, outside)

    return look


def degraded(rng: np.random.Generator, image: Array, spacing: Sequence[float]) -> Array:
    """Thicker slices, another kernel, dose and calibration."""
    if rng.random() < 0.5:
        image = thickened(image, rng.uniform(1, 5) / spacing[0], rng.random())
    if rng.random() < 0.3:
        image = ndimage.gaussian_filter(image, (0, *rng.uniform(0.3, 0.9, 2)))
    elif rng.random() < 0.2:
        image = image + rng.uniform(0.2, 0.8) * (image - ndimage.gaussian_filter(image, 1.0))
    if rng.random() < 0.5:
        grain = rng.standard_normal(image.shape).astype(np.float32)
        grain = ndimage.gaussian_filter(grain, rng.uniform(0, 1.0, 3))
        image = image + grain * np.float32(rng.uniform(2, 25) / grain.std())
    return np.asarray(image * rng.uniform(0.93, 1.07) + rng.normal(0, 8), np.float32)


def thickened(image: Array, factor: float, phase: float) -> Array:
    """As slices `factor` voxels thick would show it, drawn again on the same grid."""
    if factor <= 1:
        return image
    blurred = ndimage.uniform_filter1d(image, max(1, round(factor)), axis=0)
    heights = np.arange(len(image))
    lower = np.floor((heights - phase * factor) / factor) * factor + phase * factor
    share = ((heights - lower) / factor).astype(np.float32)[:, None, None]
    below, above = (
        np.clip(np.rint(level).astype(int), 0, len(image) - 1) for level in (lower, lower + factor)
    )
    return np.asarray(blurred[below] * (1 - share) + blurred[above] * share)


def _shown(
    rng: np.random.Generator,
    priors: Array | None,
    look: Callable[[Array, float], Array],
    patch: Patch,
) -> Array:
    """Known anatomy, in some samples only over some heights, in many not at all."""
    if priors is None or rng.random() < ABSENT:
        return np.zeros(patch.size, np.float32)
    shown = (look(priors, 0) > 0.5).astype(np.float32)
    if rng.random() < 0.5:
        low, high = np.sort(rng.integers(0, patch.size[0] + 1, 2))
        shown[:low] = 0
        shown[high:] = 0
    return shown


def split(found: Sequence[Case], fold: int | None, folds: int) -> tuple[list[Case], list[Case]]:
    """Cases to train on and, every `folds`-th patient in the order of names, to hold out."""
    patients = sorted({case.patient for case in found})
    away = set() if fold is None else set(patients[fold::folds])
    ordered = sorted(found, key=lambda case: case.name)
    return (
        [case for case in ordered if case.patient not in away],
        [case for case in ordered if case.patient in away],
    )


def read(pack: Path) -> list[Case]:
    """Every case of a pack; raises UserError if there is none."""
    return cases.pack(pack)
