"""The audit trail: added to by many at once, changes are noticed, nothing stops the work."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference import audit, secret
from inference.audit import Notebook, Trail
from inference.cohort import run_all
from inference.errors import UserError
from inference.headless import Request
from inference.resources import config_folder
from tests.headless_tasks import THRESHOLD

ROOT = Path(__file__).parents[1]
WRITE_MANY = """
import sys
from inference.audit import Trail
for number in range(12):
    Trail().write("ran", "ab", process=sys.argv[1], number=number)
"""


def lines(trail: Trail) -> list[bytes]:
    [path] = trail.folder.glob(audit.PATTERN)
    return path.read_bytes().splitlines(keepends=True)


def rewrite(trail: Trail, content: list[bytes]) -> None:
    [path] = trail.folder.glob(audit.PATTERN)
    path.write_bytes(b"".join(content))


@pytest.fixture
def trail() -> Trail:
    made = Trail()
    for number in range(4):
        made.write("opened", f"study {number}", kind="volume")
    return made


def test_a_record_says_who_when_and_what() -> None:
    written = Trail().write("ran", "abcd", task="retinal_vessels", model="fast")
    [read] = Trail().records()
    assert read == written
    assert read.user == audit.user() != ""
    assert read.time.endswith("+00:00")
    assert read.facts == {"task": "retinal_vessels", "model": "fast"}
    assert Trail().verify().problems == ()
    assert read.hash[:16] in Trail().verify().sentence


def test_many_processes_write_one_chain() -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE_MANY, str(number)], cwd=ROOT)
        for number in range(3)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 3
    records = Trail().records()
    assert [record.number for record in records] == list(range(1, 37))
    assert Trail().verify().problems == ()
    for process in "012":
        told = [record.facts["number"] for record in records if record.facts["process"] == process]
        assert told == list(range(12))


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda rows: [rows[0], rows[1].replace(b"study 1", b"study 9"), *rows[2:]], "was changed"),
        (lambda rows: [rows[0], *rows[2:]], "does not follow"),
        (lambda rows: rows[1:], "missing"),
        (lambda rows: [rows[0], rows[2], rows[1], rows[3]], "does not follow"),
        (lambda rows: [*rows[:2], b"{}\n", *rows[2:]], "is no record"),
        (lambda rows: [*rows, rows[-1]], "does not follow"),
    ],
)
def test_what_was_changed_later_is_noticed(trail: Trail, tamper, said: str) -> None:
    rewrite(trail, tamper(lines(trail)))
    [problem, *_] = trail.verify().problems
    assert said in problem
    assert "broken" in trail.verify().sentence


def test_a_forged_record_needs_the_whole_chain_after_it(trail: Trail) -> None:
    """Sealing the changed record anew does not help: the next one knows the old seal."""
    rows = lines(trail)
    forged = audit.Record(**(json.loads(rows[1]) | {"user": "somebody else"})).sealed()
    rows[1] = json.dumps(audit.asdict(forged)).encode() + b"\n"
    rewrite(trail, rows)
    assert "does not follow" in trail.verify().problems[0]


def test_a_line_that_was_cut_off_spoils_no_other(trail: Trail) -> None:
    rewrite(trail, [*lines(trail)[:-1], lines(trail)[-1][:50]])
    trail.write("opened", "later")
    assert [record.study for record in trail.records()][-1] == "later"
    assert trail.verify().problems == ("audit-00001.jsonl, line 4 is no record.",)


def test_a_new_file_goes_on_where_the_full_one_ended(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_BYTES", 300)
    for _ in range(6):
        trail.write("ran")
    files = sorted(trail.folder.glob(audit.PATTERN))
    assert len(files) > 2
    assert [record.number for record in trail.records()] == list(range(1, 11))
    assert trail.verify().problems == ()
    files[0].unlink()
    assert "missing" in trail.verify().problems[0]


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        Trail(tmp_path / "file" / "audit").write("opened")


def test_a_full_disk_leaves_no_half_record(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lines(trail)

    def full(number: int) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="No space left"):
            trail.write("ran")
    assert lines(trail) == before
    trail.write("ran")
    assert trail.verify().problems == ()


def test_the_table_holds_every_record(trail: Trail, tmp_path: Path) -> None:
    assert trail.export(tmp_path / "audit.csv") == 4
    with (tmp_path / "audit.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["study"] for row in rows] == [f"study {number}" for number in range(4)]
    assert json.loads(rows[0]["facts"]) == {"kind": "volume"}


def test_a_study_cannot_be_found_by_trying(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = audit.keyed("1.2.840.1")
    assert here == audit.keyed("1.2.840.1") != audit.keyed("1.2.840.2")
    monkeypatch.setenv("LIMN_DATA_DIR", str(tmp_path / "another user"))
    assert audit.keyed("1.2.840.1") != here
    if os.name == "posix":
        [key] = (tmp_path / "another user").glob(secret.NAME)
        assert key.stat().st_mode & 0o077 == 0


def test_a_damaged_key_is_not_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIMN_DATA_DIR", str(tmp_path))
    (tmp_path / secret.NAME).write_bytes(b"short")
    with pytest.raises(UserError, match="damaged"):
        audit.keyed("1.2.840.1")
    assert (tmp_path / secret.NAME).read_bytes() == b"short"


def case(folder: Path) -> Path:
    folder.mkdir()
    Image.fromarray(np.arange(200, dtype=np.uint8).reshape(10, 20)).save(folder / "Doe_Jane.png")
    return folder / "Doe_Jane.png"


def run(path: Path, out: Path) -> list[str]:
    """What was complained of."""
    told: list[str] = []
    request = Request(THRESHOLD, THRESHOLD.defaults(), out, notebook=Notebook(told.append))
    assert run_all(request, [path], told.append)
    return told


def test_the_command_line_writes_down_what_ran(tmp_path: Path) -> None:
    assert run(case(tmp_path / "in"), tmp_path / "Doe out") == []
    [record] = Trail().records()
    assert (record.event, record.facts["task"], len(record.study)) == ("ran", "threshold", 24)
    assert record.facts["to"] == str(tmp_path / "Doe out")
    assert "Jane" not in str(record)


def test_work_goes_on_without_a_trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LIMN_DATA_DIR", str(tmp_path / "file"))
    [said] = run(case(tmp_path / "in"), tmp_path / "out")
    assert "not recorded" in said or "secret key" in said
    assert (tmp_path / "out" / "Doe_Jane_mask.png").exists()


def test_where_names_are_hidden_a_folder_is_a_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not audit.names_hidden()
    (config_folder() / "settings.json").write_text('{"hide_patient_names": true}')
    assert audit.names_hidden()
    place = audit.place(Path("/cases/Doe_Jane"), audit.names_hidden())
    assert place.startswith("hidden ")
    assert "Jane" not in place
    assert place == audit.place(Path("/cases/Doe_Jane"), hidden=True)
