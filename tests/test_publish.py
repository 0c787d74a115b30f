# ruff: noqa: TID253  (no window here)
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
import typer
from torch import nn

from inference import training_options as options
from inference import weights
from inference.publish import keep, publish, taken
from inference.training import Plan, train

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

ABOUT = {"version": "3", "summary": "A line.", "data": "numbers", "trust": {"scale": 2.0}}


def build(config: Mapping[str, int]) -> nn.Linear:
    return nn.Linear(config["size"], 1)


def batch_at(step: int) -> dict[str, Tensor]:
    x = torch.full((4, 2), float(step % 3))
    return {"x": x, "y": x.sum(1, keepdim=True)}


def loss_of(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    return ((model(batch["x"]) - batch["y"]) ** 2).mean()


def trained(out: Path, steps: int, done: int, start: Path | None = None, **record: object) -> Path:
    """A run as a train.py leaves it: `done` of `steps` steps."""
    config = {"size": 2}
    whole = {"model": "fast", "config": config, "steps": steps, **record}
    options.note(out, start, whole)
    network = options.begun(build, config, start, whole.get("held_out", ()))
    plan = Plan(steps=done, warm_up=1, log_every=1)
    assert train(network, batch_at, loss_of, plan, out, config=config)
    return out


def test_a_finished_run_becomes_a_bundled_model(tmp_path: Path) -> None:
    first = trained(tmp_path / "first", 2, 2)
    second = trained(tmp_path / "second", 3, 3, start=first)
    folder = tmp_path / "weights"
    info = publish("lines", second, ABOUT, folder)
    state, details = weights.load("lines", "fast", folder)
    assert build(details["network"]).load_state_dict(state)
    assert info.identity == {"name": "fast", "version": "3", "sha256": info.sha256}
    assert (info.summary, details["trust"]) == ("A line.", {"scale": 2.0})
    lines = [json.loads(line) for line in (folder / details["log"]).read_text().splitlines()]
    assert [line["run"] for line in lines if "run" in line] == ["first", "second"]
    assert [line["step"] for line in lines if "step" in line] == [1, 2, 1, 2, 3]


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", steps=9, done=2)
    info = publish("lines", run, ABOUT, tmp_path / "weights")
    assert info.summary == "A line. Unfinished: 2 of 9 steps of training."


def test_a_fold_is_kept_for_measuring_and_can_be_gone_on_from(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", 2, 2, held_out=["a"])
    fold = keep(run, tmp_path / "folds" / "run")
    network, kept = (options.begun(build, {"size": 2}, start, ["a"]) for start in (run, fold))
    assert torch.allclose(network.weight, kept.weight, atol=1e-3)  # of half precision


def test_a_bundled_model_is_a_run_to_go_on_from(tmp_path: Path) -> None:
    first = trained(tmp_path / "first", 2, 2)
    folder = tmp_path / "weights"
    publish("lines", first, ABOUT, folder)
    run = taken("lines", "fast", tmp_path / "bundled", folder)
    state, _ = weights.load("lines", "fast", folder)
    torch.testing.assert_close(options.continued(build, run).state_dict(), state)
    publish("lines", trained(tmp_path / "next", 3, 3, start=run), ABOUT, folder)
    log = (folder / "lines" / "fast_log.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in log]
    assert [line["run"] for line in lines if "run" in line] == ["first", "next"]
    assert [line["step"] for line in lines if "step" in line] == [1, 2, 1, 2, 3]


def test_a_run_of_another_network_is_no_start(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", 2, 2)
    with pytest.raises(typer.BadParameter, match="3 is no multiple of 2"):
        options.begun(build, {"size": 3}, run)


def test_a_run_that_saw_the_images_is_no_start(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", 2, 2, held_out=["a"])
    with pytest.raises(typer.BadParameter, match="held out other images"):
        options.begun(build, {"size": 2}, run, ["b"])
