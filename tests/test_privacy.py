"""Who the patient is stays out of the logs, and out of sight where the user wants that."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import wait_until
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLabel, QMessageBox, QPushButton

from inference import logs
from tests import phantoms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
