"""Train FSG-Net on photographs with drawn vessels; run with `--help` for the choices.

Selection rule: the schedule is fixed beforehand and the averaged weights after its last step are
taken. No image that is reported ever chooses an epoch, a threshold or a weight.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import Annotated, Literal, Optional

import torch
import typer

from inference import device as devices
from inference import training
from inference import training_options as options
from inference.memory import keep_freed_blocks
from plugins.retinal_vessels import data
from plugins.retinal_vessels.loss import loss_of
from plugins.retinal_vessels.model import build

CONFIGS = {
    "fast": {"width": 8, "depths": [3, 3, 9, 3], "guided": True, "drop": 0.0},
    "large": {"width": 24, "depths": [3, 3, 9, 3], "guided": True, "drop": 0.1},
}
STEPS = {"fast": 3200, "large": 3200}
RATES = {"fast": 2e-3, "large": 1e-3}  # published: 1e-3 at width 64; narrow networks bear more


def main(  # noqa: PLR0913  one argument for each option of the command
    data_folder: Annotated[Path, typer.Option("--data")],
    out: options.Out,
    minutes: options.Minutes = 30,
    resume: options.Resume = False,
    device: str = "auto",
    model: Literal["fast", "large"] = "fast",
    steps: options.Steps = None,
    fold: Annotated[Optional[int], typer.Option(help="Hold out this fold.")] = None,  # noqa: UP045
    folds: int = 4,
    leave_out: Annotated[Optional[str], typer.Option(help="drive, chase or hrf")] = None,  # noqa: UP045
    unguided: Annotated[bool, typer.Option("--unguided")] = False,
    start: options.Start = None,
    seed: int = 0,
    batch: int = 4,
    size: int = 224,
) -> None:
    """Train one network; a stopped run goes on with --resume."""
    keep_freed_blocks()
    config = CONFIGS[model] | {"guided": not unguided}
    trained, held = data.split(data.samples(data_folder), fold, folds, leave_out)
    if not trained:
        raise typer.BadParameter(f"{data_folder} holds no photographs with drawn vessels.")
    length, held_names = steps or STEPS[model], [f"{s.set}/{s.name}" for s in held]
    record = {
        "model": model, "config": config, "fold": fold, "folds": folds, "leave_out": leave_out,
        "seed": seed, "steps": length, "batch": batch, "size": size,
        "trained": [f"{s.set}/{s.name}" for s in trained],
        "held_out": held_names,
    }  # fmt: skip
    options.note(out, start, record)
    torch.manual_seed(seed)
    processor = devices.choose(device)
    crops = data.Crops([data.load(s) for s in trained], batch, size, seed, processor)
    network = options.begun(build, config, start, held_names)
    plan = training.Plan(steps=length, rate=RATES[model], seed=seed, minutes=minutes)
    done = training.train(
        network, crops, loss_of, plan, out,
        device=processor, resume=resume, config=config,
    )  # fmt: skip
    options.tell(out, done)


if __name__ == "__main__":
    typer.run(main)
