"""Chest CTs in which somebody drew nodes, in the layouts in which such sets are distributed.

lnq     LNQ2023: <case>-ct.nrrd with <case>-seg.nrrd; of training cases only some nodes are drawn
nih     NIH CT Lymph Nodes: CTs as DICOM folders or NIfTI, masks as NIfTI; one number names both
lynos   LyNoS: Pat<n>/pat<n>_data.nii.gz, …_labels_LymphNodes.nii.gz and further labels
plain   <case>_ct.nii.gz with <case>_nodes.nii.gz; <case>_anatomy.nii.gz and <case>_known.nii.gz,
        where the nodes are drawn completely, may be there too; several studies of a patient are
        called <patient>__<study>, so that none trains while another is held out
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inference.errors import UserError
from inference.reading import read
from plugins.lymph_nodes.cases import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from inference.series import Array, Series
    from plugins.lymph_nodes.cases import Case

NO_NODE_HU = (-30, 200)
"""What lies beyond is no node, even where nobody looked."""
NUMBER = re.compile(r"(?:MED|ABD)_LYMPH_(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One CT and its drawings; `partial`: nodes may be there that nobody drew."""

    name: str
    ct: Path
    nodes: Path
    anatomy: tuple[Path, ...] = ()
    known: Path | None = None
    partial: bool = False

    def case(self) -> Case:
        """Read and cut to the mediastinum; raises UserError for a drawing on another grid."""
        series = _volume(self.ct)
        volume = series.canonical()
        nodes = _mask(self.nodes, volume.shape)
        anatomy = [_mask(path, volume.shape) for path in self.anatomy]
        return cut(
            self.name, volume, series.canonical_geometry.spacing, self._sure(volume, nodes),
            nodes, np.logical_or.reduce(anatomy) if anatomy else None,
        )  # fmt: skip

    def _sure(self, volume: Array, nodes: Array) -> Array:
        if self.known is not None:
            return nodes | _mask(self.known, volume.shape)
        if not self.partial:
            return np.ones(volume.shape, bool)
        return nodes | (volume < NO_NODE_HU[0]) | (volume > NO_NODE_HU[1])


def lnq(folder: Path) -> Iterator[Drawn]:
    """LNQ2023 as the challenge gives it."""
    for ct in sorted(folder.rglob("*-ct.nrrd")):
        nodes = ct.with_name(ct.name.replace("-ct.nrrd", "-seg.nrrd"))
        if nodes.exists():
            name = ct.name.removesuffix("-ct.nrrd")
            yield Drawn(name, ct, nodes, partial="train" in name.lower())


def nih(folder: Path) -> Iterator[Drawn]:
    """NIH CT Lymph Nodes, the mediastinal patients, with the original or refined masks."""
    masks = [path for path in sorted(folder.rglob("*.nii.gz")) if "mask" in path.name.lower()]
    for mask in masks:
        if number := NUMBER.search(mask.name) or NUMBER.search(mask.parent.name):
            ct = _nih_ct(folder, number.group(0), set(masks))
            if ct is not None:
                yield Drawn(number.group(0).upper(), ct, mask)


def _nih_ct(folder: Path, name: str, masks: set[Path]) -> Path | None:
    """A NIfTI of this patient, or the innermost folder with DICOM files below its name."""
    for path in sorted(folder.rglob(f"{name}*.nii.gz")):
        if path not in masks:
            return path
    for path in sorted(folder.rglob(f"{name}*/**/*")):
        if path.is_file() and path.suffix.lower() in {".dcm", ""}:
            return path.parent
    return None


def lynos(folder: Path) -> Iterator[Drawn]:
    """LyNoS; its labels other than nodes and stations are known anatomy."""
    for ct in sorted(folder.rglob("*_data.nii.gz")):
        stem = ct.name.removesuffix("_data.nii.gz")
        labels = {
            path.name.removeprefix(f"{stem}_labels_").removesuffix(".nii.gz").lower(): path
            for path in sorted(ct.parent.glob(f"{stem}_labels_*.nii.gz"))
        }
        nodes = labels.pop("lymphnodes", None)
        anatomy = tuple(path for name, path in labels.items() if "station" not in name)
        if nodes is not None:
            yield Drawn(stem, ct, nodes, anatomy)


def plain(folder: Path) -> Iterator[Drawn]:
    """A folder of one's own."""
    for ct in sorted(folder.rglob("*_ct.nii.gz")):
        stem = ct.name.removesuffix("_ct.nii.gz")
        nodes, anatomy, known = (
            ct.with_name(f"{stem}_{kind}.nii.gz") for kind in ("nodes", "anatomy", "known")
        )
        if nodes.exists():
            extra = (anatomy,) if anatomy.exists() else ()
            yield Drawn(stem, ct, nodes, extra, known if known.exists() else None)


LAYOUTS: dict[str, Callable[[Path], Iterator[Drawn]]] = {
    "lnq": lnq, "nih": nih, "lynos": lynos, "plain": plain,
}  # fmt: skip


def find(folder: Path, layout: str) -> list[Drawn]:
    """Every case of a folder; raises UserError if there is none."""
    if layout not in LAYOUTS:
        raise UserError(f"The layout {layout} is not known: choose one of {', '.join(LAYOUTS)}.")
    found = list(LAYOUTS[layout](folder))
    if not found:
        raise UserError(f"{folder} holds no CT with drawn nodes in the layout {layout}.")
    for name, many in Counter(one.name for one in found).items():
        if many > 1:
            raise UserError(f"{many} cases in {folder} are called {name}: give each its own name.")
    return found


def _volume(path: Path) -> Series:
    found = [series for series in read(path) if series.kind == "volume"]
    if not found:
        raise UserError(f"{path.name} holds no volume.")
    return max(found, key=lambda series: series.voxels.size)


def _mask(path: Path, shape: tuple[int, ...]) -> Array:
    mask = _volume(path).canonical() != 0
    if mask.shape != shape:
        raise UserError(f"{path.name} has another grid than its CT: resample it to the CT first.")
    return np.asarray(mask)
