"""An object followed through slices: both directions, live, one step, corrected, cancelled."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import wait_until
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from gui.background import Background
from gui.document import Document
from gui.jobs import Jobs
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.job import WorkerCrashed
from inference.series import Geometry, Series
from plugins.click_segmentation.following import NOTHING_AGAIN, Following
from plugins.click_segmentation.lanes import Doubt
from plugins.click_segmentation.stretches import Stretch, nearest, plan
from tests.follow_for_tests import ASKED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gui.window import LimnWindow

ENTRY = "tests.follow_for_tests:follow"
SHAPE = (40, 30, 36)
LEFT = Qt.MouseButton.LeftButton


def scan() -> Series:
    """A bright body that leans, from slice 4 to 35 along each axis but the shortest."""
    z, y, x = np.indices(SHAPE, dtype=float)
    place = ((z - 19.5) / 16) ** 2 + ((y - 15 - 0.1 * (z - 20)) / 9) ** 2 + ((x - 18) / 12) ** 2
    voxels = np.where(place < 1, 100, -100).astype(np.int16)
    affine = np.array([[0, 0, 0.8, 0], [0, 0.9, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1.0]])
    return Series(voxels, "volume", "CT", (Path("ct"),), Geometry(affine, True), unit="HU")


def put(document: Document, where: tuple[slice, ...], values: Any) -> None:
    box = Box(tuple(s.start for s in where), tuple(s.stop for s in where))
    values = np.broadcast_to(np.asarray(values, np.uint8), box.shape)
    assert document.apply(VoxelEdit.of(document.labels, box, values, "Put"))


def slice_of(axis: int, index: int) -> tuple[slice, ...]:
    return tuple(slice(index, index + 1) if a == axis else slice(0, n) for a, n in enumerate(SHAPE))


@pytest.fixture(scope="module")
def jobs(qapp: Any) -> Iterator[Jobs]:
    made = Jobs(name="following", preload=())
    yield made
    made.close()


@pytest.fixture
def document() -> Document:
    made = Document(scan())
    made.add_object("Liver")
    return made


class Follower:
    """Following, and what it said."""

    def __init__(self, jobs: Jobs, folder: Path) -> None:
        self.following = Following(jobs, Background(), ENTRY)
        self.folder = folder
        self.said: list[str] = []
        self.errors: list[BaseException] = []
        self.following.finished.connect(self.said.append)
        self.following.failed.connect(self.errors.append)

    def start(self, document: Document, axis: int = 0, span: Any = None, **settings: int) -> None:
        (self.folder / ASKED).unlink(missing_ok=True)
        more = {"folder": str(self.folder), **settings}
        self.following.start(document, document.active, axis, span, more)

    def follow(self, document: Document, axis: int = 0, span: Any = None, **settings: int) -> None:
        self.start(document, axis, span, **settings)
        wait_until(lambda: self.following.run is None)

    def emptied(self, document: Document, box: Box) -> tuple[int, int] | None:
        """Rub something out by hand; which slices are to be redone."""
        put(document, box.slices, 0)
        return self.following.tracks.corrected(document, 1, [box], 0)

    @property
    def asked(self) -> list[tuple[int, ...]]:
        lines = (self.folder / ASKED).read_text("utf-8").splitlines()
        return [tuple(map(int, line.split())) for line in lines]


@pytest.fixture
def follower(jobs: Jobs, tmp_path: Path) -> Follower:
    return Follower(jobs, tmp_path)


def seed(document: Document, axis: int, index: int) -> np.ndarray:
    """Outline the body in one slice; the whole of it."""
    body = document.image > 0
    place = slice_of(axis, index)
    put(document, place, body[place] * document.active)
    return body


# --- what is planned -----------------------------------------------------------------------------


def test_stretches_meet_half_way_and_go_on_beyond() -> None:
    assert plan([10, 20], [], 40) == [
        Stretch(10, 15, 1, 20, 15), Stretch(20, 16, -1, 10, 16),
        Stretch(10, 0, -1, None, 0), Stretch(20, 39, 1, None, 39),
    ]  # fmt: skip
    assert plan([], [], 40) == []
    assert plan([0, 1], [], 2) == []


def test_only_stretches_in_the_span_and_none_beyond_an_emptied_slice() -> None:
    assert plan([10, 20, 30], [], 40, (19, 21)) == [
        Stretch(10, 15, 1, 20, 15), Stretch(20, 16, -1, 10, 16),
        Stretch(20, 25, 1, 30, 25), Stretch(30, 26, -1, 20, 26),
    ]  # fmt: skip
    assert plan([10], [5, 12], 40) == [
        Stretch(10, 6, -1, None, 0), Stretch(10, 11, 1, None, 39),
    ]  # fmt: skip
    assert plan([10, 20], [15], 40, (11, 19)) == [
        Stretch(10, 14, 1, None, 15), Stretch(20, 16, -1, None, 15),
    ]  # fmt: skip
    assert plan([10], [39], 40, (38, 40)) == [Stretch(10, 38, 1, None, 39)]
    assert plan([10], [11], 40, (10, 12)) == [Stretch(10, 10, 1, None, 39)]


def test_a_stretch_that_ended_goes_to_where_the_network_is_in_doubt() -> None:
    ended, free = Stretch(10, 14, 1, None, 39), Stretch(20, 16, -1, None, 16)
    assert ended.reached([0.9, 0.95, 0.7, 0.8]) == 12
    assert ended.reached([0.95, 0.7, 0.7, 0.7]) == 12
    assert ended.reached([0.95, 0.95, 0.91, 0.92]) == 14
    assert ended.reached([0.9, 0.7]) == 12  # following ended by itself
    assert ended.reached([]) == 10
    assert free.reached([0.9, 0.7, 0.8, 0.9]) == 16
    planes = np.arange(40)
    assert list(ended.ahead(planes)) == [11, 12, 13, 14]
    assert list(free.ahead(planes)) == [19, 18, 17, 16]
    assert list(Stretch(0, 0, 1, None, 39).ahead(planes)) == []


def test_the_nearest_slice_within_a_centimetre() -> None:
    labels = np.zeros((20, 4, 5), np.uint8)
    labels[3, 1, 1] = labels[9, 2, 2] = 1
    labels[7] = 2
    np.testing.assert_array_equal(nearest(labels, 1, 8, 2.0), labels[9] == 1)
    np.testing.assert_array_equal(nearest(labels, 1, 0, 3.0), labels[3] == 1)
    assert nearest(labels, 1, 0, 5.0) is None
    assert nearest(labels, 1, 19, 12.0) is None


# --- following -----------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_it_goes_both_ways_until_the_object_ends_in_one_step(
    follower: Follower, document: Document, axis: int
) -> None:
    middle = SHAPE[axis] // 2
    body = seed(document, axis, middle)
    steps, drawn = len(document.history), document.labels.copy()
    follower.follow(document, axis)
    np.testing.assert_array_equal(document.labels, body)
    assert len(document.history) == steps + 1
    assert document.history.undo_title == "Follow through slices: Liver"
    assert max(count for _, _, count in follower.asked) <= 12
    assert {direction for _, direction, _ in follower.asked} == {1, -1}
    document.history.undo()
    np.testing.assert_array_equal(document.labels, drawn)
    document.history.redo()
    np.testing.assert_array_equal(document.labels, body)


def test_other_objects_are_never_eaten(follower: Follower, document: Document) -> None:
    body = seed(document, 0, 20)
    other = document.add_object("Cyst")
    put(document, (slice(8, 12), slice(10, 14), slice(14, 20)), other.id)
    document.active = 1
    before = document.labels.copy()
    follower.follow(document)
    np.testing.assert_array_equal(document.labels == other.id, before == other.id)
    np.testing.assert_array_equal(document.labels > 0, body | (before > 0))


def test_a_correction_redoes_only_the_stretches_beside_it(
    follower: Follower, document: Document
) -> None:
    seed(document, 0, 20)
    follower.follow(document)
    kept = document.labels[:20].copy()
    smaller = np.zeros(SHAPE[1:], np.uint8)
    smaller[14:18, 14:20] = 1
    put(document, slice_of(0, 28), smaller)
    box = Box((28, 0, 0), (29, *SHAPE[1:]))
    span = follower.following.tracks.corrected(document, 1, [box], 0)
    assert span == (27, 29)
    follower.follow(document, span=span)
    assert {(at, way) for at, way, _ in follower.asked} == {(20, 1), (28, -1), (28, 1)}
    np.testing.assert_array_equal(document.labels[:20], kept)
    np.testing.assert_array_equal(document.labels[28], smaller)


def test_undo_of_a_correction_makes_its_slice_no_longer_hand_made(
    follower: Follower, document: Document
) -> None:
    seed(document, 0, 20)
    follower.follow(document)
    put(document, (slice(28, 29), slice(0, 30), slice(0, 18)), 0)
    document.history.undo()
    follower.follow(document)
    assert {at for at, _, _ in follower.asked if at in (20, 28)} == {20}


def test_what_is_corrected_in_another_plane_stays(follower: Follower, document: Document) -> None:
    seed(document, 0, 20)
    follower.follow(document)
    span = follower.emptied(document, Box((24, 15, 0), (30, 16, 36)))
    assert span == (23, 30)
    follower.follow(document, span=span)
    assert not document.labels[24:30, 15].any()
    assert document.labels[26, 12:15, 18].all()
    assert {way for _, way, _ in follower.asked} == {1}


def test_a_corrected_slice_outlasts_corrections_that_cross_it(
    follower: Follower, document: Document
) -> None:
    seed(document, 0, 20)
    follower.follow(document)
    follower.emptied(document, Box((28, 8, 12), (29, 12, 16)))
    span = follower.emptied(document, Box((24, 15, 12), (31, 16, 18)))
    corrected = document.labels[28].copy()
    follower.follow(document, span=span)
    np.testing.assert_array_equal(document.labels[28], corrected)


def test_corrections_in_crossing_planes_both_stay(follower: Follower, document: Document) -> None:
    seed(document, 0, 20)
    follower.follow(document)
    follower.emptied(document, Box((23, 15, 12), (31, 16, 22)))
    span = follower.emptied(document, Box((24, 8, 18), (30, 20, 19)))
    put(document, (slice(26, 27), slice(15, 16), slice(16, 17)), 1)
    box = Box((26, 15, 16), (27, 16, 17))
    follower.following.tracks.corrected(document, 1, [box], 1)
    coronal, sagittal = document.labels[23:31, 15].copy(), document.labels[24:30, :, 18].copy()
    follower.follow(document, span=span)
    np.testing.assert_array_equal(document.labels[23:31, 15], coronal)
    np.testing.assert_array_equal(document.labels[24:30, :, 18], sagittal)


@pytest.mark.parametrize(("axis", "start"), [(0, 20), (1, 15)])
def test_an_object_drawn_in_two_planes_is_followed_from_the_slice_and_keeps_the_other(
    follower: Follower, document: Document, axis: int, start: int
) -> None:
    other, place = (1, 15) if axis == 0 else (0, 20)
    for plane, index in ((axis, start), (other, place)):
        body = seed(document, plane, index)
        box = Box(tuple(s.start for s in slice_of(plane, index)),
                  tuple(s.stop for s in slice_of(plane, index)))  # fmt: skip
        assert follower.following.tracks.corrected(document, 1, [box], plane) is None
    hole = tuple(slice(22, 25) if a == 2 else one for a, one in enumerate(slice_of(other, place)))
    box = Box(tuple(s.start for s in hole), tuple(s.stop for s in hole))
    put(document, hole, 0)
    follower.following.tracks.corrected(document, 1, [box], other)
    follower.follow(document, axis)
    assert {at for at, _, _ in follower.asked if abs(at - start) < 2} == {start}
    body[hole] = False
    np.testing.assert_array_equal(document.labels.view(bool), body)


def test_an_emptied_slice_is_the_end(follower: Follower, document: Document) -> None:
    seed(document, 0, 20)
    follower.follow(document)
    put(document, slice_of(0, 30), 0)
    box = Box((30, 0, 0), (31, *SHAPE[1:]))
    follower.follow(document, span=follower.following.tracks.corrected(document, 1, [box], 0))
    assert document.labels[29].any()
    assert not document.labels[30:].any()
    put(document, slice_of(0, 21), 0)
    box = Box((21, 0, 0), (22, *SHAPE[1:]))
    follower.follow(document, span=follower.following.tracks.corrected(document, 1, [box], 0))
    assert document.labels[20].any()
    assert not document.labels[21:].any()
    document.history.undo()
    document.history.undo()
    assert document.labels[29].any()


def test_before_an_emptied_slice_it_goes_to_where_the_model_is_in_doubt(
    follower: Follower, document: Document
) -> None:
    body = seed(document, 0, 20)
    follower.follow(document, unsure_at=27)
    assert follower.following.doubt == Doubt(1, 0, 27)
    np.testing.assert_array_equal(document.labels, body)
    followed = document.labels.copy()
    put(document, slice_of(0, 30), 0)
    box = Box((30, 0, 0), (31, *SHAPE[1:]))
    span = follower.following.tracks.corrected(document, 1, [box], 0)
    follower.follow(document, span=span, unsure_at=27)
    np.testing.assert_array_equal(document.labels[:27], body[:27])
    assert not document.labels[27:].any()
    assert follower.following.doubt is None
    document.history.undo()
    document.history.undo()
    np.testing.assert_array_equal(document.labels, followed)


def test_a_gap_between_two_slices_that_the_model_cannot_cross_is_interpolated(
    follower: Follower, document: Document
) -> None:
    disc = np.zeros(SHAPE[1:], np.uint8)
    disc[2:6, 2:6] = 1  # dark: the model loses it at once
    put(document, slice_of(0, 10), disc)
    put(document, slice_of(0, 14), disc)
    follower.follow(document)
    for index in range(11, 14):
        np.testing.assert_array_equal(document.labels[index], disc)
    assert not document.labels[9].any()
    assert not document.labels[15].any()


def test_a_dead_worker_is_told_and_loses_nothing(follower: Follower, document: Document) -> None:
    body = seed(document, 0, 20)
    follower.follow(document, dies_at=26)
    assert isinstance(follower.errors[0], WorkerCrashed)
    np.testing.assert_array_equal(document.labels[20:26], body[20:26])
    assert not document.labels[26:].any()
    follower.follow(document)
    np.testing.assert_array_equal(document.labels, body)


def test_cancel_keeps_what_is_there_and_nothing_lands_late(
    follower: Follower, document: Document
) -> None:
    body = seed(document, 0, 20)
    follower.start(document, waits_at=24)
    wait_until(lambda: document.labels[23].any())
    follower.following.cancel()
    after = document.labels.copy()
    (follower.folder / "go").touch()
    other = Document(scan())
    other.add_object("Spleen")
    seed(other, 0, 20)
    follower.follow(other)
    np.testing.assert_array_equal(other.labels, body)
    np.testing.assert_array_equal(document.labels, after)
    document.history.undo()
    assert not document.labels[21:].any()


def test_a_change_by_hand_ends_it_and_undo_takes_both_back(
    follower: Follower, document: Document
) -> None:
    seed(document, 0, 20)
    drawn = document.labels.copy()
    follower.start(document, waits_at=24)
    wait_until(lambda: document.labels[23].any())
    found = document.labels.copy()
    put(document, (slice(22, 23), slice(0, 3), slice(0, 3)), 1)
    assert follower.following.run is None
    assert "kept" in follower.said[-1]
    document.history.undo()
    np.testing.assert_array_equal(document.labels, found)
    document.history.undo()
    np.testing.assert_array_equal(document.labels, drawn)


def test_nothing_lands_in_a_locked_object_or_during_a_stroke(
    follower: Follower, document: Document
) -> None:
    body = seed(document, 0, 20)
    follower.start(document, waits_at=24)
    wait_until(lambda: document.labels[23].any())
    document.history.begin("Stroke")
    (follower.folder / "go").touch()
    wait_until(lambda: any(lane.over or lane.job.done() for lane in follower.following.run.lanes))
    assert not document.labels[24].any()
    document.history.end()
    wait_until(lambda: follower.following.run is None)
    np.testing.assert_array_equal(document.labels, body)
    document.history.undo()
    document.set_locked(1, True)
    follower.follow(document)
    assert not document.labels[21:].any()
    assert "locked" in follower.said[-1]


# --- in the window --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made_section(
    shared_window: LimnWindow, jobs: Jobs, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """In a worker that need not load the models first."""
    from plugins.click_segmentation.widget_follow import FollowSection

    folder = str(tmp_path_factory.mktemp("asked"))
    session = replace(shared_window.session, jobs=jobs)
    return FollowSection(session, ENTRY, partial(dict, folder=folder, unsure_at=26))


@pytest.fixture
def section(window: LimnWindow, made_section: Any) -> Iterator[Any]:
    window.studies.select(window.studies.add(scan()))
    made_section.show()
    yield made_section
    made_section.by_itself.setChecked(False)
    made_section.redo.setChecked(True)
    made_section.following.cancel()
    made_section.hide()


def test_the_dock_follows_corrects_and_fills(window: LimnWindow, section: Any) -> None:
    document = window.studies.selected
    assert not section.go.isEnabled()
    document.add_object("Liver")
    body = seed(document, 0, 20)
    QTest.mouseClick(section.go, LEFT)
    wait_until(lambda: np.array_equal(document.labels, body) and section.go.isVisible())
    assert "Liver" in section.status.text()
    assert "slice 27" in section.doubtful.text()
    QTest.mouseClick(section.doubtful, LEFT)
    z, y, x = (round(place) for place in window.views.display.position)
    assert z == 26
    assert body[z, y, x]
    put(document, slice_of(0, 28), np.zeros((1, 30, 36)))
    put(document, (slice(28, 29), slice(14, 18), slice(14, 20)), 1)
    said: list[str] = []
    section.following.finished.connect(said.append)
    wait_until(lambda: said)
    assert "followed" in said[0]
    assert document.labels[28].sum() == 24
    section.redo.setChecked(False)
    other = document.add_object("By hand")
    put(document, (slice(1, 2), slice(2, 6), slice(2, 6)), other.id)
    put(document, (slice(5, 6), slice(2, 6), slice(2, 6)), other.id)
    QTest.mouseClick(section.fill, LEFT)
    wait_until(lambda: (document.labels[3] == other.id).sum() == 16)


def test_in_3d_the_first_click_is_followed_at_once(window: LimnWindow, section: Any) -> None:
    document = window.studies.selected
    section.by_itself.setChecked(True)
    document.add_object("Liver")
    body = seed(document, 1, 15)
    wait_until(lambda: np.array_equal(document.labels, body))
    window.undo()
    window.undo()
    assert not document.labels.any()


def test_undo_and_redo_are_no_corrections(window: LimnWindow, section: Any) -> None:
    document = window.studies.selected
    document.add_object("Liver")
    body = seed(document, 0, 20)
    said: list[str] = []
    section.following.finished.connect(said.append)
    QTest.mouseClick(section.go, LEFT)
    wait_until(lambda: said)
    window.undo()
    window.redo()
    assert np.array_equal(document.labels, body)
    put(document, (slice(28, 29), slice(15, 16), slice(18, 19)), 0)
    wait_until(lambda: len(said) == 2)
    assert said[1] == "Liver: 14 slices followed."


def test_what_was_followed_and_undone_is_not_followed_unasked(
    window: LimnWindow, section: Any
) -> None:
    document = window.studies.selected
    document.add_object("Liver")
    seed(document, 0, 20)
    said: list[str] = []
    section.following.finished.connect(said.append)
    QTest.mouseClick(section.go, LEFT)
    wait_until(lambda: said)
    window.undo()
    put(document, (slice(20, 21), slice(15, 16), slice(18, 19)), 0)
    wait_until(lambda: len(said) == 2)
    assert said[1] == NOTHING_AGAIN.format("Liver")
    assert set(np.flatnonzero(document.labels.any((1, 2)))) == {20}
    section.by_itself.setChecked(True)
    put(document, (slice(20, 21), slice(15, 16), slice(18, 19)), document.active)
    wait_until(lambda: len(said) == 3)
    assert document.labels[28].any()
