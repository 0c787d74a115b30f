"""The audit trail through the window: what is done is written down, and can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import wait_until
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from gui.audit_dialog import AuditDialog
from gui.task_runner import run_task
from inference import audit, registry, weights
from inference.audit import Trail
from tests import phantoms

if TYPE_CHECKING:
    from pathlib import Path

    from gui.window import LimnWindow


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    folder = tmp_path / "Wintergreen"
    folder.mkdir()
    rows = np.indices((96, 96))[0].astype(np.uint8)
    Image.fromarray(np.dstack([rows] * 3)).save(folder / "fundus.png")
    return folder / "fundus.png"


def events() -> list[str]:
    return [record.event for record in Trail().records()]


def opened(window: LimnWindow) -> AuditDialog:
    window.commands.actions["audit"].trigger()
    dialog = window.findChildren(AuditDialog)[-1]
    wait_until(lambda: "Reading" not in dialog.verdict.text())
    return dialog


def test_what_is_done_is_written_down(window: LimnWindow, picture: Path, tmp_path: Path) -> None:
    window.opening.open([picture])
    wait_until(lambda: window.studies.open and not window.job_bar.rows)
    [document] = window.studies.open
    task, done = registry.tasks()["retinal_vessels"], list[bool]()
    run_task(window.session, task, document, task.defaults(), lambda: done.append(True))
    wait_until(lambda: done)
    document.add_object("Wintergreen's lesion")
    window.export.save(document, tmp_path / "Wintergreen out")
    wait_until(lambda: "exported" in events())
    assert sorted(events()) == ["edited", "exported", "opened", "ran"]
    by_event = {record.event: record for record in Trail().records()}
    assert len({record.study for record in by_event.values()}) == 1
    model = weights.find("retinal_vessels", task.defaults()["model"])
    assert by_event["ran"].facts["model"] == model.identity
    assert by_event["exported"].facts["to"] == str(tmp_path / "Wintergreen out")
    document.add_object("another")
    wait_until(lambda: events().count("edited") == 2)
    written = "".join(path.read_text("utf-8") for path in Trail().folder.glob(audit.PATTERN))
    assert written.count("Wintergreen") == 1  # the folder that the user chose


def test_hidden_names_are_in_no_record(window: LimnWindow, tmp_path: Path) -> None:
    window.settings.change(hide_patient_names=True)
    series = phantoms.stored((0, 1, 2), (False, False, False), tmp_path / "Wintergreen.nii")
    document = window.studies.add(series)
    document.add_object("Lesion")
    window.audit.exported(document, [tmp_path / "Wintergreen" / "a.seg.nrrd"])
    wait_until(lambda: "exported" in events())
    text = "".join(path.read_text("utf-8") for path in Trail().folder.glob(audit.PATTERN))
    assert "Wintergreen" not in text


def test_the_trail_is_read_filtered_and_saved(
    window: LimnWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = Trail()
    trail.write("opened", "ab12", kind="volume")
    trail.write("ran", "ab12", task="click_segmentation", model={"name": "fast", "version": "3"})
    dialog = opened(window)
    assert "2 records" in dialog.verdict.text()
    shown = dialog.rows.model()
    assert shown.rowCount() == 2
    assert shown.index(0, 4).data() == "click segmentation fast 3"  # the latest first
    QTest.keyClicks(dialog.filter, "CLICK")
    assert shown.rowCount() == 1
    assert dialog.counted.text() == "1 of 2 shown"
    target = tmp_path / "trail.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    QTest.mouseClick(dialog.save, Qt.MouseButton.LeftButton)
    wait_until(target.exists)
    assert len(target.read_text("utf-8").splitlines()) == 3
    dialog.close()


def test_a_changed_trail_is_said_to_be_broken(window: LimnWindow) -> None:
    trail = Trail()
    for study in "abc":
        trail.write("opened", study)
    [path] = trail.folder.glob(audit.PATTERN)
    path.write_text(path.read_text("utf-8").replace('"b"', '"x"'), "utf-8")
    dialog = opened(window)
    assert "line 2 was changed" in dialog.verdict.text()
    assert dialog.rows.model().rowCount() == 3
    dialog.close()


def test_a_trail_that_cannot_be_written_is_told_once(
    window: LimnWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(window.audit.notebook, "_told", False)
    monkeypatch.setenv("LIMN_DATA_DIR", str(tmp_path / "file"))
    series = phantoms.stored((0, 1, 2), (False, False, False), tmp_path / "a.nii")
    document = window.studies.add(series)
    document.add_object("Lesion")
    wait_until(lambda: [t for t in window.notices.toasts if "cannot be" in t.sentence
                        or "neither" in t.sentence])  # fmt: skip
    window.audit.note("opened", document)
    wait_until(lambda: not window.audit._writer._work_queue.qsize())
    assert len(window.notices.toasts) == 1
