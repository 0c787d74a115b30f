"""Measure trained networks on the photographs they never saw; writes OUT/metrics.json.

Every run is a folder with `model.safetensors` and `run.json`, which names the images held out. The
photographs go through `predict`, as a user's would: the field of view is found, not given. Scores
are means over images; the threshold is 0.5, chosen by nobody. `auc_pooled` ranks all pixels of a
set's held-out images together, the stricter and older habit.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from inference import device as devices
from inference.memory import keep_freed_blocks
from inference.metrics import area_under_curve, confusion
from inference.resources import resource_path
from inference.training import read_weights
from plugins.retinal_vessels import data
from plugins.retinal_vessels.model import build
from plugins.retinal_vessels.predict import predict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from inference.series import Array
    from plugins.retinal_vessels.predict import Prediction

BUNDLED = resource_path("weights", "retinal_vessels", "folds")
COLUMNS = ("f1", "auc", "auc_pooled", "sensitivity", "specificity", "mcc", "frame_f1", "frame_auc")

Scores = dict[str, float]


def scores(probability: Array, truth: Array, inside: Array) -> Scores:
    """F1, AUC, … inside the field of view and, as `frame_…`, over the whole frame."""
    everything = np.ones_like(inside)
    return _scores(probability, truth, inside) | {
        f"frame_{name}": value for name, value in _scores(probability, truth, everything).items()
    }


def _scores(probability: Array, truth: Array, inside: Array) -> Scores:
    counts = confusion(probability >= 0.5, truth, inside)
    return {
        "f1": counts.dice,
        "auc": area_under_curve(probability, truth, inside),
        "sensitivity": counts.sensitivity,
        "specificity": counts.specificity,
        "mcc": counts.matthews,
    }


def evaluate_run(run: Path, every: Iterable[data.Sample], device: str) -> dict[str, Any]:
    """Return the scores of one run: each held-out image, and the mean of each set."""
    record = json.loads((run / "run.json").read_text("utf-8"))
    weights, config = read_weights(run / "model.safetensors")
    network = build(config)
    network.load_state_dict(weights)
    network.eval()
    held = [s for s in every if f"{s.set}/{s.name}" in record["held_out"]]
    images: dict[str, Scores] = {}
    sets: dict[str, Scores] = {}
    for name in data.SETS:
        chosen = [s for s in held if s.set == name]
        if chosen:
            seen = partial(predict, network, device=device, model=record["model"])
            sets[name] = _evaluate_set(seen, chosen, images)
    return {"run": run.name, "record": record, "images": images, "sets": sets}


def _evaluate_set(
    find: Callable[[Array], Prediction], chosen: Sequence[data.Sample], images: dict[str, Scores]
) -> Scores:
    pixels: list[tuple[Array, Array]] = []
    for sample in chosen:
        found = find(data.read_image(sample.image)).probability
        truth, inside = data.read_mask(sample.vessels), data.read_mask(sample.field_of_view)
        images[f"{sample.set}/{sample.name}"] = scores(found, truth, inside)
        pixels.append((found[inside], truth[inside]))
    pooled = [np.concatenate(part) for part in zip(*pixels, strict=True)]
    result = mean([images[f"{s.set}/{s.name}"] for s in chosen])
    return result | {"auc_pooled": area_under_curve(*pooled), "images": len(chosen)}


def mean(rows: Sequence[Scores]) -> Scores:
    """Mean of each score, weighted by how many `images` it stands for."""
    weights = [row.get("images", 1) for row in rows]
    names = [name for name in rows[0] if name != "images"]
    result = {
        name: float(np.average([row[name] for row in rows], weights=weights)) for name in names
    }
    return result | {"images": sum(weights)}


def summarise(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Scores]]:
    """Return {group: {set: mean over the group's runs}}; a group is what shares a protocol."""
    groups: dict[str, dict[str, list[Scores]]] = {}
    for result in results:
        group = groups.setdefault(_group(result["record"]), {})
        for name, row in result["sets"].items():
            group.setdefault(name, []).append(row)
    return {
        title: {name: mean(rows) for name, rows in sets.items()} for title, sets in groups.items()
    }


def _group(record: Mapping[str, Any]) -> str:
    network = record["model"] + ("" if record["config"]["guided"] else ", unguided")
    if record["leave_out"]:
        return f"{network}: set never seen in training"
    return f"{network}: images held out by fold"


def _table(title: str, rows: Mapping[str, Scores]) -> Table:
    table = Table("", "images", *COLUMNS, title=title)
    for name, row in rows.items():
        table.add_row(name, str(int(row["images"])), *(f"{row[c]:.4f}" for c in COLUMNS))
    return table


def main(
    data_folder: Annotated[Path, typer.Option("--data")],
    out: Annotated[Path, typer.Option("--out")],
    runs: Annotated[Path, typer.Option(help="Folder of runs.")] = BUNDLED,
    device: str = "auto",
    match: Annotated[str, typer.Option(help="Which runs, as a pattern.")] = "*",
) -> None:
    """Measure runs on the images they never saw."""
    keep_freed_blocks()
    every = data.samples(data_folder)
    console, chosen = Console(width=120), devices.choose(device)
    results = []
    for path in sorted(runs.glob(f"{match}/model.safetensors")):
        result = evaluate_run(path.parent, every, chosen)
        if result["sets"]:
            results.append(result)
            console.print(_table(result["run"], result["sets"]))
    summary = summarise(results)
    for title, sets in summary.items():
        console.print(_table(f"Mean, {title}", sets))
    console.print("Selection: fixed schedule, averaged weights after its last step, threshold 0.5.")
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_text(json.dumps({"summary": summary, "runs": results}, indent=1))


if __name__ == "__main__":
    typer.run(main)
