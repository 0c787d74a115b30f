"""The command line as other programs call it: outputs, exit codes, one line for each failure."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from inference.cohort import run_all
from inference.commands import program
from inference.errors import UserError
from inference.headless import Reader, Request
from inference.reading import read
from inference.version import VERSION
from inference.writing import NOTICE
from tests import phantoms
from tests.headless_tasks import THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
GREY = np.arange(200, dtype=np.uint8).reshape(10, 20)
FACTS = {
    "path", "modality", "shape", "spacing_mm", "orientation", "frames", "frame_times_ms", "sha256",
    "synthetic", "confidence", "acquisition", "warnings",
}  # fmt: skip


def limn(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "app.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, **options)


def request_to(out: Path, **settings: Any) -> Request:
    return Request(THRESHOLD, THRESHOLD.defaults() | settings, out)


@pytest.fixture(autouse=True)
def log_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "limn" / "log"


@pytest.fixture
def cases(tmp_path: Path) -> Iterator[Path]:
    """Two good cases, a black one, one that breaks the task, one that is no image, a volume."""
    folder = tmp_path / "cases"
    folder.mkdir()
    for name, pixels in (("a", GREY), ("b", GREY[:5]), ("black", GREY * 0), ("bug", GREY * 0 + 13)):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "text.png").write_text("Dear colleague", "utf-8")
    Image.fromarray(np.dstack([GREY] * 3)).save(folder / "colour.png")
    return folder


def test_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == VERSION
    answer = limn("--version")
    assert (answer.returncode, answer.stdout) == (0, f"Limn {VERSION}\n")


def test_tasks_lists_models_and_device() -> None:
    answer = limn("tasks")
    assert answer.returncode == 0
    header, *rows = answer.stdout.splitlines()
    assert header.split() == ["TASK", "TITLE", "MODEL", "VERSION", "LICENCE", "DEVICE"]
    assert any(row.split()[:3] == ["retinal_vessels", "Retinal", "vessels"] for row in rows)
    assert rows[0].split()[-1] in {"cpu", "cuda", "mps"}


def test_info_gives_one_json_line_a_series(tmp_path: Path) -> None:
    path = phantoms.angiogram(tmp_path / "xa.dcm", phantoms.run(), FrameTime="125")
    slices = phantoms.stored((0, 1, 2), (False, True, False), tmp_path)
    folder = phantoms.save(tmp_path / "ct", phantoms.ct_slices(slices))
    answer = limn("info", path, folder, "--json")
    assert (answer.returncode, answer.stderr) == (0, "")
    xa, ct = map(json.loads, answer.stdout.splitlines())
    assert set(xa) == set(ct) == FACTS
    assert (xa["modality"], xa["shape"], xa["frames"]) == ("XA", [5, 24, 32], 5)
    assert xa["frame_times_ms"] == [0, 125, 250, 375, 500]
    assert xa["sha256"] == read(path)[0].sha256
    assert (ct["modality"], ct["orientation"], ct["frames"]) == ("CT", "IAL", 7)
    assert ct["spacing_mm"] == pytest.approx(phantoms.SPACING)


def test_info_tells_errors_and_goes_on(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("Dear colleague", "utf-8")
    answer = limn("info", tmp_path / "bad.png", tmp_path / "good.png", "--json")
    bad, good = map(json.loads, answer.stdout.splitlines())
    assert answer.returncode == 1
    assert set(bad) == {"path", "error"}
    assert "bad.png is not a picture" in bad["error"]
    assert good["shape"] == [10, 20]
    plain = CliRunner().invoke(program, ["info", str(tmp_path / "good.png")])
    assert plain.stdout == f"{tmp_path / 'good.png'}: OT, 10 x 20, spacing unknown\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run",), "Missing argument"),
        (("run", "no_such_task", "a.png", "--out", "out"), "there is no task no_such_task"),
        (("run", "retinal_vessels", "a.png"), "--out"),
        (("run", "retinal_vessels", "a.png", "--out", "o", "--set", "x=1"), "has no setting x"),
        (("run", "retinal_vessels", "a.png", "--out", "o", "--set", "model"), "gives no value"),
        (("run", "retinal_vessels", "a.png", "--out", "o", "--device", "tpu"), "no device tpu"),
        (("info",), "Missing argument"),
    ],
)
def test_wrong_usage_is_2(arguments: tuple[str, ...], words: str) -> None:
    answer = CliRunner().invoke(program, list(arguments))
    assert answer.exit_code == 2
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_a_window_without_a_display_is_one_sentence(tmp_path: Path) -> None:
    places = {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}
    bare = {key: value for key, value in os.environ.items() if key not in places}
    answer = limn(tmp_path, env=bare)
    assert answer.returncode == 1
    assert answer.stderr.startswith("There is no display")
    assert answer.stderr.count("\n") == 1


def test_a_failing_case_never_stops_the_rest(cases: Path, tmp_path: Path, log_folder: Path) -> None:
    lines: list[str] = []
    well = run_all(request_to(tmp_path / "out"), sorted(cases.iterdir()), lines.append, workers=2)
    assert not well
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "a.json", "a_mask.png", "b.json", "b_mask.png"
    }  # fmt: skip
    told = {Path(line.partition(": ")[0]).name: line.partition(": ")[2] for line in lines}
    assert told["black.png"] == "The image is black."
    assert told["text.png"].startswith("text.png is not a picture")
    assert told["colour.png"] == "colour.png holds no image for bright pixels."
    assert "error inside Limn (ZeroDivisionError)" in told["bug.png"]
    assert len(told) == 4
    logs = "".join(path.read_text("utf-8") for path in log_folder.iterdir())
    assert "ZeroDivisionError" in logs
    assert "secret 200" not in logs


def test_the_json_says_how_a_result_arose(tmp_path: Path) -> None:
    slices = phantoms.ct_slices(phantoms.stored((0, 1, 2), (False,) * 3, tmp_path))
    path = phantoms.save(tmp_path / "case", list(slices)[:1]) / "IM0000"
    assert run_all(request_to(tmp_path / "out", level=-250), [path], pytest.fail)
    text = (tmp_path / "out" / "IM0000.json").read_text("utf-8")
    about = json.loads(text)
    voxels = read(path)[0].voxels
    assert about["task"] == "threshold"
    assert (about["task_version"], about["model"]) == ("7", None)
    assert about["settings"] == {"level": -250}
    assert about["measurements"] == {"pixels": int((voxels > -250).sum())}
    assert about["input"]["sha256"] == read(path)[0].sha256
    assert len(about["input"]["study_uid_sha256"]) == 64
    assert about["device"] in {"cpu", "cuda", "mps"}
    assert about["notice"] == NOTICE
    assert not any(secret in text for secret in ("Doe", "SECRET-7", "2.25.7"))


def test_what_a_task_doubts_is_told_and_stands_in_the_json(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    lines: list[str] = []
    request = request_to(tmp_path / "out", level=250)
    assert run_all(request, [tmp_path / "a.png"], lines.append)
    assert lines == [f"{tmp_path / 'a.png'}: warning: Few pixels are that bright."]
    about = json.loads((tmp_path / "out" / "a.json").read_text("utf-8"))
    assert about["warnings"] == ["Few pixels are that bright."]


def test_every_series_has_outputs_of_its_own(tmp_path: Path) -> None:
    visit = tmp_path / "visit"
    visit.mkdir()
    for name in ("left", "right"):
        Image.fromarray(GREY).save(visit / f"{name}.png")
    paths = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / "eye.png")
        Image.fromarray(GREY if folder == "one" else GREY[:4]).save(paths[-1])
    assert run_all(request_to(tmp_path / "out"), [*paths, visit], pytest.fail)
    names = {path.stem for path in (tmp_path / "out").glob("*.json")}
    assert names == {"eye", "eye_2", "visit", "visit_2"}
    with Image.open(tmp_path / "out" / "eye_mask.png") as first:
        assert first.size == (20, 10)
    with Image.open(tmp_path / "out" / "eye_2_mask.png") as second:
        assert second.size == (20, 4)


def test_an_output_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "file").write_text("not a folder", "utf-8")
    lines: list[str] = []
    assert not run_all(request_to(tmp_path / "file" / "out"), [tmp_path / "a.png"], lines.append)
    assert len(lines) == 1
    assert "could not be written" in lines[0]


def test_files_that_abort_a_decoder_leave_the_reader_alive(tmp_path: Path) -> None:
    bad = phantoms.aborting(tmp_path / "bad.dcm")
    good = phantoms.angiogram(tmp_path / "good.dcm", phantoms.run())
    with closing(Reader()) as reader:
        for _ in range(5):  # more than the process may end within a minute
            with pytest.raises(UserError, match=r"bad\.dcm made its decoder fail"):
                reader.read(bad)
        assert reader.read(good)[0].kind == "run"


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_aborts_a_decoder_leaves_the_others_of_its_folder(
    tmp_path: Path, packed: bool
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    for name in ("bad1.dcm", "bad2.dcm"):
        phantoms.aborting(folder / name)
    phantoms.angiogram(folder / "good.dcm", phantoms.run())
    path = Path(shutil.make_archive(str(folder), "zip", folder)) if packed else folder
    with closing(Reader()) as reader:
        (series,) = reader.read(path)
    assert series.kind == "run"
    for name in ("bad1.dcm", "bad2.dcm"):
        assert f"{name} made its decoder fail: the file is damaged." in series.warnings


INTERRUPTED = """
import signal, sys
from pathlib import Path
from inference.cohort import run_all
from inference.headless import Request
from tests.headless_tasks import SLEEP

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what runs in background
    request = Request(SLEEP, {}, Path(sys.argv[2]))
    run_all(request, [Path(sys.argv[1])], sys.stderr.write)
"""


def test_ctrl_c_ends_everything(tmp_path: Path, log_folder: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED, "utf-8")
    command = [sys.executable, str(script), str(tmp_path / "a.png"), str(tmp_path / "out")]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    log = log_folder / "inference.log"
    while not (log.is_file() and "ready" in log.read_text("utf-8")):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in told
    assert not (tmp_path / "out").exists()


def test_retinal_vessels_of_the_sample(tmp_path: Path) -> None:
    from inference import weights

    if not any(info.plugin == "retinal_vessels" for info in weights.describe()):
        pytest.skip("the models are not bundled")
    sample = ROOT / "resources/samples/fundus.jpg"
    options = ("--out", tmp_path / "out", "--device", "cpu", "--set", "files=png")
    answer = limn("run", "retinal_vessels", sample, *options)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert (tmp_path / "out" / "fundus_labels.png").is_file()
    with Image.open(tmp_path / "out" / "fundus_vessels.png") as mask:
        values = np.asarray(mask)
    assert values.shape == (800, 800)
    assert set(np.unique(values)) == {0, 255}
    with Image.open(tmp_path / "out" / "fundus_probability.png") as probability:
        assert np.asarray(probability).dtype.itemsize >= 2
    about = json.loads((tmp_path / "out" / "fundus.json").read_text("utf-8"))
    assert len(about["model"]["sha256"]) == 64
