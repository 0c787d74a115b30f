from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from scipy import ndimage

from inference.errors import UserError
from inference.reading import read
from inference.registry import tasks
from inference.series import Acquisition, Series
from inference.worker import Cancelled, JobContext
from plugins.dsa_interpolation.prepare import (
    DOUBTED,
    Scale,
    Signs,
    Trust,
    gaps,
    reason,
    reduced,
    worst,
)
from plugins.dsa_interpolation.task import (
    TASK,
    interpolate,
    stored_density,
    taken_frames,
    wanted_times,
)

ROOT = Path(__file__).parents[1]
SIZE = 96


def frame(place: float, contrast: float = 0.4, seed: int = 0) -> np.ndarray:
    """A dark vessel across a textured field, about 0.3 to 1."""
    texture = ndimage.gaussian_filter(np.random.default_rng(seed).random((SIZE, SIZE)), 3)
    texture = 0.7 + 0.3 * (texture - texture.mean()) / texture.std() / 3
    y, x = np.mgrid[:SIZE, :SIZE]
    return texture - contrast * np.exp(-(((x - place - 0.2 * y) / 3) ** 2))


def run_of(frames: list[np.ndarray], dtype: type = np.uint16, top: int = 4095) -> np.ndarray:
    return np.stack([np.rint(np.clip(f, 0, 1) * top) for f in frames]).astype(dtype)


def series_of(run: np.ndarray, **options) -> Series:
    times = tuple(100.0 * i for i in range(len(run)))
    return Series(run, "run", "XA", (Path("run.png"),), **({"frame_times": times} | options))


@pytest.fixture(scope="module")
def run() -> np.ndarray:
    return run_of([frame(30 + 2 * i) for i in range(4)])


@pytest.fixture(scope="module")
def result(run):
    return interpolate(JobContext("cpu"), run, [0.0, 100.0, 250.0, 300.0], frames=3)


def test_the_task_is_offered_for_runs_alone(run):
    assert tasks()["dsa_interpolation"] is TASK
    assert TASK.suits(series_of(run))
    assert not TASK.suits(replace(series_of(run), kind="volume"))
    assert TASK.defaults() == {"model": "fast", "frames": 1, "times": "", "source": "raw"}


def test_taken_frames_stay_bit_by_bit(result, run):
    assert result["frames"].shape == (13, SIZE, SIZE)
    assert result["frames"].dtype == np.uint16
    marks = np.array(result["synthetic"])
    assert marks.tolist() == [False, True, True, True] * 3 + [False]
    np.testing.assert_array_equal(result["frames"][~marks], run)
    assert all(
        sure == 1 for sure, made in zip(result["confidence"], marks, strict=True) if not made
    )
    assert all(0 <= sure <= 1 for sure in result["confidence"])


def test_irregular_times_are_divided_evenly(result):
    expected = [0, 25, 50, 75, 100, 137.5, 175, 212.5, 250, 262.5, 275, 287.5, 300]
    assert result["times"] == pytest.approx(expected)
    assert result["model"]["name"] == "fast"


@pytest.mark.parametrize("count", [1, 7])
def test_one_to_seven_frames(run, count):
    found = interpolate(JobContext("cpu"), run[:2], None, frames=count)
    assert len(found["frames"]) == 2 + count
    assert found["times"][-1] == 100


def test_frames_at_chosen_times_alone(run):
    found = interpolate(JobContext("cpu"), run, [0, 100, 250, 300], wanted=[275, 120, 110])
    assert found["times"] == [0, 100, 110, 120, 250, 275, 300]
    assert found["synthetic"] == [False, False, True, True, False, True, False]


@pytest.mark.parametrize(
    ("dtype", "top"), [(np.uint8, 255), (np.uint16, 16383), (np.int16, 1023), (np.float32, 1)]
)
def test_depths_are_kept(dtype, top):
    pair = run_of([frame(40), frame(40)], dtype, top)
    if dtype == np.float32:
        pair = np.stack([frame(40)] * 2).astype(dtype)
    made = interpolate(JobContext("cpu"), pair)["frames"][1]
    assert made.dtype == dtype
    assert np.abs(made.astype(float) - pair[0]).mean() < 0.01 * top
    if dtype == np.uint16:
        assert len(np.unique(made)) > 1000, "not by way of 8 bit"


def test_gaps_are_handed_over_as_they_are_done(run):
    handed = []
    context = JobContext("cpu", hand_over=handed.append)
    found = interpolate(context, run, frames=2)
    assert [part["gap"] for part in handed] == [0, 1, 2]
    assert all(part["gaps"] == 3 and len(part["confidence"]) == 2 for part in handed)
    marks = np.array(found["synthetic"])
    np.testing.assert_array_equal(
        np.concatenate([part["frames"] for part in handed]), found["frames"][marks]
    )


def test_a_cancelled_run_stops_between_two_layers_and_keeps_what_was_handed_over(run):
    handed, layers = [], []

    def cancelled_in_the_second_gap() -> None:
        if handed:
            layers.append(1)
        if len(layers) == 20:
            raise Cancelled

    context = JobContext("cpu", hand_over=handed.append, give_way=cancelled_in_the_second_gap)
    with pytest.raises(Cancelled):
        interpolate(context, run, frames=2)
    assert [part["gap"] for part in handed] == [0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"run": slice(1)}, "one frame: two are needed"),
        ({"frames": 0}, "0 frames between two are not possible: give 1 to 7"),
        ({"frames": 8}, "8 frames between two are not possible"),
        ({"wanted": [500.0]}, "no frames around 500 ms: give times between 0 and 300 ms"),
        ({"model": "huge"}, "There is no model huge"),
    ],
)
def test_what_cannot_be_is_said(run, change, sentence):
    options = {"frames": 1, **{k: v for k, v in change.items() if k != "run"}}
    with pytest.raises(UserError, match=sentence):
        interpolate(JobContext("cpu"), run[change.get("run", slice(None))], **options)


def test_times_are_read_from_text():
    assert wanted_times("120, 250.5  7") == [120, 250.5, 7]
    assert wanted_times("") == []
    with pytest.raises(UserError, match="soon are no times"):
        wanted_times("soon")


def test_a_clock_that_stands_still_still_has_frames_between():
    assert gaps([0, 0, 50], 1)[0].shares == (0.5,)


def test_frames_that_a_model_made_are_made_anew(result):
    series = series_of(
        result["frames"],
        frame_times=tuple(result["times"]),
        synthetic=tuple(result["synthetic"]),
    )
    assert taken_frames(series) == [0, 4, 8, 12]
    arrays, params = TASK.request(series, TASK.defaults())
    np.testing.assert_array_equal(arrays["run"], result["frames"][::4])
    assert params["times"] == pytest.approx([0, 100, 250, 300])


def test_colour_and_subtracted_requests(run):
    colour = np.repeat((run >> 4).astype(np.uint8)[..., None], 3, axis=-1)
    arrays, _ = TASK.request(series_of(colour, rgb=True), TASK.defaults())
    np.testing.assert_array_equal(arrays["run"], colour[..., 0])
    wish = TASK.defaults() | {"source": "subtracted"}
    linear = Acquisition(intensity="linear", mask_frames=(0,))
    arrays, _ = TASK.request(series_of(run, acquisition=linear), wish)
    assert arrays["run"].dtype == np.uint16
    assert np.abs(arrays["run"][0].astype(int) - 32768).max() < 2, "the mask less itself"
    assert arrays["run"][3].min() < 30000, "vessels are dark"
    done = Acquisition(subtracted=True)
    arrays, _ = TASK.request(series_of(run, acquisition=done), wish)
    np.testing.assert_array_equal(arrays["run"], run)


def confidence(first: np.ndarray, last: np.ndarray) -> tuple[float, str]:
    pair = run_of([first, last])
    found = interpolate(JobContext("cpu"), pair)
    return found["confidence"][1], found["warning"] or ""


def test_confidence_falls_where_the_ends_tell_nothing_of_what_lies_between():
    calm, warning = confidence(frame(40), frame(41))
    assert calm > 0.8
    assert not warning
    other = 1.3 - frame(40, 0, seed=5)
    wrong = {
        "contrast arrives or leaves": (frame(40, 0.0), frame(40, 0.6)),
        "the table moved": (frame(30), np.roll(frame(30), (16, 24), (0, 1))),
        "the scene changes": (frame(40), other),
    }
    for why, ends in wrong.items():
        sure, warning = confidence(*ends)
        assert sure < DOUBTED < calm, why
        assert warning == f"1 new frame is doubtful: {why}. It is marked."


def test_a_believable_run_is_doubted_where_it_should_be():
    from plugins.dsa_interpolation.simulator.run import simulate
    from plugins.dsa_interpolation.simulator.settings import Settings
    from plugins.dsa_interpolation.subtraction import Subtraction, Subtractor

    times = tuple(333.0 * i for i in range(14))
    settings = Settings(size=256, times=times)
    taken = simulate(np.random.default_rng(1), settings, maps=False)
    frames, come = taken.frames, int((taken.density.max(axis=(1, 2)) > 0.3).argmax())
    difference = stored_density(Subtractor(frames, None, Subtraction(mask=(0, 1))).stack())
    inside, stepped = np.s_[32:224, 32:224], np.s_[12:204, 2:194]

    def judged(run: np.ndarray, *chosen: tuple[int, tuple]) -> tuple[float, str]:
        """The last frame of a run is followed by one between two chosen ones."""
        ends = [run[index][box] for index, box in chosen]
        rest = [frame[inside] for frame in run]
        wanted = [100 * len(run) + 50]
        found = interpolate(JobContext("cpu"), np.stack([*rest, *ends]), wanted=wanted)
        return found["confidence"][-2], found["warning"] or ""

    for run in (frames, difference):
        sure, warning = judged(run, (0, inside), (1, inside))
        assert sure > 0.7
        assert not warning
    sure, warning = judged(difference, (come - 1, inside), (come + 3, inside))
    assert sure < DOUBTED
    assert "contrast arrives or leaves" in warning
    for run in (frames, difference):
        sure, warning = judged(run, (-2, inside), (-1, stepped))
        assert sure < DOUBTED
        assert warning
    assert "the table moved" in warning
    sure, warning = judged(frames, (-2, inside), (0, (slice(32, 224), slice(223, 31, -1))))
    assert sure < DOUBTED


def test_reasons_are_told_apart():
    still = frame(40)
    assert reason(still, frame(60)) == "the frames differ much"
    assert reason(frame(40, 0.0), frame(40, 0.6)) == "contrast arrives or leaves"
    assert reason(np.zeros((64, 64)), np.ones((64, 64))) == "contrast arrives or leaves"


def test_more_signs_of_error_give_less_confidence():
    trust = Trust()
    little, much = Signs(0.01, 0.005, 0.1), Signs(0.4, 0.2, 4.0)
    assert trust.confidence(little) > 0.9 > 0.3 > trust.confidence(much)
    assert Trust.read({"trust": {"offset": 9.0}}).confidence(much) > trust.confidence(much)


def test_parts_of_the_scale():
    stored = np.array([[3, 1000], [2000, 4095]], np.uint16)
    scale = Scale.of(stored)
    np.testing.assert_array_equal(scale.back(scale.forward(stored), stored.dtype), stored)
    assert Scale.of(np.full((4, 4), 7)).width == 1
    assert scale.back(np.array([9.0, -9.0]), np.dtype(np.uint8)).tolist() == [255, 0]
    picture = np.arange(64.0).reshape(8, 8)
    assert reduced(picture, 4).tolist() == [[13.5, 17.5], [45.5, 49.5]]
    assert reduced(picture[:3, :3], 8).shape == (1, 1)
    assert worst(np.arange(1000.0), 0.01) == pytest.approx(994.5)


def test_a_folder_of_frames_becomes_a_folder_that_opens_as_the_run(result, run, tmp_path):
    series = series_of(run, frame_times=(0.0, 100.0, 250.0, 300.0))
    about = TASK.write(series, result, tmp_path / "heart")
    assert about["synthetic"] == result["synthetic"]
    assert about["frame_times_ms"] == pytest.approx(result["times"])
    [reopened] = read(tmp_path / "heart_interpolated")
    np.testing.assert_array_equal(reopened.voxels, result["frames"])
    assert reopened.synthetic == tuple(result["synthetic"])
    assert reopened.frame_times == pytest.approx(result["times"])
    assert reopened.confidence == pytest.approx(result["confidence"], abs=1e-3)


def test_the_command_line_makes_dicom_of_dicom(shared_data, tmp_path):
    [source] = read(next((shared_data / "xa" / "dicom").glob("*.dcm")))
    short = source.voxels[:3, ::4, ::4]
    dataset = pydicom.dcmread(source.path)
    dataset.PixelData = short.tobytes()
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = short.shape
    dataset.save_as(tmp_path / "short.dcm")
    command = [sys.executable, "app.py", "run", "dsa_interpolation", str(tmp_path / "short.dcm"),
               "--out", str(tmp_path / "out"), "--set", "frames=3", "--device", "cpu"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [made] = read(tmp_path / "out" / "short_interpolated.dcm")
    np.testing.assert_array_equal(made.voxels[::4], short)
    assert made.synthetic == (False, True, True, True) * 2 + (False,)
    written = json.loads((tmp_path / "out" / "short.json").read_text())
    assert written["measurements"]["frames"] == 9
    assert written["measurements"]["synthetic"][1]
    assert written["notice"] == "Research use only. Not for diagnosis."


def test_the_command_line_makes_a_folder_of_a_folder_and_says_what_is_no_run(shared_data, tmp_path):
    source = shared_data / "xa" / "angiodata_p1_r1"
    folder = tmp_path / "few"
    folder.mkdir()
    for index, path in enumerate(sorted(source.glob("frame_*.png"))[:2]):
        Image.open(path).reduce(4).save(folder / f"frame_{index:03d}.png")
    (tmp_path / "one").mkdir()
    shutil.copy(folder / "frame_000.png", tmp_path / "one")
    (tmp_path / "one" / "run.json").write_text('{"frame_time_ms": 40}')
    command = [sys.executable, "app.py", "run", "dsa_interpolation", str(folder),
               str(tmp_path / "one"), "--out",
               str(tmp_path / "out"), "--set", "frames=1", "--device", "cpu"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "one holds no image for DSA. One frame alone is no run" in done.stderr
    names = sorted(path.name for path in (tmp_path / "out" / "few_interpolated").glob("*.png"))
    assert names == ["frame_0000.png", "frame_0001.png", "frame_0002.png"]
