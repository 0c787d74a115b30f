"""Prompts, what they ask, and what undo makes of them; no window."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gui.correction_ops import paint, stroke
from gui.document import Document
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.errors import UserError
from inference.series import Series
from inference.worker import JobContext
from plugins.click_segmentation.prompts import Prompt, flat
from plugins.click_segmentation.session import ClickSession
from plugins.click_segmentation.slices import Place
from tests.tasks_for_tests import grow

if TYPE_CHECKING:
    from collections.abc import Callable

    from plugins.click_segmentation.slices import Question

SHAPE = (6, 24, 24)
LIVER, KIDNEY = (slice(None), slice(2, 12), slice(2, 20)), (slice(1, 5), slice(15, 20), slice(4, 9))


def volume() -> Document:
    voxels = np.zeros(SHAPE, np.int16)
    voxels[LIVER], voxels[KIDNEY] = 100, 200
    return Document(Series(voxels, "volume", "CT", (Path("body.nii"),), unit="HU", sha256="a"))


def picture() -> Document:
    pixels = np.zeros((20, 30), np.uint8)
    pixels[4:12, 5:25] = 90
    return Document(Series(pixels, "image", "OT", (Path("a.png"),), sha256="b"))


class Model:
    """Answers the questions of a session when it is told to, as the worker would."""

    def __init__(self, session: ClickSession) -> None:
        self.session = session
        self.questions: list[Question] = []
        session.asked.connect(self.questions.append)

    def answer(self, number: int = -1) -> None:
        """Answer one of the questions that were asked so far."""
        question = self.questions[number]
        self.session.accept(question, self.think(question))

    def think(self, question: Question) -> dict[str, Any]:
        image = question.place.cut(self.session.document.image)
        prompts = [prompt.to_json() for prompt in question.prompts]
        previous, locked = question.previous.astype(np.uint8), question.locked.astype(np.uint8)
        return grow(JobContext("cpu"), image, prompts, previous, (1, 1), locked, question.fresh)

    def settle(self) -> None:
        """Answer until nothing is asked."""
        while self.session.waiting is not None:
            self.session.accept(self.session.waiting, self.think(self.session.waiting))


@pytest.fixture
def session() -> ClickSession:
    return ClickSession(volume())


@pytest.fixture
def model(session: ClickSession) -> Model:
    return Model(session)


def click(*place: float, positive: bool = True, axis: int | None = 0) -> Prompt:
    return Prompt("click", (place,), positive, axis)


def state(session: ClickSession) -> tuple[Any, ...]:
    """Every voxel, prompt and object; not which object is chosen."""
    document = session.document
    return document.labels.tobytes(), tuple(sorted(map(str, session.to_json()))), tuple(
        (item.id, item.name, item.locked) for item in document.objects.values()
    )  # fmt: skip


# --- prompts ------------------------------------------------------------------------------------

numbers = st.floats(-1e4, 1e4)
points = st.tuples(numbers, numbers, numbers)
prompts = st.one_of(
    st.builds(Prompt, st.just("click"), st.tuples(points), st.booleans(), st.integers(0, 2)),
    st.builds(Prompt, st.just("box"), st.tuples(points, points), st.booleans(), st.integers(0, 2)),
    st.builds(Prompt, st.just("lasso"), st.tuples(points, points, points), st.booleans(),
              st.integers(0, 2)),
)  # fmt: skip


@given(prompts)
def test_to_json_and_back(prompt: Prompt) -> None:
    assert Prompt.from_json(prompt.to_json(), 3) == prompt


def test_a_clicks_file_needs_no_more_than_positions() -> None:
    entry = {"position": [3, 40, 50], "positive": False}
    assert Prompt.from_json(entry, 3) == click(3, 40, 50, positive=False)
    assert Prompt.from_json({"position": [4, 5]}, 2) == click(4, 5, axis=None)


@pytest.mark.parametrize(
    "entry",
    [
        7, {}, {"position": [1, 2]}, {"position": [1, 2, "x"]}, {"position": [1, 2, float("nan")]},
        {"position": [1, 2, 3], "positive": 1}, {"position": [1, 2, 3], "axis": 3},
        {"position": [1, 2, 3], "axis": True}, {"position": [1, 2, 3], "kind": "circle"},
        {"kind": "box", "points": [[1, 2, 3]]}, {"kind": "lasso", "points": [[1, 2, 3]] * 2},
        {"points": 5}, {"position": "abc"},
    ],
)  # fmt: skip
def test_what_is_no_prompt_is_said_in_a_sentence(entry: object) -> None:
    with pytest.raises(UserError, match="is no prompt"):
        Prompt.from_json(entry, 3)


def test_a_click_speaks_of_every_plane_through_it_and_a_line_of_its_own() -> None:
    line = Prompt("scribble", ((2.0, 3.0, 4.0), (2.0, 3.0, 9.0)), True, 0)
    said = (click(2, 3, 4), line, click(3, 3, 7, positive=False, axis=1))
    assert [p.points for p in flat(said, 0, 2)] == [((3, 4),), ((3, 4), (3, 9))]
    coronal = flat(said, 1, 3)
    assert [(p.points, p.positive) for p in coronal] == [(((2, 4),), True), (((3, 7),), False)]
    assert flat(said, 0, 5) == ()


# --- one click after the other -------------------------------------------------------------------


def test_a_click_makes_an_object_and_undo_takes_both_back(
    session: ClickSession, model: Model
) -> None:
    document = session.document
    session.add(click(2, 5, 5))
    assert document.active == 1
    assert len(session.to_json()) == 1
    assert not document.labels.any()  # not yet
    model.answer()
    assert (document.labels[2] == 1).sum() == 180
    assert not document.labels[[0, 1, 3, 4, 5]].any()
    assert len(document.history) == 1
    document.history.undo()
    assert (document.labels.any(), session.to_json(), document.objects) == (False, [], {})
    document.history.redo()
    assert (document.labels[2] == 1).sum() == 180
    assert session.waiting is None  # nothing had to be asked again


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_plane(session: ClickSession, model: Model, axis: int) -> None:
    place = (3.0, 6.0, 8.0)
    session.add(click(*place, axis=axis))
    model.answer()
    expected = np.zeros(SHAPE, bool)
    only = [slice(None)] * 3
    only[axis] = slice(int(place[axis]), int(place[axis]) + 1)
    expected[tuple(only)] = (session.document.image == 100)[tuple(only)]
    assert ((session.document.labels == 1) == expected).all()


def test_a_picture_has_one_plane() -> None:
    session = ClickSession(picture())
    model = Model(session)
    session.add(click(6, 7, axis=None))
    model.answer()
    assert (session.document.labels == 1).sum() == 160


def test_background_takes_away_and_never_adds(session: ClickSession, model: Model) -> None:
    session.add(click(2, 5, 5))
    model.settle()
    before = session.document.labels == 1
    session.add(click(2, 5, 10, positive=False))
    model.settle()
    after = session.document.labels == 1
    assert not after[2, 5, 10]
    assert not (after & ~before).any()


def test_a_mask_that_is_there_is_taken_up(session: ClickSession, model: Model) -> None:
    document = session.document
    document.add_object("Liver")
    box, mask = stroke((2, 16, 6), (2, 16, 6), 2, (1, 1, 1), SHAPE, 0)
    document.apply(paint(document.labels, box, mask, 1, over=True, title="Brush"))
    drawn = document.labels == 1
    session.add(click(2, 5, 5))
    model.settle()
    assert (document.labels == 1)[drawn].all()
    assert (document.labels == 1).sum() == drawn.sum() + 180


# --- locks ---------------------------------------------------------------------------------------


def test_a_slice_that_is_begun_is_told_of_the_nearest_one(
    session: ClickSession, model: Model
) -> None:
    session.add(click(1, 10, 10))
    assert model.questions[-1].beside is None
    model.settle()
    found = session.document.labels[1] == 1
    session.add(click(4, 10, 10))
    np.testing.assert_array_equal(model.questions[-1].beside, found)
    model.settle()
    session.add(click(4, 11, 11, positive=False))
    assert model.questions[-1].beside is None  # it has a mask of its own
    model.settle()
    session.move(Place(1, 0, 1), 0, click(1, 11, 12))
    assert model.questions[-1].beside is None  # what was followed from it may be mistaken too


def test_finished_objects_are_locked_and_never_eaten(session: ClickSession, model: Model) -> None:
    document = session.document
    session.add(click(2, 5, 5))
    model.settle()
    finished = document.labels == 1
    session.new_object(lock=True)
    assert document.objects[1].locked
    assert document.active == 2
    with pytest.raises(UserError, match="Object 1, which is locked"):
        session.add(click(2, 5, 6))
    session.add(Prompt("box", ((2, 0, 0), (2, 23, 23)), True, 0))
    model.settle()
    assert (document.labels == 2).any()
    assert ((document.labels == 1) == finished).all()
    document.active = 1
    with pytest.raises(UserError, match="press N"):
        session.add(click(2, 5, 6))


def test_an_object_is_locked_only_once_it_is_answered(session: ClickSession, model: Model) -> None:
    session.add(click(2, 5, 5))
    session.new_object(lock=True)
    assert not session.document.objects[1].locked
    model.settle()
    assert (session.document.labels == 1).sum() == 180
    assert session.document.objects[1].locked
    session.document.history.undo()
    assert list(session.document.objects) == [1]
    model.settle()
    assert (session.document.labels == 1).sum() == 180
    assert not session.document.objects[1].locked


def test_whatever_was_drawn_before_is_locked_by_the_next_object(session: ClickSession) -> None:
    document = session.document
    for index, name in enumerate(("From a file", "Of a task")):
        item = document.add_object(name)
        box = Box((index, 5, 5), (index + 1, 8, 8))
        labels = np.full(box.shape, item.id, np.uint8)
        document.apply(VoxelEdit.of(document.labels, box, labels, name))
    session.new_object(lock=True)
    assert [item.locked for item in document.objects.values()] == [True, True, False]
    document.history.undo()
    assert not any(item.locked for item in document.objects.values())


def test_an_empty_object_is_gone_on_with(session: ClickSession) -> None:
    session.document.add_object()
    session.new_object(lock=True)
    assert list(session.document.objects) == [1]


def test_next_and_previous_object(session: ClickSession) -> None:
    for _ in range(3):
        session.document.add_object()
    session.step_object(1)
    assert session.document.active == 1
    session.step_object(-1)
    assert session.document.active == 3


# --- answers that come late -----------------------------------------------------------------------


def test_an_answer_to_an_older_question_never_lands(session: ClickSession, model: Model) -> None:
    session.add(click(2, 5, 5))
    session.add(click(2, 17, 6))
    assert len(model.questions) == 2
    model.answer(0)
    assert not session.document.labels.any()
    model.answer(1)
    assert (session.document.labels == 1).sum() == 180 + 25


def test_an_answer_after_a_stroke_is_asked_for_again(session: ClickSession, model: Model) -> None:
    session.add(click(2, 5, 5))
    draw(session, (2, 20, 20))
    stroked = session.document.labels == 1
    model.answer(0)
    assert ((session.document.labels == 1) == stroked).all()
    model.settle()
    assert (session.document.labels == 1)[stroked].all()
    assert (session.document.labels == 1).sum() == stroked.sum() + 180


def test_a_click_that_is_undone_before_its_answer_leaves_nothing(
    session: ClickSession, model: Model
) -> None:
    gone: list[bool] = []
    session.withdrawn.connect(lambda: gone.append(True))
    session.add(click(2, 5, 5))
    session.document.history.undo()
    assert gone == [True]
    model.answer(0)
    assert not session.document.labels.any()
    session.document.history.redo()
    model.settle()
    assert (session.document.labels == 1).sum() == 180


def test_an_answer_waits_for_the_end_of_a_stroke(session: ClickSession, model: Model) -> None:
    session.add(click(2, 5, 5))
    session.document.history.begin("Brush")
    model.answer(0)
    assert not session.document.labels.any()
    session.document.history.end()
    model.settle()
    assert (session.document.labels == 1).sum() == 180


def test_two_hundred_fast_clicks_end_where_slow_ones_do() -> None:
    places = [(0, 3 + i % 9, 3 + (7 * i) % 16, i % 3 > 0) for i in range(200)]
    fast, slow = ClickSession(volume()), ClickSession(volume())
    hasty, patient = Model(fast), Model(slow)
    for number, (z, y, x, positive) in enumerate(places):
        fast.add(click(z, y, x, positive=positive))
        slow.add(click(z, y, x, positive=positive))
        patient.settle()
        if number % 17 == 0:
            hasty.answer(-1)
            hasty.answer(max(-5, -len(hasty.questions)))
    hasty.settle()
    assert state(fast) == state(slow)
    assert len(hasty.questions) >= 200
    for _ in places:  # one at a time
        assert fast.document.history.undo()
        slow.document.history.undo()
        hasty.settle()
        assert state(fast) == state(slow)
    assert not fast.document.labels.any()


def test_what_the_model_cannot_answer_is_not_asked_for_ever(
    session: ClickSession, model: Model
) -> None:
    session.add(click(2, 5, 5))
    session.fail(model.questions[-1], again=True)
    session.fail(model.questions[-1], again=True)
    assert len(model.questions) == 2
    assert session.waiting is None
    assert len(session.to_json()) == 1
    session.add(click(2, 5, 7))
    model.settle()
    assert (session.document.labels == 1).sum() == 180


# --- single prompts -------------------------------------------------------------------------------


def test_a_deleted_click_takes_along_what_it_brought_and_leaves_the_rest(
    session: ClickSession, model: Model
) -> None:
    session.add(click(2, 5, 5))
    model.settle()
    session.add(click(2, 17, 6))
    model.settle()
    draw(session, (2, 20, 20))
    stroked = session.document.labels[2, 20, 20] == 1
    assert stroked
    place = Place(1, 0, 2)
    session.delete(place, 0)
    model.settle()
    labels = session.document.labels
    assert not labels[LIVER].any()
    assert labels[2, 17, 6] == 1 == labels[2, 20, 20]
    session.delete(place, 0)
    assert session.waiting is None
    assert labels[2, 20, 20] == 1
    assert not labels[2, 17, 6]
    assert session.to_json() == []


def test_a_moved_click_is_answered_where_it_is(session: ClickSession, model: Model) -> None:
    session.add(click(2, 5, 5))
    model.settle()
    session.move(Place(1, 0, 2), 0, click(2, 17, 6))
    model.settle()
    assert (session.document.labels == 1).sum() == 25
    session.document.history.undo()
    assert (session.document.labels == 1).sum() == 180


def test_a_deleted_object_takes_its_prompts_along(session: ClickSession, model: Model) -> None:
    session.add(click(2, 5, 5))
    model.settle()
    before = state(session)
    session.document.remove_object(1)
    assert session.to_json() == []
    session.document.add_object()
    assert session.to_json() == []  # though it has the same number
    session.document.history.undo()
    session.document.history.undo()
    assert state(session) == before


# --- any sequence ---------------------------------------------------------------------------------


def draw(session: ClickSession, at: tuple[int, int, int]) -> None:
    document = session.document
    if document.active_object is None:
        document.add_object()
    box, mask = stroke(at, at, 1.5, (1, 1, 1), SHAPE, 0)
    document.apply(paint(document.labels, box, mask, document.active, over=True, title="Brush"))


class Deeds:
    """What may happen to a document in any order, chosen by a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.session = ClickSession(volume())
        self.model = Model(self.session)
        self.document = self.session.document
        self.all: list[Callable[[], None]] = [
            self.click, self.click, self.click, self.box, self.stroke, self.answer, self.answer,
            self.stale, self.move, self.delete, self.clear, self.new, self.lock, self.remove,
            self.undo, self.redo, self.switch,
        ]  # fmt: skip

    def run(self, count: int) -> None:
        for _ in range(count):
            with suppress(UserError):
                self.random.choice(self.all)()

    def place(self) -> tuple[float, ...]:
        return tuple(float(self.random.randrange(n)) for n in SHAPE)

    def click(self) -> None:
        axis = self.random.randrange(3)
        self.session.add(click(*self.place(), positive=self.random.random() < 0.7, axis=axis))

    def box(self) -> None:
        a, b = self.place(), self.place()
        self.session.add(Prompt("box", (a, (a[0], *b[1:])), self.random.random() < 0.7, 0))

    def stroke(self) -> None:
        z, y, x = self.place()
        draw(self.session, (int(z), int(y), int(x)))

    def answer(self) -> None:
        if self.model.questions:
            self.model.answer()

    def stale(self) -> None:
        if self.model.questions:
            self.model.answer(self.random.randrange(len(self.model.questions)))

    def _one(self) -> tuple[Place, int, Prompt] | None:
        found = [one for i in self.document.objects for one in self.session.prompts(i)]
        return self.random.choice(found) if found else None

    def move(self) -> None:
        if one := self._one():
            place, number, prompt = one
            offset = [float(self.random.randrange(-3, 4)) for _ in SHAPE]
            offset[place.axis or 0] = 0
            moved = prompt.moved(offset)
            inside = all(0 <= v < n for p in moved.points for v, n in zip(p, SHAPE, strict=True))
            if inside:
                self.session.move(place, number, moved)

    def delete(self) -> None:
        if one := self._one():
            self.session.delete(one[0], one[1])

    def clear(self) -> None:
        if one := self._one():
            self.session.clear(one[0])

    def new(self) -> None:
        self.session.new_object(lock=self.random.random() < 0.5)

    def lock(self) -> None:
        if item := self.document.active_object:
            self.document.set_locked(item.id, not item.locked)

    def remove(self) -> None:
        if self.document.active and self.random.random() < 0.3:
            self.document.remove_object(self.document.active)

    def undo(self) -> None:
        self.document.history.undo()

    def redo(self) -> None:
        self.document.history.redo()

    def switch(self) -> None:
        self.session.step_object(1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_any_sequence_undone_and_redone_restores_every_voxel_and_prompt(seed: int) -> None:
    deeds = Deeds(seed)
    start = state(deeds.session)
    deeds.run(60)
    deeds.model.settle()
    end = state(deeds.session)
    passed = [end]
    while deeds.document.history.undo():
        deeds.model.settle()
        passed.append(state(deeds.session))
    assert passed[-1] == start
    for expected in reversed(passed[:-1]):
        assert deeds.document.history.redo()
        deeds.model.settle()
        assert state(deeds.session) == expected
    assert state(deeds.session) == end


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_the_same_holds_while_answers_are_outstanding(seed: int) -> None:
    """Nobody waits for the model between the steps; it answers in between, late or never."""
    deeds = Deeds(seed)
    start = state(deeds.session)
    deeds.run(60)
    end = state(deeds.session)
    count = 0
    while deeds.document.history.undo():
        count += 1
        if deeds.random.random() < 0.3:
            deeds.answer()
    assert state(deeds.session) == start
    for _ in range(count):
        deeds.document.history.redo()
    assert state(deeds.session) == end
