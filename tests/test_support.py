"""The first start, and what helps when something is wrong: the check-up, the support bundle."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from conftest import wait_until
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton

from gui.about import AboutDialog
from gui.settings import SettingsFile
from gui.tour import Frame, Tour
from gui.tour_steps import STEPS
from inference import checkup, logs, support, weights
from inference.commands import run_command
from inference.errors import UserError
from inference.servers import Server
from inference.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from gui.window import LimnWindow

SECRETS = ("wintergreen", "aurelia", "4711")


@pytest.fixture
def used(tmp_path: Path) -> Path:
    """Somebody opened what cannot be read, of a patient, and keeps folders and servers."""
    folder = tmp_path / "Wintergreen_Aurelia"
    folder.mkdir()
    file = folder / "wintergreen_4711.dcm"
    file.write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
    assert run_command(["info", str(file)]) == 1
    SettingsFile().change(
        recent=(file,), export_folder=folder, theme="light",
        servers=(Server("Aurelia's practice", user="wintergreen"),),
    )  # fmt: skip
    return tmp_path


def test_the_support_bundle_has_versions_device_and_logs_and_no_patient(used: Path) -> None:
    assert run_command(["support", "--out", str(used / "support.zip")]) == 0
    with zipfile.ZipFile(used / "support.zip") as bundle:
        files = {name: bundle.read(name).decode() for name in bundle.namelist()}
    facts = json.loads(files["limn.json"])
    assert facts["limn"] == VERSION
    assert facts["packages"]["numpy"]
    assert facts["settings"] == {"theme": "light"} | facts["settings"]
    assert {finding["title"] for finding in facts["check"]} >= {"Processor", "Memory", "Graphics"}
    assert "logs/cli.log" in files
    whole = "".join([*files, *files.values()]).casefold()
    assert not [secret for secret in SECRETS if secret in whole]


def test_the_bundle_does_not_tell_the_users_folder(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (logs.folder() / "old.log").write_text(f"File {used}/limn/app.py, line 1")
    monkeypatch.setenv("HOME", str(used))
    support.write(used / "support.zip")
    with zipfile.ZipFile(used / "support.zip") as bundle:
        assert bundle.read("logs/old.log") == b"File ~/limn/app.py, line 1"


def test_a_place_that_takes_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        support.write(tmp_path / "absent" / "support.zip")


def test_the_check_up_finds_a_damaged_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_command(["check"]) == 0
    said = capsys.readouterr().out
    assert said.count("sha256 verified") == len(weights.describe())
    first, *others = weights.describe()
    copy = tmp_path / "model.safetensors"
    copy.write_bytes(first.path.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(weights, "describe", lambda: [_at(first, copy), *others])
    assert run_command(["check"]) == 1
    [line] = (line for line in capsys.readouterr().out.splitlines() if "damaged" in line)
    assert line.endswith("Install Limn again.")


def _at(info: weights.WeightsInfo, path: Path) -> weights.WeightsInfo:
    from dataclasses import replace

    return replace(info, path=path)


def test_the_card_of_the_first_start_opens_samples_and_is_hidden_for_good(
    window: LimnWindow,
) -> None:
    card = window.start_page.welcome
    assert card.isVisible()
    wait_until(lambda: card.state.text())
    assert card.state.text().startswith("✓ The models are intact.")
    card.samples["fundus.jpg"].click()
    wait_until(lambda: window.studies.open)
    assert window.studies.open[0].series.rgb
    window.close_document()
    card.hide_card.click()
    assert card.isHidden()
    assert SettingsFile(window.settings.path).now.welcomed


def test_the_card_says_what_is_wrong(window: LimnWindow) -> None:
    wrong = checkup.Finding("DSA, fast 1", "missing or damaged", False, "Install Limn again.")
    well = checkup.Finding("Graphics", "none")
    window.start_page.welcome.show_findings([well, wrong])
    said = window.start_page.welcome.state
    assert (said.text(), said.objectName()) == (
        "DSA, fast 1: missing or damaged. Install Limn again.",
        "warning",
    )
    window.start_page.welcome.show_findings([well])


def test_the_tour_points_at_every_part_and_is_walked_by_keys(window: LimnWindow) -> None:
    window.commands.actions["tour"].trigger()
    [tour] = window.findChildren(Tour)
    [frame] = window.findChildren(Frame)
    wait_until(lambda: window.studies.open)  # a sample, to have something to point at
    room = window.rect()
    for number, step in enumerate(STEPS, 1):
        assert tour.title.text() == step.title
        assert tour.count.text() == f"{number} of {len(STEPS)}"
        assert room.contains(tour.geometry())
        target = step.target(window)
        middle = target.mapTo(window, target.rect().center())
        assert frame.geometry().contains(middle)
        QTest.keyClick(tour, Qt.Key.Key_Right)
    assert tour.isHidden()
    assert window.settings.now.welcomed


def test_the_tour_goes_back_and_ends_at_once(window: LimnWindow) -> None:
    window.commands.actions["tour"].trigger()
    tour = next(found for found in window.findChildren(Tour) if found.isVisible())
    QTest.keyClick(tour, Qt.Key.Key_Right)
    QTest.keyClick(tour, Qt.Key.Key_Left)
    assert tour.title.text() == STEPS[0].title
    QTest.keyClick(tour, Qt.Key.Key_Escape)
    assert tour.isHidden()


def test_about_shows_computer_models_and_licences(window: LimnWindow) -> None:
    window.commands.actions["check_up"].trigger()
    [dialog] = window.findChildren(AboutDialog)
    wait_until(lambda: dialog.licences.rows.rowCount())
    assert dialog.tabs.tabText(dialog.tabs.currentIndex()) == "This computer"
    models = [part.text() for part in dialog.models.findChildren(QLabel)]
    assert models.count("Apache-2.0, sha256 verified") == len(weights.describe())
    names = [dialog.licences.rows.item(row, 0).text()
             for row in range(dialog.licences.rows.rowCount())]  # fmt: skip
    dialog.licences.rows.setCurrentCell(names.index("numpy"), 0)
    assert "NumPy Developers" in dialog.licences.text.toPlainText()
    [close] = (part for part in dialog.findChildren(QPushButton) if part.text() == "Close")
    close.click()


def test_the_menu_saves_the_bundle(
    window: LimnWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "support.zip"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    window.commands.actions["support"].trigger()
    wait_until(lambda: window.notices.toasts)
    assert window.notices.toasts[0].sentence.startswith("The support bundle is saved")
    assert zipfile.is_zipfile(path)
