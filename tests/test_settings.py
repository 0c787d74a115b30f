from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT
from pydantic import ValidationError

from gui.settings import RECENT_LIMIT, Settings, SettingsFile

if TYPE_CHECKING:
    from pathlib import Path


def test_changes_are_kept_and_announced(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "deep" / "settings.json")
    heard: list[tuple[str, str]] = []
    file.changed.connect(lambda now, old: heard.append((now.theme, old.theme)))
    file.change(theme="light", shortcuts={"fit": "Ctrl+F"}, export_folder=tmp_path)
    file.change(theme="light")
    assert heard == [("light", "dark")]
    again = SettingsFile(file.path).now
    assert (again.theme, again.shortcuts, again.export_folder) == (
        "light",
        {"fit": "Ctrl+F"},
        tmp_path,
    )


def test_the_folder_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMN_CONFIG_DIR", str(tmp_path))
    assert SettingsFile().path.parent == tmp_path


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [("theme", "contrast", "contrast"), ("text_size", "150", 150), ("device", "cpu", "cpu"),
     ("hide_patient_names", "true", True), ("remember_recent", "false", False)],
)  # fmt: skip
def test_the_environment_gives_defaults(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, meant: object
) -> None:
    monkeypatch.setenv(f"LIMN_{name.upper()}", value)
    file = SettingsFile()
    assert (getattr(file.now, name), file.problem) == (meant, "")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("LIMN_TEXT_SIZE", "huge", "LIMN_TEXT_SIZE in"), ("LIMN_TEXT_SIZE", "170", "LIMN_TEXT_SIZE"),
     ("LIMN_THEME", "pink", "LIMN_THEME in"), ("LIMN_SERVERS", "{", "LIMN_… in")],
)  # fmt: skip
def test_what_the_environment_gets_wrong_is_said_and_costs_no_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"device": "cpu"}')
    monkeypatch.setenv(name, value)
    file = SettingsFile(path)
    assert (file.now.device, file.now.theme, file.now.text_size) == ("cpu", "dark", 100)
    assert said in file.problem
    file.change(device="cuda")
    assert SettingsFile(path).now.device == "cuda"


@pytest.mark.parametrize("content", ["", "{", '{"theme": "pink"}', "[1]", "\x00"])
def test_a_broken_file_gives_defaults_and_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(content)
    file = SettingsFile(path)
    assert file.now == Settings()
    assert "settings.json" in file.problem


def test_settings_that_cannot_be_saved_hold_and_are_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    file = SettingsFile(tmp_path / "file" / "settings.json")
    told: list[str] = []
    file.failed.connect(told.append)
    file.change(theme="light")
    file.change(theme="dark")
    file.change(theme="contrast")
    assert file.now.theme == "contrast"
    (sentence,) = told
    assert "cannot be saved" in sentence


@pytest.mark.parametrize("broken", ["settings and logs", "home"])
def test_the_window_starts_without_a_place_of_its_own(tmp_path: Path, broken: str) -> None:
    """In a new process, with a file in the way where even root could not write."""
    wall = tmp_path / "wall"
    wall.write_text("in the way")
    config = tmp_path / "config"
    config.mkdir()
    (config / "settings.json").write_text("{")
    places = {
        "settings and logs": {"LIMN_CONFIG_DIR": str(config), "XDG_STATE_HOME": str(wall)},
        "home": {"HOME": str(wall / "home"), "LIMN_CONFIG_DIR": "", "XDG_STATE_HOME": ""},
    }[broken]
    code = (
        "from qtpy.QtCore import QTimer; from gui import start\n"
        "def ready(window):\n"
        "    window.settings.change(theme='light')\n"
        "    print([told.sentence for told in window.notices.all])\n"
        "    window.close()\n"
        "def look():\n"
        "    from qtpy.QtWidgets import QApplication\n"
        "    shown = [w for w in QApplication.topLevelWidgets() if getattr(w, 'is_ready', False)]\n"
        "    ready(shown[0]) if shown else QTimer.singleShot(50, look)\n"
        "start.QApplication = type('A', (start.QApplication,), {'exec': lambda self: ("
        "QTimer.singleShot(0, look), super(type(self), self).exec())[1]})\n"
        "raise SystemExit(start.main([]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | places,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr
    words = {"settings and logs": ["could not be read", "No log can be written"],
             "home": ["No log can be written", "cannot be saved"]}  # fmt: skip
    sentences = ast.literal_eval(answer.stdout.splitlines()[-1])
    assert len(sentences) == len(words[broken])
    assert all(word in line for word, line in zip(words[broken], sentences, strict=True))


def test_what_a_newer_version_wrote_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"theme": "light", "from_the_future": 1}))
    file = SettingsFile(path)
    assert file.now.theme == "light"
    assert not file.problem


def test_wrong_values_are_refused(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "settings.json")
    with pytest.raises(ValidationError):
        file.change(device="abacus")
    assert file.now.device == "auto"


def test_recent_paths_are_few_and_each_once(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "settings.json")
    for number in range(RECENT_LIMIT + 3):
        file.remember(tmp_path / f"{number}.png")
    file.remember(tmp_path / "9.png")
    assert file.now.recent[0] == tmp_path / "9.png"
    assert len(set(file.now.recent)) == len(file.now.recent) == RECENT_LIMIT
    file.change(remember_recent=False, recent=())
    file.remember(tmp_path / "1.png")
    assert file.now.recent == ()
