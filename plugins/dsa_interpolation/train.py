"""Train MoSt-DSA or its slim relative on simulated runs; run with `--help` for the choices.

Selection rule: the schedule is fixed beforehand and the averaged weights after its last step are
taken. No real run is ever trained on, and none chooses a step.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import torch
import typer

from inference import device as devices
from inference import training
from inference import training_options as options
from inference.memory import keep_freed_blocks
from plugins.dsa_interpolation import data
from plugins.dsa_interpolation.loss import loss_of
from plugins.dsa_interpolation.model import CONFIGS, build
from plugins.dsa_interpolation.prepare import Scale

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from inference.series import Array

    Arrays = Mapping[str, Array]

NEEDED = ("first", "last", "times", "targets", "vessels")
STEPS = {"fast": 12000, "published": 60000}
RATES = {"fast": 1e-3, "published": 2e-4}  # published: 2e-4


def batches(
    samples: Callable[[int], Arrays], seed: int
) -> Callable[[int], dict[str, torch.Tensor]]:
    """Samples as tensors, scaled as `prepare` scales a run."""

    def at(step: int) -> dict[str, torch.Tensor]:
        batch = scaled(samples(step), np.random.default_rng((seed, step, 1)))
        return {name: torch.from_numpy(value) for name, value in batch.items()}

    return at


def scaled(batch: Arrays, rng: np.random.Generator) -> dict[str, Array]:
    """Each sample to about 0 to 1, in any window that a run could give it, a quarter inverted."""
    result = {name: np.array(batch[name], np.float32) for name in NEEDED}
    for index in range(len(result["first"])):
        ends = np.stack([result["first"][index], result["last"][index]])
        scale = Scale.of(ends).jittered(rng)
        for name in ("first", "last", "targets"):
            result[name][index] = scale.forward(result[name][index])
    return result


def main(  # noqa: PLR0913  one argument for each option of the command
    pack: Annotated[Path, typer.Option("--data", help="Simulated runs, written by data.py.")],
    out: options.Out,
    minutes: options.Minutes = 30,
    resume: options.Resume = False,
    device: str = "auto",
    model: Literal["fast", "published"] = "fast",
    steps: options.Steps = None,
    start: options.Start = None,
    seed: int = 0,
    batch: int = 4,
    size: int = 192,
) -> None:
    """Train one network; a stopped run goes on with --resume."""
    keep_freed_blocks()
    config, length = asdict(CONFIGS[model]), steps or STEPS[model]
    samples = data.Samples(seed, batch, size, pack=pack)
    record = {
        "model": model, "config": config, "seed": seed, "steps": length, "batch": batch,
        "size": size, "runs": len(samples.runs),
    }  # fmt: skip
    options.note(out, start, record)
    torch.manual_seed(seed)
    network = options.begun(build, config, start)
    plan = training.Plan(
        steps=length, rate=RATES[model], weight_decay=1e-4, warm_up=50, ema=0.998,
        seed=seed, minutes=minutes,
    )  # fmt: skip
    done = training.train(
        network, batches(samples, seed), loss_of, plan, out,
        device=devices.choose(device), resume=resume, config=config,
    )  # fmt: skip
    options.tell(out, done)


if __name__ == "__main__":
    typer.run(main)
