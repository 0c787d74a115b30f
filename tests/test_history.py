from __future__ import annotations

import pytest

from gui.history import History, Step


class Number:
    """A number that edits change."""

    def __init__(self) -> None:
        self.value = 0

    def set(self, value: int) -> None:
        self.value = value

    def step(self, value: int, nbytes: int = 1) -> Step:
        before = self.value
        return Step(f"to {value}", lambda: self.set(before), lambda: self.set(value), nbytes)


@pytest.fixture
def number() -> Number:
    return Number()


@pytest.fixture
def history() -> History:
    return History()


def test_undo_and_redo_name_what_they_do(history: History, number: Number) -> None:
    history.run(number.step(1))
    history.run(number.step(2))
    assert (history.undo_title, history.redo_title) == ("to 2", "")
    assert history.undo() == "to 2"
    assert (number.value, history.undo_title, history.redo_title) == (1, "to 1", "to 2")
    assert history.redo() == "to 2"
    assert number.value == 2


def test_nothing_to_undo(history: History) -> None:
    assert history.undo() == "" == history.redo()


def test_a_new_edit_forgets_what_was_undone(history: History, number: Number) -> None:
    history.run(number.step(1))
    history.undo()
    history.run(number.step(5))
    assert history.redo() == ""
    assert number.value == 5


def test_a_hundred_steps_and_no_more(history: History, number: Number) -> None:
    for value in range(1, 131):
        history.run(number.step(value))
    taken_back = 0
    while history.undo():
        taken_back += 1
    assert taken_back == 100
    assert number.value == 30


def test_memory_is_bounded_and_the_newest_stays(number: Number) -> None:
    history = History(max_bytes=1000)
    for value in range(1, 11):
        history.run(number.step(value, nbytes=300))
    assert len(history) == 3
    assert history.nbytes <= 1000
    history.run(number.step(99, nbytes=5000))
    assert len(history) == 1
    history.undo()
    assert number.value == 10


def test_a_group_is_one_step(history: History, number: Number) -> None:
    with history.group("Stroke"):
        for value in (1, 2, 3):
            history.run(number.step(value))
        with history.group("inner"):
            history.run(number.step(4))
    assert (len(history), history.undo_title) == (1, "Stroke")
    history.undo()
    assert number.value == 0
    history.redo()
    assert number.value == 4


def test_an_empty_group_is_no_step(history: History) -> None:
    with history.group("nothing"):
        pass
    assert len(history) == 0


def test_a_group_that_fails_leaves_nothing_behind(history: History, number: Number) -> None:
    history.run(number.step(1))

    def fail() -> None:
        with history.group("outer"):
            history.run(number.step(2))
            with history.group("inner"):
                history.run(number.step(3))
                raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert number.value == 1
    assert not history.grouping
    assert history.undo() == "to 1"


def test_undo_in_the_middle_of_a_stroke_takes_the_stroke_back(
    history: History, number: Number
) -> None:
    history.run(number.step(1))
    history.begin("Stroke")
    history.run(number.step(2))
    assert history.undo() == "Stroke"
    assert number.value == 1
    history.end()  # the mouse button that goes up later
    assert len(history) == 1


def test_steps_of_one_key_in_a_row_are_one(history: History, number: Number) -> None:
    history.run(number.step(7))
    for value in (10, 20, 30):
        with history.group("Threshold", key="threshold"):
            assert number.value == 7
            history.run(number.step(value))
    assert (number.value, len(history)) == (30, 2)
    history.undo()
    assert number.value == 7


def test_a_key_is_not_continued_over_another_edit_or_an_undo(
    history: History, number: Number
) -> None:
    with history.group("Threshold", key="threshold"):
        history.run(number.step(1))
    history.run(number.step(2))
    with history.group("Threshold", key="threshold"):
        history.run(number.step(3))
    assert len(history) == 3
    history.run(number.step(4))
    history.undo()
    with history.group("Threshold", key="threshold"):
        history.run(number.step(5))
    assert len(history) == 4
    assert history.redo() == ""


def test_a_failing_replacement_puts_the_replaced_step_back(
    history: History, number: Number
) -> None:
    with history.group("Threshold", key="threshold"):
        history.run(number.step(1))

    def fail() -> None:
        with history.group("Threshold", key="threshold"):
            history.run(number.step(2))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (number.value, len(history)) == (1, 1)
    history.undo()
    assert number.value == 0


def test_listeners_hear_of_every_change(history: History, number: Number) -> None:
    heard: list[str] = []
    history.changed.connect(lambda: heard.append(history.undo_title))
    history.run(number.step(1))
    history.undo()
    history.redo()
    history.clear()
    assert heard == ["to 1", "", "to 1", ""]


def test_an_amendment_is_undone_with_what_it_amends(history: History, number: Number) -> None:
    history.run(number.step(1))
    history.run(number.step(2))
    with history.amend("Answer"):
        history.run(number.step(3))
    assert len(history) == 2
    assert history.undo() == "to 2"
    assert number.value == 1
    assert history.redo() == "to 2"
    assert number.value == 3


def test_an_amendment_leaves_what_may_be_redone(history: History, number: Number) -> None:
    for value in (1, 2, 3):
        history.run(number.step(value))
    history.undo()
    with history.amend("Answer"):
        history.run(number.step(7))
    assert (number.value, history.redo_title) == (7, "to 3")
    history.redo()
    assert number.value == 3
    history.undo()
    assert number.value == 7
    while history.undo():
        pass
    assert number.value == 0


def test_an_amendment_of_nothing_is_a_step_and_one_that_fails_is_none(
    history: History, number: Number
) -> None:
    with history.amend("Answer"):
        history.run(number.step(3))
    assert history.undo_title == "Answer"

    def fail() -> None:
        with history.amend("Answer"):
            history.run(number.step(4))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (number.value, len(history), history.grouping) == (3, 1, False)
    with history.amend("Answer"):
        pass
    assert len(history) == 1


def test_a_step_of_the_same_key_does_not_replace_an_amended_one(
    history: History, number: Number
) -> None:
    with history.group("Threshold", key="threshold"):
        history.run(number.step(1))
    with history.amend("Answer"):
        history.run(number.step(2))
    with history.group("Threshold", key="threshold"):
        history.run(number.step(3))
    history.undo()
    assert number.value == 2
