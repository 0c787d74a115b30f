"""Chest CTs to grow nodes into, cut to the mediastinum: made once, then small enough to travel.

A pack is a folder of one .npz for each patient. What `UNSURE` names in a CT is not told to be free
of nodes: a tumour or real large nodes lie there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from inference.box import Box
from inference.errors import UserError
from inference.reading import read
from plugins.lymph_nodes import regions, texture
from plugins.lymph_nodes.prepare import is_anatomy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from inference.series import Array, Series

SOURCES = {
    "r01_001": "r01_001/ct.nii.gz",
    "fnndsc_chest": "fnndsc_chest/ct.nii.gz",
    "aorta": "totalseg_example/aorta_1p5mm_ct.nii.gz",
    "elastix_lung": "elastix_lung/ct.nii.gz",
    "cip_chest": "cip_chest/ct.nii.gz",
    "cip_second": "cip_chest/second_ct.nii.gz",
}
"""Those whose licence allows weights that are shipped; a path below the data folder for each."""
UNSEEN = {"lung1_001": "lung1_001/ct.nii.gz", "lung1_002": "lung1_002/ct.nii.gz"}
"""Patients to measure on, never trained on."""
BASES = {"ircad_17": "ircad_17/ct.nii.gz", "crlm_1004": "crlm_1004/ct.nii.gz"}
"""CTs of the abdomen, never trained on, in which the lowest 6 to 7 cm of the mediastinum show."""
PATIENTS = {"train": SOURCES, "unseen": UNSEEN, "bases": BASES}
UNSURE = {"fnndsc_chest": ((0.55, 1.0), (0.0, 1.0), (0.0, 0.5))}
"""(z, y, x) as shares of the whole CT: its right upper lobe is a mass down to the hilum."""
MASKS = ("mediastinum", "sure", "nodes", "priors", "tumour")
TUMOUR = ("gtv", "tumo", "node", "lymph", "lesion")
"""Parts of names of drawn structures that may hold real nodes."""
MARGIN_MM = 25.0
COARSE_MM = 3.0
"""Above this vessels cannot be told from bone by their brightness."""
HEART_MM3 = 50_000
SPINE = 0.67
"""Of the mediastinum's depth: what has its middle further back is no heart."""
ENHANCED_HU = 60
"""Blood this far above muscle shows contrast medium."""


@dataclass(frozen=True, slots=True)
class Case:
    """A patient's mediastinum: int16 HU (z, y, x) and masks over it; mm."""

    name: str
    volume: Array
    spacing: tuple[float, float, float]
    mediastinum: Array  # bool
    vessels: Array  # uint8, share of contrast medium, 0 to 255
    sure: Array  # bool, where what is not marked is no node
    kernel: Array
    tissue: float  # HU of muscle
    blood: float  # HU of enhanced blood; of muscle if there is none
    nodes: Array | None = None  # bool, as somebody drew them; None: nodes are to be implanted
    priors: Array | None = None  # bool, known anatomy that somebody drew
    tumour: Array | None = None  # bool, drawn tumours, in which there may be nodes

    @property
    def patient(self) -> str:
        """Whose it is: of a name such as patient__study the first part."""
        return self.name.partition("__")[0]

    @property
    def enhanced(self) -> bool:
        """Whether contrast medium shows."""
        return self.blood > self.tissue + ENHANCED_HU

    def save(self, folder: Path) -> Path:
        """Write `name`.npz."""
        path = folder / f"{self.name}.npz"
        arrays: dict[str, Any] = {
            "volume": self.volume, "vessels": self.vessels, "kernel": self.kernel,
        }  # fmt: skip
        masks = {name: getattr(self, name) for name in MASKS}
        arrays |= {name: np.packbits(mask) for name, mask in masks.items() if mask is not None}
        about = {"spacing": self.spacing, "tissue": self.tissue, "blood": self.blood}
        np.savez_compressed(path, about=np.array(json.dumps(about)), **arrays)
        return path


def load(path: Path) -> Case:
    """Read what `Case.save` wrote."""
    with np.load(path) as file:
        about = json.loads(str(file["about"]))
        volume = file["volume"]
        masks = {
            name: np.unpackbits(file[name], count=volume.size).astype(bool).reshape(volume.shape)
            for name in MASKS
            if name in file
        }
        return Case(
            path.stem, volume, tuple(about["spacing"]), vessels=file["vessels"],
            kernel=file["kernel"], tissue=about["tissue"], blood=about["blood"], **masks,
        )  # fmt: skip


def pack(folder: Path) -> list[Case]:
    """Every case of a pack; raises UserError if there is none."""
    cases = [load(path) for path in sorted(folder.glob("*.npz"))]
    if not cases:
        raise UserError(f"{folder} holds no cases: write them with plugins.lymph_nodes.pack.")
    return cases


def sources(data: Path, paths: dict[str, str]) -> Iterator[Case]:
    """A case of each CT that is there."""
    for name, path in paths.items():
        if (data / path).exists():
            known, tumour = (drawn(data / path, kind) for kind in (is_anatomy, is_tumour))
            yield of(name, read(data / path)[0], known, tumour)


def is_tumour(name: str) -> bool:
    """Whether a drawn structure of this name may hold nodes of the mediastinum."""
    return any(part in name.lower() for part in TUMOUR) and "liver" not in name.lower()


def drawn(ct: Path, wanted: Callable[[str], bool]) -> Array | None:
    """What was drawn beside a CT under names that are wanted, extra_<name>.nii.gz."""
    found = [
        read(path)[0].canonical() != 0
        for path in sorted(ct.parent.glob("extra_*.nii.gz"))
        if wanted(path.name.removeprefix("extra_").removesuffix(".nii.gz"))
    ]
    return np.logical_or.reduce(found) if found else None


def of(name: str, series: Series, priors: Array | None = None, tumour: Array | None = None) -> Case:
    """A CT cut to its mediastinum and a margin, with what implants need to know of it."""
    sure = np.ones(series.canonical().shape, bool)
    if name in UNSURE:
        sure[_share(UNSURE[name], sure.shape).slices] = False
    volume, spacing = series.canonical(), series.canonical_geometry.spacing
    return cut(name, volume, spacing, sure, priors=priors, tumour=tumour)


def cut(
    name: str,
    volume: Array,
    spacing: tuple[float, float, float],
    sure: Array,
    nodes: Array | None = None,
    priors: Array | None = None,
    tumour: Array | None = None,
) -> Case:
    """A case of arrays over a whole canonical volume."""
    found = regions.find(volume, spacing)
    mask = found.mask(volume.shape)
    box = _box(found, spacing, volume.shape)
    part = np.clip(volume[box.slices], -1024, 3071).astype(np.int16)
    tissue = muscle(part, mask[box.slices])
    vessels, blood = contrast(part, mask[box.slices], tissue, spacing)
    masks = [mask if mask is None else mask[box.slices] for mask in (nodes, priors, tumour)]
    return Case(
        name, part, spacing, mask[box.slices], vessels, sure[box.slices],
        texture.kernel(part), tissue, blood, *masks,
    )  # fmt: skip


def muscle(volume: Array, mediastinum: Array) -> float:
    """The commonest HU of soft tissue outside the mediastinum and its vessels."""
    values = volume[~mediastinum & (volume > 10) & (volume < 90)]
    return float(np.bincount(values.astype(int) // 4).argmax() * 4 + 2) if values.size else 50.0


def contrast(
    volume: Array, mediastinum: Array, tissue: float, spacing: tuple[float, ...]
) -> tuple[Array, float]:
    """Share of contrast medium (uint8) in heart and great vessels, and the HU of their blood.

    The largest bright piece that holds when it is thinned: bone lies in pieces of its own.
    """
    values = ndimage.gaussian_filter(volume.astype(np.float32), 0.7)
    bright = (values > tissue + ENHANCED_HU) & mediastinum
    if max(spacing) > COARSE_MM:
        return np.zeros(volume.shape, np.uint8), tissue
    thin = ndimage.binary_erosion(bright, iterations=max(1, round(2.5 / min(spacing))))
    numbers, count = ndimage.label(thin)
    if not count:
        return np.zeros(volume.shape, np.uint8), tissue
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    heart = numbers == sizes.argmax()
    rows = np.flatnonzero(mediastinum.any(axis=(0, 2)))
    behind = np.argwhere(heart)[:, 1].mean() > rows[0] + SPINE * (rows[-1] - rows[0])
    if behind or heart.sum() * np.prod(spacing) < HEART_MM3:  # bone or calcification
        return np.zeros(volume.shape, np.uint8), tissue
    blood = float(np.median(volume[heart]))
    near = ndimage.binary_dilation(heart, iterations=max(2, round(5 / min(spacing))))
    share, sharp = (
        np.clip((hu - tissue) / (blood - tissue), 0, 1) * near for hu in (values, volume)
    )  # even inside, where the share must not follow the noise; sharp at the walls
    return (255 * np.where(share > 0.85, 1, sharp)).astype(np.uint8), blood


def _box(found: regions.Regions, spacing: tuple[float, ...], shape: tuple[int, ...]) -> Box:
    margin = [int(MARGIN_MM / step) for step in spacing]
    return found.mediastinum.grown(margin, shape)


def _share(part: tuple[tuple[float, float], ...], shape: tuple[int, ...]) -> Box:
    ends = [[int(n * end) for end in axis] for axis, n in zip(part, shape, strict=True)]
    return Box(tuple(a for a, _ in ends), tuple(b for _, b in ends))
