"""Train the click network on a pack of samples; run with `--help` for the choices.

Selection rule: the schedule is fixed beforehand and the averaged weights after its last step are
taken. Volumes that are reported are never trained on.
"""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING, Annotated, Optional

import torch
import typer

from inference import device as devices
from inference import training
from inference import training_options as options
from inference.memory import keep_freed_blocks
from plugins.click_segmentation.data import Samples
from plugins.click_segmentation.lessons import loss_of
from plugins.click_segmentation.model import CONFIGS, build

if TYPE_CHECKING:
    from plugins.click_segmentation.data import Batch

STEPS = {"fast": 30000, "large": 60000}
RATES = {"fast": 1e-3, "large": 5e-4}  # published: 1e-4 and no schedule
AHEAD = 2  # batches that each process prepares beforehand


class Batches:
    """Batches as tensors; made by processes of their own, if there are any, some steps ahead."""

    def __init__(self, pack: Path, seed: int, size: int, batch: int, workers: int) -> None:
        self.made: dict[int, Future[Batch]] = {}
        self.batch, self.ahead, self.pool = batch, AHEAD * workers, None
        if workers:
            self.pool = ProcessPoolExecutor(
                workers, get_context("spawn"), initializer=_start, initargs=(pack, seed, size)
            )
        else:
            _start(pack, seed, size)

    def __call__(self, step: int) -> dict[str, torch.Tensor]:
        """The batch of a step."""
        if self.pool is None:
            made = _make(step, self.batch)
        else:
            for coming in range(step, step + self.ahead):
                if coming not in self.made:
                    self.made[coming] = self.pool.submit(_make, coming, self.batch)
            made = self.made.pop(step).result()
        arrays = {"image": made.image, "target": made.target, "neighbour": made.neighbour}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def close(self) -> None:
        """End the processes."""
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)


_samples: list[Samples] = []  # of this process


def _start(pack: Path, seed: int, size: int) -> None:
    torch.set_num_threads(1)
    _samples[:] = [Samples(pack, seed, size)]


def _make(step: int, batch: int) -> Batch:
    return _samples[0](step, batch)


def main(  # noqa: PLR0913  one argument for each option of the command
    pack: Annotated[Path, typer.Option("--data", help="A pack written by pack.py.")],
    out: options.Out,
    minutes: options.Minutes = 30,
    resume: options.Resume = False,
    device: str = "auto",
    model: Annotated[str, typer.Option(help="fast or large")] = "fast",
    steps: options.Steps = None,
    start: options.Start = None,
    seed: int = 0,
    batch: int = 8,
    size: int = 160,
    rate: Annotated[Optional[float], typer.Option(help="Highest learning rate.")] = None,  # noqa: UP045
    workers: Annotated[int, typer.Option(help="Processes that make samples; 0: none.")] = 0,
) -> None:
    """Train one network; a stopped run goes on with --resume."""
    keep_freed_blocks()
    config, length = asdict(CONFIGS[model]), steps or STEPS[model]
    record = {
        "model": model, "config": config, "seed": seed, "steps": length, "batch": batch,
        "size": size, "rate": rate or RATES[model],
    }  # fmt: skip
    options.note(out, start, record)
    batches = Batches(pack, seed, size, batch, workers)
    torch.manual_seed(seed)
    network = options.begun(build, config, start)
    plan = training.Plan(
        steps=length, rate=rate or RATES[model], weight_decay=0.02, warm_up=100, ema=0.998,
        seed=seed, minutes=minutes,
    )  # fmt: skip
    done = training.train(
        network, batches, loss_of, plan, out,
        device=devices.choose(device), resume=resume, config=config,
    )  # fmt: skip
    batches.close()
    options.tell(out, done)


if __name__ == "__main__":
    typer.run(main)
