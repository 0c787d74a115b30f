"""Lymph nodes in the window, by keys alone, from a CT to the files."""

from __future__ import annotations

import csv
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk
from chests import SHAPE, SPACING, ball, chest
from conftest import wait_until
from qtpy.QtCore import QModelIndex, QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QPushButton

from gui.glass import Glass
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from plugins.lymph_nodes import measure, report
from plugins.lymph_nodes.widget_look import LONG, SHORT
from plugins.lymph_nodes.widget_report import page_of
from tests.bright_nodes import NODE
from tests.test_lymph_nodes_task import install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gui.window import LimnWindow
    from plugins.lymph_nodes.widget import LymphNodesWidget

SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
NODES = {(46, 30, 66): 9.0, (58, 33, 72): 7.0, (34, 30, 58): 5.0}


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chest with three nodes that are easy to outline."""
    volume = chest()
    for centre, radius in NODES.items():
        volume[ball(SHAPE, centre, radius)] = 60
    image = sitk.GetImageFromArray(volume)
    image.SetSpacing(SPACING[::-1])
    image.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, 1))
    path = tmp_path_factory.mktemp("ct") / "chest.nii.gz"
    sitk.WriteImage(image, str(path))
    return path


def press(window: LimnWindow, key: Qt.Key, held: Qt.KeyboardModifier | None = None) -> None:
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window, 10_000)
    plain = Qt.KeyboardModifier.NoModifier
    QTest.keyClick(QApplication.focusWidget() or window, key, plain if held is None else held)


def opened(window: LimnWindow, path: Path) -> LymphNodesWidget:
    window.opening.open([path])
    wait_until(lambda: window.studies.selected is not None)
    press(window, Qt.Key.Key_J)  # any of its keys opens the task
    widget = window.task_panel.pages["lymph_nodes"].widget
    wait_until(lambda: window.session.jobs.state == "ready")
    return widget


def settled(widget: LymphNodesWidget) -> None:
    """Everything is measured and shown."""
    review, soon = widget.review, widget._soon
    wait_until(
        lambda: (
            widget.work.sizes.current
            and not soon.isActive()
            and not review._settled.isActive()
            and not widget.search.running.isVisible()
        )
    )


def states(widget: LymphNodesWidget) -> list[str]:
    settled(widget)
    return [row.review.state for row in widget.work.rows]


def test_nodes_are_read_by_keys_alone(window: LimnWindow, ct: Path, tmp_path: Path) -> None:
    widget = opened(window, ct)
    work, table, document = widget.work, widget.review.table, window.studies.selected
    for place in NODES:  # one key at the crosshair each
        window.views.look_at(place)
        press(window, Qt.Key.Key_C, SHIFT)
        settled(widget)
    assert [row.number for row in work.rows] == [1, 2, 3]
    assert work.rows[0].node.short_axis_mm == pytest.approx(18, abs=2)
    wait_until(lambda: work.landmarks is not None)  # what stations are told by
    assert table.keys == ["Node 1", "Node 2", "Node 3"]  # by short axis

    decides_on_nothing_that_was_not_looked_at(window, widget)

    # arrows of the reader: down, up; all views and the axes follow
    table.choose("Node 1")
    press(window, Qt.Key.Key_J)
    press(window, Qt.Key.Key_U)
    assert table.current == "Node 1"
    node = work.row("Node 1").node
    assert window.views.display.position == pytest.approx((node.slice, *node.centroid[1:]), abs=0.1)
    assert document.active == work.row("Node 1").object_id
    texts = [outline.text for outline in window.views.outlines]
    assert f"{node.short_axis_mm:.1f} × {node.long_axis_mm:.1f} mm" in texts
    draws_both_axes_in_all_three_planes(window)

    # accept goes on to the next open node, reject to the last
    press(window, Qt.Key.Key_Y)
    assert table.current == "Node 2"
    press(window, Qt.Key.Key_T, SHIFT)
    press(window, Qt.Key.Key_X)
    assert table.current == "Node 3"
    assert states(widget) == ["accepted", "rejected", "open"]
    assert document.objects[work.row("Node 1").object_id].locked
    widget.review.state.setCurrentText("Rejected")
    settled(widget)
    assert table.keys == ["Node 2"]
    widget.review.state.setCurrentIndex(0)
    widget.review.least.setCurrentText("≥ 15 mm")
    settled(widget)
    assert table.keys == ["Node 1"]
    widget.review.least.setCurrentIndex(0)
    settled(widget)

    # one history for all of it
    press(window, Qt.Key.Key_Z, CONTROL)
    assert states(widget) == ["accepted", "open", "open"]
    assert work.row("Node 2").review.target

    # split, merge again
    table.choose("Node 3")
    press(window, Qt.Key.Key_S, SHIFT)
    settled(widget)
    assert len(work.rows) == 4
    press(window, Qt.Key.Key_M, SHIFT)
    settled(widget)
    assert len(work.rows) == 3

    # edit: the brush, and measurements that follow
    press(window, Qt.Key.Key_B, SHIFT)
    assert window.correction.tool == "brush"
    window.views.tool = None

    saves_report_and_table(window, widget, tmp_path)


def draws_both_axes_in_all_three_planes(window: LimnWindow) -> None:
    for view in window.views.slices:
        axis = view.shown()[0].slicing
        seen = [line for line in window.views.outlines if line.axis == axis]
        assert {line.color for line in seen} == {LONG, SHORT}
        here = round(window.views.display.position[axis])
        assert [line.positions[0][axis] for line in seen] == [here] * 2


def decides_on_nothing_that_was_not_looked_at(window: LimnWindow, widget: LymphNodesWidget) -> None:
    table = widget.review.table
    table.clearSelection()
    table.setCurrentIndex(QModelIndex())
    press(window, Qt.Key.Key_Y)
    assert table.current == "Node 1"
    assert states(widget) == ["open"] * 3


def saves_report_and_table(window: LimnWindow, widget: LymphNodesWidget, tmp_path: Path) -> None:
    work, document = widget.work, widget.work.document
    widget.report.save(work, tmp_path / "chest_report.html")
    wait_until(lambda: (tmp_path / "chest_report.pdf").exists())
    assert (tmp_path / "chest_report.pdf").read_bytes().startswith(b"%PDF")
    assert "data:image/png" in (tmp_path / "chest_report.html").read_text("utf-8")
    window.export.save(document, tmp_path)
    wait_until(lambda: (tmp_path / "chest_nodes.csv").exists())
    rows = list(csv.DictReader((tmp_path / "chest_nodes.csv").open()))
    assert [row["state"] for row in rows] == ["accepted", "open", "open"]


def click(window: LimnWindow, *place: float, view: int = 0) -> None:
    """With the left button, where the view shows this place."""
    shown = window.views.slices[view]
    at = QPoint(*map(round, shown.pixel_of(place)))
    QTest.mouseClick(shown.findChild(Glass), Qt.MouseButton.LeftButton, pos=at)


@pytest.mark.parametrize("view", [0, 1, 2])
def test_a_node_is_added_by_a_click_and_seen_at_once(
    window: LimnWindow, ct: Path, view: int
) -> None:
    widget = opened(window, ct)
    review = widget.review
    review.least.setCurrentText("≥ 15 mm")
    press(window, Qt.Key.Key_A, SHIFT)
    clicked = (35, 30, 58)  # the slice above its middle
    window.views.look_at(clicked)
    click(window, *clicked, view=view)
    settled(widget)
    node = widget.work.row("Node 1").node
    assert node.short_axis_mm == pytest.approx(10, abs=2.5)
    assert review.table.current == "Node 1"  # though the filter would have hidden it
    assert review.table.keys == ["Node 1"]
    draws_both_axes_in_all_three_planes(window)
    assert window.views.display.position[0] == node.slice
    press(window, Qt.Key.Key_Escape)
    assert window.views.tool is None
    assert not review.add_button.isChecked()


def test_what_is_no_node_is_not_added_but_may_be_drawn(window: LimnWindow, ct: Path) -> None:
    widget = opened(window, ct)
    document, toasts = window.studies.selected, window.notices.toasts
    press(window, Qt.Key.Key_A, SHIFT)
    for place, said in (
        ((46, 37, 61), "No node was added"),  # a great vessel
        ((46, 67, 63), "No node was added"),  # the spine
        ((46, 54, 66), "as dark as fat"),
        ((46, 38, 33), "no soft tissue"),  # the lung
        ((46, -3, 61), "outside the image"),
    ):
        window.views.look_at(place)
        click(window, *place)
        assert said in toasts[-1].sentence
    assert not document.objects
    [offered] = [t for t in toasts if "like a large vessel" in t.sentence]
    [draw] = [b for b in offered.findChildren(QPushButton) if b.text() == "Draw it"]
    draw.click()
    assert window.correction.tool == "brush"
    window.views.look_at((46, 30, 66))
    click(window, 46, 30, 66)
    settled(widget)
    assert widget.review.table.keys == ["Node 1"]


def test_the_brush_goes_on_to_the_next_node(window: LimnWindow, ct: Path) -> None:
    widget = opened(window, ct)
    for place in NODES:
        window.views.look_at(place)
        press(window, Qt.Key.Key_C, SHIFT)
        settled(widget)
    widget.review.table.choose("Node 1")
    for number in (1, 2, 3):
        press(window, Qt.Key.Key_B, SHIFT)
        assert window.correction.tool == "brush"
        assert window.studies.selected.active_object.name == f"Node {number}"
        press(window, Qt.Key.Key_J)
    press(window, Qt.Key.Key_M, SHIFT)  # the nearest one is no part of it
    assert "choose both to merge" in window.notices.toasts[-1].sentence
    assert len(widget.work.rows) == 3


def test_a_key_that_is_held_chooses_no_more_than_one_node(window: LimnWindow, ct: Path) -> None:
    """What is chosen a moment after Ctrl+Z, when a slow hand has not let go of Ctrl yet."""
    widget = opened(window, ct)
    table, document = widget.review.table, window.studies.selected
    for place in NODES:
        window.views.look_at(place)
        press(window, Qt.Key.Key_C, SHIFT)
        settled(widget)
    table.choose("Node 1")
    for held in (CONTROL, SHIFT):
        target = window.windowHandle()
        QTest.keyPress(target, Qt.Key.Key_T, held | CONTROL)  # no command
        assert QApplication.keyboardModifiers() & held
        document.active = widget.work.row("Node 3").object_id
        assert table.selected == ["Node 3"]
        document.active = widget.work.row("Node 1").object_id
        assert table.selected == ["Node 1"]
        QTest.keyRelease(target, Qt.Key.Key_T)


def test_larger_text_has_its_room_in_the_table(window: LimnWindow, ct: Path) -> None:
    widget = opened(window, ct)
    window.views.look_at((46, 30, 66))
    press(window, Qt.Key.Key_C, SHIFT)
    settled(widget)
    for size in (200, 100):
        window.settings.change(text_size=size)
        QApplication.processEvents()
        table = widget.review.table
        width = table.fontMetrics().horizontalAdvance("88.8")
        assert table.columnWidth(3) > width  # the short axis
        assert table.rowHeight(0) >= table.fontMetrics().height()
        assert table.horizontalHeader().length() <= table.viewport().width()


@pytest.mark.parametrize(("width", "height"), [(800, 600), (1280, 800)])
def test_the_dock_fits_small_windows(window: LimnWindow, ct: Path, width: int, height: int) -> None:
    before = window.size()
    window.resize(width, height)
    widget = opened(window, ct)
    window.views.look_at((46, 30, 66))
    press(window, Qt.Key.Key_C, SHIFT)
    settled(widget)
    QApplication.processEvents()
    assert window.width() == width
    table = widget.review.table
    assert table.horizontalHeader().length() <= table.viewport().width()
    assert not table.isColumnHidden(3)  # the short axis
    window.resize(before)


def test_a_search_shows_its_progress_and_can_be_cancelled(window: LimnWindow, ct: Path) -> None:
    widget = opened(window, ct)
    document = window.studies.selected
    press(window, Qt.Key.Key_F, SHIFT)
    wait_until(lambda: document in widget.search.running)
    assert widget.search.running.isVisible()
    widget.search.running.cancel_button.click()
    wait_until(lambda: widget.search.run_button.isEnabled())
    assert not widget.work.found
    press(window, Qt.Key.Key_F, SHIFT)
    wait_until(lambda: widget.work.found and document not in widget.search.running)
    assert document.probability is not None
    assert widget.threshold.isVisible()
    before = widget.work.choices.threshold
    widget.threshold.threshold.setValue(0.05)
    wait_until(lambda: widget.work.choices.threshold == 0.05 and widget.work.cutting.wanted is None)
    document.history.undo()
    assert widget.work.choices.threshold == before


@pytest.fixture
def four_networks(window: LimnWindow, tmp_path: Path) -> Iterator[None]:
    """Installed while a test runs, in place of those that are bundled."""
    with pytest.MonkeyPatch.context() as patch:
        install(tmp_path, patch, "slab", "full", "slab_priors", "full_priors")
        yield
    window.task_panel.pages["lymph_nodes"].widget.search.offer()


@pytest.mark.usefixtures("four_networks")
def test_only_the_networks_that_would_search_are_told(window: LimnWindow, ct: Path) -> None:
    widget = opened(window, ct)
    search, document = widget.search, window.studies.selected
    search.model.clear()  # as in a new window
    search.offer()
    assert search.model.currentText() == "Slab by slab"
    assert search.about.text() == "slab by hand. Version 1."
    search.model.setCurrentText("Both networks, the likelier of the two")
    assert search.about.text() == "slab by hand. Version 1. full by hand. Version 1."
    search.model.setCurrentText("Slab by slab")
    assert search.about.text() == "slab by hand. Version 1."
    item = document.add_object("Aorta", "#ff0000")
    drawn = ball(SHAPE, (46, 37, 61), 8.0)
    document.apply(VoxelEdit.painted(document.labels, Box.whole(SHAPE), drawn, item.id, ""))
    settled(widget)
    assert search.about.text() == "slab_priors by hand. Version 1."
    QTest.mouseClick(widget.learning.improve_button, Qt.MouseButton.LeftButton)
    names = widget.learning.dialog.network
    texts = [names.itemText(number) for number in range(names.count())]
    assert texts == ["Slab", "Full", "Slab with priors", "Full with priors"]
    widget.learning.dialog.close()
    widget.learning.dialog = None  # the next one offers what is bundled


def test_a_search_that_ends_while_another_study_is_read_leaves_nothing(
    window: LimnWindow, ct: Path, tmp_path: Path
) -> None:
    widget = opened(window, ct)
    work, document = widget.work, window.studies.selected
    press(window, Qt.Key.Key_F, SHIFT)
    wait_until(lambda: document in widget.search.running)
    work.tell([measure.nodes(NODE, SPACING)[0].plain()])  # as the worker tells of one
    shutil.copy(ct, tmp_path / "other.nii.gz")
    window.opening.open([tmp_path / "other.nii.gz"])
    wait_until(lambda: widget.work is not work)
    window.job_bar.cancel_all()
    wait_until(lambda: document not in widget.search.running)
    window.studies.select(document)
    settled(widget)
    assert widget.review.table.keys == []


def test_an_earlier_study_is_compared(window: LimnWindow, ct: Path, tmp_path: Path) -> None:
    image = sitk.ReadImage(str(ct))
    array = sitk.GetArrayFromImage(image)
    array[ball(SHAPE, (46, 30, 66), 9.0)] = -95
    array[ball(SHAPE, (46, 30, 66), 7.0)] = 60
    earlier = sitk.GetImageFromArray(np.ascontiguousarray(array))
    earlier.CopyInformation(image)
    (tmp_path / "Meier_Hans").mkdir()
    sitk.WriteImage(earlier, str(tmp_path / "Meier_Hans" / "before.nii.gz"))
    widget = opened(window, tmp_path / "Meier_Hans" / "before.nii.gz")
    window.views.look_at((46, 30, 66))
    press(window, Qt.Key.Key_C, SHIFT)
    settled(widget)
    window.opening.open([ct])
    wait_until(lambda: len(window.studies.open) == 2)
    wait_until(lambda: widget.work.document is window.studies.open[1])
    window.views.look_at((46, 30, 66))
    press(window, Qt.Key.Key_C, SHIFT)
    settled(widget)
    widget.comparison.button.click()
    wait_until(lambda: widget.work.compared_with)
    settled(widget)
    [row] = widget.work.rows
    assert row.change_mm == pytest.approx(4, abs=1.5)
    assert widget.comparison.note.text().startswith("Compared with an earlier CT: 1 node matched")
    folder = tmp_path / "Meier_Hans"  # people name folders so
    assert folder.name in widget.comparison.choice.currentText()
    assert folder.name not in report.html(page_of(widget.work))
