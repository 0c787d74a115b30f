"""The queue of the window: studies are added, done one after the other, paused, opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.conftest import wait_until
from tests.headless_tasks import HOLD, THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gui.queue_dock import Queue
    from gui.window import LimnWindow
    from inference.cohort import LocalCrew

GREY = np.arange(200, dtype=np.uint8).reshape(10, 20)


@pytest.fixture
def queue(
    window: LimnWindow, lanes: LocalCrew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Queue]:
    """Three good pictures, a black one and a colour one; lanes that other tests use too."""
    for number, name in enumerate("abc"):
        (tmp_path / "in" / "ward").mkdir(parents=True, exist_ok=True)
        Image.fromarray(GREY + number).save(tmp_path / "in" / "ward" / f"{name}.png")
    Image.fromarray(GREY * 0).save(tmp_path / "in" / "black.png")
    colour = np.dstack([GREY, 255 - GREY, GREY])
    Image.fromarray(colour).save(tmp_path / "in" / "colour.png")
    monkeypatch.setattr("gui.queue_run.LocalCrew", lambda: lanes.shared(1))
    found = window.queue
    found.open()
    for task in (THRESHOLD, HOLD):
        found.page.tasks.addItem(task.title, task)
    found.page.tasks.setCurrentIndex(found.page.tasks.count() - 2)
    yield found
    found.close_run()
    wait_until(lambda: found.run is None)
    found.page.tasks.removeItem(found.page.tasks.count() - 1)
    found.page.tasks.removeItem(found.page.tasks.count() - 1)
    found.clear()
    found.out = None
    found.hide()


def states(queue: Queue) -> dict[str, str]:
    return {entry.case.name: entry.state for entry in queue.model.entries}


def test_a_folder_is_done_and_a_result_opens_on_its_image(
    window: LimnWindow, queue: Queue, tmp_path: Path
) -> None:
    queue.add_folder(tmp_path / "in")
    wait_until(lambda: len(queue.model.entries) == 5)
    queue.out = tmp_path / "out"
    queue.start()
    assert not queue.page.start_button.isEnabled()
    wait_until(lambda: queue.run is None)
    assert states(queue) == {
        "black": "failed", "colour": "skipped", "ward/a": "done", "ward/b": "done", "ward/c": "done"
    }  # fmt: skip
    assert queue.model.data(queue.model.index(0, 2)) == "The image is black."
    assert queue.page.said.text() == "3 cases done, 1 not for this task, 1 failed."
    assert (tmp_path / "out" / "report.html").is_file()
    assert queue.page.report_button.isEnabled()
    queue.start()  # again: only what failed
    wait_until(lambda: queue.run is None)
    assert states(queue)["ward/a"] == "before"
    queue.open_row(2)
    wait_until(lambda: window.studies.open and window.studies.open[0].labels.any())
    assert window.studies.open[0].root == tmp_path / "in" / "ward" / "a.png"
    assert np.count_nonzero(window.studies.open[0].labels) == np.count_nonzero(GREY > 100)


def test_pause_go_on_and_cancel(queue: Queue, tmp_path: Path) -> None:
    queue.add_files([tmp_path / "in" / "ward" / f"{name}.png" for name in "abc"])
    queue.add_files([tmp_path / "in" / "ward" / "a.png"])
    assert len(queue.model.entries) == 3
    gate = tmp_path / "gate" / "open"
    gate.parent.mkdir()
    queue.page.tasks.setCurrentIndex(queue.page.tasks.count() - 1)
    queue.page.options.fields["gate"].setText(str(gate))
    queue.out = tmp_path / "out"
    queue.start()
    wait_until(lambda: any(entry.note == "Waiting" for entry in queue.model.entries))
    queue.pause()
    assert queue.page.start_button.text() == "Go on"
    gate.touch()
    wait_until(lambda: "done" in states(queue).values())
    paused = states(queue)
    assert "waiting" in paused.values()
    assert queue.page.said.text().startswith("Paused: ")
    gate.unlink()
    queue.start()
    wait_until(lambda: any(entry.note == "Waiting" for entry in queue.model.entries))
    queue.cancel()
    wait_until(lambda: queue.run is None)
    assert queue.page.said.text().startswith("Cancelled. ")
    assert "running" not in states(queue).values()
    assert len(list((tmp_path / "out").glob("*.json"))) == list(states(queue).values()).count(
        "done"
    )


def test_names_are_hidden(window: LimnWindow, queue: Queue, tmp_path: Path) -> None:
    queue.add_open()  # nothing is
    queue.add_files([tmp_path / "in" / "ward" / "a.png"])
    assert queue.model.data(queue.model.index(0, 0)) == "a"
    window.settings.change(hide_patient_names=True)
    assert queue.model.data(queue.model.index(0, 0)) == "Case 1"
