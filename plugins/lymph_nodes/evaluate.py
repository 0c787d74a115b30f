"""Measure networks on patients they never saw; prints a table, writes OUT/metrics.json.

A pack's cases with drawn nodes are measured on these; in the others nodes are implanted, the same
ones for the same seed. Definitions (papers §4.4, its traps avoided): components are parts that
touch, corners included, of at least 30 mm³; one-to-one assignment by the largest sum of Dice, a
match needs Dice > 0.1; truth counts from a short axis of 10 mm, a find in a smaller node is neither
right nor wrong; an empty answer where there are nodes scores F1 0. Recall is the mean over patients
of the share of their nodes that was found.
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
from plugins.lymph_nodes import data, measure
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


@dataclass(frozen=True, slots=True)
class Truth:
    """A CT and its numbered nodes with their short axes, mm."""

    case: Case
    volume: Array
    labels: Array
    short_axes: tuple[float, ...]


def truth_of(case: Case, seed: int) -> Truth:
    """Drawn nodes, or implanted ones."""
    if case.nodes is not None:
        volume, mask = case.volume, case.nodes
    else:
        volume, mask = _implanted(case, seed)
    labels = measure.components(mask, case.spacing, measure.SPECK_MM3)
    found = measure.nodes(labels, case.spacing)
    return Truth(case, volume, labels, tuple(node.short_axis_mm for node in found))


def _implanted(case: Case, seed: int) -> tuple[Array, Array]:
    scene = Scene(
        case.volume.astype(np.float32), case.spacing, case.mediastinum, case.kernel, case.tissue,
        case.enhanced, nodes=np.zeros(case.volume.shape, np.float32),
        bodies=np.zeros(case.volume.shape, np.float32),
    )  # fmt: skip
    sites = Sites.of(case.volume, case.mediastinum, case.spacing)
    implant(np.random.default_rng((seed, 7)), scene, sites, IMPLANTED, DECOYS, APART_MM)
    return scene.volume, scene.nodes > 0.5


def score(truth: Truth, found: Array, threshold: float = THRESHOLD) -> dict[str, Any]:
    """One patient: each size band, whole-case Dice and ASSD (mm)."""
    spacing = truth.case.spacing
    labels = measure.components(found >= threshold, spacing, measure.SPECK_MM3)
    shorts = np.array(truth.short_axes)
    bands = {
        name: detections(labels, truth.labels, ((shorts >= low) & (shorts < high)).tolist())
        for name, (low, high) in BANDS.items()
    }
    return {
        "bands": {name: _plain(band) for name, band in bands.items()},
        "dice": confusion(labels, truth.labels).dice,
        "assd_mm": average_surface_distance(labels > 0, truth.labels > 0, spacing),
    }


def _plain(band: Detections) -> dict[str, Any]:
    return {
        "truth": band.truth, "hit": band.hit, "false_positives": band.false_positive,
        "recall": band.recall, "f1": band.f1, "dice": list(band.dice),
    }  # fmt: skip


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
            "false_positives": _mean([b["false_positives"] for b in bands]),
            "f1": _mean([b["f1"] for b in bands]),
            "dice_of_found": _mean([d for b in bands for d in b["dice"]]),
            "nodes": sum(b["truth"] for b in bands),
        }
    return summary


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def maps(truth: Truth, networks: dict[str, NodeNet], device: str) -> dict[str, Array]:
    """Probability of each network, with and without anatomy, and of their ensembles."""
    case, found = truth.case, dict[str, "Array"]()
    anatomy = case.priors if case.priors is not None else case.vessels > 127
    for name, network in networks.items():
        asked = {"": None} | ({" + anatomy": anatomy} if network.config.priors else {})
        for extra, known in asked.items():
            what = Search(truth.volume, case.spacing, Box.whole(case.volume.shape), known, device)
            found[name + extra] = search(network, what) * case.mediastinum
    if {"slab", "full"} <= set(found):
        pair = [found["slab"], found["full"]]
        found |= {f"ensemble, {how}": combine(pair, how) for how in ("max", "mean")}
    return found


def load(run: Path) -> tuple[str, NodeNet]:
    """A network's name and the averaged weights of its run, finished or not."""
    record = training.record_of(run)
    network = build(record["config"])
    network.load_state_dict(training.averaged(run)[0])
    return record["model"], network.eval()


def table(summaries: dict[str, dict[str, Any]], patients: int) -> Table:
    """One line for each way."""
    columns = ("recall", "FP / patient", "F1", "Dice of found", "Dice", "ASSD mm")
    shown = Table("", *columns, title=f"{patients} patients, short axis 10 mm or more")
    for name, summary in summaries.items():
        band = summary["10 mm or more"]
        values = [band[key] for key in ("recall", "false_positives", "f1", "dice_of_found")]
        values += [summary["dice"], summary["assd_mm"]]
        shown.add_row(name, *(f"{value:.3f}" for value in values))
    return shown


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
    found = data.read(pack)
    for case in found:
        for repeat in range(repeats if case.nodes is None else 1):
            truth = truth_of(case, seed + repeat)
            for name, probability in maps(truth, networks, chosen).items():
                one = {
                    "patient": case.name,
                    "implants": seed + repeat if case.nodes is None else None,
                }
                results.setdefault(name, []).append(one | score(truth, probability, threshold))
    summaries = {name: summarise(patients) for name, patients in results.items()}
    Console(width=110).print(table(summaries, len(found)))
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"threshold": threshold, "mean": summaries, "patients": results}, indent=1)
    (out / "metrics.json").write_text(text)


if __name__ == "__main__":
    typer.run(main)
