"""Train one network on a pack of cases; run with `--help` for the choices.

Selection rule: the schedule is fixed beforehand and the averaged weights after its last step are
taken. No patient that is reported ever chooses a step, a threshold or a weight.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import torch
import typer

from inference import device as devices
from inference import training
from inference import training_options as options
from inference.ahead import made_ahead
from inference.memory import keep_freed_blocks
from plugins.lymph_nodes import data
from plugins.lymph_nodes.loss import loss_of
from plugins.lymph_nodes.model import CONFIGS, NodeNet, build

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from inference.series import Array


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a kind of network is shown, voxels of its own grid, and for how long."""

    size: tuple[int, int, int]
    batch: int
    steps: int
    rate: float


RECIPES = {
    "slab": Recipe((32, 96, 112), 2, 12000, 1e-3),
    "full": Recipe((96, 80, 96), 2, 8000, 1e-3),
}


def batches(
    samples: Callable[[int], Mapping[str, Array]],
) -> Callable[[int], dict[str, torch.Tensor]]:
    """Samples as tensors."""

    def at(step: int) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(value) for name, value in samples(step).items()}

    return at


def main(  # noqa: PLR0913  one argument for each option of the command
    pack: Annotated[Path, typer.Option("--data", help="A pack of cases, written by pack.py.")],
    out: options.Out,
    minutes: options.Minutes = 30,
    resume: options.Resume = False,
    device: str = "auto",
    model: Literal["slab", "full", "slab_priors", "full_priors"] = "slab",
    steps: options.Steps = None,
    fold: Annotated[Optional[int], typer.Option(help="Hold out this fold of patients.")] = None,  # noqa: UP045
    folds: int = 5,
    start: options.Start = None,
    seed: int = 0,
    rate: Annotated[Optional[float], typer.Option(help="Highest learning rate.")] = None,  # noqa: UP045
    batch: Annotated[Optional[int], typer.Option(help="Samples in a step.")] = None,  # noqa: UP045
    size: Annotated[Optional[int], typer.Option(help="Edge of the samples, voxels.")] = None,  # noqa: UP045
    width: Annotated[Optional[int], typer.Option(help="Channels of the finest level.")] = None,  # noqa: UP045
    workers: Annotated[int, typer.Option(help="Processes that make samples; 0: none.")] = 0,
) -> None:
    """Train one network; a stopped run goes on with --resume."""
    keep_freed_blocks()
    config = CONFIGS[model] if width is None else replace(CONFIGS[model], width=width)
    recipe = RECIPES[config.kind]
    edges = recipe.size if size is None else (size, size, size)
    if fold is not None and not 0 <= fold < folds:
        raise typer.BadParameter(f"There is no fold {fold}: give one from 0 to {folds - 1}.")
    trained, held = data.split(data.read(pack), fold, folds)
    if not trained:
        raise typer.BadParameter(f"Fold {fold} of {folds} leaves no patient to train on.")
    length, many = steps or recipe.steps, batch or recipe.batch
    record: dict[str, Any] = {
        "model": model, "fold": fold, "folds": folds, "seed": seed, "steps": length,
        "batch": many, "size": edges, "rate": rate or recipe.rate,
        "trained": [case.name for case in trained], "held_out": [case.name for case in held],
        "implanted": [case.name for case in trained if case.nodes is None],
    }  # fmt: skip
    torch.manual_seed(seed)
    network = options.begun(build, asdict(config), start, record["held_out"], NodeNet.inherit)
    record["config"] = network.describe()
    options.note(out, start, record)
    plan = training.Plan(
        steps=length, rate=rate or recipe.rate, weight_decay=1e-3, warm_up=min(200, length // 10),
        ema=0.998, seed=seed, minutes=minutes,
    )  # fmt: skip
    drawn = partial(data.Samples, trained, data.Patch(edges, config.spacing), many, seed)
    with made_ahead(drawn, workers) as samples:
        done = training.train(
            network, batches(samples), loss_of, plan, out,
            device=devices.choose(device), resume=resume, config=network.describe(),
        )  # fmt: skip
    options.tell(out, done)


if __name__ == "__main__":
    typer.run(main)
