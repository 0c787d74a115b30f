"""Train the click network on a pack of samples; run with `--help` for the choices.

Selection rule: the schedule is fixed beforehand and the averaged weights after its last step are
taken. Volumes that are reported are never trained on.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Literal, Optional

import torch
import typer

from inference import device as devices
from inference import training
from inference import training_options as options
from inference.ahead import made_ahead
from inference.memory import keep_freed_blocks
from plugins.click_segmentation.data import Samples
from plugins.click_segmentation.lessons import loss_of
from plugins.click_segmentation.model import CONFIGS, build

if TYPE_CHECKING:
    from collections.abc import Callable

    from plugins.click_segmentation.data import Batch

STEPS = {"fast": 30000, "large": 60000}
RATES = {"fast": 1e-3, "large": 5e-4}  # published: 1e-4 and no schedule


def drawn(pack: Path, seed: int, size: int, batch: int) -> Callable[[int], Batch]:
    """Batches by their step."""
    return partial(Samples(pack, seed, size), batch=batch)


def tensors(samples: Callable[[int], Batch]) -> Callable[[int], dict[str, torch.Tensor]]:
    """The same for the network."""

    def at(step: int) -> dict[str, torch.Tensor]:
        made = samples(step)
        arrays = {"image": made.image, "target": made.target, "neighbour": made.neighbour}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    return at


def main(  # noqa: PLR0913  one argument for each option of the command
    pack: Annotated[Path, typer.Option("--data", help="A pack written by pack.py.")],
    out: options.Out,
    minutes: options.Minutes = 30,
    resume: options.Resume = False,
    device: str = "auto",
    model: Literal["fast", "large"] = "fast",
    steps: options.Steps = None,
    start: options.Start = None,
    seed: int = 0,
    batch: int = 8,
    size: int = 160,
    rate: Annotated[Optional[float], typer.Option(help="Highest learning rate.")] = None,  # noqa: UP045
    profile: Annotated[
        Literal["gaussian", "disc", "distance"], typer.Option(help="Of clicks.")
    ] = "gaussian",
    workers: Annotated[int, typer.Option(help="Processes that make samples; 0: none.")] = 0,
) -> None:
    """Train one network; a stopped run goes on with --resume."""
    keep_freed_blocks()
    config = asdict(replace(CONFIGS[model], profile=profile))
    length = steps or STEPS[model]
    record = {
        "model": model, "config": config, "seed": seed, "steps": length, "batch": batch,
        "size": size, "rate": rate or RATES[model],
    }  # fmt: skip
    options.note(out, start, record)
    torch.manual_seed(seed)
    network = options.begun(build, config, start)
    plan = training.Plan(
        steps=length, rate=rate or RATES[model], weight_decay=0.02, warm_up=100, ema=0.998,
        seed=seed, minutes=minutes,
    )  # fmt: skip
    with made_ahead(partial(drawn, pack, seed, size, batch), workers) as samples:
        done = training.train(
            network, tensors(samples), loss_of, plan, out,
            device=devices.choose(device), resume=resume, config=config,
        )  # fmt: skip
    options.tell(out, done)


if __name__ == "__main__":
    typer.run(main)
