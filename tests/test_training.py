# ruff: noqa: TID253  (no window here)
from __future__ import annotations

import json
import math
from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from inference.ahead import made_ahead
from inference.training import Plan, read_weights, save_weights, train

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


class Dice(nn.Module):
    """Learns y = 2 x; the dropout makes every step random."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Conv2d(8, 1, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return y


def batch_at(step: int) -> dict[str, Tensor]:
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(step))
    return {"x": x, "y": 2 * x}


def loss_of(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return F.mse_loss(model(batch["x"]).float(), batch["y"])


def new_model() -> Dice:
    torch.manual_seed(7)
    return Dice()


def lines(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_stopped_run_goes_on_exactly_where_it_was(tmp_path: Path) -> None:
    plan = Plan(steps=12, warm_up=3, log_every=2)
    whole, parts = new_model(), new_model()
    assert train(whole, batch_at, loss_of, plan, tmp_path / "whole", config={"a": 1})

    def stops_at_7(step: int) -> dict[str, Tensor]:
        if step == 7:
            raise KeyboardInterrupt
        return batch_at(step)

    first = Plan(steps=12, warm_up=3, log_every=2, checkpoint_minutes=0)
    with pytest.raises(KeyboardInterrupt):
        train(parts, stops_at_7, loss_of, first, tmp_path / "parts", resume=True)
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    fresh = new_model()
    assert train(fresh, batch_at, loss_of, plan, tmp_path / "parts", resume=True, config={"a": 1})
    assert lines(tmp_path / "parts")[-1]["step"] == 12
    wanted, _ = read_weights(tmp_path / "whole" / "model.safetensors")
    got, config = read_weights(tmp_path / "parts" / "model.safetensors")
    assert config == {"a": 1}
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)


def test_the_clock_ends_the_call_and_not_the_schedule(tmp_path: Path) -> None:
    plan = Plan(steps=5, warm_up=1, minutes=0)
    assert not train(new_model(), batch_at, loss_of, plan, tmp_path)
    assert (tmp_path / "checkpoint.safetensors").exists()
    assert train(new_model(), batch_at, loss_of, Plan(steps=5, warm_up=1), tmp_path, resume=True)


def test_it_learns_and_logs(tmp_path: Path) -> None:
    plan = Plan(steps=150, rate=2e-2, warm_up=10, log_every=10)
    train(new_model(), batch_at, loss_of, plan, tmp_path)
    log = lines(tmp_path)
    assert [line["step"] for line in log] == list(range(10, 151, 10))
    assert log[-1]["loss"] < 0.2 * log[0]["loss"]


def test_a_new_run_starts_a_new_log(tmp_path: Path) -> None:
    for _ in range(2):
        train(new_model(), batch_at, loss_of, Plan(steps=2, warm_up=1, log_every=1), tmp_path)
    assert [line["step"] for line in lines(tmp_path)] == [1, 2]


def test_the_rate_rises_then_falls_once() -> None:
    plan = Plan(steps=100, rate=1, warm_up=10)
    rates = [plan.rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 1e-3


def test_the_average_follows_slowly(tmp_path: Path) -> None:
    model = new_model()
    start = {name: value.clone() for name, value in model.state_dict().items()}
    train(model, batch_at, loss_of, Plan(steps=1, warm_up=1, ema=0.0), tmp_path / "last")
    last, _ = read_weights(tmp_path / "last" / "model.safetensors")
    weight = "body.0.weight"
    assert torch.equal(last[weight], model.state_dict()[weight].half().float())
    assert not torch.equal(last[weight], start[weight].half().float())


def test_weights_are_stored_in_half_precision(tmp_path: Path) -> None:
    train(new_model(), batch_at, loss_of, Plan(steps=1, warm_up=1), tmp_path)
    size = (tmp_path / "model.safetensors").stat().st_size
    checkpoint = (tmp_path / "checkpoint.safetensors").stat().st_size
    assert size < checkpoint / 2
    weights, _ = read_weights(tmp_path / "model.safetensors")
    assert math.isfinite(sum(value.sum().item() for value in weights.values()))


def test_values_beyond_half_precision_are_stored_as_they_are(tmp_path: Path) -> None:
    variance = torch.tensor([0.5, 66_000.0])  # float16 ends at 65,504
    save_weights({"running_var": variance}, tmp_path / "model.safetensors", {})
    weights, _ = read_weights(tmp_path / "model.safetensors")
    assert torch.equal(weights["running_var"], variance)


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_are_the_same_whoever_makes_them(workers: int) -> None:
    with made_ahead(partial(partial, pow, 3), workers) as at:
        assert [at(step) for step in (4, 5, 6, 7, 20)] == [81, 243, 729, 2187, 3**20]
