"""The correction tools in the window, driven by mouse and keys."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest

from gui.correction_ops import Slice, change_object, stroke
from gui.glass import Glass
from gui.operations import OPERATIONS, compute, first_amount
from gui.segment_object import SegmentObject
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.series import Geometry, Series

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytestqt.qtbot import QtBot

    from gui.document import Document
    from gui.slice_view import SliceView
    from gui.window import LimnWindow

LEFT, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier
PLAIN = Qt.KeyboardModifier.NoModifier
BY_ID = {operation.id: operation for operation in OPERATIONS}


def volume(shape: tuple[int, int, int], scale: tuple[float, float, float]) -> Series:
    z, y, x = scale
    affine = np.array([[0, 0, x, 0], [0, y, 0, 0], [z, 0, 0, 0], [0, 0, 0, 1.0]])
    voxels = np.zeros(shape, np.int16)
    return Series(voxels, "volume", "CT", (Path("ct"),), Geometry(affine, True), unit="HU")


def photograph(height: int = 120, width: int = 160) -> Series:
    voxels = np.zeros((height, width, 3), np.uint8)
    voxels[:, width // 2 :, 1] = 200
    return Series(voxels, "image", "OP", (Path("fundus.png"),), rgb=True)


def put(document: Document, where: Any, object_id: int) -> None:
    values = document.labels.copy()
    values[where] = object_id
    whole = Box.whole(document.shape)
    assert document.apply(VoxelEdit.of(document.labels, whole, values, "Put"))


# --- what is computed -------------------------------------------------------------------------


def test_the_brush_is_round_in_millimetres() -> None:
    scale = (4.0, 0.5, 1.0)
    box, mask = stroke((5, 60, 30), (5, 60, 30), 6.0, scale, (10, 120, 60), flat=0)
    assert box == Box((5, 48, 24), (6, 73, 37))
    assert mask.sum() * 0.5 * 1.0 == pytest.approx(np.pi * 36, rel=0.05)
    ball, mask = stroke((5, 60, 30), (5, 60, 30), 6.0, scale, (10, 120, 60))
    assert ball.shape == (3, 25, 13)
    coronal, mask = stroke((5, 60, 30), (5, 60, 30), 6.0, scale, (10, 120, 60), flat=1)
    assert coronal.shape == (3, 1, 13)


def test_a_fast_stroke_is_unbroken_however_fine_the_brush() -> None:
    from scipy import ndimage

    for end in ((50.0, 3.0), (2.0, 50.0), (37.3, 18.9), (1.0, 1.0)):
        box, mask = stroke((1.2, 1.7), end, 0.01, (1.0, 1.0), (60, 60))
        assert ndimage.label(mask, np.ones((3, 3)))[1] == 1
        assert max(box.shape) >= max(abs(end[0] - 1.2), abs(end[1] - 1.7)) - 1


def test_a_stroke_beside_the_image_paints_nothing() -> None:
    assert stroke((-30, -30), (-40, -40), 5, (1, 1), (60, 60))[0].empty


@pytest.mark.parametrize("axis", [None, 0, 1, 2])
def test_operations_stay_in_their_slice_and_add_only_to_what_is_unlabelled(
    axis: int | None,
) -> None:
    from gui.document import Document

    document = Document(volume((20, 30, 40), (3.0, 1.0, 0.5)))
    item, other = document.add_object(), document.add_object()
    put(document, np.s_[8:13, 10:20, 15:25], item.id)
    put(document, np.s_[8:13, 10:20, 25:28], other.id)
    before = document.labels.copy()
    only = None if axis is None else Slice(axis, (10, 14, 20)[axis])
    for name in ("grow", "smooth", "shrink", "islands", "holes"):
        operation = BY_ID[name]
        amount = {"grow": 4.0, "smooth": 3.0, "shrink": 2.0}.get(name, 0.0)
        edit = compute(operation, document, item.id, amount, only)
        after = before.copy().reshape(-1)
        after[edit.index()] = np.repeat(edit.after, edit.lengths)
        changed = np.argwhere(after.reshape(before.shape) != before)
        assert set(np.unique(edit.before)) <= {0, item.id}
        if axis is not None and len(changed):
            assert set(changed[:, axis]) == {only.index if only else None}
        assert len(changed) > 0 or name not in ("grow", "shrink")


def test_an_operation_equals_the_same_on_the_whole_array() -> None:
    from inference import morphology

    labels = np.zeros((40, 50, 60), np.uint8)
    labels[10:20, 20:40, 5:30] = 3
    scale = (2.0, 1.0, 1.0)
    edit = change_object(
        labels, 3, scale, lambda m, s: morphology.grow(m, 6, s), title="Grow", reach=6
    )
    whole = morphology.grow(labels == 3, 6, scale)
    assert edit.count == int(whole.sum()) - int((labels == 3).sum())


def test_a_run_is_changed_frame_by_frame() -> None:
    from gui.document import Document

    document = Document(Series(np.zeros((3, 20, 20), np.uint8), "run", "XA", (Path("xa"),)))
    item = document.add_object()
    put(document, np.s_[1, 8:12, 8:12], item.id)
    document.apply(compute(BY_ID["grow"], document, item.id, 2.0, None))
    assert not document.labels[[0, 2]].any()
    assert (document.labels[1] > 0).sum() > 16


def test_the_amount_of_an_operation_begins_in_units_of_the_series() -> None:
    ct = volume((20, 30, 40), (5.0, 1.0, 1.0))
    islands = BY_ID["islands"]
    assert first_amount(islands, ct, None) == pytest.approx(0.15)  # 30 voxels, ml
    assert first_amount(islands, ct, 0) == pytest.approx(30)  # 30 pixels, mm²
    assert first_amount(islands, ct, 1) == pytest.approx(150)
    assert first_amount(BY_ID["grow"], ct, None) == 1


# --- in the window -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def window(qapp: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LimnWindow]:
    from gui.settings import SettingsFile
    from gui.window import LimnWindow

    window = LimnWindow(SettingsFile(tmp_path_factory.mktemp("settings") / "settings.json"))
    window.show()
    deadline = time.monotonic() + 120
    while not window.is_ready and time.monotonic() < deadline:
        QTest.qWait(20)
    assert window.is_ready
    yield window
    for document in list(window.studies.open):
        window.studies.close(document)
    window.close()


def opened(window: LimnWindow, series: Series) -> Document:
    document = window.studies.add(series)
    window.studies.select(document)
    QTest.qWait(20)
    return document


def fresh(window: LimnWindow, document: Document) -> Iterator[Document]:
    """Lend a document, and take back all that was done to it."""
    window.studies.select(document)
    yield document
    window.views.tool = None
    while document.history.undo():
        pass
    assert not document.objects
    assert not document.labels.any()
    assert document.ai_labels is None


@pytest.fixture(scope="module")
def photo_document(window: LimnWindow) -> Document:
    return opened(window, photograph())


@pytest.fixture(scope="module")
def scan_document(window: LimnWindow) -> Document:
    return opened(window, volume((30, 60, 80), (3.0, 1.0, 1.0)))


@pytest.fixture
def photo(window: LimnWindow, photo_document: Document) -> Iterator[Document]:
    yield from fresh(window, photo_document)


@pytest.fixture
def scan(window: LimnWindow, scan_document: Document) -> Iterator[Document]:
    yield from fresh(window, scan_document)


class Mouse:
    """A mouse over one view, in voxels."""

    def __init__(self, view: SliceView) -> None:
        self.view = view
        glass = view.findChild(Glass)
        assert glass is not None
        self.glass = glass

    def at(self, position: Sequence[float]) -> QPoint:
        x, y = self.view.pixel_of(position)
        return QPoint(round(x), round(y))

    def drag(self, *places: Sequence[float], keys: Qt.KeyboardModifier = PLAIN) -> None:
        QTest.mousePress(self.glass, LEFT, keys, self.at(places[0]))
        for place in places[1:]:
            QTest.mouseMove(self.glass, self.at(place))
        QTest.mouseRelease(self.glass, LEFT, keys, self.at(places[-1]))

    def click(self, place: Sequence[float], keys: Qt.KeyboardModifier = PLAIN) -> None:
        QTest.mouseClick(self.glass, LEFT, keys, self.at(place))

    def quick_drag(
        self, *places: Sequence[float], button: Qt.MouseButton = LEFT, keys: Any = PLAIN
    ) -> None:
        """A drag right after a click at the same place: Qt calls its press a double click."""
        QTest.mouseDClick(self.glass, button, keys, self.at(places[0]))
        for place in places[1:]:
            QTest.mouseMove(self.glass, self.at(place))
        QTest.mouseRelease(self.glass, button, keys, self.at(places[-1]))

    def double_click(self, place: Sequence[float]) -> None:
        self.click(place)
        QTest.mouseDClick(self.glass, LEFT, PLAIN, self.at(place))


def mouse(window: LimnWindow, number: int = 0) -> Mouse:
    return Mouse(window.views.slices[number])


def press_key(window: LimnWindow, key: Qt.Key, keys: Qt.KeyboardModifier = PLAIN) -> None:
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window, 10_000)
    target = mouse(window).glass
    target.setFocus()
    QTest.keyClick(target, key, keys)


def finished(window: LimnWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not window.correction.background.busy, timeout=30_000)


def test_a_stroke_makes_an_object_and_is_one_step(window: LimnWindow, photo: Document) -> None:
    press_key(window, Qt.Key.Key_B)
    assert window.correction.tool == "brush"
    window.correction.set_radius(4)
    mouse(window).drag((30, 30), (30, 50), (60, 50))
    assert [item.name for item in photo.objects.values()] == ["Object 1"]
    assert photo.labels[30, 40] == photo.labels[45, 50] == photo.labels[60, 50] == 1
    assert photo.labels[45, 40] == 0
    assert 8 * 50 * 0.9 < photo.labels.sum() < 9 * 50 * 1.2 + 60
    assert photo.history.undo_title == "Brush"
    press_key(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not photo.labels.any()
    assert not photo.objects
    press_key(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | SHIFT)
    assert photo.labels[30, 40] == 1


def test_the_stroke_is_seen_while_it_is_drawn(window: LimnWindow, photo: Document) -> None:
    window.correction.use("brush")
    pen = mouse(window)
    QTest.mousePress(pen.glass, LEFT, PLAIN, pen.at((60, 40)))
    QTest.mouseMove(pen.glass, pen.at((60, 80)))
    assert photo.labels[60, 60] == 1
    assert len(photo.history) == 0
    QTest.mouseRelease(pen.glass, LEFT, PLAIN, pen.at((60, 80)))
    assert len(photo.history) == 1


def test_undo_while_drawing_ends_the_stroke(window: LimnWindow, photo: Document) -> None:
    photo.add_object()
    window.correction.use("brush")
    pen = mouse(window)
    QTest.mousePress(pen.glass, LEFT, PLAIN, pen.at((60, 40)))
    window.undo()
    QTest.mouseMove(pen.glass, pen.at((60, 80)))
    QTest.mouseRelease(pen.glass, LEFT, PLAIN, pen.at((60, 80)))
    assert not photo.labels.any()
    assert photo.history.undo_title == "Add Object 1"


def test_the_eraser_takes_the_active_object_alone(window: LimnWindow, photo: Document) -> None:
    first, second = photo.add_object(), photo.add_object()
    put(photo, np.s_[40:60, 40:60], first.id)
    put(photo, np.s_[40:60, 60:80], second.id)
    press_key(window, Qt.Key.Key_E)
    window.correction.set_radius(5)
    mouse(window).drag((50, 45), (50, 75))
    assert photo.labels[50, 50] == first.id
    assert photo.labels[50, 70] == 0
    photo.active = first.id
    window.correction.use("brush")
    mouse(window).drag((50, 45), (50, 55), keys=SHIFT)
    assert photo.labels[50, 50] == 0
    assert photo.history.undo_title == "Eraser"


def test_a_second_stroke_right_after_the_first_is_drawn_as_well(
    window: LimnWindow, photo: Document
) -> None:
    window.correction.use("brush")
    window.correction.set_radius(3)
    hand = mouse(window)
    hand.drag((30, 30), (30, 33))
    steps = len(photo.history)
    hand.quick_drag((30, 33), (60, 33), (60, 80))
    assert photo.labels[45, 33] == photo.labels[60, 60] == 1
    press_key(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert photo.labels[30, 31] == 1
    assert not photo.labels[45:].any()
    assert len(photo.history) == steps


def test_grey_levels_follow_a_right_button_pressed_twice(
    window: LimnWindow, scan: Document
) -> None:
    before = window.views.display.window
    mouse(window).quick_drag((3, 30, 40), (3, 20, 60), button=Qt.MouseButton.RightButton)
    assert window.views.display.window != before


def test_a_locked_object_is_not_drawn_and_the_user_is_told(
    window: LimnWindow, photo: Document
) -> None:
    vessels = photo.add_object("Vessels")
    put(photo, np.s_[10:20, 10:20], vessels.id)
    photo.set_locked(vessels.id, True)
    before = photo.labels.copy()
    for tool in ("brush", "eraser", "levels"):
        window.correction.use(tool)
        mouse(window).drag((15, 15), (40, 40))
    window.correction.use("outline")
    mouse(window).click((5, 5))
    mouse(window).click((5, 50))
    mouse(window).double_click((50, 50))
    assert np.array_equal(photo.labels, before)
    assert "Vessels is locked" in window.notices.toasts[-1].sentence


def test_drawing_over_others_can_be_switched_off(window: LimnWindow, photo: Document) -> None:
    first, second = photo.add_object(), photo.add_object()
    put(photo, np.s_[:, :80], first.id)
    window.correction.use("brush")
    window.correct_panel.tools.over.setChecked(False)
    mouse(window).drag((60, 40), (60, 120))
    assert photo.labels[60, 60] == first.id
    assert photo.labels[60, 100] == second.id
    window.correct_panel.tools.over.setChecked(True)
    mouse(window).drag((60, 40), (60, 120))
    assert photo.labels[60, 60] == second.id


def test_the_threshold_brush_keeps_to_its_levels(window: LimnWindow, photo: Document) -> None:
    press_key(window, Qt.Key.Key_G)
    tools = window.correct_panel.tools
    assert not tools.lowest.isHidden()
    tools.lowest.setValue(100)
    tools.highest.setValue(255)
    window.correction.set_radius(6)
    mouse(window).drag((60, 60), (60, 100))
    assert not photo.labels[:, :80].any()
    assert photo.labels[60, 80:100].all()


def test_the_threshold_brush_follows_the_probability(window: LimnWindow, photo: Document) -> None:
    probability = np.zeros(photo.shape, np.float16)
    probability[:60] = 0.9
    photo.set_ai_result(
        np.zeros(photo.shape, np.uint8), [SegmentObject(1, "Vessels", "#ff0000")], "AI", probability
    )
    window.correction.use("levels")
    window.correct_panel.tools.source.setCurrentIndex(1)
    mouse(window).drag((60, 50), (60, 52))
    window.correct_panel.tools.source.setCurrentIndex(0)
    assert photo.labels[:60].any()
    assert not photo.labels[60:].any()


def test_fill_closes_what_was_outlined_and_refuses_what_is_open(
    window: LimnWindow, photo: Document
) -> None:
    item = photo.add_object()
    put(photo, np.s_[30:60, 40], item.id)
    put(photo, np.s_[30:60, 80], item.id)
    put(photo, np.s_[30, 40:81], item.id)
    press_key(window, Qt.Key.Key_F)
    mouse(window).click((45, 60))
    assert "not closed" in window.notices.toasts[-1].sentence
    assert photo.labels[45, 60] == 0
    put(photo, np.s_[59, 40:81], item.id)
    mouse(window).click((45, 60))
    assert (photo.labels[30:60, 40:81] == item.id).all()
    assert photo.labels.sum() == 30 * 41
    put(photo, np.s_[100:105, 100:105], item.id)
    mouse(window).click((102, 102), SHIFT)
    assert photo.labels.sum() == 30 * 41


def test_an_outline_of_clicks_is_closed_by_a_double_click_or_enter(
    window: LimnWindow, photo: Document
) -> None:
    press_key(window, Qt.Key.Key_P)
    corners = [(20, 20), (20, 100), (80, 100)]
    for corner in corners:
        mouse(window).click(corner)
    mouse(window).double_click((80, 20))
    assert photo.labels[25:75, 25:95].all()
    assert photo.labels.sum() == pytest.approx(60 * 80, rel=0.05)
    for corner in [(30, 30), (30, 60), (60, 60), (60, 30)]:
        mouse(window).click(corner, SHIFT)
    press_key(window, Qt.Key.Key_Return)
    assert photo.labels[35:55, 35:55].sum() == 0
    assert photo.history.undo_title == "Erase outline"


def test_an_outline_by_hand_is_closed_when_the_button_goes_up(
    window: LimnWindow, photo: Document
) -> None:
    window.correction.use("outline")
    angles = np.linspace(0, 2 * np.pi, 40)
    ring = [(60 + 30 * np.sin(a), 80 + 30 * np.cos(a)) for a in angles]
    mouse(window).drag(*ring)
    assert photo.labels.sum() == pytest.approx(np.pi * 900, rel=0.05)
    assert photo.history.undo_title == "Outline"


def test_escape_drops_an_outline_then_puts_the_tool_away(
    window: LimnWindow, photo: Document
) -> None:
    window.correction.use("outline")
    for corner in [(20, 20), (20, 100), (80, 100)]:
        mouse(window).click(corner)
    assert len(window.views.tool.path) == 4
    press_key(window, Qt.Key.Key_Escape)
    assert window.correction.tool == "outline"
    assert not window.views.tool.path
    press_key(window, Qt.Key.Key_Escape)
    assert window.correction.tool is None
    assert not photo.labels.any()


def test_brackets_change_the_size_and_the_ring_shows_it(
    window: LimnWindow, photo: Document
) -> None:
    window.correction.use("brush")
    window.correction.set_radius(5)
    press_key(window, Qt.Key.Key_BracketRight)
    assert window.correction.settings.radius == pytest.approx(6.25)
    press_key(window, Qt.Key.Key_BracketLeft)
    assert window.correction.settings.radius == pytest.approx(5)
    assert window.correct_panel.tools.diameter.value() == pytest.approx(10)
    pen = mouse(window)
    QTest.mouseMove(pen.glass, pen.at((60, 80)))
    ring = pen.glass.scene.ring
    assert ring is not None
    assert ring[1] == pytest.approx(5 * pen.view.camera.zoom)
    window.correct_panel.tools.diameter.setValue(24)
    assert window.correction.settings.radius == pytest.approx(12)


def test_every_plane_of_a_volume_is_drawn_in_millimetres(
    window: LimnWindow, scan: Document
) -> None:
    window.correction.use("brush")
    window.correction.set_radius(7)
    centre = [round(place) for place in window.views.display.position]
    for number, view in enumerate(list(window.views.slices)):
        item = scan.add_object()
        mouse(window, number).click(centre)
        box = Box.of(scan.labels == item.id)
        axis = view.plane.slicing
        assert box.start[axis] == centre[axis]
        for other in range(3):
            wide = 1 if other == axis else 2 * int(7 / scan.scale[other]) + 1
            assert abs(box.shape[other] - wide) <= (other != axis)


def test_a_ball_reaches_into_the_slices_beside(window: LimnWindow, scan: Document) -> None:
    window.correction.use("brush")
    window.correction.set_radius(10)
    window.correct_panel.tools.ball.setChecked(True)
    mouse(window).click(window.views.display.position)
    window.correct_panel.tools.ball.setChecked(False)
    box = Box.of(scan.labels)
    assert abs(box.shape[0] - 7) <= 1
    assert scan.labels.sum() * 3 == pytest.approx(4 / 3 * np.pi * 10**3, rel=0.1)


def test_drawn_slices_are_filled_in_between_from_the_panel(
    window: LimnWindow, scan: Document, qtbot: QtBot
) -> None:
    item = scan.add_object()
    rows, columns = np.ogrid[:60, :80]
    for index, radius in ((5, 6), (25, 16)):
        disk = (rows - 30) ** 2 + (columns - 40) ** 2 <= radius**2
        put(scan, (index, *np.nonzero(disk)), item.id)
    QTest.mouseClick(window.correct_panel.operations.buttons["interpolate"], LEFT)
    finished(window, qtbot)
    areas = (scan.labels[5:26] > 0).sum(axis=(1, 2))
    radii = np.sqrt(areas / np.pi)
    assert np.abs(radii - np.linspace(6, 16, 21)).max() < 1
    assert scan.history.undo_title == "Fill between slices"


def test_operations_of_the_panel_use_its_amounts(
    window: LimnWindow, scan: Document, qtbot: QtBot
) -> None:
    item = scan.add_object()
    put(scan, np.s_[10:20, 20:40, 20:40], item.id)
    put(scan, np.s_[2, 2, 2], item.id)
    panel = window.correct_panel.operations
    QTest.mouseClick(panel.buttons["islands"], LEFT)
    finished(window, qtbot)
    assert scan.labels[2, 2, 2] == 0
    panel.amounts["grow"].setValue(6)
    QTest.mouseClick(panel.buttons["grow"], LEFT)
    assert window.correction.background.busy
    assert not panel.isEnabled()
    finished(window, qtbot)
    assert panel.isEnabled()
    assert Box.of(scan.labels) == Box((8, 14, 14), (22, 46, 46))
    before = scan.labels.copy()
    panel.here.setChecked(True)
    panel.amounts["shrink"].setValue(2)
    QTest.mouseClick(panel.buttons["shrink"], LEFT)
    finished(window, qtbot)
    changed = Box.of(scan.labels != before)
    assert (changed.start[0], changed.shape[0]) == (round(window.views.display.position[0]), 1)
    panel.here.setChecked(False)
    QTest.mouseClick(panel.buttons["holes"], LEFT)
    finished(window, qtbot)
    assert "nothing had to be changed" in window.notices.toasts[-1].sentence


def test_a_large_operation_leaves_the_window_alive(qtbot: QtBot) -> None:
    from gui.background import Background
    from gui.document import Document

    document = Document(volume((128, 320, 320), (1.0, 0.7, 0.7)))
    item = document.add_object()
    z, y, x = np.ogrid[:128, :320, :320]
    inside = ((z - 64) / 50) ** 2 + ((y - 160) / 140) ** 2 + ((x - 160) / 140) ** 2 < 1
    put(document, inside, item.id)
    beats: list[float] = []
    timer = QTimer(interval=5)
    timer.timeout.connect(lambda: beats.append(time.perf_counter()))
    timer.start()
    background = Background()
    work = partial(compute, BY_ID["grow"], document, item.id, 3.0, None)
    background.run(work, document.apply)
    qtbot.waitUntil(lambda: not background.busy, timeout=60_000)
    timer.stop()
    background.close()
    assert document.history.undo_title == "Grow"
    gaps = np.diff(beats)
    assert len(gaps) > 20
    assert np.median(gaps) < 0.1
    assert gaps.max() < 1  # a distance map of the whole would hold Python's lock for seconds


def test_an_answer_for_somebody_who_has_gone_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    from threading import Event

    import shiboken6

    from gui.background import Background

    background, gone, answered = Background(), Event(), list[bool]()
    background.run(gone.wait, answered.append)
    executor = background._executor
    shiboken6.delete(background)
    gone.set()
    executor.shutdown(wait=True)
    assert not caplog.records
    assert not answered


def test_nothing_begins_once_the_window_has_closed(qapp: object) -> None:
    from gui.background import Background

    background, worked = Background(), list[bool]()
    background.close()
    background.run(lambda: worked.append(True), lambda _: worked.append(True))
    assert not background.busy
    assert not worked


# --- the panel ---------------------------------------------------------------------------------


def test_the_list_of_objects_follows_and_leads(window: LimnWindow, photo: Document) -> None:
    from gui.objects_panel import EYE, LOCK, NAME

    panel = window.correct_panel.objects
    QTest.mouseClick(panel.add, LEFT)
    QTest.mouseClick(panel.add, LEFT)
    assert [panel.tree.topLevelItem(n).text(NAME) for n in range(2)] == ["Object 1", "Object 2"]
    assert panel.tree.currentItem().text(NAME) == "Object 2"

    def click(row: int, column: int) -> None:
        item = panel.tree.topLevelItem(row)
        area = panel.tree.visualItemRect(item)
        left = panel.tree.columnViewportPosition(column)
        place = QPoint(left + panel.tree.columnWidth(column) // 2, area.center().y())
        QTest.mouseClick(panel.tree.viewport(), LEFT, PLAIN, place)

    window.tabs.setCurrentWidget(window.correct_panel)
    QTest.qWait(50)
    click(0, NAME)
    assert photo.active == 1
    click(0, LOCK)
    assert photo.objects[1].locked
    click(1, EYE)
    assert not photo.objects[2].visible
    panel.tree.topLevelItem(0).setText(NAME, "Optic disc")
    assert photo.objects[1].name == "Optic disc"
    click(1, NAME)
    QTest.mouseClick(panel.delete, LEFT)
    assert list(photo.objects) == [1]


def test_sizes_and_comparison_follow_a_stroke(
    window: LimnWindow, photo: Document, qtbot: QtBot
) -> None:
    from gui.objects_panel import SIZE

    mask = np.zeros(photo.shape, np.uint8)
    mask[20:40, 20:70] = 1
    photo.set_ai_result(mask, [SegmentObject(1, "Vessels", "#ff0000")], "AI")
    window.tabs.setCurrentWidget(window.correct_panel)
    figures = window.correct_panel.compare.figures
    qtbot.waitUntil(lambda: figures["Dice"].text() == "1.0000", timeout=2000)
    window.correction.use("eraser")
    mouse(window).drag((20, 20), (40, 70))
    started = time.perf_counter()
    qtbot.waitUntil(lambda: figures["Dice"].text() != "1.0000", timeout=2000)
    assert time.perf_counter() - started < 1.5  # 0.1 s where the processor is free
    row = window.correct_panel.objects.tree.topLevelItem(0)
    assert row is not None
    qtbot.waitUntil(lambda: row.text(SIZE) == f"{(photo.labels == 1).sum()} px", timeout=2000)
    assert figures["AI"].text() == "1\u202f000 px"
    assert figures["Added"].text() == "0 px"


def test_the_difference_is_shown_over_the_image(window: LimnWindow, photo: Document) -> None:
    mask = np.zeros(photo.shape, np.uint8)
    mask[20:40, 20:70] = 1
    photo.set_ai_result(mask, [SegmentObject(1, "Vessels", "#ff0000")], "AI")
    window.correct_panel.compare.differences.setChecked(True)
    window.correction.use("eraser")
    mouse(window).drag((30, 20), (30, 70))
    window.correction.use("brush")
    mouse(window).drag((80, 20), (80, 70))
    shelf = window.views.slices[0]._layers._shelf
    layer = shelf.labels("difference")
    assert (layer.data == 1).sum() == ((photo.labels == 1) & (mask == 0)).sum() > 0
    assert (layer.data == 2).sum() == ((photo.labels == 0) & (mask == 1)).sum() > 0
    window.correct_panel.compare.differences.setChecked(False)
    assert not layer.visible


def test_a_stroke_over_real_vessels_is_quick(window: LimnWindow, shared_data: Path) -> None:
    from PIL import Image

    folder = shared_data / "retina" / "hrf_train"
    pixels = np.asarray(Image.open(min(folder.glob("*_image.*"))))
    vessels = np.asarray(Image.open(min(folder.glob("*_vessels.png")))) > 0
    document = opened(window, Series(pixels, "image", "OP", (folder / "x",), rgb=True))
    document.set_ai_result(vessels.astype(np.uint8), [SegmentObject(1, "Vessels", "#e69f00")], "AI")
    window.correction.use("brush")
    pen = mouse(window)
    times = []
    QTest.mousePress(pen.glass, LEFT, PLAIN, pen.at((300, 200)))
    for column in range(210, 700, 10):
        started = time.perf_counter()
        QTest.mouseMove(pen.glass, pen.at((300, column)))
        times.append(time.perf_counter() - started)
    QTest.mouseRelease(pen.glass, LEFT, PLAIN, pen.at((300, 700)))
    window.studies.close(document)
    assert document.labels[300, 200:700].all()
    assert np.median(times) < 0.1  # 16 ms on a machine that does nothing else
