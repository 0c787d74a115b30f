"""Enter a trained run's averaged weights among the bundled networks.

Works on an unfinished run as well: then the weights of its last checkpoint are taken, and the
network's summary says so.
"""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inference import training, weights

if TYPE_CHECKING:
    from torch import Tensor

SUMMARIES = {"slab": "Slab-wise 3D U-Net.", "full": "Attention-gated full-volume network."}


def averaged(run: Path) -> tuple[dict[str, Tensor], int]:
    """The averaged weights of a run, finished or not, and the steps behind them."""
    from safetensors import safe_open

    if (run / "model.safetensors").exists():
        steps = json.loads((run / "run.json").read_text("utf-8"))["steps"]
        return training.read_weights(run / "model.safetensors")[0], steps
    with safe_open(run / "checkpoint.safetensors", framework="pt") as file:
        state = {
            key.removeprefix("average."): file.get_tensor(key)
            for key in file.keys()  # noqa: SIM118  safe_open is no mapping
            if key.startswith("average.")
        }
        return state, int(file.metadata()["step"])


def main(
    run: Annotated[Path, typer.Option(help="A folder that train.py wrote.")],
    version: Annotated[str, typer.Option()],
    licence: Annotated[str, typer.Option()] = "Apache-2.0",
) -> None:
    """Write resources/weights/lymph_nodes and the table of weights."""
    record = json.loads((run / "run.json").read_text("utf-8"))
    state, steps = averaged(run)
    name = record["model"]
    implanted, patients = len(record["implanted"]), len(record["trained"])
    details: dict[str, Any] = {
        "version": version,
        "parent": record["start"] or "",
        "licence": licence,
        "summary": f"{SUMMARIES[record['config']['kind']]} {steps} of {record['steps']} steps.",
        "data": f"CTs of {patients} patients, implanted nodes in {implanted} of them",
        "log": f"lymph_nodes/{name}_log.jsonl",
        "network": record["config"],
    }
    info = weights.save("lymph_nodes", name, state, details)
    log = info.path.with_name(f"{name}_log.jsonl")
    log.write_text(json.dumps(record) + "\n" + (run / "log.jsonl").read_text("utf-8"), "utf-8")
    typer.echo(f"{info.path}: {steps} steps")


if __name__ == "__main__":
    typer.run(main)
