"""Who the patient is stays out of the logs, and out of sight where the user wants that."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from conftest import wait_until
from PIL import Image
from qtpy.QtCore import QSettings, Qt
from qtpy.QtGui import QAction
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QLabel, QMessageBox, QPushButton, QWidget

from inference import logs
from inference.errors import UserError
from tests import phantoms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gui.window import LimnWindow

NAME, NUMBER, BORN = "Wintergreen^Aurelia", "MRN-4711-0815", "19381224"
SECRETS = ("wintergreen", "aurelia", "4711", "19381224")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A CT and a photograph in a folder that bears the name of the patient."""
    folder = tmp_path / "Wintergreen_Aurelia"
    folder.mkdir()
    slices = list(phantoms.ct_slices(phantoms.stored((0, 1, 2), (False, False, False), tmp_path)))
    for dataset in slices:
        dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = NAME, NUMBER, BORN
    phantoms.save(folder / "ct", slices)
    rows = np.indices((40, 60))[0].astype(np.uint8)
    Image.fromarray(rows).save(folder / "wintergreen.png")
    (folder / "wintergreen_cut.dcm").write_bytes(next((folder / "ct").iterdir()).read_bytes()[:-99])
    return folder


@pytest.fixture
def log_files() -> Iterator[Path]:
    """The logs of window and workers; this process writes as the window does."""
    before = {package: list(logging.getLogger(package).handlers) for package in logs.OURS}
    assert logs.start("window") is not None
    yield logs.folder()
    for package, handlers in before.items():
        logging.getLogger(package).handlers = handlers


def test_no_log_holds_a_patient(window: LimnWindow, study: Path, log_files: Path) -> None:
    """A whole session: opening, failing to open, a task, a task that fails, a dying worker."""
    window.opening.open([study / "ct", study / "wintergreen.png", study / "wintergreen_cut.dcm"])
    wait_until(lambda: len(window.studies.open) == 2 and not window.job_bar.rows)
    assert window.studies.open[0].series.identity.patient_name
    for entry in ("echo", "nowhere", "abort"):
        jobs = window.session.jobs
        jobs.submit(
            f"tests.tasks_for_tests:{entry}",
            value=NAME,
            title=NAME,
            failed=window.notices.failed,
        )
        wait_until(lambda: not window.job_bar.rows)
    window.notices.failed(OSError(f"{study}/wintergreen.png"))
    written = {path: path.read_text("utf-8") for path in log_files.rglob("*") if path.is_file()}
    assert any("window" in path.name for path in written)
    assert "OSError" in "".join(written.values())
    for path, text in written.items():
        for secret in SECRETS:
            assert secret not in text.casefold(), path.name


def texts(window: LimnWindow) -> str:
    """All that can be read in the window."""
    parts = [part for kind in (QLabel, QPushButton) for part in window.findChildren(kind)]
    labels = [part.text() for part in parts if part.isVisible()]
    tree = window.study_panel.tree
    groups = [tree.topLevelItem(row).text(0) for row in range(tree.topLevelItemCount())]
    rows = [text for item in window.study_panel.items() for text in (item.text(0), item.toolTip(0))]
    scene = [line for view in window.views.slices for line in view._glass.scene.top_left]
    menu = [action.text() + action.toolTip() for action in window._recent_menu.actions()]
    shown = (*labels, *groups, *rows, *scene, *menu, window.windowTitle())
    return "\n".join(shown).casefold()


def seen(window: LimnWindow) -> list[str]:
    """What can be read in the window and tells who the patient is."""
    lines = texts(window).splitlines()
    return [line for line in lines if any(secret in line for secret in SECRETS)]


def test_hidden_names_are_nowhere_in_the_window(
    window: LimnWindow, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.opening.open([study / "wintergreen.png", study / "ct"])
    wait_until(lambda: len(window.studies.open) == 2 and not window.job_bar.rows)
    assert "wintergreen" in texts(window)
    window.notices.tell("wintergreen.png was saved.")
    window.settings.change(hide_patient_names=True)
    asked: list[str] = []
    monkeypatch.setattr(
        QMessageBox,
        "question",
        lambda parent, title, text: asked.append(text) or QMessageBox.StandardButton.Yes,
    )
    for document in window.studies.open:
        window.studies.select(document)
        assert not seen(window)
    document.add_object("Lesion")
    window.opening.open([study / "wintergreen_cut.dcm"])
    wait_until(lambda: window.notices.toasts)
    assert not seen(window)
    QTest.keyClick(window, Qt.Key.Key_W, Qt.KeyboardModifier.ControlModifier)
    assert asked
    assert "wintergreen" not in asked[0].casefold()
    window.settings.change(hide_patient_names=False)
    assert "wintergreen" in texts(window)


def test_one_undecodable_file_hides_no_other(window: LimnWindow, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(folder / "first.png")
    whole = (folder / "first.png").read_bytes()
    (folder / "middle.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.zeros((50, 30), np.uint8)).save(folder / "second.png")
    window.opening.open([folder])
    wait_until(lambda: len(window.studies.open) == 2)
    wait_until(lambda: window.notices.toasts)
    assert "middle.png" in " ".join(toast.sentence for toast in window.notices.toasts)


def everything(window: LimnWindow) -> str:
    """All texts of the window and its dialogs, seen or not: captions, tips, titles, notices."""
    parts: list[str] = []
    for widget in (window, *window.findChildren(QWidget)):
        names = ("text", "title", "toolTip", "windowTitle", "accessibleName", "placeholderText")
        told = (getattr(widget, name, None) for name in names)
        parts += [str(value()) for value in told if callable(value)]
    for action in window.findChildren(QAction):
        parts += [action.text(), action.toolTip()]
    parts += [part for told in window.notices.all for part in (told.sentence, told.details)]
    return "\n".join((*parts, texts(window))).casefold()


def test_nothing_of_a_hidden_patient_is_told(
    window: LimnWindow, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warnings, what was saved and where, a failed save, descriptions, and the next dialog."""
    for path in (study / "ct").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SeriesDescription, dataset.StudyDescription = "Wintergreen liver", "MRN-4711-0815"
        path.with_name(f"Aurelia_{path.name}").write_bytes(b"")
        dataset.save_as(path)
        path.rename(path.with_name(f"Wintergreen_{path.name}"))
    (study / "ct" / "Wintergreen_cut").write_bytes(
        (study / "wintergreen_cut.dcm").read_bytes()[:700]
    )
    window.settings.change(hide_patient_names=True)
    window.opening.open([study / "ct", study / "wintergreen.png"])
    wait_until(lambda: len(window.studies.open) == 2 and not window.job_bar.rows)
    document = next(d for d in window.studies.open if d.series.kind == "volume")
    window.studies.select(document)
    assert "liver" in everything(window)
    document.add_object("Lesion")
    saved: list[tuple[object, list[Path]]] = []
    window.export.saved.connect(lambda *what: saved.append(what))
    out = tmp_path / "Wintergreen out"
    window.export.save(document, out)
    wait_until(lambda: saved)
    [(_, paths)] = saved
    assert paths
    assert not [path for path in paths if "wintergreen" in path.name.casefold()]
    [record] = [path.read_text("utf-8").casefold() for path in paths if path.suffix == ".json"]
    assert [secret for secret in SECRETS if secret in record] == []
    window.notices.failed(UserError(f"{out}/Wintergreen_ct.nii could not be written to {out}."))
    wait_until(lambda: len(window.notices.all) > 1)
    assert [secret for secret in SECRETS if secret in everything(window)] == []
    asked: list[str] = []
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *given: asked.append(given[2]) or ""
    )
    window.commands.actions["open_folder"].trigger()
    assert asked == [str(Path.home())]


def test_settings_of_hidden_patients_hold_no_places(window: LimnWindow, study: Path) -> None:
    """They are known while the window is open, and gone after it."""
    window.settings.change(hide_patient_names=True, export_folder=study)
    window.opening.open([study / "wintergreen.png"])
    wait_until(lambda: window.studies.open and not window.job_bar.rows)
    assert window.settings.now.recent == (study / "wintergreen.png",)
    kept = window.settings.path.read_text("utf-8").casefold()
    assert [secret for secret in SECRETS if secret in kept] == []
    window.settings.change(hide_patient_names=False)
    assert "wintergreen" in window.settings.path.read_text("utf-8")


def test_qt_remembers_no_folder_of_hidden_patients(window: LimnWindow, tmp_path: Path) -> None:
    QSettings.setPath(QSettings.Format.NativeFormat, QSettings.Scope.UserScope, str(tmp_path))
    kept = QSettings("QtProject")
    kept.setValue("FileDialog/lastVisited", "file:///cases/Wintergreen")
    kept.setValue("FileDialog/history", ["file:///cases/Wintergreen"])
    kept.sync()
    window.settings.change(hide_patient_names=True)
    kept.sync()
    assert not kept.contains("FileDialog/lastVisited")
    assert not kept.contains("FileDialog/history")


def test_what_a_killed_process_left_in_temporary_folders_is_removed_by_the_next_reader(
    tmp_path: Path,
) -> None:
    """An archive that it had unpacked, a study fetched for a cohort, a case of a cluster."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    killed, alive = (_with_a_scratch_folder(environment) for _ in range(2))
    killed.kill()
    killed.wait()
    folders = {folder.name.split("-")[2]: folder for folder in tmp_path.iterdir()}
    assert set(folders) == {str(killed.pid), str(alive.pid)}
    subprocess.run([sys.executable, "-c", "import inference.warm"], env=environment, check=True)
    assert [*tmp_path.iterdir()] == [folders[str(alive.pid)]]
    alive.communicate("")
    assert not [*tmp_path.iterdir()]


def _with_a_scratch_folder(environment: dict[str, str]) -> subprocess.Popen[str]:
    """A process that holds a patient's file there until its input ends."""
    code = """
from inference.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "Wintergreen.dcm").write_bytes(b"")
    print("there", flush=True)
    input()
"""
    pipe = subprocess.PIPE
    made = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
    )
    assert made.stdout is not None
    assert made.stdout.readline() == "there\n"
    return made
