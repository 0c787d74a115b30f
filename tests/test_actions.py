from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtTest import QTest

from gui import theme
from gui.action_table import ACTIONS
from gui.actions import Action, conflicts, sequences
from gui.cheat_sheet import groups

if TYPE_CHECKING:
    from gui.window import LimnWindow


def test_ids_and_keys_are_each_used_once() -> None:
    ids = [action.id for action in ACTIONS]
    assert len(set(ids)) == len(ids)
    assert conflicts(ACTIONS, {}) == {}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_key_and_icon_exists(action: Action, qapp: object) -> None:
    for key in sequences(action, {}):
        sequence = QKeySequence(key)
        assert sequence.count() == 1
        assert sequence[0].key() != Qt.Key.Key_unknown
    if action.icon:
        assert not theme.icon(action.icon, theme.THEMES["dark"]).isNull()


def test_every_command_leads_somewhere(window: LimnWindow) -> None:
    for entry in ACTIONS:
        assert callable(attrgetter(entry.slot)(window)), entry.id
        assert window.commands.actions[entry.id].text()


def test_conflicts_are_found_whatever_the_case() -> None:
    found = conflicts(ACTIONS, {"fit": "ctrl+o"})
    assert [action.id for action in found["ctrl+o"]] == ["open", "fit"]


def test_the_cheat_sheet_shows_the_users_keys() -> None:
    lines = {what: keys for group in groups(ACTIONS, {"fit": "Ctrl+J"}).values()
             for keys, what in group}  # fmt: skip
    assert lines["Fit to view"] == "Ctrl+J"
    assert lines["Undo"] == "Ctrl+Z"
    assert "Open sample studies" not in lines  # it has no key


def test_a_changed_key_works_at_once(window: LimnWindow) -> None:
    window.settings.change(shortcuts={"keys": "Ctrl+J"})
    assert window.commands.actions["keys"].shortcut() == QKeySequence("Ctrl+J")
    QTest.keyClick(window, Qt.Key.Key_J, Qt.KeyboardModifier.ControlModifier)
    sheet = _dialog(window, "CheatSheet")
    sheet.close()


def test_keys_are_edited_in_the_settings(window: LimnWindow) -> None:
    window.dialogs.settings()
    dialog = _dialog(window, "SettingsDialog")
    (edit,) = dialog.keys.edits["fit"]
    edit.setKeySequence(QKeySequence("Ctrl+O"))
    edit.editingFinished.emit()
    assert window.settings.now.shortcuts == {"fit": "Ctrl+O"}
    assert "Open image" in dialog.keys.warning.text()
    edit.setKeySequence(QKeySequence("R"))
    edit.editingFinished.emit()
    assert window.settings.now.shortcuts == {}
    assert dialog.keys.warning.text() == ""
    dialog.close()


def test_every_key_of_a_command_is_edited(window: LimnWindow) -> None:
    """Redo has two: to change one leaves the other."""
    window.dialogs.settings()
    dialog = _dialog(window, "SettingsDialog")
    first, second = dialog.keys.edits["redo"]
    assert second.keySequence() == QKeySequence("Ctrl+Y")
    second.setKeySequence(QKeySequence("F6"))
    second.editingFinished.emit()
    keys = [QKeySequence("Ctrl+Shift+Z"), QKeySequence("F6")]
    assert window.commands.actions["redo"].shortcuts() == keys
    first.clear()
    first.editingFinished.emit()
    assert window.commands.actions["redo"].shortcuts() == keys[1:]
    dialog.close()


def _dialog(window: LimnWindow, name: str):
    return next(child for child in window.children() if type(child).__name__ == name)
