from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import wait_until
from hypothesis import given
from hypothesis import strategies as st
from phantoms import ORDERS, geometry
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QImage, QMouseEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from gui.display import CT_PRESETS, Display, dragged, frame_durations
from gui.planes import AXIAL, CORONAL, PICTURE, SAGITTAL, Camera, Orbit, fit, scale_bar
from gui.slice_texts import facts, value_text
from gui.tool import Mark
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.series import Series
from inference.windowing import auto_window, first_window

if TYPE_CHECKING:
    from gui.document import Document
    from gui.slice_view import SliceView
    from gui.window import LimnWindow

Button = Qt.MouseButton
LEFT, RIGHT, MIDDLE = Button.LeftButton, Button.RightButton, Button.MiddleButton
NO_KEY, CONTROL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
SHAPE, MARKER = (20, 30, 40), (16, 5, 8)  # the marker lies superior, anterior and right


def body() -> np.ndarray:
    """int16 (z, y, x): air, a body, and a small bright marker."""
    voxels = np.full(SHAPE, -1000, np.int16)
    voxels[1:-1, 2:-2, 2:-2] = 0
    z, y, x = MARKER
    voxels[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = 2000
    return voxels


def ct(order: tuple[int, ...] = (0, 1, 2), flips: tuple[bool, ...] = (False,) * 3) -> Series:
    flip = tuple(slice(None, None, -1 if f else 1) for f in flips)
    voxels = np.ascontiguousarray(body().transpose(order)[flip])
    placed = geometry().reordered(order, flips, SHAPE)
    return Series(voxels, "volume", "CT", (Path("body.nii"),), placed, unit="HU")


def run() -> Series:
    voxels = np.repeat(np.arange(6, dtype=np.uint16) * 100, 24 * 32).reshape(6, 24, 32)
    times = (0.0, 30.0, 60.0, 90.0, 150.0, 180.0)
    return Series(voxels, "run", "XA", (Path("run.dcm"),), frame_times=times)


def photograph() -> Series:
    voxels = np.zeros((30, 50, 3), np.uint8)
    voxels[:, :, 0] = 200
    return Series(voxels, "image", "OP", (Path("eye.png"),), rgb=True)


def show(window: LimnWindow, series: Series) -> Document:
    document = window.studies.add(series)
    window.studies.select(document)
    pause(0.2)
    return document


def pause(seconds: float = 0.1) -> None:
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end)


def glass(view: SliceView) -> Any:
    return view.findChild(type(view._glass))


def press(view: SliceView, pixel: tuple[float, float], button: Any = LEFT) -> None:
    QTest.mouseClick(glass(view), button, NO_KEY, QPoint(*map(round, pixel)))


def drag(view: SliceView, start: QPoint, end: QPoint, button: Any = LEFT) -> None:
    """QTest moves without buttons, so the events are built here."""
    target, steps = glass(view), (start, (start + end) / 2, end)
    kinds = QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseMove
    for kind, at in zip(kinds, steps, strict=True):
        send(target, kind, at, button, button)
    send(target, QEvent.Type.MouseButtonRelease, end, button, Qt.MouseButton.NoButton)


def send(target: Any, kind: QEvent.Type, at: QPoint, button: Any, held: Any) -> None:
    place = QPointF(at)
    event = QMouseEvent(kind, place, target.mapToGlobal(place), button, held, NO_KEY)
    QApplication.sendEvent(target, event)


def wheel(view: SliceView, notches: int, keys: Any = NO_KEY, at: QPoint | None = None) -> None:
    target = glass(view)
    place = QPointF(at or target.rect().center())
    event = QWheelEvent(
        place, target.mapToGlobal(place), QPoint(), QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton, keys, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(target, event)


def picture(view: SliceView) -> np.ndarray:
    """What is painted: uint8 (y, x, 3)."""
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


@pytest.fixture
def plain(window: LimnWindow) -> Any:
    """The window without texts and crosshair, so that only the image is painted."""
    views = window.views
    views.toggle_annotated()
    views.toggle_cross()
    yield window
    views.toggle_annotated()
    views.toggle_cross()


# --- planes and cameras ----------------------------------------------------------------------


def test_letters_follow_the_radiological_convention() -> None:
    assert AXIAL.letters == ("R", "L", "A", "P")
    assert CORONAL.letters == ("R", "L", "S", "I")
    assert SAGITTAL.letters == ("A", "P", "S", "I")


cameras = st.builds(
    Camera,
    centre=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    zoom=st.floats(0.05, 50),
    size=st.tuples(st.floats(10, 3000), st.floats(10, 3000)),
    upward=st.booleans(),
)
pixels = st.tuples(st.floats(-100, 3000), st.floats(-100, 3000))


@given(cameras, pixels)
def test_to_the_screen_and_back(camera: Camera, pixel: tuple[float, float]) -> None:
    assert camera.to_screen(camera.to_world(pixel)) == pytest.approx(pixel, abs=1e-6)


@given(cameras, pixels, st.floats(0.2, 5))
def test_zoom_keeps_the_point_under_the_mouse(
    camera: Camera, pixel: tuple[float, float], factor: float
) -> None:
    centre, zoom = camera.zoomed(factor, pixel)
    after = Camera(centre, zoom, camera.size, camera.upward)
    assert after.to_world(pixel) == pytest.approx(camera.to_world(pixel), abs=1e-6)


@given(cameras, pixels, pixels)
def test_a_pan_takes_the_point_along(camera: Camera, start: Any, end: Any) -> None:
    after = Camera(camera.panned(start, end), camera.zoom, camera.size, camera.upward)
    assert after.to_world(end) == pytest.approx(camera.to_world(start), abs=1e-6)


def test_fit_shows_the_whole_plane() -> None:
    camera = fit(CORONAL, (20, 30, 40), (3.0, 1.0, 1.0), (800, 400))
    corners = [camera.to_screen(corner) for corner in ((-1.5, -0.5), (58.5, 39.5))]
    assert all(0 <= x <= 800 and 0 <= y <= 400 for x, y in corners)
    assert fit(PICTURE, (10, 10), (1, 1), (0, 0)).zoom > 0  # a view not laid out yet


@given(st.floats(0.001, 1000), st.floats(20, 1000))
def test_the_scale_bar_is_round_and_fits(zoom: float, width: float) -> None:
    length = scale_bar(zoom, width)
    assert width / 2.51 <= length * zoom <= width * 1.0001
    assert f"{length:e}"[0] in "125"


# --- grey levels -----------------------------------------------------------------------------


def test_first_window_by_kind() -> None:
    assert first_window(ct()) == CT_PRESETS[0].window
    assert first_window(photograph()) == (127.5, 255.0)
    centre, width = first_window(run())
    assert centre - width / 2 < 100 < 400 < centre + width / 2


def test_auto_window_survives_odd_voxels() -> None:
    assert auto_window(np.zeros((5, 5), np.float32))[1] > 0
    assert auto_window(np.full((2, 2), np.nan)) == (0.5, 1.0)
    assert auto_window(np.array([[0, 65535]], np.uint16))[0] == pytest.approx(32767.5, rel=0.01)


def test_dragging_right_widens_and_down_darkens() -> None:
    centre, width = dragged((40.0, 400.0), 100, 30)
    assert centre > 40
    assert width > 400
    assert dragged((40.0, 400.0), -10_000, 0)[1] > 0


def test_frame_durations_come_from_the_file() -> None:
    assert frame_durations(run()) == [30, 30, 30, 60, 30, 30]


# --- what is painted --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 11, 29, 42])
def test_the_marker_is_painted_where_it_lies(plain: LimnWindow, number: int) -> None:
    order, flips = ORDERS[number]
    show(plain, ct(order, flips))
    plain.views.look_at(MARKER)
    pause(0.3)
    for view in plain.views.slices_shown:
        shown = picture(view)[:, :, 1].astype(int)
        rows, columns = np.nonzero(shown > 230)
        expected = view.pixel_of(MARKER)
        assert (columns.mean(), rows.mean()) == pytest.approx(expected, abs=3)
        assert columns.mean() < view.width() / 2  # right of the patient, or anterior
        assert rows.mean() < view.height() / 2  # anterior, or superior


def test_a_changed_label_is_painted_and_nothing_else(plain: LimnWindow) -> None:
    document = show(plain, ct())
    document.add_object("Spot", "#ff0000")
    plain.views.look_at(MARKER)
    pause(0.3)
    view = plain.views.slices_shown[0]
    before = picture(view).astype(int)
    box = Box((16, 20, 30), (17, 24, 34))
    edit = VoxelEdit.painted(document.labels, box, np.ones(box.shape, bool), 1, "Paint")
    document.apply(edit)
    pause(0.3)
    changed = np.abs(picture(view).astype(int) - before).max(axis=2) > 20
    rows, columns = np.nonzero(changed)
    x, y = view.pixel_of((16, 21.5, 31.5))
    assert (columns.mean(), rows.mean()) == pytest.approx((x, y), abs=3)
    document.history.undo()
    pause(0.3)
    assert np.abs(picture(view).astype(int) - before).max() < 3


def test_a_change_in_another_slice_waits_there(plain: LimnWindow) -> None:
    document = show(plain, ct())
    document.add_object("Spot", "#ff0000")
    plain.views.look_at((5, 20, 20))
    pause(0.2)
    view = plain.views.slices_shown[0]
    before = picture(view).astype(int)
    box = Box((10, 5, 5), (11, 25, 35))
    document.apply(VoxelEdit.painted(document.labels, box, np.ones(box.shape, bool), 1, "Paint"))
    pause(0.2)
    assert np.abs(picture(view).astype(int) - before).max() < 3
    view.go(10)
    pause(0.2)
    assert np.abs(picture(view).astype(int) - before).max() > 30


# --- mouse and keys -----------------------------------------------------------------------------


def test_a_click_moves_all_views(window: LimnWindow) -> None:
    document = show(window, ct())
    axial, coronal, sagittal = window.views.slices_shown
    press(axial, axial.pixel_of((0, 6, 31)))
    assert window.views.display is not None
    assert [round(p) for p in window.views.display.position] == [9, 6, 31]
    press(coronal, coronal.pixel_of((3, 0, 12)))
    assert [round(p) for p in window.views.display.position] == [3, 6, 12]
    press(sagittal, (-50, -50))
    places = zip(window.views.display.position, document.shape, strict=True)
    assert all(0 <= place <= count - 1 for place, count in places)


def test_the_wheel_scrolls_and_with_control_zooms(window: LimnWindow) -> None:
    show(window, ct())
    axial, coronal, _ = window.views.slices_shown
    start = window.views.display.position
    wheel(axial, 3)
    assert window.views.display.position[0] == start[0] + 3  # up is towards the head
    wheel(coronal, -2)
    assert window.views.display.position[1] == start[1] + 2
    zoom, at = axial.camera.zoom, QPoint(40, 60)
    fixed = axial.camera.to_world((40, 60))
    wheel(axial, 2, CONTROL, at)
    assert axial.camera.zoom > 1.3 * zoom
    assert axial.camera.to_world((40, 60)) == pytest.approx(fixed, abs=0.01)
    window.commands.actions["fit"].trigger()
    assert axial.camera.zoom == pytest.approx(zoom)


def test_keys_step_through_slices(window: LimnWindow) -> None:
    document = show(window, ct())
    sagittal = window.views.slices_shown[2]
    press(sagittal, sagittal.pixel_of((9, 14, 0)))
    for key, expected in (
        (Qt.Key.Key_End, document.shape[2] - 1),
        (Qt.Key.Key_PageUp, document.shape[2] - 2),
        (Qt.Key.Key_Home, 0),
        (Qt.Key.Key_Down, 1),
        (Qt.Key.Key_Up, 0),
    ):
        QTest.keyClick(glass(sagittal), key)
        assert window.views.display.position[2] == expected


def test_grey_levels_by_drag_and_by_key(window: LimnWindow) -> None:
    show(window, ct())
    view = window.views.slices_shown[0]
    drag(view, QPoint(50, 50), QPoint(150, 80), RIGHT)
    assert window.views.display.window == dragged((40, 400), 100, 30)
    QTest.keyClick(window, Qt.Key.Key_2)
    assert window.views.display.window == CT_PRESETS[1].window
    QTest.keyClick(window, Qt.Key.Key_0)
    assert window.views.display.window == auto_window(ct().voxels)


def test_middle_and_space_drag_pan(window: LimnWindow) -> None:
    show(window, photograph())
    view = window.views.slices_shown[0]
    for number, button in enumerate((MIDDLE, LEFT)):
        if number:
            QTest.keyPress(glass(view), Qt.Key.Key_Space)
        before = view.camera.to_screen((10, 10))
        drag(view, QPoint(100, 100), QPoint(160, 130), button)
        after = view.camera.to_screen((10, 10))
        assert np.subtract(after, before) == pytest.approx((60, 30), abs=0.01)
    QTest.keyRelease(glass(view), Qt.Key.Key_Space)
    assert not window.views.gestures.space_held


def test_a_double_click_shows_one_view_alone_and_back(window: LimnWindow) -> None:
    show(window, ct())
    coronal = window.views.slices_shown[1]
    for shown in (1, 3):
        QTest.mouseDClick(glass(coronal), LEFT, NO_KEY, QPoint(60, 60))
        pause(0.1)
        assert len(window.views.slices_shown) == shown
    assert window.commands.actions["layout"].isChecked()


def test_a_tool_gets_voxels(window: LimnWindow) -> None:
    show(window, ct())
    heard: list[tuple[str, tuple[float, ...], int | None]] = []

    class Pen:
        radius, path = 4.0, ((9.0, 3.0, 3.0), (9.0, 8.0, 8.0))

        def __getattr__(self, name: str) -> Any:
            return lambda p: heard.append((name, p.position, p.plane.slicing))

    window.views.tool = Pen()
    view = window.views.slices_shown[0]
    x, y = view.pixel_of((9, 10, 20))
    start = QPoint(round(x), round(y))
    drag(view, start, start + QPoint(30, 0))
    assert [name for name, *_ in heard] == ["press", "drag", "drag", "release"]
    _, position, slicing = heard[0]
    assert position == pytest.approx((9, 10, 20), abs=0.1)
    assert slicing == 0
    assert not window.mouse_is("navigate")
    window.commands.actions["navigate"].trigger()
    assert window.views.tool is None


def test_marks_show_in_their_slice_alone(plain: LimnWindow) -> None:
    show(plain, ct())
    plain.views.look_at((9, 15, 20))
    view = plain.views.slices_shown[0]
    plain.views.set_marks([Mark((9, 15, 20), "#ff00ff"), Mark((3, 5, 5), "#00ff00")])
    pause()
    shown = picture(view).astype(int)
    assert ((shown[..., 0] > 200) & (shown[..., 1] < 60) & (shown[..., 2] > 200)).any()
    assert not ((shown[..., 1] > 200) & (shown[..., 0] < 60)).any()


def test_the_look_of_a_document_is_kept(window: LimnWindow) -> None:
    document = show(window, ct())
    window.views.set_window((1.0, 2.0))
    window.views.look_at((2, 3, 4))
    show(window, photograph())
    assert window.views.slices_shown[0].plane is PICTURE
    window.studies.select(document)
    assert window.views.display.window == (1.0, 2.0)
    assert window.views.display.position == (2, 3, 4)


def test_a_heat_map_lies_over_the_image(plain: LimnWindow) -> None:
    show(plain, ct())
    view = plain.views.slices_shown[0]
    before = picture(view).astype(int)
    heat = np.zeros(SHAPE, np.float32)
    heat[:, 10:20, 10:20] = 1
    plain.views.show_heat(heat)
    pause(0.2)
    assert np.abs(picture(view).astype(int) - before).max() > 50
    plain.views.show_heat(None)
    pause(0.2)
    assert np.abs(picture(view).astype(int) - before).max() < 3


# --- texts and cine -------------------------------------------------------------------------


def test_texts_give_place_and_value(window: LimnWindow) -> None:
    document = show(window, ct())
    display = Display((16.0, 5.0, 8.0), (40, 400))
    assert facts(document.series, AXIAL, display) == ["Axial", "17 / 20", "S 188.0 mm"]
    assert value_text(document, (16.0, 5.0, 8.2)) == ["2000 HU"]
    assert value_text(document, (-3.0, 5.0, 8.0)) == []


def test_a_run_plays_at_its_pace_and_space_stops_it(window: LimnWindow) -> None:
    show(window, run())
    view = window.views.slices_shown[0]
    started = time.monotonic()
    QTest.keyClick(glass(view), Qt.Key.Key_Space)
    assert window.cine.playing
    wait_until(lambda: window.views.display.position[0] >= 4, 10)
    assert time.monotonic() - started >= 0.1
    QTest.keyClick(glass(view), Qt.Key.Key_Space)
    assert not window.cine.playing


def test_3d_is_drawn_when_asked_for(window: LimnWindow) -> None:
    document = show(window, ct())
    document.add_object("Spot", "#ff0000")
    window.commands.actions["render"].trigger()
    pause(0.5)
    shown = picture(window.views.volume)[40:].astype(int)
    assert shown.max() > 150
    marker = np.argwhere(shown[..., 0] > 200)
    assert marker[:, 0].mean() < shown.shape[0] / 2  # superior
    assert marker[:, 1].mean() < shown.shape[1] / 2  # the patient's right, seen from the front
    window.views.display.orbit = turned = Orbit((10.0, 20.0, 30.0), (9.0, 8.0, 7.0), 2.0, "Surface")
    show(window, ct())  # another document, and back: as it was left
    pause(0.1)
    window.studies.select(document)
    wait_until(lambda: window.views.display.orbit is not turned, 10)
    found = window.views.display.orbit
    assert found.angles == pytest.approx(turned.angles)
    assert found.magnification == pytest.approx(2)
    assert found.rendering == "Surface"
