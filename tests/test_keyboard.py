"""From start to export without a mouse, and where the keyboard is can be seen on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import wait_until
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QTabBar, QWidget

from gui.export_dialog import ExportDialog
from gui.theme import THEMES
from inference.series import Series

if TYPE_CHECKING:
    from gui.window import LimnWindow

MOST_STOPS = 40


def focused() -> QWidget:
    """Who has the keyboard: somebody always must."""
    part = QApplication.focusWidget()
    assert part is not None
    return part


def press(key: Qt.Key) -> None:
    QTest.keyClick(focused(), key)


def go_to(name: str) -> QWidget:
    """Tab to what a screen reader calls so; every stop on the way has a name."""
    for _ in range(MOST_STOPS):
        if focused().accessibleName() == name:
            return focused()
        press(Qt.Key.Key_Tab)
        assert focused().accessibleName(), f"{focused()} has no name"
        assert focused().isVisible()
    raise AssertionError(f"Tab never comes to {name}")


def shows_focus(part: QWidget) -> bool:
    """Whether one sees that a part has the keyboard."""
    part.setFocus()
    QApplication.processEvents()
    with_focus = part.grab().toImage()
    part.clearFocus()
    QApplication.processEvents()
    without = part.grab().toImage()
    part.setFocus()
    return with_focus != without


def test_from_start_to_export_without_a_mouse(window: LimnWindow, tmp_path: Path) -> None:
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window, 10_000)
    go_to("Open sample studies")
    press(Qt.Key.Key_Space)
    wait_until(lambda: len(window.studies.open) > 2 and not window.job_bar.rows)
    go_to("Open studies")
    while "fundus" not in window.studies.selected.series.path.name:
        press(Qt.Key.Key_Down)
    go_to("Open Retinal vessels")
    press(Qt.Key.Key_Space)
    wait_until(lambda: window.session.jobs.state == "ready")
    go_to("Find vessels")
    press(Qt.Key.Key_Space)
    document = window.studies.selected
    wait_until(lambda: document.ai_labels is not None, 180)
    work = window.task_panel.pages["retinal_vessels"].widget.work
    wait_until(lambda: work.rows and not window.job_bar.rows, 180)
    before = document.labels.copy()
    go_to("Threshold")
    press(Qt.Key.Key_Left)
    assert (document.labels != before).any()
    wait_until(lambda: document.results["retinal_vessels"]["measurements"], 180)
    go_to("Export results")
    press(Qt.Key.Key_Space)
    dialog = window.findChild(ExportDialog)
    dialog.activateWindow()  # as a window manager does it
    wait_until(lambda: dialog.isAncestorOf(QApplication.focusWidget() or window), 10)
    go_to("Folder")
    QTest.keyClick(focused(), Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(focused(), str(tmp_path))
    go_to("Export")
    press(Qt.Key.Key_Space)
    wait_until(lambda: list(tmp_path.glob("*.json")))
    (record,) = tmp_path.glob("*.json")
    assert json.loads(record.read_text("utf-8"))["settings"]["threshold"] == 0.49
    window.activateWindow()
    wait_until(QApplication.focusWidget, 10)


def test_a_stroke_is_drawn_without_a_mouse(window: LimnWindow) -> None:
    series = Series(np.zeros((64, 64), np.uint8), "image", "OP", (Path("grey.png"),), sha256="0")
    document = window.studies.add(series)
    window.studies.select(document)
    document.add_object("Lesion")
    window.correction.use("brush")
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window, 10_000)
    window.views.active.take_focus()
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Return, *(Qt.Key.Key_Right,) * 20, Qt.Key.Key_Return):
        QTest.keyClick(focused(), key, Qt.KeyboardModifier.ControlModifier)
    rows, columns = np.nonzero(document.labels)
    assert np.ptp(columns) > 5 > np.ptp(rows)
    drawn = document.labels.copy()
    for key in (Qt.Key.Key_Down,) * 9:  # let go: nothing is drawn any more
        QTest.keyClick(focused(), key, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(document.labels, drawn)
    window.undo()
    assert not document.labels.any()


@pytest.mark.parametrize("theme", THEMES)
def test_one_sees_where_the_keyboard_is(window: LimnWindow, theme: str) -> None:
    window.settings.change(theme=theme)
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window, 10_000)
    assert hidden_focus(window) == []
    series = Series(np.zeros((64, 64), np.uint8), "image", "OP", (Path("grey.png"),), sha256="0")
    window.studies.select(window.studies.add(series))
    window.task_panel.open_task("retinal_vessels")
    wait_until(lambda: not window.job_bar.rows)  # whose buttons come and go
    assert hidden_focus(window) == []
    window.tabs.setCurrentWidget(window.correct_panel)
    assert hidden_focus(window) == []


def hidden_focus(window: LimnWindow) -> list[str]:
    """The stops of the keyboard on which it cannot be seen."""
    QApplication.processEvents()
    tab = Qt.FocusPolicy.TabFocus
    stops = [part for part in window.findChildren(QWidget) if part.focusPolicy() & tab == tab]
    stops = [part for part in stops if part.isVisible() and part.isEnabled()]
    assert any(isinstance(part, QTabBar) for part in stops)
    return [f"{part} {part.accessibleName()}" for part in stops if not shows_focus(part)]
