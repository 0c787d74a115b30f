from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from inference import training
from inference.box import Box
from plugins.lymph_nodes import evaluate, scoring, spread
from plugins.lymph_nodes.cases import MASKS, Case, cut
from plugins.lymph_nodes.model import CONFIGS
from plugins.lymph_nodes.predict import Search, search
from tests.bright_nodes import BRIGHT, NODE, RADIUS, bright_finder, chest_with_node
from tests.chests import SHAPE, SPACING, ball, chest

ROOT = Path(__file__).parents[1]
VESSEL = ball(SHAPE, (46, 30, 50), RADIUS)
TUMOUR = ball(SHAPE, (40, 30, 58), RADIUS)


def drawn_case() -> Case:
    """A node and a bright vessel, both drawn."""
    volume = chest_with_node()
    volume[VESSEL] = BRIGHT
    return cut("drawn", volume, SPACING, np.ones(SHAPE, bool), NODE > 0, VESSEL)


def test_evaluation_scores_what_was_drawn_without_and_with_anatomy():
    truth = scoring.truth_of(drawn_case(), 0)
    networks = {name: bright_finder(name) for name in ("slab", "full", "slab_priors")}
    found = evaluate.maps(truth, networks, "cpu")
    ways = {"slab", "full", "ensemble by max", "ensemble by mean", "slab_priors"}
    assert set(found) == ways | {f"{way} + anatomy" for way in ways}
    scores = {way: scoring.score(truth, found[way])["bands"]["10 mm or more"] for way in found}
    for way in ways:
        assert scores[way]["recall"] == scores[f"{way} + anatomy"]["recall"] == 1
        assert scores[way]["dice"][0] > 0.85
        assert scores[way]["false_positives"] == scores[f"{way} + anatomy"]["false_positives"] + 1
    empty = scoring.score(truth, np.zeros(truth.volume.shape, np.float32))
    assert empty["bands"]["10 mm or more"]["f1"] == 0
    assert empty["dice"] == 0


def test_anatomy_reaches_the_networks_that_take_it():
    truth = scoring.truth_of(drawn_case(), 0)
    known = Search(truth.volume, SPACING, Box.whole(truth.volume.shape), truth.anatomy, "cpu")
    z, y, x = np.argwhere(truth.anatomy).mean(axis=0).round().astype(int)
    for name, seen in (("slab", True), ("slab_priors", False), ("full_priors", False)):
        assert (search(bright_finder(name), known)[z, y, x] > 0.5) == seen


def part(case: Case) -> Case:
    """The middle of a case: enough for a node."""
    middle = tuple(slice(n // 4, -(n // 4)) for n in case.volume.shape)
    arrays = {name: getattr(case, name) for name in ("volume", "vessels", *MASKS)}
    cut_out = {name: array[middle] for name, array in arrays.items() if array is not None}
    return replace(case, **cut_out)


def write_run(folder: Path, name: str, **more: Any) -> Path:
    network = bright_finder(name)
    folder.mkdir()
    training.save_weights(network.state_dict(), folder / "model.safetensors", network.describe())
    record = {"model": name, "config": network.describe(), "steps": 1, **more}
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_one_command_compares_networks_ensembles_and_priors(tmp_path):
    part(drawn_case()).save(tmp_path)
    bare = cut("implanted", chest(), SPACING, np.ones(SHAPE, bool), tumour=TUMOUR)
    part(bare).save(tmp_path)
    runs = [write_run(tmp_path / name, name) for name in CONFIGS]
    command = [
        sys.executable, "-m", "plugins.lymph_nodes.evaluate", "--data", str(tmp_path),
        "--out", str(tmp_path / "out"), "--device", "cpu", "--repeats", "2",
    ]  # fmt: skip
    given = [part for run in runs for part in ("--run", str(run))]
    done = subprocess.run([*command, *given], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    ways = {
        *CONFIGS,
        *(f"{pair} by {how}" for pair in evaluate.ENSEMBLES for how in ("max", "mean")),
    }
    assert set(figures["patients"]) == ways | {f"{way} + anatomy" for way in ways}
    for way, volumes in figures["patients"].items():
        assert [(volume["patient"], volume["implants"]) for volume in volumes] == [
            ("drawn", None), ("implanted", 0), ("implanted", 1),
        ]  # fmt: skip
        assert way in done.stdout
        assert [row["patient"] for row in figures["tumours"][way]] == ["implanted"]
    assert "5 to 10 mm" in done.stdout


def test_each_patient_is_measured_by_the_fold_that_held_it_out(tmp_path, capsys):
    for name in ("a", "b"):
        replace(part(drawn_case()), name=name).save(tmp_path)
    runs = [
        write_run(tmp_path / f"without_{held}", "slab", trained=list(trained))
        for held, trained in (("a", "b"), ("b", "a"))
    ]
    evaluate.main(tmp_path, tmp_path / "out", runs, "cpu")
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())["patients"]["slab"]
    assert [volume["patient"] for volume in figures] == ["a", "b"]
    evaluate.main(tmp_path, tmp_path / "out", runs[:1], "cpu")
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())["patients"]["slab"]
    assert [volume["patient"] for volume in figures] == ["a"]
    both = write_run(tmp_path / "both", "slab", trained=["a", "b"])
    other = write_run(tmp_path / "other", "slab", trained=["c"])
    for given, said in (([both], "trained on every patient"), ([other, other], "Two runs of slab")):
        with pytest.raises(typer.Exit):
            evaluate.main(tmp_path, tmp_path / "out", given, "cpu")
        assert said in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_told_in_a_sentence(tmp_path, capsys):
    with pytest.raises(typer.Exit):
        evaluate.main(tmp_path, tmp_path / "out", [tmp_path], "cpu")
    assert "is no training run" in capsys.readouterr().err


def volume_of(patient: str, hit: int, truth: int, false: int) -> dict[str, Any]:
    band = {"truth": truth, "hit": hit, "recall": hit / truth, "f1": 0.5, "dice": [0.8] * hit}
    band |= dict.fromkeys(scoring.COUNTS, false)
    return {
        "patient": patient, "bands": dict.fromkeys(scoring.BANDS, band), "dice": 0.7,
        "assd_mm": 2.0,
    }  # fmt: skip


def test_sets_of_implants_are_pooled_by_patient_and_figures_have_their_spread():
    volumes = [volume_of("a", 4, 4, 2), volume_of("a", 6, 6, 4), volume_of("b", 3, 6, 0)]
    summaries = spread.by_patient({"slab": volumes})
    assert list(summaries) == ["slab", "slab, a", "slab, b"]
    band = summaries["slab"]["10 mm or more"]
    assert band["recall"] == 0.75
    assert band["nodes"] == 16
    assert band["false_positives"] == 1.5
    assert band["false_positives_deviation"] == pytest.approx(2)
    low, high = band["recall_interval"]
    assert 0.5 < low < 0.75 < high < 0.95
    all_found = summaries["slab, a"]["10 mm or more"]
    assert all_found["recall"] == 1
    assert all_found["recall_interval"][0] < 0.9  # ten of ten prove no more
    assert all_found["false_positives_interval"] == [2, 4]
    few = spread.summarise(volumes[2:])["10 mm or more"]["recall_interval"]
    assert few[1] - few[0] > high - low
    assert spread.table(summaries, 2, "10 mm or more").row_count == 3


def test_implanted_truth_is_the_same_for_the_same_seed():
    case = cut("phantom", chest(), SPACING, np.ones(SHAPE, bool))
    one, same, other = (scoring.truth_of(case, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.volume, same.volume)
    assert not np.array_equal(one.labels, other.labels)
    assert replace(one, labels=one.labels).short_axes == same.short_axes
