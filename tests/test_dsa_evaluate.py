"""The measurement of made frames: one command, one table."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from inference import training
from inference import training_options as options
from plugins.dsa_interpolation import evaluate
from plugins.dsa_interpolation.model import FAST, MoStDSA
from plugins.dsa_interpolation.scores import FILLERS, NAMES, scores

if TYPE_CHECKING:
    from pathlib import Path

FRAMES, EDGE = 9, 96
SLIM = replace(FAST, width=8, tokens=32, key=8, hidden=16, refinement=8)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with one run: a dark bar that moves evenly over a texture."""
    rng = np.random.default_rng(0)
    texture = np.kron(rng.uniform(120, 160, (12, 12)), np.ones((8, 8)))
    folder = tmp_path / "runs" / "bar"
    folder.mkdir(parents=True)
    for index in range(FRAMES):
        bar = 90 * np.exp(-(((np.arange(EDGE) - 20 - 4 * index) / 3) ** 2))
        Image.fromarray((texture - bar).astype(np.uint8)).save(folder / f"frame_{index:03}.png")
    (folder / "run.json").write_text('{"frame_time_ms": 100}')
    return folder.parent


def test_one_command_measures_real_and_unseen_runs_in_one_table(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import typer

    monkeypatch.setattr(evaluate, "UNSEEN_SIZE", (EDGE, FRAMES))
    app = typer.Typer()
    app.command()(evaluate.main)
    asked = ["--data", str(runs), "--out", str(tmp_path / "out"), "--most", "1", "--gaps", "2",
             "--device", "cpu"]  # fmt: skip
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())["results"]
    kinds = "real", "simulated"
    assert list(found) == [f"{count}, {kind}" for kind in kinds for count in (1, 2, 3)]
    ways = [*FILLERS, "Limn"]
    for title, part in found.items():
        assert title in done.output
        [run] = part["runs"]
        assert run["frames"] == 2 * int(title[0])
        for way in ways:
            assert set(part["mean"][way]) == {*NAMES, *(f"{name}_sd" for name in NAMES)}
            assert 10 < run[way]["psnr"] < 80
            assert run[way]["psnr_sd"] >= 0
    assert found["1, real"]["mean"]["TV-L1"]["psnr"] > found["1, real"]["mean"]["nearest"]["psnr"]
    assert all(done.output.count(way) >= 12 for way in ways)  # a run's own lines and all runs'


def test_models_stand_side_by_side_in_one_table(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "LEFT_OUT", (1,))
    slim = tmp_path / "slim"
    options.note(slim, None, {"config": asdict(SLIM), "steps": 0})
    training.save_weights(MoStDSA(SLIM).state_dict(), slim / "model.safetensors", {})
    evaluate.main(
        runs, tmp_path / "out", f"fast,{slim}", most=0, gaps=1, ways="linear", device="cpu"
    )
    [part] = json.loads((tmp_path / "out" / "metrics.json").read_text())["results"].values()
    assert list(part["mean"]) == ["linear", "Limn fast", f"Limn {slim}"]


@pytest.mark.parametrize(
    ("frames", "count", "most", "expected"),
    [(9, 1, 0, [0, 2, 4, 6]), (9, 3, 0, [0, 4]), (20, 1, 3, [0, 8, 16]), (3, 3, 0, []),
     (9, 3, 5, [0, 4])],
)  # fmt: skip
def test_gaps_are_spread_over_the_run(
    frames: int, count: int, most: int, expected: list[int]
) -> None:
    assert evaluate.starts(frames, count, most) == expected


def test_scores_are_as_defined() -> None:
    truth = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    vessels = np.zeros((64, 64), bool)
    vessels[:8] = True
    found = truth.astype(float)
    found[:8] += 2.55
    measured = scores(found, truth, 255.0, vessels)
    assert measured["vessel_psnr"] == pytest.approx(40)
    assert measured["psnr"] == pytest.approx(40 + 10 * np.log10(8))
    assert measured["ssim"] > measured["vessel_ssim"] > 0.99
    assert np.isnan(scores(found, truth, 255.0, np.zeros((64, 64), bool))["vessel_psnr"])
