"""DSA runs in the window: cine, subtraction, curves, maps, interpolation, by mouse and keys."""

from __future__ import annotations

import csv
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from conftest import ROOT, wait_until
from PIL import Image
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QImage, QMouseEvent, QPalette, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDockWidget, QFileDialog

from gui.display import Display
from gui.painting import SYNTHETIC
from gui.run_picture import RunPicture
from gui.slice_texts import banner
from gui.theme import THEMES, palette
from gui.thumbnail import thumbnail
from gui.timeline import Timeline, frames_shown, nearest, stepped
from inference import thumbnails
from inference.series import Acquisition, Series
from inference.windowing import windowed
from plugins.dsa_interpolation.curves import measure
from plugins.dsa_interpolation.following import Followed
from plugins.dsa_interpolation.regions import COLORS, Region
from plugins.dsa_interpolation.subtraction import Subtractor
from plugins.dsa_interpolation.widget_plot import CurvePlot

if TYPE_CHECKING:
    from gui.document import Document
    from gui.window import LimnWindow
    from plugins.dsa_interpolation.widget import DsaWidget

LEFT, PLAIN = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
SAMPLE = ROOT / "resources" / "samples" / "dsa_run.dcm"
SIZE = 96
TIMES = (0.0, 60.0, 120.0, 180.0, 400.0, 460.0, 520.0, 580.0, 640.0, 700.0)  # ms, irregular


def vessel_run(**changes: Any) -> Series:
    """A dark vessel across a textured ground, filled from the fifth frame on."""
    rng = np.random.default_rng(1)
    ground = np.kron(rng.uniform(900, 1100, (12, 12)), np.ones((8, 8)))
    bolus = np.array([0, 0, 0, 0, 0.6, 1, 0.8, 0.5, 0.3, 0.1])
    vessel = np.zeros((SIZE, SIZE))
    vessel[40:48] = 0.4
    frames = ground * np.exp(-bolus[:, None, None] * vessel) + rng.normal(0, 2, (10, SIZE, SIZE))
    run = Series(
        frames.astype(np.uint16), "run", "XA", (Path("run.dcm"),), frame_times=TIMES,
        acquisition=Acquisition("linear", angles=(-30.4, 20.0), plane="A"),
    )  # fmt: skip
    return replace(run, **changes)


def partly_made() -> Series:
    flags = tuple(index % 3 == 1 for index in range(10))
    sure = tuple(0.3 if index == 4 else 0.9 if made else 1.0 for index, made in enumerate(flags))
    return vessel_run(synthetic=flags, confidence=sure)


def show(window: LimnWindow, series: Series) -> Document:
    document = window.studies.add(series)
    window.studies.select(document)
    pause()
    return document


def pause(seconds: float = 0.1) -> None:
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end)


def glass(window: LimnWindow) -> Any:
    return window.views.active.findChild(type(window.views.active._glass))


def frame(window: LimnWindow) -> int:
    assert window.views.display is not None
    return round(window.views.display.position[0])


def key(window: LimnWindow, *keys: Any, modifier: Any = PLAIN) -> None:
    for one in keys:
        QTest.keyClick(glass(window), one, modifier)


def at(window: LimnWindow, y: float, x: float) -> QPoint:
    return QPoint(*map(round, window.views.active.pixel_of((0, y, x))))


def drag(window: LimnWindow, *places: QPoint) -> None:
    """QTest moves without buttons, so the events are built here."""
    target = glass(window)
    kinds = [QEvent.Type.MouseButtonPress, *[QEvent.Type.MouseMove] * (len(places) - 1)]
    for kind, place in zip(kinds, places, strict=True):
        send(target, kind, place, LEFT)
    send(target, QEvent.Type.MouseButtonRelease, places[-1], Qt.MouseButton.NoButton)


def send(target: Any, kind: QEvent.Type, place: QPoint, held: Any) -> None:
    point = QPointF(place)
    event = QMouseEvent(kind, point, target.mapToGlobal(point), LEFT, held, PLAIN)
    QApplication.sendEvent(target, event)


def wheel(window: LimnWindow, notches: int) -> None:
    target = glass(window)
    place = QPointF(target.rect().center())
    event = QWheelEvent(
        place, target.mapToGlobal(place), QPoint(), QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton, PLAIN, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(target, event)


def painted(window: LimnWindow) -> np.ndarray:
    """What the view shows: uint8 (y, x, 3)."""
    image = window.views.active.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


def orange(pixels: np.ndarray) -> int:
    """How many pixels have the colour of the mark of a synthetic frame."""
    color = np.array(SYNTHETIC.getRgb()[:3])
    return int((np.abs(pixels.astype(int) - color).max(axis=2) < 12).sum())


def dock(window: LimnWindow) -> DsaWidget:
    """Open the task by a click on its card, and wait until it has looked at the run."""
    if window.task_panel.currentIndex() == 0:
        QTest.mouseClick(window.task_panel.cards["dsa_interpolation"].button, LEFT)
    widget = window.task_panel.pages["dsa_interpolation"].widget
    wait_until(lambda: widget.work.subtractor is not None or widget.work.document.series.rgb)
    return widget


# --- timeline ----------------------------------------------------------------------------------


def test_a_timeline_keeps_irregular_times_whatever_is_left_out() -> None:
    run = vessel_run()
    whole = Timeline.of(run, range(10))
    assert whole.starts == pytest.approx(TIMES)
    assert [whole.frames[whole.place_at(ms)] for ms in (0, 59, 60, 399, 400, 760)] == [
        0, 0, 1, 3, 4, 0,
    ]  # fmt: skip
    some = Timeline.of(run, (0, 3, 4))
    assert some.starts == pytest.approx([0, 180, 400])
    assert some.left_at(390) == pytest.approx(10)


def test_a_swinging_timeline_goes_back_at_the_same_pace() -> None:
    swing = Timeline.of(vessel_run(), (0, 3, 4, 5), swing=True)
    assert swing.frames == (0, 3, 4, 5, 4, 3)
    assert swing.durations[4] == swing.durations[2]
    assert Timeline.of(vessel_run(), (7,), swing=True).frames == (7,)


def test_steps_pass_over_hidden_frames() -> None:
    run = partly_made()
    display = Display((0, 0, 0), (0, 1), synthetic_hidden=True)
    frames = frames_shown(run, display)
    assert frames == [0, 2, 3, 5, 6, 8, 9]
    assert [stepped(frames, 0, n) for n in (1, 2, -1, 100)] == [2, 3, 0, 9]
    assert (stepped(frames, 4, 1), stepped(frames, 4, -1)) == (5, 3)
    assert nearest(frames, 7) == 6


# --- cine --------------------------------------------------------------------------------------


def test_the_cine_keeps_the_times_of_the_run(window: LimnWindow) -> None:
    show(window, vessel_run())
    seen: list[tuple[float, int]] = []
    events = window.views.display.events
    events.position.connect(lambda place: seen.append((time.monotonic(), round(place[0]))))
    before = time.monotonic()
    key(window, Qt.Key.Key_Space)
    started = time.monotonic()
    wait_until(lambda: len(seen) >= 12, 60)
    key(window, Qt.Key.Key_Space)
    line = Timeline.of(vessel_run(), range(10))
    moments = [before, *(moment for moment, _ in seen)]
    for earlier, (moment, index) in zip(moments, seen, strict=False):  # a busy computer skips some
        due = np.arange(earlier - started, moment - before + 0.002, 0.001)
        assert index in {line.frames[line.place_at(1000 * max(ms, 0))] for ms in due}
    first = [(moment - before, index) for moment, index in seen if moment < before + 0.7]
    late = [1000 * seconds - TIMES[index] for seconds, index in first]
    assert min(late, default=0) < 50


def test_the_cine_goes_on_from_where_the_wheel_went(window: LimnWindow) -> None:
    show(window, vessel_run())
    key(window, Qt.Key.Key_Minus, Qt.Key.Key_Minus, Qt.Key.Key_Space)
    wheel(window, -6)
    assert frame(window) >= 6
    seen: list[int] = []
    window.views.display.events.position.connect(lambda place: seen.append(round(place[0])))
    wait_until(lambda: seen, 10)
    assert seen[0] > 6 or seen[0] == 0
    assert window.cine.playing
    assert window.cine_bar.button.accessibleName() == "Pause"
    QTest.mouseClick(window.cine_bar.button, LEFT)
    assert not window.cine.playing
    key(window, Qt.Key.Key_Plus, Qt.Key.Key_Plus)


def test_swing_and_every_second_frame(window: LimnWindow) -> None:
    show(window, vessel_run())
    seen: list[int] = []
    window.views.display.events.position.connect(lambda place: seen.append(round(place[0])))
    key(window, Qt.Key.Key_S)
    window.commands.actions["every_2"].trigger()
    window.commands.actions["speed_4"].trigger()
    try:
        key(window, Qt.Key.Key_End, Qt.Key.Key_Home, Qt.Key.Key_Space)
        wait_until(lambda: len(seen) > 16, 10)
        key(window, Qt.Key.Key_Space)
    finally:
        for name in ("swing", "every_1", "speed_1"):
            window.commands.actions[name].trigger()
    played = seen[3:]
    assert all(index % 2 == 0 for index in played)
    steps = np.diff(played)
    assert (steps < 0).any()
    assert np.abs(steps).max() < 8


def test_the_bar_goes_to_the_frame_under_the_mouse(window: LimnWindow) -> None:
    show(window, vessel_run())
    slider = window.cine_bar.slider
    for index in (7, 0, 9):
        place = QPoint(round(slider.place_of(index)), slider.height() // 2)
        QTest.mouseClick(slider, LEFT, PLAIN, place)
        assert frame(window) == index
        assert f"{index + 1} / 10" in window.cine_bar.label.text()
        assert f"{TIMES[index] / 1000:.2f} s" in window.cine_bar.label.text()


@pytest.mark.parametrize("width", [800, 1024, 1200])
def test_the_bar_has_its_room_in_a_narrow_window_beside_wide_tools(
    window: LimnWindow, width: int
) -> None:
    show(window, vessel_run())
    tools = window.findChild(QDockWidget, "tools")
    window.resizeDocks([tools], [900], Qt.Orientation.Horizontal)
    window.resize(width, 700)
    bar = window.cine_bar
    wait_until(lambda: window.width() == width and bar.slider.width() > bar.width() - 30)
    wait_until(lambda: bar.label.width() >= bar.label.sizeHint().width())
    window.resizeDocks([tools], [320], Qt.Orientation.Horizontal)


def test_frames_are_marked_found_again_and_left_out(window: LimnWindow) -> None:
    show(window, vessel_run())
    for index in (2, 6):
        window.views.active.go(index)
        key(window, Qt.Key.Key_K)
    assert window.cine_bar.slider.ticks.marked == {2, 6}
    key(window, Qt.Key.Key_Home, Qt.Key.Key_Period)
    assert frame(window) == 2
    key(window, Qt.Key.Key_Period, Qt.Key.Key_Comma)
    assert frame(window) == 2
    seen: list[int] = []
    window.views.display.events.position.connect(lambda place: seen.append(round(place[0])))
    window.commands.actions["skip_marks"].trigger()
    key(window, Qt.Key.Key_End, Qt.Key.Key_Space)
    wait_until(lambda: len(seen) > 8, 30)
    key(window, Qt.Key.Key_Space)
    window.commands.actions["skip_marks"].trigger()
    assert not {2, 6} & set(seen[1:])


# --- frames that a model made ------------------------------------------------------------------


def test_a_made_frame_is_unmistakable(window: LimnWindow) -> None:
    document = show(window, partly_made())
    key(window, Qt.Key.Key_Right)
    assert banner(document.series, 1) == "(interpolated)  confidence 90 %"
    window.commands.actions["texts"].trigger()  # even without texts
    pause()
    assert orange(painted(window)) > 100
    key(window, Qt.Key.Key_Right)
    pause()
    assert orange(painted(window)) == 0
    window.commands.actions["texts"].trigger()
    ticks = window.cine_bar.slider.ticks
    assert ticks.synthetic == {1, 4, 7}
    assert ticks.words(4) == "Frame 5, interpolated, confidence 30 %"
    below = window.cine_bar.slider
    key(window, Qt.Key.Key_End)  # where space is short, the handle covers the tick beside it
    pause()
    bar = below.grab().toImage()
    colors = {index: bar.pixelColor(round(below.place_of(index)), 21).name() for index in (1, 3, 7)}
    assert colors[1] == colors[7] != colors[3]


def test_previews_of_a_run_with_made_frames_have_a_rim_in_their_colour() -> None:
    for run, marked in ((partly_made(), True), (vessel_run(), False)):
        listed = thumbnail(run).pixelColor(0, 20).getRgb()[:3]
        with Image.open(BytesIO(thumbnails.thumbnail(run, {}))) as picture:
            reported = picture.convert("RGB").getpixel((1, 90))
        for color in (listed, reported):
            near = np.abs(np.subtract(color, SYNTHETIC.getRgb()[:3])).max() < 30
            assert near == marked


def test_made_frames_can_be_hidden(window: LimnWindow) -> None:
    show(window, partly_made())
    key(window, Qt.Key.Key_Right)
    key(window, Qt.Key.Key_I, modifier=SHIFT)
    assert window.commands.actions["hide_synthetic"].isChecked()
    assert frame(window) in (0, 2)
    key(window, Qt.Key.Key_Home)
    seen = [frame(window)]
    for _ in range(6):
        wheel(window, -1)
        seen.append(frame(window))
    assert seen == [0, 2, 3, 5, 6, 8, 9]
    key(window, Qt.Key.Key_I, modifier=SHIFT)
    key(window, Qt.Key.Key_Home, Qt.Key.Key_Right)
    assert frame(window) == 1


def test_the_corner_tells_angles_plane_and_time(window: LimnWindow) -> None:
    show(window, vessel_run())
    key(window, Qt.Key.Key_End)
    told = window.views.active._glass.scene.top_right
    assert list(told) == ["Frame", "10 / 10", "0.70 s", "Plane A", "RAO 30°  CRA 20°"]


# --- subtraction -------------------------------------------------------------------------------


def test_subtraction_is_live_and_leaves_the_run_alone(window: LimnWindow) -> None:
    document = show(window, vessel_run())
    before = document.image.copy()
    widget = dock(window)
    work = widget.work
    assert set(work.settings.mask) <= {0, 1, 2, 3}
    stored = window.views.display.window
    QTest.mouseClick(widget.subtraction.switch, LEFT)
    window.views.active.go(5)
    pause()
    shown = window.views.active._layers._image.data
    expected = Subtractor(
        document.image, document.series.acquisition, work.settings
    ).frame(5)  # fmt: skip
    assert shown == pytest.approx(expected)
    assert shown[40:48].mean() == pytest.approx(-0.4, abs=0.02)
    assert abs(shown[:32].mean()) < 0.01
    assert window.views.display.window != stored
    assert "Subtracted" in window.views.active._glass.scene.top_right
    assert (document.image == before).all()
    QTest.mouseClick(widget.subtraction.switch, LEFT)
    assert window.views.display.window == stored
    assert window.views.active._layers._image.data.dtype == np.uint16


def test_the_mask_moves_by_keys_and_mouse(window: LimnWindow) -> None:
    show(window, vessel_run())
    widget = dock(window)
    work, part = widget.work, widget.subtraction.shift_part
    QTest.mouseClick(widget.subtraction.switch, LEFT)
    window.views.active.go(5)
    QTest.mouseClick(part.move_button, LEFT)
    key(window, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Up)
    assert work.settings.shift == pytest.approx((-0.1, 0.3))
    key(window, Qt.Key.Key_Down, modifier=SHIFT)
    assert work.settings.shift == pytest.approx((0.9, 0.3))
    assert frame(window) == 5  # the keys did not step
    assert part.down.value() == pytest.approx(0.9)
    drag(window, at(window, 20, 20), at(window, 20, 23), at(window, 20, 24))
    assert work.settings.shift == pytest.approx((0.9, 4.3), abs=0.3)
    key(window, Qt.Key.Key_Escape)
    assert window.views.tool is None
    assert not part.move_button.isChecked()
    key(window, Qt.Key.Key_Right)
    assert frame(window) == 6
    QTest.mouseClick(part.reset, LEFT)
    assert work.settings.shift == (0, 0)


def test_the_mask_is_any_frame_or_an_average(window: LimnWindow) -> None:
    show(window, vessel_run())
    widget = dock(window)
    part = widget.subtraction.mask_part
    window.views.active.go(8)
    QTest.mouseClick(part.here, LEFT)
    assert widget.work.settings.mask == (8,)
    assert widget.work.settings.on
    assert np.abs(window.views.active._layers._image.data).max() == 0
    part.first.setValue(1)
    part.last.setValue(3)
    assert widget.work.settings.mask == (0, 1, 2)
    QTest.mouseClick(part.found, LEFT)
    assert widget.work.settings.mask == widget.work.prepared.subtractor.settings.mask


def test_the_look_of_the_difference(window: LimnWindow) -> None:
    show(window, vessel_run())
    widget = dock(window)
    look = widget.subtraction.look_part
    QTest.mouseClick(widget.subtraction.switch, LEFT)
    window.views.active.go(5)
    plain = window.views.active._layers._image.data.copy()
    for amount in (look.anatomy, look.edges, look.noise):
        QTest.mouseClick(amount.slider, LEFT)  # a page on from 0
        assert amount.slider.value() > 0
        changed = window.views.active._layers._image.data
        assert np.abs(changed - plain).max() > 1e-4
        amount.slider.setValue(0)
    assert window.views.active._layers._image.data == pytest.approx(plain)
    QTest.mouseClick(window.cine_bar.button, LEFT)  # all of it while the cine plays
    changed = []
    window.views.display.events.picture.connect(lambda picture: changed.append(frame(window)))
    for amount in (look.anatomy, look.edges, look.noise):
        amount.slider.setValue(30)
        pause(0.05)
        assert window.cine.playing
    QTest.mouseClick(window.cine_bar.button, LEFT)
    assert len(changed) == 3
    for value in (29, 30):  # averaged anew: the past of a cine goes back further
        look.noise.slider.setValue(value)
    run = Subtractor(widget.work.document.image, widget.work.acquisition, widget.work.settings)
    assert widget.work.settings.landmark == widget.work.settings.edges == 0.3

    def as_expected() -> bool:
        shown = window.views.active._layers._image.data
        return np.allclose(shown, run.frame(frame(window)), atol=1e-5)

    wait_until(as_expected)
    QTest.mouseClick(look.invert, LEFT, PLAIN, QPoint(8, look.invert.height() // 2))
    assert window.views.display.inverted
    key(window, Qt.Key.Key_I)
    assert not look.invert.isChecked()


def test_aligning_finds_how_the_patient_moved(window: LimnWindow) -> None:
    still = vessel_run()
    moved = still.voxels.copy()
    moved[6:] = np.roll(moved[6:], 2, axis=2)
    show(window, replace(still, voxels=moved))
    widget = dock(window)
    part = widget.subtraction.shift_part
    QTest.mouseClick(part.align, LEFT)
    wait_until(lambda: widget.work.settings.shifts is not None)
    found = widget.work.settings.shifts
    assert found[7] == pytest.approx((0, 2), abs=0.2)
    assert widget.work.settings.on
    assert "aligned by up to 2" in part.state.text()


def test_a_run_that_was_stored_subtracted_is_known(window: LimnWindow) -> None:
    taken = Acquisition("logarithmic", subtracted=True)
    show(window, vessel_run(acquisition=taken))
    widget = dock(window)
    assert not widget.work.settings.on
    assert "stored subtracted" in widget.subtraction.state.text()
    QTest.mouseClick(widget.subtraction.switch, LEFT)
    assert widget.work.settings.on


def test_a_run_that_looks_subtracted_is_not_subtracted_again(window: LimnWindow) -> None:
    rng = np.random.default_rng(1)
    ground = vessel_run().voxels[:4].mean(axis=0)
    difference = 2048 + 1000 * np.log(vessel_run().voxels / ground) + rng.normal(0, 2, (10, 96, 96))
    show(window, vessel_run(voxels=difference.astype(np.uint16), acquisition=None))
    widget = dock(window)
    assert not widget.work.settings.on
    assert "looks subtracted already" in widget.subtraction.state.text()
    QTest.mouseClick(widget.subtraction.switch, LEFT)  # the user knows better
    assert widget.work.settings.on
    assert not widget.subtraction.state.text()


@pytest.mark.parametrize("frames", [1, 2])
def test_short_runs_do_what_they_can(window: LimnWindow, frames: int) -> None:
    show(window, vessel_run(voxels=vessel_run().voxels[:frames], frame_times=None))
    widget = dock(window)
    QTest.mouseClick(widget.subtraction.switch, LEFT)
    key(window, Qt.Key.Key_Space, Qt.Key.Key_Space)
    assert widget.interpolation.run_button.isEnabled() == (frames > 1)
    assert not window.notices.toasts


def test_a_colour_run_plays_but_is_not_subtracted(window: LimnWindow) -> None:
    voxels = np.repeat((vessel_run().voxels // 8).astype(np.uint8)[..., None], 3, axis=3)
    show(window, vessel_run(voxels=voxels, rgb=True))
    widget = dock(window)
    assert not widget.subtraction.switch.isEnabled()
    assert "in colour" in widget.subtraction.state.text()
    assert widget.interpolation.run_button.isEnabled()
    assert widget.interpolation.settings["source"] == "raw"


# --- curves ------------------------------------------------------------------------------------


def curves(window: LimnWindow) -> DsaWidget:
    widget = dock(window)
    QTest.mouseClick(widget.subtraction.switch, LEFT)
    widget.tabs.setCurrentIndex(1)
    wait_until(lambda: widget.curves.plot is not None)
    return widget


def followed(widget: DsaWidget, count: int) -> None:
    wait_until(lambda: len(widget.work.known) == count == len(widget.work.regions))


def test_regions_are_drawn_and_followed(window: LimnWindow, tmp_path: Path) -> None:
    document = show(window, vessel_run())
    widget = curves(window)
    page = widget.curves
    QTest.mouseClick(page.buttons["Ellipse"], LEFT)
    drag(window, at(window, 41, 20), at(window, 44, 30), at(window, 47, 40))
    QTest.mouseClick(page.buttons["Polygon"], LEFT)
    for place in ((10, 10), (10, 30), (25, 20)):
        QTest.mouseClick(glass(window), LEFT, PLAIN, at(window, *place))
        pause(0.02)
    key(window, Qt.Key.Key_Return)
    QTest.mouseClick(page.buttons["Freehand"], LEFT)
    drag(window, *(at(window, *p) for p in ((60, 60), (60, 80), (80, 80), (80, 60))))
    followed(widget, 3)
    assert [region.name for region in widget.work.regions] == ["Region 1", "Region 2", "Region 3"]
    (_, vessel), (_, ground), _ = widget.work.known
    assert vessel.curve == pytest.approx([0, 0, 0, 0, 0.24, 0.4, 0.32, 0.2, 0.12, 0.04], abs=0.02)
    assert np.abs(ground.curve).max() < 0.02
    assert vessel.figures.time_to_peak == pytest.approx(460, abs=60)
    assert len(page.plot.lines) == 3
    assert len({line.opts["pen"].color().name() for line in page.plot.lines}) == 3
    assert page.table.columnCount() == 3
    assert "Peak at, s\t0.4" in page.table.as_text()
    assert len(window.views.outlines) == 3

    window.commands.actions["undo"].trigger()
    assert len(widget.work.regions) == 2
    page.save_csv(widget.work, tmp_path / "curves.csv")
    with (tmp_path / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["time_ms"]) for row in rows] == list(TIMES)
    assert float(rows[5]["Region 1"]) == pytest.approx(0.4, abs=0.02)
    assert (tmp_path / "curves_figures.csv").is_file()
    QTest.mouseClick(page.clear_button, LEFT)
    assert not window.views.outlines
    assert document.history.undo_title == "Delete all regions"


def test_curves_follow_the_subtraction_and_the_shown_frame(window: LimnWindow) -> None:
    show(window, vessel_run())
    widget = curves(window)
    page = widget.curves
    QTest.mouseClick(page.buttons["Ellipse"], LEFT)
    drag(window, at(window, 41, 20), at(window, 47, 40))
    followed(widget, 1)
    window.views.active.go(5)
    assert page.plot.cursor_line.value() == pytest.approx(0.46)
    page.plot.time_asked.emit(645.0)
    assert frame(window) == 8
    QTest.mouseClick(widget.subtraction.mask_part.here, LEFT)  # the mask has contrast now
    followed(widget, 1)
    assert widget.work.known[0][1].curve[0] == pytest.approx(-0.12, abs=0.02)


@pytest.mark.parametrize("look", ["dark", "light", "contrast"])
def test_lines_show_on_every_panel(qapp: QApplication, look: str) -> None:
    known = [
        (Region(color, color, ()), Followed(np.arange(3.0), measure((0, 1, 2), np.arange(3))))
        for color in COLORS
    ]
    plot = CurvePlot()
    plot.show_curves((0, 1, 2), known)
    plot.setPalette(palette(THEMES[look]))
    ground = plot.palette().color(QPalette.ColorRole.Base).lightness()
    inks = [line.opts["pen"].color() for line in plot.lines]
    assert min(abs(ink.lightness() - ground) for ink in inks) > 50
    assert len({ink.name() for ink in inks}) == len(COLORS)


def test_leaving_the_dock_gives_the_mouse_back(window: LimnWindow) -> None:
    show(window, vessel_run())
    widget = curves(window)
    QTest.mouseClick(widget.curves.buttons["Freehand"], LEFT)
    assert window.views.tool is not None
    window.task_panel.leave_task()
    assert window.views.tool is None


# --- maps --------------------------------------------------------------------------------------


def test_maps_show_times_in_colours_with_a_scale(window: LimnWindow) -> None:
    show(window, vessel_run())
    widget = dock(window)
    QTest.mouseClick(widget.subtraction.switch, LEFT)
    widget.tabs.setCurrentIndex(2)
    page = widget.maps
    for name, low, high in (("time_to_peak", 0.4, 0.53), ("arrival", 0.12, 0.4)):
        QTest.mouseClick(page.choices[name], LEFT, PLAIN, QPoint(8, 8))
        wait_until(lambda: widget.work.map is not None)
        values = widget.work.map.values
        assert low < np.nanmedian(values[42:46]) < high
        assert np.isnan(values[:30]).mean() > 0.9
        assert window.views.active._glass.scene.legend.title == page.choices[name].text()
    shown = window.views.active._layers._image.data
    assert shown.shape == (SIZE, SIZE, 3)
    assert shown[44, 50].max() > 100
    assert shown[10, 10].max() == 0
    page.high.setValue(0.9)
    assert widget.work.map.high == pytest.approx(0.9)
    QTest.mouseClick(page.choices["peak"], LEFT, PLAIN, QPoint(8, 8))
    wait_until(lambda: widget.work.map is not None)
    assert widget.work.map.values[44].mean() == pytest.approx(-0.4, abs=0.03)
    shown = widget.work.map.value(5, 44, 50)
    assert shown.endswith(" ln")
    assert float(shown[:-3]) == pytest.approx(0.4, abs=0.05)  # contrast is positive, as in curves
    QTest.mouseClick(page.choices["frames"], LEFT, PLAIN, QPoint(8, 8))
    assert window.views.display.picture.title == "Subtracted"


def test_a_map_and_its_scale_come_back_with_a_project(window: LimnWindow) -> None:
    first = show(window, vessel_run())
    widget = dock(window)
    QTest.mouseClick(widget.subtraction.switch, LEFT)
    widget.tabs.setCurrentIndex(2)
    QTest.mouseClick(widget.maps.choices["peak"], LEFT, PLAIN, QPoint(8, 8))
    QTest.keyClick(widget.maps.choices["peak"], Qt.Key.Key_Down)  # by arrow keys to the next one
    assert widget.maps.choices["arrival"].isChecked()
    wait_until(lambda: widget.work.map is not None)
    before = widget.work.map.values
    widget.maps.high.setValue(0.9)
    kept = widget.keep(first)
    window.studies.close(first)
    again = show(window, vessel_run())
    assert widget.work.document is again
    widget.restore(again, kept)
    assert widget.keep(again).values == kept.values  # though it is still to be made
    wait_until(lambda: widget.work.map is not None)
    assert widget.maps.choices["arrival"].isChecked()
    assert widget.work.map.high == pytest.approx(0.9)
    np.testing.assert_array_equal(widget.work.map.values, before)
    QTest.mouseClick(widget.maps.fit, LEFT)
    assert widget.work.map.high < 0.9


# --- interpolation and export ------------------------------------------------------------------


def opened_sample(window: LimnWindow) -> Document:
    window.opening.open([SAMPLE])
    wait_until(lambda: bool(window.studies.open))
    return window.studies.open[0]


def saved(window: LimnWindow, path: Path, monkeypatch: pytest.MonkeyPatch, kind: str = "") -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(path), kind))
    window.commands.actions["save_run"].trigger()
    wait_until(lambda: any("Saved" in toast.sentence for toast in window.notices.toasts), 120)
    for toast in list(window.notices.toasts):
        toast.dismiss()


def test_from_an_angiogram_to_a_marked_run_and_back(
    window: LimnWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened_sample(window)
    widget = dock(window)
    widget.tabs.setCurrentIndex(3)
    page = widget.interpolation
    page.count.setValue(3)
    QTest.mouseClick(page.run_button, LEFT)
    running = page.orders[widget.work]
    wait_until(lambda: running.wish is not None and running.wish.count >= 6, 240)
    assert "frames are made" in page.note.text()
    assert page.running.isVisible()
    QTest.mouseClick(page.running.cancel_button, LEFT)
    wait_until(lambda: len(window.studies.open) == 2)
    made = window.studies.selected
    series = made.series
    assert "(interpolated)" in series.identity.series_description
    assert series.synthetic is not None
    assert sum(series.synthetic) % 3 == 0
    assert 6 <= sum(series.synthetic) < 3 * (len(source.image) - 1)
    kept = [index for index, flag in enumerate(series.synthetic) if not flag]
    assert (series.voxels[kept] == source.series.voxels).all()  # bit for bit
    assert [series.frame_times[i] for i in kept] == pytest.approx(source.series.frame_times)

    saved(window, tmp_path / "made.dcm", monkeypatch)
    saved(window, tmp_path / "made.mp4", monkeypatch)
    key(window, Qt.Key.Key_I, modifier=SHIFT)
    saved(window, tmp_path / "taken.gif", monkeypatch)
    with Image.open(tmp_path / "taken.gif") as animation:
        assert animation.n_frames == len(kept)
    check_dicom(tmp_path / "made.dcm", series)
    window.opening.open([tmp_path / "made.dcm"])
    wait_until(lambda: len(window.studies.open) == 3)
    again = window.studies.open[2].series
    assert again.synthetic == series.synthetic
    assert again.confidence == pytest.approx(series.confidence, abs=0.01)
    assert (again.voxels == series.voxels).all()


def test_new_frames_are_counted_where_none_is_yet(window: LimnWindow) -> None:
    show(window, vessel_run())
    page = dock(window).interpolation
    page.count.setValue(1)
    for text, told in (
        ("", "9 new frames."),
        ("60, 90 100", "2 new frames."),
        ("60 90", "1 new frame."),
        ("60, 120", "There are frames at these times already."),
    ):
        page.times.setText(text)
        assert page.note.text() == told
    assert not page.run_button.isEnabled()
    page.times.clear()


def test_regions_go_along_to_the_interpolated_run(window: LimnWindow) -> None:
    show(window, vessel_run())
    widget = curves(window)
    QTest.mouseClick(widget.curves.buttons["Ellipse"], LEFT)
    drag(window, at(window, 41, 20), at(window, 47, 40))
    followed(widget, 1)
    drawn = widget.work.regions
    widget.tabs.setCurrentIndex(3)
    QTest.mouseClick(widget.interpolation.run_button, LEFT)
    wait_until(lambda: len(window.studies.open) == 2, 120)
    wait_until(lambda: widget.work.document is window.studies.open[1])
    assert widget.work.regions == drawn
    followed(widget, 1)
    assert len(widget.work.known[0][1].curve) == len(window.studies.open[1].series.voxels) > 10


def bad_runs(folder: Path) -> dict[str, Path]:
    """Files and folders that are wrong in one way each, by what is said of them."""
    source = pydicom.dcmread(SAMPLE)
    source.decompress()
    frames = source.pixel_array[:4, :64, :64]

    def written(name: str, pixels: np.ndarray, cut: int = 0, **elements: Any) -> Path:
        made = pydicom.Dataset(source)
        made.file_meta, path = source.file_meta, folder / f"{name}.dcm"
        made.PixelData = pixels.tobytes()
        made.NumberOfFrames, made.Rows, made.Columns = pixels.shape[:3]
        for keyword in ("FrameTime", "FrameTimeVector", "FrameIncrementPointer", "CineRate"):
            if keyword in made and "FrameTime" not in elements:
                del made[keyword]
        made.update(elements)
        made.save_as(path, enforce_file_format=True)
        path.write_bytes(path.read_bytes()[: -cut or None])
        return path

    colour = np.repeat((frames // 256).astype(np.uint8)[..., None], 3, axis=3)
    colour[..., 0] = 255 - colour[..., 0]
    mixed = folder / "mixed"
    mixed.mkdir()
    (mixed / "run.json").write_text('{"frame_time_ms": 40}')
    for number, edge in enumerate((32, 32, 32, 16, 16)):
        Image.fromarray(np.full((edge, edge), 10 * number, np.uint8)).save(mixed / f"{number}.png")
    return {
        "one frame": written("single", frames[:1], FrameTime="40"),
        "frame times": written("timeless", frames),
        "cut off": written("cut", frames, cut=64 * 64, FrameTime="40"),
        "colour": written(
            "colour", colour, FrameTime="40", SamplesPerPixel=3, PhotometricInterpretation="RGB",
            PlanarConfiguration=0, BitsAllocated=8, BitsStored=8, HighBit=7,
        ),
        "2 sizes": mixed,
    }  # fmt: skip


def told(window: LimnWindow) -> str:
    """All that the notices say."""
    return " ".join(toast.sentence for toast in window.notices.toasts)


def test_what_is_wrong_with_a_run_is_said_and_the_rest_opens(
    window: LimnWindow, tmp_path: Path
) -> None:
    for words, path in bad_runs(tmp_path).items():
        before = len(window.studies.open)
        window.opening.open([path])
        wait_until(lambda: len(window.studies.open) > before)  # noqa: B023
        wait_until(lambda: words in told(window).lower())  # noqa: B023
        assert "Traceback" not in told(window)
        for toast in list(window.notices.toasts):
            toast.dismiss()
        window.studies.select(window.studies.open[-1])
        assert painted(window).max() > 0


def test_cancelling_in_the_status_bar_ends_the_work_of_the_dock(window: LimnWindow) -> None:
    opened_sample(window)
    widget = dock(window)
    QTest.mouseClick(widget.interpolation.run_button, LEFT)
    wait_until(lambda: window.job_bar.rows)
    window.job_bar.cancel_all()
    wait_until(lambda: widget.interpolation.run_button.isEnabled())
    assert not widget.interpolation.running.isVisible()


def check_dicom(path: Path, series: Series) -> None:
    import SimpleITK as sitk

    dataset = pydicom.dcmread(path)
    assert list(dataset.ImageType)[:2] == ["DERIVED", "SECONDARY"]
    assert int(dataset.NumberOfFrames) == len(series.voxels)
    assert (sitk.GetArrayFromImage(sitk.ReadImage(str(path))) == series.voxels).all()


def test_a_film_shows_what_the_view_shows_with_its_marks(
    window: LimnWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    document = show(window, partly_made())
    widget = dock(window)
    QTest.mouseClick(widget.subtraction.switch, LEFT)
    picture = RunPicture(document, window.views.display)
    assert orange(picture.frame(1)) > 10
    assert orange(picture.frame(2)) == 0
    grey = windowed(widget.work.subtractor.frame(2), window.views.display.window)
    assert (picture.frame(2)[..., 0] == grey).all()
    saved(window, tmp_path / "film", monkeypatch, "MP4 video as shown (*.mp4)")
    film = cv2.VideoCapture(str(tmp_path / "film.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 10


def test_a_folder_of_frames_that_is_saved_opens_again(
    window: LimnWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(window, partly_made())
    saved(window, tmp_path / "frames", monkeypatch, "Folder of numbered pictures (*)")
    window.opening.open([tmp_path / "frames"])
    wait_until(lambda: len(window.studies.open) == 2)
    again = window.studies.open[1].series
    assert again.synthetic == partly_made().synthetic
    assert (again.voxels == partly_made().voxels).all()


# --- speed -------------------------------------------------------------------------------------


class Beat:
    """How long the Qt thread was away at most, ms."""

    def __init__(self) -> None:
        self.worst, self._last = 0.0, time.perf_counter()
        self._timer = QTimer(interval=2)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.worst = max(self.worst, 1000 * (now - self._last))
        self._last = now


def test_a_long_large_run_scrolls_without_a_stall(window: LimnWindow) -> None:
    rng = np.random.default_rng(0)
    block = rng.integers(0, 4096, (10, 1024, 1024), np.uint16)
    voxels = np.concatenate([block] * 15)
    times = tuple(33.3 * index for index in range(150))
    show(window, vessel_run(voxels=voxels, frame_times=times))
    pause(0.3)
    steps = []  # ms of this thread's own time, as other programs share the computer
    for _ in range(40):
        started = time.thread_time()
        wheel(window, -1)
        steps.append(1000 * (time.thread_time() - started))
        QApplication.processEvents()
    assert frame(window) == 40
    assert np.median(steps) < 50
    beat = Beat()
    key(window, Qt.Key.Key_Space)
    pause(1)
    key(window, Qt.Key.Key_Space)
    assert beat.worst < 1000
