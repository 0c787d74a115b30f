# ruff: noqa: TID253  (no window here)
"""Robot users, baselines and what is measured, on phantoms."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from typer.testing import CliRunner

from inference import training
from inference.errors import UserError
from plugins.click_segmentation import baselines, cases, evaluate, playing, users
from plugins.click_segmentation.model import FAST, ClickNet
from plugins.click_segmentation.predict import Encodings, Outliner
from plugins.click_segmentation.prompts import Prompt

if TYPE_CHECKING:
    from pathlib import Path

TINY = replace(FAST, image=(4, 8, 8, 8, 16), prompt=(8, 8, 8, 16), compared=4, heads=2, looks=1)
NONE = np.zeros((64, 80), bool)


def disc(down: float = 30, right: float = 40, radius: float = 14) -> np.ndarray:
    y, x = np.indices(NONE.shape)
    return np.hypot(y - down, x - right) < radius


def seen(mask: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 6, mask.shape)
    return (100 * mask + noise).astype(np.int16)


def place(prompt: Prompt | None) -> tuple[int, ...]:
    assert prompt is not None
    return tuple(int(value) for value in prompt.points[0])


def oracle(truth: np.ndarray, share: int = 1):
    """A segmenter that knows the truth but needs some clicks for it."""

    def segment(image: Any, prompts: Any, previous: Any, spacing: Any) -> np.ndarray:
        missing = max(0, share - len(prompts))
        kernel = np.ones((2 * missing + 1, 2 * missing + 1), np.uint8)
        return cv2.erode(truth.astype(np.uint8), kernel) > 0

    return segment


# --- users -----------------------------------------------------------------------------------


def test_the_careful_user_first_clicks_the_middle() -> None:
    prompt = users.careful(disc(), NONE)
    assert place(prompt) == pytest.approx((30, 40), abs=1)
    assert prompt is not None
    assert prompt.positive


def test_the_careful_user_clicks_the_larger_mistake_on_its_side() -> None:
    truth, found = disc(), disc() | disc(20, 66, 9)
    prompt = users.careful(truth, found)
    assert place(prompt) == pytest.approx((20, 66), abs=2)
    assert prompt is not None
    assert not prompt.positive
    assert place(users.careful(truth, disc(20, 66, 5))) == pytest.approx((30, 40), abs=1)


def test_nobody_clicks_where_nothing_is_wrong() -> None:
    assert users.careful(disc(), disc()) is None
    assert users.random(np.random.default_rng(0))(disc(), disc()) is None


def test_the_random_user_clicks_inside_and_prefers_depth() -> None:
    click = users.random(np.random.default_rng(0))
    places = np.array([place(click(disc(), NONE)) for _ in range(60)])
    assert all(disc()[tuple(p)] for p in places)
    assert len({tuple(p) for p in places}) > 20
    distance = np.hypot(*(places - (30, 40)).T)
    assert distance.mean() < 0.5 * 14  # uniform: two thirds


def test_a_seed_gives_the_same_random_user() -> None:
    first, second = (users.random(np.random.default_rng(4)) for _ in range(2))
    clicks = [[place(user(disc(), NONE)) for _ in range(5)] for user in (first, second)]
    assert clicks[0] == clicks[1]


def test_a_mistake_at_the_border_is_clicked_inside_the_picture() -> None:
    truth = np.zeros((20, 20), bool)
    truth[:, :3] = True
    assert truth[place(users.careful(truth, np.zeros_like(truth)))]


# --- baselines -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(baselines.METHODS))
def test_each_baseline_outlines_a_plain_disc(name: str) -> None:
    truth = disc()
    played = playing.play(
        baselines.METHODS[name], seen(truth), truth, (1.0, 1.0), users.careful, until=0.9
    )
    assert played.needed(0.9) <= 4


@pytest.mark.parametrize("name", list(baselines.METHODS))
def test_baselines_obey_clicks(name: str) -> None:
    image = np.random.default_rng(0).normal(0, 1, (300, 400))
    prompts = [
        Prompt("click", ((100.0, 150.0),)),
        Prompt("click", ((200.0, 250.0),), positive=False),
    ]
    found = baselines.METHODS[name](image, prompts, None, (1.0, 1.0))
    assert found.shape == (300, 400)
    assert found[100, 150]
    assert not found[200, 250]


# --- playing ---------------------------------------------------------------------------------


def test_clicks_are_counted_and_results_stand() -> None:
    truth = disc()
    played = playing.play(oracle(truth, 4), seen(truth), truth, (2.0, 2.0), users.careful)
    assert len(played.dice) == playing.CLICKS
    assert len(played.milliseconds) == 4
    assert list(played.dice) == sorted(played.dice)
    assert played.dice[3:] == (1.0,) * 12
    assert played.needed(0.9) == next(n for n, d in enumerate(played.dice, 1) if d >= 0.9)
    assert played.distance[0] > played.distance[1] > 0 == played.distance[-1]


def test_what_is_never_reached_costs_all_clicks() -> None:
    truth = disc()
    half = truth & disc(30, 60, 20)
    played = playing.play(oracle(half), seen(truth), truth, (1.0, 1.0), users.careful)
    assert played.needed(0.9) == playing.CLICKS
    assert len(played.milliseconds) == playing.CLICKS


def test_distances_are_in_mm() -> None:
    assert playing.boundary_distance(disc(30, 40), disc(30, 40), (1, 1)) == 0
    near, far = (
        playing.boundary_distance(disc(30, 40), disc(30, 44), (mm, mm)) for mm in (1.0, 3.0)
    )
    assert far == pytest.approx(3 * near)
    assert np.isnan(playing.boundary_distance(NONE, disc(), (1, 1)))


def test_slices_are_spread_over_where_the_structure_is_seen() -> None:
    mask = np.zeros((40, 30, 30), bool)
    mask[5:35, 5:25, 5:25] = True
    mask[36, 5:8, 5:8] = True
    assert playing.slices(mask, 3) == [10, 20, 30]
    assert playing.slices(mask, 0) == list(range(5, 35))
    assert playing.slices(np.zeros_like(mask), 3) == []


def blob() -> tuple[np.ndarray, np.ndarray]:
    """A ball and its picture (z, y, x)."""
    z, y, x = np.indices((16, 40, 48))
    truth = np.sqrt((3 * (z - 8)) ** 2 + (y - 20) ** 2 + (x - 24) ** 2) < 14
    return truth, seen(truth)


class Bright(torch.nn.Module):
    """Finds what is bright in the crop: stands in for a trained network."""

    profile = "gaussian"

    def __init__(self) -> None:
        super().__init__()
        self.steepness = torch.nn.Parameter(torch.tensor(20.0))

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        return image

    def decode(self, encoded: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        return self.steepness * encoded[:, :1]


def threshold() -> Outliner:
    return Outliner(Bright(), "cpu", 64, Encodings())


def test_a_ball_is_followed_from_one_click() -> None:
    truth, image = blob()
    found = playing.play_volume(threshold(), image, truth, (3.0, 1.0, 1.0))
    assert found.needed(0.9) == 1
    assert found.dice[-1] > 0.9
    assert found.needed(1.1) is None


def test_a_correction_redoes_half_of_the_stretch_alone() -> None:
    truth, image = blob()
    volume = playing.Volume(threshold(), image, (3.0, 1.0, 1.0))
    volume.add(8, Prompt("click", ((20.0, 24.0),)))
    followed = np.flatnonzero(volume.mask.any((1, 2)))
    volume.image = np.where(np.arange(16)[:, None, None] == 12, 0, image)
    volume.add(12, Prompt("click", ((20.0, 24.0),), positive=False))
    assert followed[0] < 8 < followed[-1] == 12
    assert not volume.mask[12:].any()
    assert (volume.mask[:11].any((1, 2)) == truth[:11].any((1, 2))).sum() >= 9


def test_a_slice_that_is_emptied_ends_the_object_and_keeps_what_lies_before_it() -> None:
    _, image = blob()
    volume = playing.Volume(threshold(), image, (3.0, 1.0, 1.0))
    volume.add(8, Prompt("click", ((20.0, 24.0),)))
    before = volume.mask.copy()
    volume.add(11, Prompt("click", ((20.0, 24.0),), positive=False))
    assert not volume.mask[11:].any()
    assert (volume.mask[:11] == before[:11]).all()


def test_compact_structures_are_followed_largest_first() -> None:
    ball, _ = blob()
    pieces = np.zeros_like(ball)
    pieces[:, ::6, ::6] = True
    pieces[:, 1::6, ::6] = True
    masks = {"small": ball & (np.indices(ball.shape)[2] < 24), "ball": ball, "pieces": pieces}
    assert evaluate.compact(masks, 3) == ["ball", "small"]
    assert evaluate.compact(masks, 1) == ["ball"]


def test_the_saving_is_against_the_best_baseline() -> None:
    clicks = {"network, careful": 3.0, "network, random": 1.0, "a, careful": 9.0, "b, careful": 6.0}
    players = {name: {"noc_0.90": count} for name, count in clicks.items()}
    assert evaluate.saving(players) == ("b, careful", 0.5)
    assert evaluate.saving({"network, careful": {"noc_0.90": 3.0}}) is None


# --- cases -----------------------------------------------------------------------------------


def write(path: Path, array: np.ndarray, spacing=(1.0, 1.0, 3.0)) -> None:
    picture = sitk.GetImageFromArray(array)
    picture.SetSpacing(spacing)
    sitk.WriteImage(picture, str(path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cases in one folder that share their names, one of them with an extra file."""
    truth, image = blob()
    path = tmp_path / "site"
    path.mkdir()
    for start in ("first_", "second_"):
        write(path / f"{start}ct.nii.gz", image)
        write(path / f"{start}labels.nii.gz", 4 * truth.astype(np.uint8))
    write(path / "first_extra_core.nii.gz", (truth & (image > 95)).astype(np.uint8))
    (path / "labels.json").write_text('{"ball": 4, "absent": 9}', "utf-8")
    table = {"core": {"file": "first_extra_core.nii.gz", "value": 1}}
    (path / "first_extra_labels.json").write_text(json.dumps(table), "utf-8")
    return tmp_path


def test_cases_that_share_a_folder_are_told_apart(folder: Path) -> None:
    found = {case.name: cases.load(case) for case in cases.find_cases(folder)}
    assert set(found) == {"site/first", "site/second"}
    assert set(found["site/first"].masks) == {"ball", "core"}
    assert set(found["site/second"].masks) == {"ball"}
    assert found["site/first"].spacing == pytest.approx((3.0, 1.0, 1.0))
    truth = found["site/first"].masks["ball"]
    assert found["site/first"].image[truth].mean() > 90


def test_extra_files_need_no_table(folder: Path) -> None:
    (folder / "site" / "first_extra_labels.json").unlink()
    first = next(case for case in cases.find_cases(folder) if case.name == "site/first")
    assert [structure.name for structure in first.structures] == ["ball", "absent", "core"]


def test_pictures_with_label_pictures_are_cases(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "leaf.png"), seen(disc()).clip(0, 255).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "leaf_labels.png"), 2 * disc().astype(np.uint8))
    (case,) = cases.find_cases(tmp_path)
    loaded = cases.load(case)
    assert case.name == "leaf"
    assert np.array_equal(loaded.masks["label_2"], disc())
    assert len(loaded.spacing) == 2


def test_cases_in_linked_folders_are_found(folder: Path, tmp_path_factory: Any) -> None:
    elsewhere = tmp_path_factory.mktemp("links")
    (elsewhere / "data").symlink_to(folder)
    names = [case.name for case in cases.find_cases(elsewhere)]
    assert names == ["data/site/first", "data/site/second"]


def test_what_is_no_case_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no case with labels"):
        cases.find_cases(tmp_path)


def test_labels_on_another_grid_are_refused(folder: Path) -> None:
    write(folder / "site" / "second_labels.nii.gz", np.ones((4, 5, 6), np.uint8))
    second = next(case for case in cases.find_cases(folder) if case.name == "site/second")
    with pytest.raises(UserError, match="not on the grid"):
        cases.load(second)


# --- the command -----------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A network that was hardly trained."""
    path = tmp_path / "run"
    path.mkdir()
    torch.manual_seed(0)
    config = asdict(TINY)
    training.save_weights(ClickNet(TINY).state_dict(), path / "model.safetensors", config)
    record = {"config": config, "model": "fast", "steps": 1, "size": 64}
    (path / "run.json").write_text(json.dumps(record), "utf-8")
    return path


def measured(folder: Path, run: Path, out: Path) -> dict[str, Any]:
    app = evaluate.typer.Typer()
    app.command()(evaluate.main)
    arguments = ["--data", folder, "--out", out, "--run", run, "--slices", 1, "--volumes", 1]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return json.loads((out / "metrics.json").read_text("utf-8"))


def test_the_command_measures_and_repeats_itself(folder: Path, run: Path, tmp_path: Path) -> None:
    report = measured(folder, run, tmp_path / "out")
    rows = report["structures"]
    assert {(row["case"], row["structure"]) for row in rows} == {
        ("site/first", "ball"), ("site/first", "core"), ("site/second", "ball"),
    }  # fmt: skip
    assert len(rows) == 3 * 5
    assert {"network, careful", "network, random", "GrabCut, careful"} <= set(
        report["summary"]["all"]
    )
    assert all(0 <= row[f"dice_{n}"] <= 1 for row in rows for n in playing.COUNTS)
    assert all(1 <= row["noc_0.90"] <= playing.CLICKS for row in rows)
    assert [row["structure"] for row in report["volumes"]] == ["ball", "ball"]
    again = measured(folder, run, tmp_path / "again")["structures"]
    assert [row["dice_5"] for row in rows] == [row["dice_5"] for row in again]


def test_the_command_measures_pictures(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    colour = np.stack([seen(disc(), seed).clip(0, 255).astype(np.uint8) for seed in range(3)], -1)
    cv2.imwrite(str(folder / "leaf.png"), colour)
    cv2.imwrite(str(folder / "leaf_labels.png"), disc().astype(np.uint8))
    report = measured(folder, run, tmp_path / "out")
    assert {row["structure"] for row in report["structures"]} == {"label_1"}
    assert report["volumes"] == []


def test_scans_that_were_trained_on_are_left_out(folder: Path, run: Path, tmp_path: Path) -> None:
    (folder / "site").rename(folder / "cip_chest")
    for path in (folder / "cip_chest").glob("first_*"):
        path.rename(path.with_name(path.name.removeprefix("first_")))
    for path in (folder / "cip_chest").glob("second_*"):  # a name of the pack too
        path.rename(path.with_name(path.name.replace("second_", "other_")))
    report = measured(folder, run, tmp_path / "out")
    assert {row["case"] for row in report["structures"]} == {"cip_chest/other"}
