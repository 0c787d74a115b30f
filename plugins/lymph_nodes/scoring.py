"""One volume's score: what was drawn or implanted against what a network found.

A pack's cases with drawn nodes are measured on these; in the others nodes are implanted, the same
ones for the same seed. Definitions (papers §4.4, its traps avoided): components are parts that
touch, corners included, of at least 30 mm³; one-to-one assignment by the largest sum of Dice, a
match needs Dice > 0.1; truth counts from a short axis of 10 mm, a find in a smaller node is neither
right nor wrong; an empty answer where there are nodes scores F1 0.

False finds are counted in four ways: all, of any size; those whose own short axis is in the band,
as a reader sees them who filters the table by it; and both without finds that lie mostly in a
tumour that somebody drew in the real scan, for it may hold nodes that nobody told from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.metrics import average_surface_distance, confusion, detections
from plugins.lymph_nodes import measure
from plugins.lymph_nodes.implants import Scene, implant
from plugins.lymph_nodes.prepare import THRESHOLD
from plugins.lymph_nodes.sites import Sites

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference.metrics import Detections
    from inference.series import Array
    from plugins.lymph_nodes.cases import Case

BANDS = {
    "10 mm or more": (10.0, np.inf),
    "15 mm or more": (15.0, np.inf),
    "5 to 10 mm": (5.0, 10.0),
}
IMPLANTED, DECOYS, APART_MM = 12, 8, 2.0
COUNTS = ("false_positives", "outside_tumours", "of_size", "of_size_outside_tumours")


@dataclass(frozen=True, slots=True)
class Truth:
    """A CT and its numbered nodes with their short axes, mm."""

    case: Case
    volume: Array
    labels: Array
    short_axes: tuple[float, ...]
    tumour: Array  # bool, drawn in the real scan
    anatomy: Array | None  # bool, structures known not to be nodes


def truth_of(case: Case, seed: int | None) -> Truth:
    """Drawn nodes, or implanted ones; none without a seed."""
    shape = case.volume.shape
    tumour = np.zeros(shape, bool) if case.tumour is None else case.tumour.copy()
    anatomy = case.vessels > 127 if case.priors is None else case.priors.copy()
    if case.nodes is not None:
        volume, mask = case.volume, case.nodes
    elif seed is None:
        volume, mask = case.volume, np.zeros(shape, bool)
    else:
        volume, mask = _implanted(case, seed, (tumour, anatomy))
    labels = measure.components(mask, case.spacing, measure.SPECK_MM3)
    shorts = tuple(node.short_axis_mm for node in measure.nodes(labels, case.spacing))
    return Truth(case, volume, labels, shorts, tumour, anatomy if anatomy.any() else None)


def _implanted(case: Case, seed: int, moving: tuple[Array, ...]) -> tuple[Array, Array]:
    scene = Scene(
        case.volume.astype(np.float32), case.spacing, case.mediastinum, case.kernel, case.tissue,
        case.enhanced, nodes=np.zeros(case.volume.shape, np.float32),
        bodies=np.zeros(case.volume.shape, np.float32), moving=moving,
    )  # fmt: skip
    sites = Sites.of(case.volume, case.mediastinum, case.spacing)
    implant(np.random.default_rng((seed, 7)), scene, sites, IMPLANTED, DECOYS, APART_MM)
    return scene.volume, scene.nodes > 0.5


def score(truth: Truth, found: Array, threshold: float = THRESHOLD) -> dict[str, Any]:
    """Each size band, whole-case Dice and ASSD (mm)."""
    spacing = truth.case.spacing
    labels = measure.finds(found, spacing, threshold)
    shorts = np.array(truth.short_axes)
    bands = {
        name: detections(labels, truth.labels, ((shorts >= low) & (shorts < high)).tolist())
        for name, (low, high) in BANDS.items()
    }
    sizes = {
        node.id: node.short_axis_mm
        for node in measure.nodes(labels, spacing, probability=found, level=threshold)
    }
    beside = set(_numbers(labels)) - _inside(labels, truth.tumour)
    return {
        "bands": {
            name: _plain(band) | _false(band.wrong, BANDS[name], sizes, beside)
            for name, band in bands.items()
        },
        "dice": confusion(labels, truth.labels).dice,
        "assd_mm": average_surface_distance(labels > 0, truth.labels > 0, spacing),
    }


def _plain(band: Detections) -> dict[str, Any]:
    return {
        "truth": band.truth, "hit": band.hit, "recall": band.recall, "f1": band.f1,
        "dice": list(band.dice),
    }  # fmt: skip


def _false(
    wrong: Sequence[int], band: tuple[float, float], sizes: dict[int, float], beside: set[int]
) -> dict[str, int]:
    """How many false finds there are, in each of the ways of `COUNTS`."""
    of_size = [number for number in wrong if band[0] <= sizes[number] < band[1]]
    kinds = (wrong, [n for n in wrong if n in beside], of_size, [n for n in of_size if n in beside])
    return {name: len(kind) for name, kind in zip(COUNTS, kinds, strict=True)}


def _numbers(labels: Array) -> list[int]:
    return [int(number) for number in np.unique(labels[labels > 0])]


def _inside(labels: Array, tumour: Array) -> set[int]:
    """Finds that lie mostly in a tumour."""
    return {number for number in _numbers(labels) if tumour[labels == number].mean() > 0.5}


def real(truth: Truth, found: Array, threshold: float = THRESHOLD) -> dict[str, Any]:
    """What is found in a real scan: its drawn tumour, and what else."""
    labels = measure.finds(found, truth.case.spacing, threshold)
    tumour, inside = truth.tumour, _inside(labels, truth.tumour)
    nodes = measure.nodes(labels, truth.case.spacing, probability=found, level=threshold)
    beside = [node for node in nodes if node.id not in inside]
    dice = [confusion(labels == number, tumour).dice for number in inside]
    return {
        "patient": truth.case.name,
        "tumour_ml": float(tumour.sum() * np.prod(truth.case.spacing) / 1000),
        "share_marked": float((labels[tumour] > 0).mean()),
        "finds_inside": len(inside),
        "best_dice": max(dice, default=0.0),
        "finds_beside": len(beside),
        "finds_beside_of_10_mm": sum(node.short_axis_mm >= 10 for node in beside),
    }
