"""Clicks in the window: real mouse and key events, answered by the real worker process."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import wait_until
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from gui.glass import Glass
from inference.series import Geometry, Series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gui.document import Document
    from gui.slice_view import SliceView
    from gui.window import LimnWindow
    from plugins.click_segmentation.widget import ClicksWidget

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
PLAIN, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
ALT, CONTROL = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ControlModifier
TASK, QUICK = "click_segmentation", "tests.tasks_for_tests:grow"
SHAPE = (12, 60, 60)
LIVER = (slice(2, 10), slice(8, 32), slice(6, 50))
KIDNEY = (slice(3, 8), slice(38, 50), slice(10, 24))


def body() -> Series:
    """A CT with two organs."""
    voxels = np.full(SHAPE, -100, np.int16)
    voxels[LIVER], voxels[KIDNEY] = 60, 200
    affine = np.array([[0, 0, 2.0, 0], [0, 2.0, 0, 0], [4.0, 0, 0, 0], [0, 0, 0, 1]])
    return Series(voxels, "volume", "CT", (Path("body.nii"),), Geometry(affine, True),
                  unit="HU", sha256="body")  # fmt: skip


def picture() -> Series:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[10:30, 10:40] = (200, 90, 40)
    return Series(pixels, "image", "OT", (Path("spot.png"),), rgb=True, sha256="spot")


class Hand:
    """A user at the mouse and the keys."""

    def __init__(self, window: LimnWindow) -> None:
        self.window = window
        self.document: Document = self.show(body())
        window.activateWindow()
        assert QTest.qWaitForWindowActive(window, 20_000)
        self.press(Qt.Key.Key_Q)
        wait_until(lambda: window.session.jobs.state == "ready")
        self.widget.asking.entry = QUICK
        self.widget.asking.seconds = None

    def show(self, series: Series) -> Document:
        self.document = self.window.studies.add(series)
        self.window.studies.select(self.document)
        if series.kind == "volume":
            self.window.views.look_at((5, 20, 20))
        return self.document

    @property
    def widget(self) -> ClicksWidget:
        return self.window.task_panel.pages[TASK].widget

    @property
    def views(self) -> list[SliceView]:
        return self.window.views.slices

    def glass(self, view: int = 0) -> Glass:
        return self.views[view].findChild(Glass)

    def pixel(self, place: tuple[float, ...], view: int = 0) -> QPoint:
        return QPoint(*map(round, self.views[view].pixel_of(place)))

    def press(self, key: Qt.Key, keys: Any = PLAIN) -> None:
        target = self.glass()
        target.setFocus()
        QTest.keyClick(target, key, keys)

    def click(
        self, *place: float, button: Any = LEFT, keys: Any = PLAIN, view: int = 0, wait: bool = True
    ) -> None:
        QTest.mouseClick(self.glass(view), button, keys, self.pixel(place, view))
        if wait:
            self.wait()

    def drag(self, *places: tuple[float, ...], button: Any = LEFT, keys: Any = PLAIN) -> None:
        kinds = [QEvent.Type.MouseButtonPress, *[QEvent.Type.MouseMove] * len(places[1:]),
                 QEvent.Type.MouseButtonRelease]  # fmt: skip
        for kind, place in zip(kinds, (*places, places[-1]), strict=True):
            self.send(kind, place, button, keys)
        self.wait()

    def hover(self, place: tuple[float, ...]) -> None:
        self.send(QEvent.Type.MouseMove, place, Qt.MouseButton.NoButton, PLAIN)

    def send(self, kind: QEvent.Type, place: tuple[float, ...], button: Any, keys: Any) -> None:
        target, at = self.glass(), QPointF(self.pixel(place))
        released = kind == QEvent.Type.MouseButtonRelease
        held = Qt.MouseButton.NoButton if released else button
        pressed = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else button
        event = QMouseEvent(kind, at, target.mapToGlobal(at), pressed, held, keys)
        QApplication.sendEvent(target, event)

    def wait(self) -> None:
        """Until every question has its answer."""
        wait_until(lambda: self.widget.clicks.waiting is None, 120)

    def undo(self) -> None:
        self.press(Qt.Key.Key_Z, CONTROL)
        self.wait()

    def redo(self) -> None:
        self.press(Qt.Key.Key_Z, CONTROL | SHIFT)
        self.wait()

    @property
    def labels(self) -> np.ndarray:
        return self.document.labels

    def count(self, label: int = 1) -> int:
        return int((self.labels == label).sum())

    @property
    def said(self) -> int:
        return len(self.widget.clicks.to_json())

    def told(self) -> list[str]:
        return [toast.sentence for toast in self.window.notices.toasts]


@pytest.fixture
def hand(window: LimnWindow) -> Iterator[Hand]:
    user = Hand(window)
    asking = user.widget.asking
    yield user
    asking.entry = "plugins.click_segmentation.task:segment"
    window.views.tool = None
    user.widget.board.set_negative(False)
    window.task_panel.leave_task()


def area(organ: tuple[slice, ...]) -> int:
    """Voxels of an organ in an axial slice."""
    return (organ[1].stop - organ[1].start) * (organ[2].stop - organ[2].start)


def test_the_story_of_two_organs(hand: Hand) -> None:
    document = hand.document
    assert hand.widget.used == "click"

    # a click inside the organ: its outline appears, in this slice alone
    hand.click(5, 20, 20)
    assert hand.count() == area(LIVER) == (hand.labels[5] == 1).sum()
    assert [mark.sign for mark in hand.window.views.marks] == ["+"]
    assert "1 prompt" in hand.widget.slice.told.text()

    # another adds, the right button takes away, and so does Shift
    hand.click(5, 44, 16)
    assert hand.count() == area(LIVER) + area(KIDNEY)
    before = hand.count()
    window = hand.window.views.display.window
    hand.click(5, 15, 40, button=RIGHT)
    assert not hand.labels[5, 15, 40]
    assert hand.count() < before
    assert hand.window.views.display.window == window
    hand.click(5, 25, 12, keys=SHIFT)
    assert not hand.labels[5, 25, 12]
    assert [mark.sign for mark in hand.window.views.marks] == ["+", "+", "-", "-"]

    # one at a time, with their voxels
    end = hand.labels.copy()
    for left in (3, 2, 1):
        hand.undo()
        assert hand.said == left
    assert hand.count() == area(LIVER)
    for _ in range(3):
        hand.redo()
    assert (hand.labels == end).all()

    # the next object locks this one, and never eats it
    hand.press(Qt.Key.Key_N)
    assert document.objects[1].locked
    assert document.active == 2
    assert hand.window.views.marks == ()
    hand.click(5, 12, 20)
    assert "locked" in hand.told()[-1]
    assert (hand.labels == end).all()
    hand.press(Qt.Key.Key_V)
    hand.drag((5, 2, 2), (5, 30, 30), (5, 55, 55))
    assert hand.count(2) > 0
    assert ((hand.labels == 1) == (end == 1)).all()

    # to and fro between objects
    hand.press(Qt.Key.Key_Tab)
    assert document.active == 1
    hand.press(Qt.Key.Key_Backtab, SHIFT)
    assert document.active == 2
    hand.press(Qt.Key.Key_Q)
    hand.click(5, 20, 20, keys=CONTROL)
    assert document.active == 1
    hand.press(Qt.Key.Key_Escape)
    assert hand.window.views.tool is None
    hand.press(Qt.Key.Key_N)
    assert list(document.objects) == [1, 2]  # the key is the window's again

    while document.history.undo_title:
        hand.undo()
    assert not hand.labels.any()
    assert hand.said == 0 == len(document.objects)


@pytest.mark.parametrize("view", [0, 1, 2])
def test_every_plane_of_a_volume(hand: Hand, view: int) -> None:
    hand.click(5, 20, 20, view=view)
    organ = hand.document.image == 60
    cut = [slice(None)] * 3
    cut[view] = slice((5, 20, 20)[view], (5, 20, 20)[view] + 1)
    assert hand.count() == organ[tuple(cut)].sum() == (hand.labels[tuple(cut)] == 1).sum()


def test_a_slice_is_outlined_across_one_that_has_been(hand: Hand) -> None:
    """What is seen of the other slice is a line, from which no answer could go on."""
    asked = []
    hand.widget.clicks.asked.connect(asked.append)
    organ = hand.document.image == 60
    for view in (0, 1, 2):
        hand.click(5, 20, 20, view=view)
        assert not asked[-1].previous.any()
    assert (hand.labels[:, 20] == organ[:, 20]).all()
    assert (hand.labels[..., 20] == organ[..., 20]).all()
    drawn = hand.labels.sum()
    hand.press(Qt.Key.Key_Q, SHIFT)  # some of it is in every slice, which are followed all the same
    wait_until(lambda: hand.widget.third.following.run is None)
    assert "slices followed" in hand.widget.third.status.text()
    assert hand.labels.sum() > 3 * drawn
    for axis, index in ((0, 5), (1, 20), (2, 20)):
        assert (hand.labels.take(index, axis) == organ.take(index, axis)).all()
    hand.undo()
    assert hand.labels.sum() == drawn
    hand.click(5, 15, 40, view=0, button=RIGHT)  # the slice goes on from its own outline
    assert asked[-1].previous.sum() == area(LIVER)
    for _ in range(4):
        hand.undo()
    assert not hand.labels.any()


def test_a_colour_picture(hand: Hand) -> None:
    document = hand.show(picture())
    hand.press(Qt.Key.Key_Q)
    hand.click(20, 20)
    assert (document.labels == 1).sum() == 600


def test_lines_are_drawn_for_and_against(hand: Hand) -> None:
    hand.press(Qt.Key.Key_D)
    hand.drag((5, 12, 10), (5, 14, 20), (5, 20, 40))
    assert hand.count() == area(LIVER)
    window = hand.window.views.display.window
    hand.drag((5, 28, 10), (5, 28, 20), (5, 28, 40), button=RIGHT)
    assert hand.window.views.display.window == window
    assert not hand.labels[5, 28, [10, 20, 40]].any()
    hand.press(Qt.Key.Key_L)
    hand.drag((5, 36, 8), (5, 36, 26), (5, 52, 26), (5, 52, 8))
    assert hand.labels[5, 44, 16] == 1
    hand.press(Qt.Key.Key_V)
    hand.drag((5, 40, 12), (5, 46, 20), keys=ALT)
    assert not hand.labels[5, 44, 16]
    kinds = [(p["kind"], p["positive"]) for p in hand.widget.clicks.to_json()]
    assert kinds == [("scribble", True), ("scribble", False), ("lasso", True), ("box", False)]
    shown = hand.window.views.outlines
    assert [line.closed for line in shown] == [False, False, True, True]
    assert {line.axis for line in shown} == {0}
    for _ in range(4):
        hand.undo()
    assert not hand.labels.any()


def test_a_dot_is_dragged_and_deleted(hand: Hand) -> None:
    hand.click(5, 20, 20)
    hand.click(5, 44, 16)
    hand.drag((5, 20, 20), (5, 10, 30), (5, 2, 40))  # off the organ, onto what is beside
    assert hand.said == 2
    assert not hand.labels[5, 20, 20]
    assert hand.labels[5, 2, 40] == 1
    hand.undo()
    assert hand.count() == area(LIVER) + area(KIDNEY)
    hand.click(5, 20, 20, button=RIGHT)  # on the dot
    assert hand.count() == area(KIDNEY)
    assert hand.said == 1
    hand.click(5, 44, 16)  # chosen, not said again
    assert hand.said == 1
    hand.press(Qt.Key.Key_Delete)
    hand.wait()
    assert hand.said == 0
    assert not hand.labels.any()
    for _ in range(2):
        hand.undo()
    assert hand.count() == area(LIVER) + area(KIDNEY)


def test_dragging_the_right_button_still_changes_grey_levels(hand: Hand) -> None:
    window = hand.window.views.display.window
    hand.drag((5, 20, 20), (5, 30, 40), button=RIGHT)
    assert hand.window.views.display.window != window
    assert hand.said == 0


def test_a_stroke_between_two_clicks(hand: Hand) -> None:
    """The mask as the hand has left it goes into the next answer, and undo takes each back."""
    hand.click(5, 44, 16)
    hand.press(Qt.Key.Key_B)
    hand.drag((5, 55, 40), (5, 55, 44))
    stroked = hand.labels.copy()
    assert stroked[5, 55, 42] == 1
    hand.press(Qt.Key.Key_Q)
    hand.click(5, 20, 20)
    assert hand.labels[5, 55, 42] == 1
    assert hand.labels[5, 20, 20] == 1
    hand.undo()
    assert (hand.labels == stroked).all()
    hand.undo()
    assert hand.count() == area(KIDNEY)
    hand.undo()
    assert not hand.labels.any()


def test_two_hundred_fast_clicks(hand: Hand) -> None:
    """Nobody waits for answers; the end is that of the last question, and undo goes one by one."""
    places = [(5.0, 4 + 5 * (i % 10), 2 + 2.8 * (i // 10)) for i in range(200)]
    for number, place in enumerate(places):
        against = number % 5 == 4
        hand.click(*place, button=RIGHT if against else LEFT, keys=PLAIN, wait=False)
    hand.wait()
    said = hand.said
    assert said > 100  # the rest came on dots, which were chosen or deleted
    end = hand.labels.copy()
    for prompt in hand.widget.clicks.to_json():
        z, y, x = map(round, prompt["position"])
        assert prompt["positive"] or not end[z, y, x]
    steps = len(hand.document.history)
    for _ in range(steps):
        hand.window.undo()
    hand.wait()
    assert not hand.labels.any()
    assert hand.said == 0
    for _ in range(steps):
        hand.window.redo()
    hand.wait()
    assert (hand.labels == end).all()


def test_the_worker_is_killed_in_the_middle(hand: Hand, tmp_path: Path) -> None:
    hand.click(5, 44, 16)
    before = hand.labels.copy()
    hand.widget.asking.entry = "tests.tasks_for_tests:grow_or_wait"
    hand.click(5, 20, 20, wait=False)
    jobs = hand.window.session.jobs
    wait_until(lambda: waiting_worker(hand) is not None)
    os.kill(waiting_worker(hand), signal.SIGKILL)
    hand.widget.asking.entry = QUICK
    wait_until(lambda: any("stopped unexpectedly" in sentence for sentence in hand.told()))
    assert hand.said == 2
    assert (hand.labels[before == 1] == 1).all()
    hand.wait()  # it is asked once more by itself
    assert jobs.state == "ready"
    assert hand.count() == area(LIVER) + area(KIDNEY)
    hand.click(5, 4, 55)
    assert hand.labels[5, 4, 55] == 1


def waiting_worker(hand: Hand) -> int | None:
    """The process that works on the click, from its own files of running jobs."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        if any("limn-wait" in file.path for file in child.open_files()):
            return child.pid
    return None


def test_the_study_is_switched_in_the_middle(hand: Hand) -> None:
    """The answer comes to the document that was clicked, wherever the user is by then."""
    clicked = hand.document
    hand.click(5, 20, 20, wait=False)
    other = hand.show(picture())
    sessions = hand.widget
    wait_until(lambda: clicked.labels.any(), 120)
    assert not other.labels.any()
    assert (clicked.labels == 1).sum() == area(LIVER)
    assert sessions.clicks.document is other
    assert hand.window.views.marks == ()
    hand.window.studies.select(clicked)
    assert len(hand.window.views.marks) == 1


def test_the_study_is_closed_in_the_middle(hand: Hand) -> None:
    clicked = hand.document
    other = hand.show(picture())
    hand.window.studies.select(clicked)
    hand.press(Qt.Key.Key_Q)
    hand.click(5, 20, 20, wait=False)
    hand.window.studies.close(clicked)
    hand.press(Qt.Key.Key_Q)
    hand.click(20, 20)
    assert (other.labels == 1).sum() == 600
    assert not clicked.labels.any()


def test_a_cancelled_question_is_not_waited_for(hand: Hand) -> None:
    hand.widget.asking.entry = "tests.tasks_for_tests:grow_or_wait"
    hand.click(5, 20, 20, wait=False)
    hand.window.job_bar.cancel_all()
    hand.wait()
    assert hand.said == 1
    hand.widget.asking.entry = QUICK
    hand.click(5, 44, 16)
    assert hand.count() == area(LIVER) + area(KIDNEY)


def test_what_a_click_would_do_is_shown_where_answers_are_quick(hand: Hand) -> None:
    hand.click(5, 44, 16)
    hand.widget.asking.seconds = 0.01
    hand.hover((5, 20, 20))
    wait_until(lambda: any(line.dashed for line in hand.window.views.outlines), 120)
    assert hand.said == 1
    assert hand.count() == area(KIDNEY)
    hand.hover((5, 44, 18))  # inside it already: nothing to add
    wait_until(lambda: not any(line.dashed for line in hand.window.views.outlines), 120)
    hand.hover((5, 20, 20))
    hand.click(5, 20, 20)
    assert hand.count() == area(LIVER) + area(KIDNEY)
    hand.widget.asking.seconds = 9.0
    hand.hover((5, 2, 2))
    assert not any(line.dashed for line in hand.window.views.outlines)
    hand.widget.asking.seconds = 0.01
    QTest.mouseClick(hand.widget.slice.switch, LEFT, pos=QPoint(8, 8))
    assert not hand.window.settings.now.preview_clicks
    hand.hover((5, 2, 4))
    assert not hand.widget.preview.wanted


def test_the_left_button_may_speak_of_background(hand: Hand) -> None:
    hand.click(5, 20, 20)
    hand.press(Qt.Key.Key_X)
    assert hand.widget.tool.take_away.isChecked()
    hand.click(5, 25, 30)
    assert not hand.labels[5, 25, 30]
    hand.click(5, 44, 16, button=RIGHT)
    assert hand.labels[5, 44, 16] == 1


def test_the_slice_is_cleared(hand: Hand) -> None:
    hand.click(5, 20, 20)
    hand.window.views.look_at((6, 20, 20))
    hand.click(6, 20, 20)
    QTest.mouseClick(hand.widget.slice.clear_button, LEFT)
    hand.wait()
    assert not hand.labels[6].any()
    assert hand.count() == area(LIVER)
    assert hand.said == 1


def test_leaving_the_dock_gives_the_mouse_back(hand: Hand) -> None:
    hand.window.tabs.setCurrentWidget(hand.window.correct_panel)
    assert hand.window.views.tool is None
    hand.press(Qt.Key.Key_Q)
    assert hand.widget.isVisible()
    assert hand.widget.used == "click"
    hand.press(Qt.Key.Key_Q)
    assert hand.widget.used is None


def test_a_key_follows_the_object_through_the_slices(hand: Hand) -> None:
    following = hand.widget.third.following
    hand.click(5, 20, 20)
    hand.press(Qt.Key.Key_Q, SHIFT)
    assert following.run is not None
    wait_until(lambda: following.run is None)
    liver = np.zeros(SHAPE, bool)
    liver[LIVER] = True
    assert all(hand.labels[z].any() for z in (4, 6))
    assert (liver & (hand.labels == 1)).sum() > 0.8 * (hand.labels == 1).sum()
    assert hand.document.history.undo_title.startswith("Follow through slices")
    hand.undo()
    assert hand.count() == area(LIVER)
