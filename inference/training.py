"""The training loop that every vertical shares; read it from top to bottom.

A run is a fixed number of optimiser steps with one warm-up and one cosine. The wall clock only ends
a call, never the schedule: `--resume` goes on with the very next step. Batches are a function of
the step, so an interrupted run and an uninterrupted one see the same data.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from inference.device import mixed_precision
from inference.durable import replacing
from inference.weights import narrow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor, nn

    Batch = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Plan:
    """The schedule of one run; `minutes` limits this call, not the schedule."""

    steps: int
    rate: float = 1e-3
    weight_decay: float = 0.05
    warm_up: int = 100
    ema: float = 0.995
    clip: float = 1.0
    seed: int = 0
    minutes: float = math.inf
    checkpoint_minutes: float = 3.0
    log_every: int = 10

    def rate_at(self, step: int) -> float:
        """Linear warm-up, then one cosine to zero.

        One cosine rather than restarts: the last weights are then the settled ones, and no epoch
        has to be chosen by looking at the images that are reported.
        """
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.rate * 0.5 * (1 + math.cos(math.pi * done))


@dataclass(slots=True)
class Run:
    """Everything that a checkpoint holds."""

    model: nn.Module
    average: dict[str, Tensor]
    optimiser: Any  # torch.optim.AdamW, or one like it
    step: int = 0
    seconds: float = 0.0


def train(  # noqa: PLR0913  each has a default
    model: nn.Module,
    batch_at: Callable[[int], Batch],
    loss_of: Callable[[nn.Module, Batch], Tensor],
    plan: Plan,
    out: Path,
    *,
    device: str = "cpu",
    resume: bool = False,
    config: Mapping[str, Any] | None = None,
    optimiser: Callable[..., Any] = torch.optim.AdamW,
) -> bool:
    """Train until the plan or this call's time ends; True when the plan is done.

    Leaves `checkpoint.safetensors` (to resume), `log.jsonl` and, at the end, `model.safetensors`
    (averaged weights, half precision, `config` in its metadata) in the folder `out`.
    """
    out.mkdir(parents=True, exist_ok=True)
    model.to(device).to(memory_format=_layout(model))  # type: ignore[call-overload]
    run = Run(model, _copy(model), _optimiser(model, plan, optimiser))
    if resume and (out / "checkpoint.safetensors").exists():
        load_checkpoint(run, out / "checkpoint.safetensors")
    elif not resume:
        (out / "log.jsonl").unlink(missing_ok=True)
    _steps(run, batch_at, loss_of, plan, out, device)
    save_checkpoint(run, out / "checkpoint.safetensors")
    done = run.step >= plan.steps
    if done:
        save_weights(run.average, out / "model.safetensors", config or {})
    return done


def _steps(
    run: Run,
    batch_at: Callable[[int], Batch],
    loss_of: Callable[[nn.Module, Batch], Tensor],
    plan: Plan,
    out: Path,
    device: str,
) -> None:
    began = saved = time.monotonic()
    earlier, losses = run.seconds, []
    run.model.train()
    while run.step < plan.steps and time.monotonic() - began < 60 * plan.minutes:
        losses.append(_step(run, batch_at(run.step), loss_of, plan, device))
        run.step += 1
        run.seconds = earlier + time.monotonic() - began
        if run.step % plan.log_every == 0 or run.step == plan.steps:
            _log(out, run, plan, sum(losses) / len(losses))
            losses.clear()
        if time.monotonic() - saved > 60 * plan.checkpoint_minutes:
            save_checkpoint(run, out / "checkpoint.safetensors")
            saved = time.monotonic()


def _step(
    run: Run,
    batch: Batch,
    loss_of: Callable[[nn.Module, Batch], Tensor],
    plan: Plan,
    device: str,
) -> float:
    torch.manual_seed(plan.seed * 1_000_003 + run.step)
    for group in run.optimiser.param_groups:
        group["lr"] = plan.rate_at(run.step)
    with torch.autocast(device, torch.bfloat16, enabled=mixed_precision(device)):
        loss = loss_of(run.model, {name: value.to(device) for name, value in batch.items()})
    run.optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), plan.clip)
    run.optimiser.step()
    _follow(run.average, run.model, min(plan.ema, (1 + run.step) / (10 + run.step)))
    return float(loss.detach())


def _layout(model: nn.Module) -> torch.memory_format:
    """The layout with channels last that suits the model's convolutions, flat or solid."""
    solid = any(p.ndim == 5 for p in model.parameters())
    return torch.channels_last_3d if solid else torch.channels_last


def _optimiser(model: nn.Module, plan: Plan, kind: Callable[..., Any] = torch.optim.AdamW) -> Any:
    """AdamW, torch's or one like it; norms, biases and layer scales are not decayed."""
    decayed = [p for p in model.parameters() if p.ndim >= 4 and p.shape[1:].numel() > 1]
    chosen = {id(p) for p in decayed}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    groups = [
        {"params": decayed, "weight_decay": plan.weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
    return kind(groups, lr=plan.rate)


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@torch.no_grad()
def _follow(average: dict[str, Tensor], model: nn.Module, decay: float) -> None:
    """Exponential moving average of weights and batch-norm statistics; counters are copied."""
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


def save_checkpoint(run: Run, path: Path) -> None:
    """Write weights, their average and the optimiser's moments at once, never half a file."""
    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in run.average.items()}
    for index, state in run.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in state.items()}
    _write(tensors, path, {"step": str(run.step), "seconds": str(run.seconds)})


def load_checkpoint(run: Run, path: Path) -> None:
    """Read what `save_checkpoint` wrote into `run`."""
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "optimiser": {}}
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        for key in file.keys():  # noqa: SIM118  safe_open is no mapping
            part, name = key.split(".", 1)
            parts[part][name] = file.get_tensor(key)
    run.model.load_state_dict(parts["model"])
    for name, value in run.average.items():
        value.copy_(parts["average"][name])
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in parts["optimiser"].items():
        index, name = key.split(".")
        moments.setdefault(int(index), {})[name] = value
    state = run.optimiser.state_dict()
    run.optimiser.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
    run.step, run.seconds = int(metadata["step"]), float(metadata["seconds"])


def save_weights(weights: Mapping[str, Tensor], path: Path, config: Mapping[str, Any]) -> None:
    """Write half-precision weights with their network's configuration beside them."""
    stored = {name: narrow(value) for name, value in weights.items()}
    _write(stored, path, {"config": json.dumps(dict(config))})


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return float32 weights and the configuration that `save_weights` wrote."""
    with safe_open(path, framework="pt") as file:
        config = json.loads(file.metadata()["config"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in weights.items()
    }, config


def averaged(run: Path) -> tuple[dict[str, Tensor], int]:
    """The averaged weights of a run, finished or not, and the steps behind them."""
    if (run / "checkpoint.safetensors").exists():
        with safe_open(run / "checkpoint.safetensors", framework="pt") as file:
            state = {
                key.removeprefix("average."): file.get_tensor(key)
                for key in file.keys()  # noqa: SIM118  safe_open is no mapping
                if key.startswith("average.")
            }
            return state, int(file.metadata()["step"])
    return read_weights(run / "model.safetensors")[0], record_of(run)["steps"]


def record_of(run: Path) -> dict[str, Any]:
    """What the train.py that made a run wrote down of it."""
    record: dict[str, Any] = json.loads((run / "run.json").read_text("utf-8"))
    return record


def _write(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with replacing(path) as part:
        save_file(whole, part, metadata)


def _log(out: Path, run: Run, plan: Plan, loss: float) -> None:
    entry = {
        "step": run.step,
        "of": plan.steps,
        "loss": round(loss, 5),
        "rate": round(plan.rate_at(run.step - 1), 8),
        "seconds": round(run.seconds, 1),
    }
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")
