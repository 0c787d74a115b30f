"""Work that is kept from moment to moment, and what is left of it after a kill or a full disk."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import ROOT, wait_until
from PIL import Image
from qtpy.QtWidgets import QMessageBox

from gui.project_dialogs import RecoveryOffer
from gui.recovery import find
from gui.recovery_file import RecoveryFile
from tests import killed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gui.autosave import Autosave
    from gui.document import Document
    from gui.window import LimnWindow

SHORT, TOGETHER, SAVING = 36, 4, 12


# --- killed ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What was found after each of 52 kills."""
    folder = tmp_path_factory.mktemp("killed")
    answer = subprocess.run(
        [sys.executable, "-m", "tests.killed", folder, *map(str, (SHORT, TOGETHER, SAVING))],
        cwd=ROOT, env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


def test_what_is_left_is_the_work_as_it_was_at_one_moment(kills: dict[str, Any]) -> None:
    drawing = kills["drawing"]
    assert len(drawing) == SHORT + TOGETHER
    assert [one["mark"] for one in drawing] == [one["expected"] for one in drawing]
    assert sum(one["number"] > 0 for one in drawing) > SHORT / 4


def test_nothing_that_was_kept_or_is_older_than_two_seconds_is_lost(kills: dict[str, Any]) -> None:
    for one in kills["drawing"]:
        assert one["number"] >= max(one["kept"], one["old"]), one
    assert any(one["old"] > 0 for one in kills["drawing"])


def test_a_project_is_whole_whenever_its_saving_is_killed(kills: dict[str, Any]) -> None:
    assert len(kills["saving"]) == SAVING
    for one in kills["saving"]:
        assert one["labels"] == [one["revision"] % 256]
        assert one["revision"] >= one["kept"] > 0


# --- what goes wrong with the disk ----------------------------------------------------------------


@pytest.fixture
def drawn(qapp: Any) -> Document:
    return killed.document()


@pytest.fixture
def keeper(drawn: Document, tmp_path: Path) -> Iterator[Autosave]:
    made = killed.autosave(drawn, tmp_path / "recovery")
    made.errors = []
    made.failed.connect(made.errors.append)
    yield made
    made.close(remove=True)


def keep(keeper: Autosave) -> bool:
    """Whether all is on the disk at once."""
    keeper.write()
    return keeper.wait(0.8)


def left_in(keeper: Autosave) -> int:
    """The mark of what a window would find now that this one has ended."""
    keeper.close(remove=False, seconds=1)
    return killed.recovered(keeper._folder)[1]


def test_nothing_is_written_before_anything_is_drawn(keeper: Autosave, tmp_path: Path) -> None:
    assert keep(keeper)
    assert not (tmp_path / "recovery").exists()


def test_a_full_disk_is_told_once_and_caught_up_with(keeper: Autosave, drawn: Document) -> None:
    for number in range(1, 5):
        killed.step(drawn, number)
    assert keep(keeper)
    file = keeper._writer._file
    pages = file._base.execute("PRAGMA page_count").fetchone()[0]
    file.limit(pages)
    before = killed.mark(drawn)
    noise = np.random.default_rng(0)
    for _ in range(3):
        labels = noise.integers(0, 2, killed.SHAPE, np.uint8)
        drawn.set_ai_result(labels, list(drawn.objects.values())[:1], "Noise")
        assert not keep(keeper)
    wait_until(lambda: keeper.errors)
    assert [error.sqlite_errorname for error in keeper.errors] == ["SQLITE_FULL"]
    assert killed.mark(drawn) != before
    file.limit(1 << 30)
    wait_until(lambda: keeper.wait(0.1))
    now = killed.mark(drawn)
    assert left_in(keeper) == now


def test_before_the_disk_has_room_again_the_last_state_is_there(
    keeper: Autosave, drawn: Document
) -> None:
    killed.step(drawn, 1)
    killed.step(drawn, 2)
    assert keep(keeper)
    file, before = keeper._writer._file, killed.mark(drawn)
    file.limit(file._base.execute("PRAGMA page_count").fetchone()[0])
    labels = np.random.default_rng(0).integers(0, 2, killed.SHAPE, np.uint8)
    drawn.set_ai_result(labels, list(drawn.objects.values())[:1], "Noise")
    assert not keep(keeper)
    assert left_in(keeper) == before


def test_a_folder_that_is_barred_is_told_and_tried_again(
    keeper: Autosave, drawn: Document, tmp_path: Path
) -> None:
    wall = tmp_path / "recovery"
    wall.write_text("in the way")
    killed.step(drawn, 1)
    assert not keep(keeper)
    killed.step(drawn, 2)
    assert not keep(keeper)
    wait_until(lambda: keeper.errors)
    assert len(keeper.errors) == 1
    wall.unlink()
    wait_until(lambda: keeper.wait(0.1))
    now = killed.mark(drawn)
    assert left_in(keeper) == now


def test_a_file_that_is_deleted_is_written_anew(keeper: Autosave, drawn: Document) -> None:
    for number in range(1, 20):
        killed.step(drawn, number)
    assert keep(keeper)
    lost = keeper.path
    recovery_folder = lost.parent
    for path in recovery_folder.iterdir():
        path.unlink()
    killed.step(drawn, 20)
    keeper.write()
    if keeper.wait(1.0):  # the system goes on writing to a file without a name
        keeper._writer.path.unlink(missing_ok=True)
    keeper._begin_anew()
    assert keep(keeper)
    assert keeper.path != lost
    now = killed.mark(drawn)
    assert left_in(keeper) == now


def test_many_changes_are_written_anew_as_a_whole(
    keeper: Autosave, drawn: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gui.autosave.MOST_EDITS", 2000)
    for number in range(1, 120):
        killed.step(drawn, number)
        if number % 10 == 0:
            assert keep(keeper)
    assert keep(keeper)
    rows = keeper._writer._file._base.execute("SELECT sum(base), count(*) FROM edit").fetchone()
    assert rows[0] >= 1
    assert rows[1] < 60
    now = killed.mark(drawn)
    assert left_in(keeper) == now


# --- other windows, and files that are none -------------------------------------------------------


def test_what_a_living_window_keeps_is_no_other_windows(keeper: Autosave, drawn: Document) -> None:
    killed.step(drawn, 1)
    assert keep(keeper)
    folder = keeper.path.parent
    assert find(folder) == []
    keeper.close(remove=False)
    (first,) = find(folder)
    assert find(folder) == []  # the first window that looks has it
    first.close()
    (again,) = find(folder)
    again.discard()
    assert list(folder.iterdir()) == []


def test_a_clean_end_leaves_nothing(keeper: Autosave, drawn: Document) -> None:
    killed.step(drawn, 1)
    assert keep(keeper)
    folder = keeper.path.parent
    keeper.close(remove=True)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.limn-recovery").write_bytes(content)
    assert find(tmp_path) == []
    assert not list(tmp_path.glob("*.limn-recovery"))


def test_a_database_of_something_else_is_no_work(tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "x.limn-recovery")
    base.execute("CREATE TABLE project (id INTEGER PRIMARY KEY, text BLOB)")
    base.execute("INSERT INTO project VALUES (1, '{\"format\": 3}')")
    base.commit()
    base.close()
    assert find(tmp_path) == []


def test_labels_that_were_never_written_whole_are_not_offered(tmp_path: Path) -> None:
    """The window was killed before it had written what its project had brought."""
    drawn = killed.document()
    keeper = killed.autosave(drawn, tmp_path)
    killed.step(drawn, 1)
    assert keep(keeper)
    keeper.close(remove=False)
    (path,) = tmp_path.glob("*.limn-recovery")
    file = RecoveryFile(path)
    file.owe(killed.KEY, "labels")
    file.close()
    assert find(tmp_path) == []


# --- the window -----------------------------------------------------------------------------------


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A whole window, killed in the middle of work on a picture; the folder with what is left."""
    monkeypatch.setenv("LIMN_DATA_DIR", str(tmp_path / "data"))
    rows, columns = np.indices((60, 80))
    Image.fromarray((rows + columns).astype(np.uint8)).save(tmp_path / "Doe_Jane.png")
    command = [sys.executable, "-m", "tests.working_window", tmp_path / "Doe_Jane.png"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"LIMN_CONFIG_DIR": str(tmp_path / "config")},
    )  # fmt: skip
    assert process.stdout.readline() == "drawn\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return tmp_path / "data" / "recovery"


def test_the_next_start_offers_what_a_killed_window_has_left(
    window: LimnWindow, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recovering = window.projects.recovering
    recovering.look(left, tell=False)
    wait_until(lambda: recovering.left)
    (offer,) = window.start_page.findChildren(RecoveryOffer)
    assert offer.recover.isVisible()
    assert window.commands.actions["recover"].isEnabled()
    assert recovering.left[0].lines(hidden=False) == ["Doe_Jane.png: Lesion, Object 2"]
    window.settings.change(hide_patient_names=True)
    assert "Doe" not in "".join(recovering.left[0].lines(hidden=True))
    (offer,) = window.start_page.findChildren(RecoveryOffer)
    offer.recover.click()
    wait_until(lambda: window.studies.open)
    (document,) = window.studies.open
    assert [item.name for item in document.objects.values()] == ["Lesion", "Object 2"]
    assert document.objects[1].locked
    assert int((document.labels == 1).sum()) > 20
    assert window.projects.unsaved(document)
    clicks = window.task_panel.pages["click_segmentation"].widget.clicks
    assert [prompt.points for _, _, prompt in clicks.prompts(2)] == [((30.0, 41.0),)]
    wait_until(lambda: not list(left.iterdir()))  # it is this window's now, in a file of its own
    assert window.projects.autosave.path.exists()


def test_left_work_is_discarded_only_after_a_question(
    window: LimnWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = killed.document()
    keeper = killed.autosave(drawn, tmp_path)
    killed.step(drawn, 1)
    assert keep(keeper)
    keeper.close(remove=False)
    recovering = window.projects.recovering
    recovering.look(tmp_path, tell=True)
    wait_until(lambda: recovering.left)
    assert "can be recovered" in window.notices.all[-1].sentence
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Discard]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    window.start_page.findChild(RecoveryOffer).discard.click()
    assert recovering.left
    window.start_page.findChild(RecoveryOffer).discard.click()
    assert not recovering.left
    assert not window.commands.actions["recover"].isEnabled()
    assert list(tmp_path.iterdir()) == []
