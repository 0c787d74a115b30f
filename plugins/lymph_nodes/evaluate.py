"""Measure networks on patients they never saw; prints a table, writes OUT/metrics.json.

A pack's cases with drawn nodes are measured on these; in the others nodes are implanted, the same
ones for the same seed. Definitions (papers §4.4, its traps avoided): components are parts that
touch, corners included, of at least 30 mm³; one-to-one assignment by the largest sum of Dice, a
match needs Dice > 0.1; truth counts from a short axis of 10 mm, a find in a smaller node is neither
right nor wrong; an empty answer where there are nodes scores F1 0. Recall is the mean over patients
of the share of their nodes that was found.

False finds are counted in four ways: all, of any size; those whose own short axis is in the band,
as a reader sees them who filters the table by it; and both without finds that lie mostly in a
tumour that somebody drew in the real scan, for it may hold nodes that nobody told from it. Real
scans with such tumours are searched without implants as well.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from inference import device as devices
from inference import training
from inference.box import Box
from inference.memory import keep_freed_blocks
from inference.metrics import average_surface_distance, confusion, detections
from plugins.lymph_nodes import data, measure, regions
from plugins.lymph_nodes.implants import Scene, Sites, implant
from plugins.lymph_nodes.model import build
from plugins.lymph_nodes.predict import Search, combine, search
from plugins.lymph_nodes.prepare import THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference.metrics import Detections
    from inference.series import Array
    from plugins.lymph_nodes.cases import Case
    from plugins.lymph_nodes.model import NodeNet

BANDS = {
    "10 mm or more": (10.0, np.inf),
    "15 mm or more": (15.0, np.inf),
    "5 to 10 mm": (5.0, 10.0),
}
IMPLANTED, DECOYS, APART_MM = 12, 8, 2.0
COUNTS = ("false_positives", "outside_tumours", "of_size", "of_size_outside_tumours")
FEW = 8
"""So many patients have a line each in the printed table."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A CT and its numbered nodes with their short axes, mm."""

    case: Case
    volume: Array
    labels: Array
    short_axes: tuple[float, ...]
    tumour: Array  # bool, drawn in the real scan


def truth_of(case: Case, seed: int | None) -> Truth:
    """Drawn nodes, or implanted ones; none without a seed."""
    tumour = np.zeros(case.volume.shape, bool) if case.tumour is None else case.tumour.copy()
    if case.nodes is not None:
        volume, mask = case.volume, case.nodes
    elif seed is None:
        volume, mask = case.volume, np.zeros(case.volume.shape, bool)
    else:
        volume, mask = _implanted(case, seed, tumour)
    labels = measure.components(mask, case.spacing, measure.SPECK_MM3)
    found = measure.nodes(labels, case.spacing)
    return Truth(case, volume, labels, tuple(node.short_axis_mm for node in found), tumour)


def _implanted(case: Case, seed: int, tumour: Array) -> tuple[Array, Array]:
    scene = Scene(
        case.volume.astype(np.float32), case.spacing, case.mediastinum, case.kernel, case.tissue,
        case.enhanced, nodes=np.zeros(case.volume.shape, np.float32),
        bodies=np.zeros(case.volume.shape, np.float32), moving=(tumour,),
    )  # fmt: skip
    sites = Sites.of(case.volume, case.mediastinum, case.spacing)
    implant(np.random.default_rng((seed, 7)), scene, sites, IMPLANTED, DECOYS, APART_MM)
    return scene.volume, scene.nodes > 0.5


def score(truth: Truth, found: Array, threshold: float = THRESHOLD) -> dict[str, Any]:
    """One patient: each size band, whole-case Dice and ASSD (mm)."""
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


def summarise(patients: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over patients; Dice of found nodes over all of them together."""
    summary: dict[str, Any] = {
        "dice": _mean([p["dice"] for p in patients]),
        "assd_mm": _mean([p["assd_mm"] for p in patients]),
    }
    for name in BANDS:
        bands = [p["bands"][name] for p in patients]
        summary[name] = {
            "recall": _mean([b["recall"] for b in bands]),
            **{count: _mean([b[count] for b in bands]) for count in COUNTS},
            "f1": _mean([b["f1"] for b in bands]),
            "dice_of_found": _mean([d for b in bands for d in b["dice"]]),
            "nodes": sum(b["truth"] for b in bands),
        }
    return summary


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def maps(
    truth: Truth, networks: dict[str, NodeNet], device: str, threshold: float = THRESHOLD
) -> dict[str, Array]:
    """Probability of each network, with and without anatomy, and of their ensembles."""
    case, found = truth.case, dict[str, "Array"]()
    anatomy = case.priors if case.priors is not None else case.vessels > 127
    for name, network in networks.items():
        asked = {"": None} | ({" + anatomy": anatomy} if network.config.priors else {})
        for extra, known in asked.items():
            what = Search(truth.volume, case.spacing, Box.whole(case.volume.shape), known, device)
            found[name + extra] = search(network, what)
    if {"slab", "full"} <= set(found):
        pair = [found["slab"], found["full"]]
        found |= {f"ensemble, {how}": combine(pair, how) for how in ("max", "mean")}
    return {
        name: regions.within(probability, case.mediastinum, threshold)
        for name, probability in found.items()
    }


def load(run: Path) -> tuple[str, NodeNet]:
    """A network's name and the averaged weights of its run, finished or not."""
    record = training.record_of(run)
    network = build(record["config"])
    network.load_state_dict(training.averaged(run)[0])
    return record["model"], network.eval()


def table(summaries: dict[str, dict[str, Any]], patients: int) -> Table:
    """One line for each way; false finds outside drawn tumours in brackets."""
    columns = ("recall", "FP (a)", "FP of size (a)", "F1", "Dice of found", "Dice", "ASSD mm")
    shown = Table("", *columns, title=f"{patients} patients, short axis 10 mm or more")
    shown.caption = "FP: false finds a volume. (a): outside drawn tumours"
    for name, summary in summaries.items():
        band = summary["10 mm or more"]
        values = [f"{band['recall']:.3f}"]
        values += [
            f"{band[every]:.1f} ({band[outside]:.1f})"
            for every, outside in (COUNTS[:2], COUNTS[2:])
        ]
        others = (band["f1"], band["dice_of_found"], summary["dice"], summary["assd_mm"])
        shown.add_row(name, *values, *(f"{value:.3f}" for value in others))
    return shown


def table_of_real(rows: dict[str, list[dict[str, Any]]]) -> Table:
    """One line for each way and real scan with a drawn tumour."""
    columns = ("tumour ml", "marked", "finds in it", "best Dice", "finds beside", "of 10 mm")
    shown = Table("", "", *columns, title="Real tumours, without implants")
    for name, found in rows.items():
        for row in found:
            patient, volume, *values = row.values()
            cells = [f"{value:.2f}" if isinstance(value, float) else str(value) for value in values]
            shown.add_row(name, patient, f"{volume:.0f}", *cells)
    return shown


def by_patient(results: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """A summary for each way and, of few, for each patient."""
    found: dict[str, dict[str, Any]] = {}
    for name, volumes in results.items():
        found[name] = summarise(volumes)
        patients = dict.fromkeys(volume["patient"] for volume in volumes)
        for patient in patients if 1 < len(patients) <= FEW else ():
            own = [volume for volume in volumes if volume["patient"] == patient]
            found[f"{name}, {patient}"] = summarise(own)
    return found


def main(
    pack: Annotated[Path, typer.Option("--data", help="A pack of patients never trained on.")],
    out: Annotated[Path, typer.Option("--out")],
    runs: Annotated[list[Path], typer.Option("--run", help="Training runs; give several.")],
    device: str = "auto",
    seed: Annotated[int, typer.Option(help="Of the implanted nodes.")] = 0,
    repeats: Annotated[int, typer.Option(help="Sets of implants for each patient.")] = 3,
    threshold: float = THRESHOLD,
) -> None:
    """Measure networks and their ensembles."""
    keep_freed_blocks()
    networks, chosen = dict(load(run) for run in runs), devices.choose(device)
    results: dict[str, list[dict[str, Any]]] = {}
    tumours: dict[str, list[dict[str, Any]]] = {}
    found = data.read(pack)
    for case in found:
        if case.tumour is not None:
            truth = truth_of(case, None)
            for name, probability in maps(truth, networks, chosen, threshold).items():
                tumours.setdefault(name, []).append(real(truth, probability, threshold))
        for repeat in range(repeats if case.nodes is None else 1):
            truth = truth_of(case, seed + repeat)
            for name, probability in maps(truth, networks, chosen, threshold).items():
                one = {
                    "patient": case.name,
                    "implants": seed + repeat if case.nodes is None else None,
                }
                results.setdefault(name, []).append(one | score(truth, probability, threshold))
    summaries = by_patient(results)
    console = Console(width=120)
    console.print(table(summaries, len(found)))
    if tumours:
        console.print(table_of_real(tumours))
    out.mkdir(parents=True, exist_ok=True)
    told = {"threshold": threshold, "mean": summaries, "patients": results, "tumours": tumours}
    (out / "metrics.json").write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    typer.run(main)
