"""Cohorts from the command line's `batch`: cases, resuming, tables, report."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastparquet
import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from inference import cases
from inference.batch import LOCK, Batch, run_batch
from inference.cases import Case
from inference.cohort import Control, LocalCrew, Watch, run_cohort
from inference.cohort_files import ASIDE, commit
from inference.errors import UserError
from inference.headless import Request
from inference.pace import Pace
from tests import phantoms
from tests.headless_tasks import SLEEP, THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Callable

    Told = Callable[..., tuple[bool, list[str]]]

GREY = np.arange(200, dtype=np.uint8).reshape(10, 20)


def request_to(out: Path, **settings: Any) -> Request:
    return Request(THRESHOLD, THRESHOLD.defaults() | settings, out)


def picture(path: Path, pixels: np.ndarray = GREY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """In a tree: good ones, a black one, one that breaks the task, one in colour, and text."""
    folder = tmp_path / "cohort"
    picture(folder / "a.png")
    picture(folder / "ward" / "a.png", GREY[:5])
    picture(folder / "ward" / "black.png", GREY * 0)
    picture(folder / "ward" / "bug.png", GREY * 0 + 13)
    picture(folder / "ward" / "colour.png", np.dstack([GREY, GREY.T.reshape(10, 20), GREY]))
    (folder / "ward" / "text.png").write_text("Dear colleague", "utf-8")
    (folder / "letter.txt").write_text("Dear colleague", "utf-8")
    return folder


def names(found: list[Case]) -> list[str]:
    return [case.name for case in found]


def test_cases_are_found_in_the_whole_tree(tmp_path: Path, cohort: Path) -> None:
    series = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path)
    scan = phantoms.save(cohort / "p1" / "ct", phantoms.ct_slices(series))
    (scan / "later").mkdir()
    phantoms.angiogram(scan / "later" / "xa.dcm", phantoms.run())
    picture(cohort / "p1" / "a.b.png")
    (cohort / "results").mkdir()
    picture(cohort / "results" / "a_mask.png")
    (cohort / "ward" / "round").symlink_to(cohort)
    found = cases.find(cohort, cohort / "results")
    assert names(found) == [
        "a", "p1/a.b", "p1/ct", "p1/ct/later",
        "ward/a", "ward/black", "ward/bug", "ward/colour", "ward/text",
    ]  # fmt: skip
    assert names(cases.find(scan / "later")) == ["later"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty holds nothing that Limn opens"):
        cases.find(tmp_path / "empty")


def test_a_stray_file_does_not_swallow_the_folders_beside_it(tmp_path: Path) -> None:
    phantoms.angiogram(tmp_path / "stray.dcm", phantoms.run())
    (tmp_path / "p1").mkdir()
    phantoms.angiogram(tmp_path / "p1" / "xa.dcm", phantoms.run())
    picture(tmp_path / "a.png")
    found = cases.find(tmp_path)
    assert [case.source for case in found] == [tmp_path, tmp_path / "a.png", tmp_path / "p1"]
    assert cases.beside(tmp_path) == (tmp_path / "stray.dcm",)


def test_names_never_meet(tmp_path: Path) -> None:
    for name in ("case.nii.gz", "CASE.png", "other.png", "visit_2.png"):
        (tmp_path / name).write_bytes(b"x")
    assert names(cases.find(tmp_path)) == ["CASE.png", "case.nii.gz", "other", "visit_2"]
    given = [Path("a/case.nii.gz"), Path("b/CASE.png"), Path("case_2.png"), Path("my.case.v2.png")]
    assert names(cases.named(given)) == ["case", "CASE_2", "case_2_2", "my.case.v2"]
    visit = Case(tmp_path, "visit", taken=frozenset({"visit_2"}))
    assert [visit.series_name(index) for index in range(3)] == ["visit", "visit_3", "visit_4"]


@dataclass(frozen=True)
class SharedBatch(Batch):
    """One that leaves its lanes to the next."""

    lanes: LocalCrew | None = None

    def crew(self, count: int, tell: Callable[[str], None]) -> Any:
        return self.lanes.shared(count) if self.lanes else None


@pytest.fixture
def told_of(lanes: LocalCrew) -> Callable[..., tuple[bool, list[str]]]:
    """Runs a batch; whether it went well, and what was said."""

    def run(folder: Path, out: Path, **settings: Any) -> tuple[bool, list[str]]:
        told: list[str] = []
        batch = SharedBatch(request_to(out, **settings), str(folder), lanes=lanes)
        return run_batch(batch, told.append), told

    return run


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def test_a_failing_case_never_stops_the_rest_and_all_stand_in_the_tables(
    cohort: Path, tmp_path: Path, told_of: Told
) -> None:
    out = tmp_path / "out"
    well, told = told_of(cohort, out, level=3)
    assert not well
    assert sorted(line.partition(": ")[2] for line in told[:-1]) == [
        "The image is black.",
        "text.png is not a picture, whatever its name says.",
        "“Bright pixels” could not be finished because of an error inside Limn "
        "(ZeroDivisionError): the log has the details.",
    ]
    assert told[-1].startswith("2 cases done, 1 not for this task, 3 failed. Report: ")
    rows = rows_of(out)
    assert {name: row["state"] for name, row in rows.items()} == {
        "a": "done", "ward/a": "done", "ward/black": "failed", "ward/bug": "failed",
        "ward/colour": "skipped", "ward/text": "failed",
    }  # fmt: skip
    assert (rows["a"]["pixels"], rows["a"]["shape"]) == ("196", "10 x 20")
    table = fastparquet.ParquetFile(str(out / "summary.parquet")).to_pandas()
    assert dict(zip(table["case"], table["pixels"], strict=True))["a"] == 196
    assert not list(out.glob(f"{ASIDE}*"))
    assert not [path for path in out.rglob("*") if path.name.startswith(("black", "bug"))]


def test_the_report_shows_what_is_to_be_looked_at_first(
    cohort: Path, tmp_path: Path, told_of: Told
) -> None:
    out = tmp_path / "out"
    picture(cohort / "<b>Doe</b> & #1.png")
    told_of(cohort, out, level=250)
    page = (out / "report.html").read_text("utf-8")
    assert "&lt;b&gt;Doe&lt;/b&gt; &amp; #1" in page
    assert "<b>Doe" not in page
    assert page.index("The image is black.") < page.index("Few pixels are that bright.")
    assert "Research use only. Not for diagnosis." in page
    for name in ("a", "ward/a", "<b>Doe</b> & #1"):
        with Image.open(out / "thumbnails" / f"{name}.jpg") as shown:
            assert max(shown.size) == 192
    assert "thumbnails/%3Cb%3EDoe%3C/b%3E%20%26%20%231.jpg" in page


def stamps(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("*_mask.png")}


def test_only_what_is_missing_is_done_again(tmp_path: Path, told_of: Told) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    for name in "abcd":
        picture(folder / f"{name}.png")
    assert told_of(folder, out) == (True, [f"4 cases done. Report: {out / 'report.html'}"])
    before = stamps(out)
    (out / "b.json").unlink()  # as if it had been killed before the end of b
    (out / "c.json").write_text('{"input": {"name"', "utf-8")
    (out / f"{ASIDE}old").mkdir()
    assert told_of(folder, out)[1][0].startswith("2 cases done, 2 done before.")
    now = stamps(out)
    assert {name for name in now if now[name] != before[name]} == {"b_mask.png", "c_mask.png"}
    assert not (out / f"{ASIDE}old").exists()
    assert set(rows_of(out)) == set("abcd")
    assert told_of(folder, out, level=5)[1][0].startswith("4 cases done.")  # another recipe


def test_results_that_are_folders_are_replaced_and_no_other(tmp_path: Path) -> None:
    work, out = tmp_path / "work", tmp_path / "out"
    for name in ("p_1/p_frames/1.png", "p_1/p_frames/2.png", "p_1/other/p.json", "p_2/x.json"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("old", "utf-8")
    for name in ("p_1/p_frames/1.png", "p_1/p.json"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("new", "utf-8")
    commit(work, out, "p_1/p.json")
    texts = {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*.*")}
    assert texts == {
        "p_1/p_frames/1.png": "new", "p_1/p.json": "new", "p_1/other/p.json": "old",
        "p_2/x.json": "old",
    }  # fmt: skip


def test_a_case_is_whole_only_with_all_its_series(tmp_path: Path, lanes: LocalCrew) -> None:
    visit = tmp_path / "in" / "visit"
    visit.mkdir(parents=True)
    for number, level in enumerate((9, 0, 7)):
        path, pixels = visit / f"{number}.dcm", np.full((8, 9), level, np.uint16)
        phantoms.angiogram(path, pixels, SeriesInstanceUID=f"2.25.{number}", SeriesNumber=number)
    out = tmp_path / "out"
    request = request_to(out, level=3)
    found = cases.find(tmp_path / "in")
    ledgers = [run_cohort(request, found, lanes.shared) for _ in range(2)]
    assert [dict(ledger.counts) for ledger in ledgers] == [{"failed": 1}, {"failed": 1}]
    assert {path.name for path in out.glob("*.json")} == {"visit.json", "visit_3.json"}
    first = json.loads((out / "visit.json").read_text("utf-8"))
    assert first["unfinished"] == ["The image is black."]
    assert first["series"] == ["visit", "visit_3"]


def test_two_runs_do_not_write_into_one_folder(cohort: Path, tmp_path: Path, told_of: Told) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with (
        FileLock(out / LOCK),
        pytest.raises(UserError, match="Another run writes into"),
    ):
        told_of(cohort, out)


def test_cancel_and_pause(tmp_path: Path, lanes: LocalCrew) -> None:
    for name in "abcd":
        picture(tmp_path / "in" / f"{name}.png")
    control, begun = Control(), []

    def progressed(case: Case, done: int, total: int, note: str) -> None:
        begun.append(case.name)
        control.paused = True
        if note == "Working":
            control.cancel()

    request = Request(SLEEP, {}, tmp_path / "out")
    found = cases.find(tmp_path / "in")
    watch = Watch(progress=progressed)
    ledger = run_cohort(request, found, lanes.shared, watch, control)
    assert not ledger.rows
    assert set(begun) <= {"a", "b"}
    assert not list((tmp_path / "out").rglob("*"))


def test_one_process_and_two_give_the_same_files(
    cohort: Path, tmp_path: Path, told_of: Told
) -> None:
    told_of(cohort, tmp_path / "two")
    run_batch(Batch(request_to(tmp_path / "one"), str(cohort)), lambda line: None)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert one == two
    assert len(one) >= 6


def contents(out: Path) -> dict[str, bytes]:
    """Of all results, without how long each took."""
    found = {}
    for path in out.rglob("*"):
        if path.suffix in {".png", ".jpg", ".json"}:
            found[path.relative_to(out).as_posix()] = path.read_bytes()
            if path.suffix == ".json":
                told = json.loads(path.read_text("utf-8")) | {"seconds": 0}
                found[path.relative_to(out).as_posix()] = json.dumps(told).encode()
    return found


def test_the_remaining_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("inference.pace.time.monotonic", lambda: now[0])
    pace = Pace(300)
    assert pace.sentence == "0 of 300 cases"
    for _ in range(12):
        now[0] += 30
        pace.step()
    assert pace.sentence == "12 of 300 cases, about 2 h 24 min left"
