from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import SimpleITK as sitk

from inference.errors import UserError
from inference.reading import read
from inference.registry import tasks
from inference.series import Series
from inference.worker import Cancelled, JobContext
from plugins.click_segmentation import task
from plugins.click_segmentation.task import TASK, follow, outline, segment
from tests.phantoms import ORDERS

ROOT = Path(__file__).parents[1]
CENTRE, RADIUS = (70, 90), 24


def ball(z: int, shape=(140, 180), centre=CENTRE, radius=RADIUS) -> np.ndarray:
    """A slice of a ball that is 2 * radius slices high, its middle at z = 0."""
    inner = int(np.sqrt(max(0, radius**2 - z**2)))
    mask = np.zeros(shape, np.uint8)
    return cv2.circle(mask, centre[::-1], inner, 1, -1) if inner > 2 else mask


def picture(mask: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 12, mask.shape)
    return (40 + 120 * mask + noise).astype(np.int16)


def click(down: float, right: float, positive: bool = True) -> dict:
    return {"position": [down, right], "positive": positive}


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def whole(answer: dict, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(map(slice, *answer["box"]))] = answer["mask"]
    return mask


@pytest.fixture(scope="module")
def context() -> JobContext:
    return JobContext("cpu")


# --- one slice -------------------------------------------------------------------------------


def test_the_task_is_offered_for_every_image_but_a_colour_volume():
    assert tasks()["click_segmentation"] is TASK
    image = Series(np.zeros((4, 5), np.uint8), "image", "OT", (Path("a.png"),))
    assert TASK.suits(image)
    assert TASK.suits(replace(image, voxels=np.zeros((4, 5, 3), np.uint8), rgb=True))
    assert TASK.suits(replace(image, voxels=np.zeros((3, 4, 5), np.uint8), kind="volume"))


def test_one_click_outlines_a_plain_object(context):
    mask = ball(0) > 0
    answer = segment(context, picture(mask), [click(*CENTRE)])
    assert answer["mask"].dtype == np.uint8
    assert dice(whole(answer, mask.shape), mask) > 0.9
    assert 0 < answer["score"] <= 1
    assert answer["model"]["name"] == "fast"


@pytest.mark.parametrize(
    "change",
    [lambda x: x * 7.0 - 3000, lambda x: 200 - x, lambda x: np.stack([x.clip(0, 255)] * 3, -1)],
    ids=["another unit", "inverted", "colour"],
)
def test_unit_polarity_and_colour_do_not_matter_much(context, change):
    mask = ball(0) > 0
    answer = segment(context, change(picture(mask)), [click(*CENTRE)])
    assert dice(whole(answer, mask.shape), mask) > 0.85


def test_the_answer_holds_the_object_before_and_after(context):
    mask = ball(0)
    far = cv2.circle(np.zeros_like(mask), (10, 10), 4, 1, -1)
    said = [click(*CENTRE), click(CENTRE[0], CENTRE[1] + RADIUS + 6, False)]
    answer = segment(context, picture(mask), said, previous=mask | far)
    found = whole(answer, mask.shape)
    assert not found[CENTRE[0], CENTRE[1] + RADIUS + 6]
    assert found[10, 10], "another component was not clicked"
    assert not (found & ((mask | far) == 0)).any()


def test_what_is_locked_is_never_taken(context):
    mask = ball(0)
    locked = np.zeros_like(mask)
    locked[:, CENTRE[1] + 5 :] = 1
    answer = segment(context, picture(mask), [click(*CENTRE)], locked=locked)
    found = whole(answer, mask.shape)
    assert found.any()
    assert not (found & (locked > 0)).any()


def test_prompts_that_make_no_sense_are_refused_in_a_sentence(context):
    with pytest.raises(UserError, match="is no prompt"):
        segment(context, picture(ball(0)), [{"position": [1, 2, 3]}])


def test_an_unknown_model_is_refused_in_a_sentence(context):
    with pytest.raises(UserError, match="no model huge"):
        segment(context, picture(ball(0)), [click(*CENTRE)], model="huge")


# --- the slices beside it ----------------------------------------------------------------------


def followed(slab: np.ndarray, **options) -> tuple[list[dict], dict]:
    parts: list[dict] = []
    own = JobContext("cpu", hand_over=parts.append)
    return parts, follow(own, slab, ball(0), **options)


def test_a_ball_is_followed_until_it_ends():
    slab = np.stack([picture(ball(z), z) for z in range(2, 40, 2)])
    parts, end = followed(slab, seed_index=50, direction=-1)
    assert [part["index"] for part in parts] == list(range(49, 49 - len(parts), -1))
    assert end["stopped"] == "ended"
    assert end["reason"]
    assert end["last"] == parts[-1]["index"]
    for number, part in enumerate(parts[:8]):
        truth = ball(2 * number + 2) > 0
        assert dice(whole(part, truth.shape), truth) > 0.8
    assert 8 <= len(parts) <= 13, "it is 12 slices high"


def test_the_end_of_the_slab_is_no_end_of_the_object():
    slab = np.stack([picture(ball(0), seed) for seed in range(3)])
    parts, end = followed(slab, seed_index=0, direction=1)
    assert len(parts) == 3
    assert end["stopped"] == "slab"
    assert end["last"] == 3


def test_a_prompt_on_a_slice_of_the_slab_is_obeyed():
    slab = np.stack([picture(ball(0), seed) for seed in range(3)])
    said = [{"index": 2, **click(CENTRE[0], CENTRE[1] + 10, False)}]
    parts, _ = followed(slab, seed_index=0, direction=1, prompts=said)
    assert not whole(parts[1], slab.shape[1:])[CENTRE[0], CENTRE[1] + 10]


def test_following_stops_at_once_when_it_is_cancelled():
    seen = []

    def cancel() -> None:
        if len(seen) == 2:
            raise Cancelled

    own = JobContext("cpu", hand_over=seen.append, give_way=cancel)
    slab = np.stack([picture(ball(0), seed) for seed in range(6)])
    with pytest.raises(Cancelled):
        follow(own, slab, ball(0), seed_index=0, direction=1)
    assert len(seen) == 2


# --- the command line --------------------------------------------------------------------------


def ball_volume() -> tuple[np.ndarray, np.ndarray]:
    masks = np.stack([ball(2 * z, (80, 96), (34, 52), 18) for z in range(-12, 13)])
    return np.stack([picture(mask, z) for z, mask in enumerate(masks)]), masks > 0


def test_a_volume_from_one_click_and_from_two(context):
    image, truth = ball_volume()
    one = [{"position": [12, 34, 52]}]
    found = outline(context, image, one, (2.0, 1.0, 1.0))["labels"] > 0
    assert dice(found, truth) > 0.85
    sagittal = [{"position": [12, 34, 52], "axis": 2}, {"position": [12, 34, 46], "axis": 2}]
    turned = outline(context, image, sagittal, (2.0, 1.0, 1.0))["labels"] > 0
    assert dice(turned, truth) > 0.8
    alone = outline(context, image, one, (2.0, 1.0, 1.0), follow=False)["labels"]
    assert list(np.flatnonzero(alone.any((1, 2)))) == [12]


def test_an_object_is_not_followed_beyond_a_slice_where_only_background_was_clicked(context):
    image, _ = ball_volume()
    clicks = [
        {"position": [12, 34, 52]},
        {"position": [16, 34, 52], "positive": False},
        {"position": [9, 34, 52], "positive": False},
    ]
    found = outline(context, image, clicks, (2.0, 1.0, 1.0))["labels"]
    assert list(np.flatnonzero(found.any((1, 2)))) == list(range(10, 16))


def test_lines_in_planes_of_different_directions_are_refused(context):
    image, _ = ball_volume()
    lines = [
        {"kind": "scribble", "points": [[12, 30, 50], [12, 34, 52]], "axis": 0},
        {"kind": "scribble", "points": [[12, 30, 50], [14, 34, 50]], "axis": 2},
    ]
    with pytest.raises(UserError, match="one direction"):
        outline(context, image, lines, (2.0, 1.0, 1.0))


def write(path: Path, image: np.ndarray) -> Path:
    """With the axes of a file that a scanner turned: x and y run backwards."""
    volume = sitk.GetImageFromArray(image)
    volume.SetSpacing((1.0, 1.0, 2.0))
    volume.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(volume, str(path))
    return path


def test_the_command_line_writes_a_mask_on_the_grid_of_the_file(tmp_path):
    image, truth = ball_volume()
    file = write(tmp_path / "case.nii.gz", image)
    clicks = tmp_path / "clicks.json"
    clicks.write_text(json.dumps([{"position": [12, 34, 52], "positive": True}]))
    command = [sys.executable, "app.py", "run", TASK.name, str(file), "--out", str(tmp_path),
               "--set", f"clicks={clicks}", "--device", "cpu"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    mask = sitk.ReadImage(str(tmp_path / "case_mask.nii.gz"))
    original = sitk.ReadImage(str(file))
    np.testing.assert_allclose(mask.GetDirection(), original.GetDirection())
    np.testing.assert_allclose(mask.GetOrigin(), original.GetOrigin())
    found = sitk.GetArrayFromImage(mask) > 0
    assert found[12, 34, 52]
    assert dice(found, truth) > 0.85
    record = json.loads((tmp_path / "case.json").read_text())
    assert record["measurements"]["volume_ml"] == pytest.approx(found.sum() * 2 / 1000, rel=0.01)
    assert record["model"]["name"] == "fast"


@pytest.mark.parametrize(("order", "flips"), ORDERS[::5])
def test_clicks_of_a_turned_file_land_on_the_same_voxel(tmp_path, order, flips):
    image, _ = ball_volume()
    spacing = np.diag((2.0, 1.0, 1.0, 1.0))
    upright = read(write(tmp_path / "case.nii.gz", image))[0]
    geometry = replace(upright.geometry, affine=np.eye(4)[[2, 1, 0, 3]] @ spacing)
    flipped = image.transpose(order)[tuple(slice(None, None, -1 if f else 1) for f in flips)]
    placed = geometry.reordered(order, flips, image.shape)
    series = replace(upright, voxels=np.ascontiguousarray(flipped), geometry=placed)
    marker = np.zeros(image.shape, bool)
    marker[3, 30, 60] = True
    [stored] = np.argwhere(series.from_canonical(marker))
    clicks = tmp_path / "clicks.json"
    clicks.write_text(json.dumps([{"position": stored.tolist()}]))
    arrays, params = TASK.request(series, TASK.defaults() | {"clicks": str(clicks)})
    [prompt] = params["prompts"]
    assert prompt["position"] == pytest.approx([3, 30, 60])
    assert arrays["image"][3, 30, 60] == image[3, 30, 60]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[", "no JSON file"),
        ("[]", "holds no clicks"),
        ('[{"position": [1, 2]}]', "is no prompt"),
        ('[{"position": [1, 2, 900]}]', "outside the image"),
    ],
)
def test_a_wrong_clicks_file_is_refused_in_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "clicks.json"
    path.write_text(text)
    with pytest.raises(UserError, match=sentence):
        task.read_prompts(str(path), (4, 80, 96))


@pytest.mark.parametrize("file", ["", "/nowhere/clicks.json"])
def test_a_missing_clicks_file_is_told(file):
    with pytest.raises(UserError, match=r"needed|could not be read"):
        task.read_prompts(file, (4, 80, 96))
