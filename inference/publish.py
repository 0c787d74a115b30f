"""Enter a training run's averaged weights among the bundled models; for developers.

Of an unfinished run the weights of the last checkpoint are taken, and the model's summary says so.
With `--fold` the run is kept as one that measures: beside the bundled models, not one of them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from inference import training, weights
from inference.resources import resource_path

KEPT = ("model.safetensors", "run.json", "log.jsonl")


def main(
    task: Annotated[str, typer.Argument(help="Such as retinal_vessels.")],
    run: Annotated[Path, typer.Argument(help="A folder that the task's train.py wrote.")],
    version: Annotated[str, typer.Option()] = "",
    summary: Annotated[str, typer.Option(help="One sentence for who chooses a model.")] = "",
    data: Annotated[str, typer.Option(help="What it was trained on, with licences.")] = "",
    add: Annotated[list[str], typer.Option(help="NAME=FILE: a JSON kept in the table.")] = [],  # noqa: B006
    fold: Annotated[str, typer.Option(help="Name of the fold that this run is to measure.")] = "",
    take: Annotated[str, typer.Option(help="Write this bundled model as RUN, to go on from.")] = "",
) -> None:
    """Write resources/weights/TASK, and the model into the table of weights."""
    if take:
        typer.echo(taken(task, take, run))
    elif fold:
        typer.echo(keep(run, resource_path("weights", task, "folds", fold)))
    elif version and summary and data:
        extra = dict(part.split("=", 1) for part in add)
        more = {name: json.loads(Path(file).read_text("utf-8")) for name, file in extra.items()}
        info = publish(task, run, {"version": version, "summary": summary, "data": data, **more})
        typer.echo(f"{info.path}: {info.summary}")
    else:
        raise typer.BadParameter("Give --version, --summary and --data, or --fold, or --take.")


def keep(run: Path, folder: Path) -> Path:
    """Copy what `evaluate` needs of a finished run."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        shutil.copyfile(run / name, folder / name)
    return folder


def taken(task: str, name: str, run: Path, folder: Path | None = None) -> Path:
    """Write a bundled model as a run like the last one behind it, for `--start` and `--run`."""
    info = weights.find(task, name, folder or resource_path("weights"))
    run.mkdir(parents=True)
    training.save_weights(weights.read(info), run / "model.safetensors", info.details["network"])
    log = info.log.read_text("utf-8")
    last = next(line for line in map(json.loads, reversed(log.splitlines())) if "run" in line)
    record = {key: value for key, value in last.items() if key not in ("run", "start")}
    (run / "run.json").write_text(json.dumps(record), "utf-8")
    (run / "log.jsonl").write_text(log, "utf-8")
    return run


def publish(
    task: str, run: Path, about: dict[str, Any], folder: Path | None = None
) -> weights.WeightsInfo:
    """Enter a run as the model whose name it trained, with its log and what is said `about` it."""
    state, steps = training.averaged(run)
    record = training.record_of(run)
    name = record["model"]
    if steps < record["steps"]:
        unfinished = f"Unfinished: {steps} of {record['steps']} steps of training."
        about = about | {"summary": f"{about['summary']} {unfinished}"}
    entry = {
        "licence": "Apache-2.0",
        "log": f"{task}/{name}_log.jsonl",
        "network": record["config"],
        **about,
    }
    log = whole_log(run)  # first: it says which run it lacks
    info = weights.save(task, name, state, entry, folder)
    info.log.write_text(log, "utf-8")
    return info


def whole_log(run: Path) -> str:
    """What each run in turn was and how it went, from the first of those that it goes on from."""
    record = training.record_of(run)
    start = record.get("start")
    before = whole_log(run.parent / start) if start else ""
    head = json.dumps({"run": run.name, **record})
    log = run / "log.jsonl"  # of a bundled model it has its heads; of some weights there is none
    own = log.read_text("utf-8") if log.exists() else ""
    return before + (own if own.startswith('{"run"') else f"{head}\n{own}")


if __name__ == "__main__":
    typer.run(main)
