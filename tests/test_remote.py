"""Jobs of the window on a cluster, and what of a patient travels there: nothing but pixels."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gui.settings import Settings
from gui.task_runner import run_task
from inference.registry import tasks
from tests import phantoms
from tests.conftest import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gui.window import LimnWindow

SECRETS = (
    b"Doe",
    b"Jane",
    b"SECRET-7",
    b"2.25.77",
    b"2.25.78",
    b"19700101",
    b"Secret study",
    b"ward",
)


class Wiretap:
    """Passes every byte on to an address, and keeps what went there."""

    def __init__(self, address: str) -> None:
        host, port = address.removeprefix("tcp://").rsplit(":", 1)
        self._there = host, int(port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self.heard = bytearray()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                ours, _ = self._server.accept()
                theirs = socket.create_connection(self._there)
                for pair in ((ours, theirs, True), (theirs, ours, False)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, kept: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                if kept:
                    self.heard += piece
                target.sendall(piece)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def tap(address: str) -> Iterator[Wiretap]:
    made = Wiretap(address)
    yield made
    made.close()


def opened(window: LimnWindow, folder: Path) -> Any:
    """A run whose file, folder and header tell who it is of."""
    (folder / "ward Doe").mkdir()
    frames = np.random.default_rng(3).integers(0, 4000, (2, 48, 52)).astype(np.uint16)
    path = phantoms.angiogram(
        folder / "ward Doe" / "Doe^Jane.dcm", frames, FrameTime="125", StudyInstanceUID="2.25.77",
        SeriesInstanceUID="2.25.78", PatientBirthDate="19700101", StudyDescription="Secret study",
    )  # fmt: skip
    window.opening.open([path])
    wait_until(lambda: window.studies.open and window.studies.selected)
    return window.studies.selected


def test_no_name_travels_and_progress_comes_back(
    window: LimnWindow, tap: Wiretap, tmp_path: Path
) -> None:
    document = opened(window, tmp_path)
    task = tasks()["dsa_interpolation"]
    window.settings.change(scheduler=tap.address)
    told: list[str] = []
    window.session.jobs.job_progress.connect(lambda job, done, total, note: told.append(note))
    ended: list[None] = []
    job = run_task(window.session, task, document, task.defaults(), lambda: ended.append(None))
    assert job is not None
    assert job in window.session.jobs.away
    wait_until(lambda: ended)
    result = document.results["dsa_interpolation"]
    assert result["frames"].shape == (3, 48, 52)
    assert list(result["synthetic"]) == [False, True, False]
    assert "Sending the image to the cluster" in told
    assert "Making frames" in told
    pixels = document.series.voxels.tobytes()
    assert pixels[:2000] in tap.heard  # the tap works: this is what is meant to travel
    for secret in SECRETS:
        assert secret not in tap.heard, secret


def test_a_remote_job_is_cancelled(window: LimnWindow, tap: Wiretap, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    window.settings.change(scheduler=tap.address)
    window.remote.slow.add("tests.tasks_for_tests:until")
    jobs, told = window.session.jobs, list[str]()
    job = jobs.submit(
        "tests.tasks_for_tests:until", path=str(gate), progress=lambda *said: told.append(said[2])
    )
    wait_until(lambda: "waiting" in told)
    finished: list[object] = []
    jobs.job_finished.connect(finished.append)
    job.cancel()
    wait_until(lambda: job in finished)
    done: list[float] = []
    gate.touch()
    jobs.submit("tests.tasks_for_tests:until", path=str(gate), done=done.append)
    wait_until(lambda: done)  # the worker is free again


def test_intermediate_results_of_any_size_come_in_their_order(
    window: LimnWindow, tap: Wiretap, tmp_path: Path
) -> None:
    gate, sizes = tmp_path / "gate", [10, 3_000_000, 70_000]
    window.settings.change(scheduler=tap.address)
    window.remote.slow.add("tests.tasks_for_tests:shows")
    came: list[dict[str, Any]] = []
    done: list[int] = []
    window.session.jobs.submit(
        "tests.tasks_for_tests:shows", path=str(gate), sizes=sizes, partial=came.append,
        done=done.append,
    )  # fmt: skip
    wait_until(lambda: len(came) == len(sizes))
    gate.touch()
    wait_until(lambda: done)
    assert [value["size"] for value in came] == sizes
    for value in came:
        np.testing.assert_array_equal(value["mask"], np.full(value["size"], 3, np.uint8))


def test_a_scheduler_that_is_not_there_is_told(window: LimnWindow) -> None:
    window.settings.change(scheduler="tcp://127.0.0.1:1")
    window.remote.slow.add("tests.tasks_for_tests:nothing")
    failed: list[BaseException] = []
    window.session.jobs.submit("tests.tasks_for_tests:nothing", failed=failed.append)
    wait_until(lambda: failed)
    assert "The scheduler at tcp://127.0.0.1:1 does not answer" in str(failed[0])
    assert Settings(scheduler="").cluster is None
