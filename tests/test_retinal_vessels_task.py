from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.errors import UserError
from inference.reading import read
from inference.registry import tasks
from inference.series import Geometry, Series
from inference.worker import Cancelled, JobContext
from plugins.retinal_vessels.task import TASK, explain, measure, segment
from plugins.retinal_vessels.threshold import vessels
from plugins.retinal_vessels.zones import Disc, Mark

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def fundus(shared_data) -> Path:
    return shared_data / "retina" / "drive_train" / "21_image.png"


@pytest.fixture(scope="session")
def image(fundus):
    """Half the size: as good a photograph, at a quarter of the time."""
    return np.asarray(Image.open(fundus).reduce(2))


@pytest.fixture(scope="session")
def result(image):
    return segment(JobContext("cpu"), image)


def series_of(image: np.ndarray, **options) -> Series:
    return Series(image, "image", "OP", (Path("eye.png"),), rgb=image.ndim == 3, **options)


def test_a_cancelled_run_stops_between_two_layers(image):
    told, layers = [], []

    def cancelled_in_the_network() -> None:
        if "Finding vessels" in told or len(layers) == 40:
            raise Cancelled
        layers.append(told[-1])

    context = JobContext(
        "cpu", tell=lambda done, total, note: told.append(note), give_way=cancelled_in_the_network
    )
    with pytest.raises(Cancelled):
        segment(context, image, measured=False)
    assert len(layers) == 40, "not even the first tile had to be finished"
    assert segment(JobContext("cpu"), image, measured=False)["labels"].any()


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 400, 3), (2, 2)])
def test_tiny_pictures_get_a_doubt_and_no_error(shape):
    found = segment(JobContext("cpu"), np.full(shape, 90, np.uint8), measured=False)
    assert found["labels"].shape == shape[:2]
    assert "may not be a fundus" in found["warning"]


def test_values_that_are_no_numbers_spoil_nothing(image, result):
    spoilt = image.astype(np.float32) / 255
    spoilt[100, 100], spoilt[200, 150] = np.nan, np.inf
    found = segment(JobContext("cpu"), spoilt, measured=False)
    assert found["warning"] is None
    assert abs(int(found["labels"].sum()) - int(result["labels"].sum())) < 500


def test_the_task_is_offered_for_images_alone(image):
    assert tasks()["retinal_vessels"] is TASK
    assert TASK.suits(series_of(image))
    assert not TASK.suits(replace(series_of(image), kind="run"))
    assert not TASK.suits(replace(series_of(image), kind="volume"))


def test_vessels_of_a_photograph(result, image, fundus):
    assert result["probability"].dtype == np.float32
    assert result["labels"].dtype == np.uint8
    assert result["probability"].shape == result["labels"].shape == image.shape[:2]
    assert result["field_of_view"].dtype == bool
    assert 0.6 < result["field_of_view"].mean() < 0.8
    assert set(result["model"]) == {"name", "version", "sha256"}
    assert (result["model"]["name"], result["device"]) == ("fast", "cpu")
    assert not result["warning"]
    drawn = Image.open(fundus.with_name("21_vessels.png")).convert("L").reduce(2)
    truth = np.asarray(drawn) > 127
    found = result["labels"] == 1
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.6


def test_the_labels_are_the_probability_cut_at_the_threshold(result):
    assert ((result["probability"] >= 0.5) == (result["labels"] == 1)).all()


def test_measurements_come_with_the_result(result):
    found = {row.key: row.value for row in result["measurements"]}
    labels, seen = result["labels"], result["field_of_view"]
    assert found["vessel_density"] == pytest.approx(100 * labels[seen].sum() / seen.sum())


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image[..., 1],
        lambda image: image.astype(np.uint16) * 257,
        lambda image: image.transpose(1, 0, 2),
        lambda image: image[:101, :67],
        lambda image: image.astype(np.float32) / 255,
    ],
    ids=["grey", "16 bit", "turned", "odd size", "float"],
)
def test_any_kind_of_image_is_taken(image, change):
    changed = change(image)
    found = segment(JobContext("cpu"), changed, measured=False)
    assert found["probability"].shape == changed.shape[:2]
    assert np.isfinite(found["probability"]).all()


def test_islands_below_the_smallest_size_are_dropped():
    probability = np.zeros((40, 40), np.float32)
    probability[5, 5:35] = probability[20, 3:6] = 0.9
    probability[21, 6] = 0.9  # touches by a corner
    assert vessels(probability, 0.5).sum() == 34
    assert vessels(probability, 0.5, 4).sum() == 34
    assert vessels(probability, 0.5, 5).sum() == 30
    assert vessels(probability, 0.95).sum() == 0


def test_a_lower_threshold_finds_no_less(result):
    counts = [vessels(result["probability"], cut).sum() for cut in (0.2, 0.4, 0.6, 0.8)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


@pytest.mark.parametrize("threshold", [-0.1, 1.5])
def test_an_impossible_threshold_is_refused(image, threshold):
    with pytest.raises(UserError, match="from 0 to 1"):
        segment(JobContext("cpu"), image, threshold=threshold)


def test_a_model_that_is_not_there_is_named(image):
    with pytest.raises(UserError, match="no model huge"):
        segment(JobContext("cpu"), image, model="huge")


def test_what_is_no_fundus_gets_a_warning():
    stripes = np.tile((np.arange(300) % 40 * 6).astype(np.uint8), (200, 1))
    found = segment(JobContext("cpu"), np.repeat(stripes[..., None], 3, axis=2))
    assert "fundus" in found["warning"]


def test_progress_is_told_and_the_model_is_kept(image):
    told = []
    context = JobContext("cpu", tell=lambda done, total, note: told.append(note))
    segment(context, image, measured=False)
    assert told[0] == "Loading the model"
    assert "Finding vessels" in told
    told.clear()
    segment(context, image, measured=False)
    assert "Loading the model" not in told


def test_a_mask_is_measured_with_disc_and_marks(result):
    mask, (height, width) = result["labels"] == 1, result["labels"].shape
    disc = Disc(height / 2, width / 2, 12)
    found = measure(
        JobContext("cpu"), mask, result["field_of_view"], spacing=0.02, disc=disc,
        marks=[Mark(*map(float, np.argwhere(mask)[0]), "vein")],
    )  # fmt: skip
    keys = {row.key for row in found.rows}
    assert {"vessel_density_zone_b", "mean_calibre_um_zone_c", "crve_um", "veins"} <= keys
    assert [vessel.kind for vessel in found.vessels] == ["vein"]


def test_without_a_field_of_view_it_is_found_in_the_image(result, image):
    found = measure(JobContext("cpu"), result["labels"] == 1, image=image)
    assert (found.field_of_view == result["field_of_view"]).all()


def test_the_explanation_lies_round_the_region(result, image):
    region = np.zeros(image.shape[:2], bool)
    region[100:130, 100:130] = True
    heat = explain(JobContext("cpu"), image, region & (result["labels"] == 1))
    assert heat.shape == image.shape[:2]
    assert heat.min() >= 0
    assert heat.max() <= 1
    near = np.zeros_like(region)
    near[70:160, 70:160] = True
    assert heat[near].mean() > 2 * heat[~near].mean()


def test_the_files_of_a_result(result, image, tmp_path):
    series = series_of(image)
    table = TASK.write(series, result, tmp_path / "eye")
    mask = np.asarray(Image.open(tmp_path / "eye_vessels.png"))
    assert set(np.unique(mask)) == {0, 255}
    assert ((mask == 255) == (result["labels"] == 1)).all()
    probability = np.asarray(Image.open(tmp_path / "eye_probability.png"))
    assert probability.dtype == np.uint16
    assert np.abs(probability / 65535 - result["probability"]).max() < 1e-4
    overlay = np.asarray(Image.open(tmp_path / "eye_overlay.png"))
    assert overlay.shape == image.shape
    assert (overlay[mask == 0] == image[mask == 0]).all()
    with (tmp_path / "eye_measurements.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["key"]: row for row in csv.DictReader(file)}
    assert float(rows["vessel_density"]["value"]) == table["vessel_density"]["value"]
    assert rows["vessel_density"]["unit"] == "%"
    assert rows["notice"]["title"] == "Research use only. Not for diagnosis."
    assert json.loads(json.dumps(table)) == table


def test_vessels_corrected_after_the_last_measurement_are_measured_when_written(
    result, image, tmp_path
):
    labels = np.zeros_like(result["labels"])
    labels[100, 60:200] = 1
    table = TASK.write(
        series_of(image), result | {"labels": labels, "measurements": None}, tmp_path / "eye"
    )
    assert table["total_length"]["value"] == pytest.approx(139, abs=2)


def test_physical_units_follow_the_files_spacing(image):
    affine = np.diag([0.012, 0.012, 0.012, 1.0])[[2, 1, 0, 3]]
    known = series_of(image, geometry=Geometry(affine, known=True))
    _, params = TASK.request(known, TASK.defaults())
    assert params["spacing"] == pytest.approx(0.012)
    affine = np.diag([0.02, 0.012, 0.012, 1.0])[[2, 1, 0, 3]]
    oblong = series_of(image, geometry=Geometry(affine @ np.diag([1, 1.5, 1, 1]), known=True))
    assert TASK.request(oblong, TASK.defaults())[1]["spacing"] is None
    assert TASK.request(series_of(image), TASK.defaults())[1]["spacing"] is None


def test_the_command_line_contract(image, tmp_path):
    source, out = tmp_path / "left eye.png", tmp_path / "out"
    Image.fromarray(image).save(source)
    command = ["app.py", "run", "retinal_vessels", str(source), "--out", str(out)]
    subprocess.run(
        [sys.executable, *command, "--device", "cpu", "--set", "threshold=0.4"],
        cwd=ROOT,
        check=True,
    )
    mask = np.asarray(Image.open(out / "left eye_vessels.png"))
    assert mask.dtype == np.uint8
    assert mask.shape == image.shape[:2]
    probability = np.asarray(Image.open(out / "left eye_probability.png"))
    cut = probability / 65535
    sure = np.abs(cut - 0.4) > 1e-4
    assert ((mask > 0) == (cut >= 0.4))[sure].all()
    record = json.loads((out / "left eye.json").read_text("utf-8"))
    assert record["input"]["sha256"] == read(source)[0].sha256
    assert record["settings"]["threshold"] == 0.4
    assert record["model"]["name"] == "fast"
    assert record["device"] == "cpu"
    assert record["notice"] == "Research use only. Not for diagnosis."
    assert record["measurements"]["fractal_d0"]["unit"] == ""
