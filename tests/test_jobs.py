from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QTimer

from gui.jobs import Jobs
from inference.job import WorkerCrashed
from inference.messages import Priority
from tests import tasks_for_tests as tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from inference.job import Job

LONG = 60_000  # ms: only to end a test that would hang
SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module", autouse=True)
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def jobs(qapp: Any) -> Iterator[Jobs]:
    jobs = Jobs(name="reader", preload=())
    yield jobs
    jobs.close()


def name_of(task: Callable[..., Any]) -> str:
    return f"{tasks.__name__}:{task.__name__}"


def begin(qtbot: QtBot, jobs: Jobs, task: Callable[..., Any], **options: Any) -> Job:
    """Submit, and return when the worker runs it."""
    with qtbot.waitSignal(jobs.job_progress, timeout=LONG):
        return jobs.submit(name_of(task), **options)


def finish(qtbot: QtBot, jobs: Jobs, job: Job) -> None:
    """Return when everything that was sent to the Qt thread for this job arrived."""
    qtbot.waitUntil(job.done, timeout=LONG)
    arrived = threading.Event()
    jobs._on_qt_thread.emit(arrived.set)
    qtbot.waitUntil(arrived.is_set, timeout=LONG)


def fail(*values: object) -> None:
    raise AssertionError(f"called with {values}")


def test_everything_arrives_on_the_qt_thread_in_order(qtbot: QtBot, jobs: Jobs) -> None:
    heard: list[tuple[str, bool]] = []

    def hear(what: str) -> Callable[..., None]:
        return lambda *_: heard.append((what, threading.current_thread() is main))

    main = threading.current_thread()
    jobs.job_started.connect(hear("started"))
    jobs.job_finished.connect(hear("finished"))
    with qtbot.waitSignal(jobs.job_finished, timeout=LONG):
        jobs.submit(name_of(tasks.count), steps=2, done=hear("done"), progress=hear("progress"))
    order = ["started", "progress", "progress", "done", "finished"]
    assert heard == [(what, True) for what in order]


def test_states_reach_the_window(qtbot: QtBot, jobs: Jobs) -> None:
    if jobs.state != "ready":
        with qtbot.waitSignal(jobs.state_changed, timeout=LONG) as caught:
            pass
        assert caught.args == ["ready"]
    assert [device.name for device in jobs.devices] == ["cpu"]


def test_intermediate_results_arrive(qtbot: QtBot, jobs: Jobs) -> None:
    seen: list[int] = []
    with qtbot.waitSignal(jobs.job_finished, timeout=LONG):
        jobs.submit(name_of(tasks.partial), steps=3, partial=lambda value: seen.append(value[0]))
    assert seen == [0, 1, 2]


def test_a_crash_is_told_and_the_next_job_runs(qtbot: QtBot, jobs: Jobs) -> None:
    errors: list[BaseException] = []
    results: list[int] = []
    jobs.submit(name_of(tasks.die), failed=errors.append, done=fail)
    with qtbot.waitSignals([jobs.job_finished] * 2, timeout=LONG):
        jobs.submit(name_of(tasks.echo), value=7, failed=fail, done=results.append)
    assert isinstance(errors[0], WorkerCrashed)
    assert results == [7]


def test_a_cancelled_job_calls_nobody(qtbot: QtBot, jobs: Jobs, tmp_path: Path) -> None:
    job = begin(qtbot, jobs, tasks.until, path=str(tmp_path / "never"), done=fail, failed=fail)
    finished: list[Job] = []
    jobs.job_finished.connect(finished.append)
    job.cancel()
    finish(qtbot, jobs, job)
    assert finished == [job]


def test_a_job_cancelled_after_its_result_came_calls_nobody(qtbot: QtBot, jobs: Jobs) -> None:
    job = jobs.submit(name_of(tasks.nothing), done=fail, failed=fail)
    assert job.result(60) == 0  # without the event loop: the result waits to be delivered
    assert not job.cancel()
    finish(qtbot, jobs, job)
    assert job.withdrawn


def test_a_replaced_job_whose_result_came_calls_nobody(qtbot: QtBot, jobs: Jobs) -> None:
    results: list[str] = []
    older = jobs.submit(name_of(tasks.echo), value="old", replaces="view", done=fail)
    assert older.result(60) == "old"
    newer = jobs.submit(name_of(tasks.echo), value="new", replaces="view", done=results.append)
    finish(qtbot, jobs, newer)
    assert results == ["new"]


def test_a_click_is_answered_while_a_volume_runs(qtbot: QtBot, jobs: Jobs, tmp_path: Path) -> None:
    path, results = tmp_path / "end", []
    volume = begin(qtbot, jobs, tasks.until, path=str(path), done=results.append)
    click = jobs.submit(
        name_of(tasks.echo), value="click", priority=Priority.CLICK, done=results.append
    )
    finish(qtbot, jobs, click)
    assert results == ["click"]
    path.touch()
    finish(qtbot, jobs, volume)
    assert results == ["click", 0]


@pytest.mark.parametrize("role", ["done", "failed", "progress", "partial"])
def test_an_error_in_a_callback_reaches_the_excepthook(
    qtbot: QtBot, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    caught: list[type] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, *_: caught.append(kind))
    tasks_of = {"done": tasks.nothing, "failed": tasks.boom, "progress": tasks.count}
    task = tasks_of.get(role, tasks.partial)
    params = {"steps": 1} if role in {"progress", "partial"} else {}
    callbacks: dict[str, Any] = {role: fail}
    with qtbot.waitSignal(jobs.job_finished, timeout=LONG):
        jobs.submit(name_of(task), **callbacks, **params)
    assert caught == [AssertionError]


def test_a_failure_that_nobody_awaits_reaches_the_excepthook(
    qtbot: QtBot, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: caught.append(error))
    with qtbot.waitSignal(jobs.job_finished, timeout=LONG):
        jobs.submit(name_of(tasks.boom))
    assert str(caught[0]).startswith("“boom” could not be finished")


@pytest.mark.parametrize("ending", ["result", "error", "crash", "cancel", "close"])
def test_every_block_is_freed(qtbot: QtBot, jobs: Jobs, tmp_path: Path, ending: str) -> None:
    path = tmp_path / "end"
    job = begin(
        qtbot,
        jobs,
        tasks.die_once if ending == "crash" else tasks.until,
        arrays={} if ending == "crash" else {"image": np.ones(10)},
        path=str(path),
        failed=lambda error: None,
    )
    waiting = jobs.submit(
        name_of(tasks.boom if ending == "error" else tasks.until),
        {"image": np.ones(10)},
        failed=lambda error: None,
        path=str(path),
    )
    names = [ref.name for each in (job, waiting) for ref in each.request.arrays.values()]
    assert all((SHARED_MEMORY / name).exists() for name in names)
    if ending == "close":
        jobs.close()
    elif ending == "cancel":
        job.cancel()
        waiting.cancel()
    path.touch()
    qtbot.waitUntil(
        lambda: not any((SHARED_MEMORY / name).exists() for name in names), timeout=LONG
    )
    assert job.done()
    assert waiting.done()


def test_a_shared_image_lives_until_its_owner_and_the_jobs_are_done(
    qtbot: QtBot, jobs: Jobs, tmp_path: Path
) -> None:
    path, image = tmp_path / "end", np.arange(1_000_000)
    shared = jobs.share(image)
    first = begin(qtbot, jobs, tasks.until, arrays={"image": shared}, path=str(path))
    second = jobs.submit(name_of(tasks.until), {"image": shared}, path=str(path))
    shared.close()
    assert first.request.arrays == second.request.arrays
    assert (SHARED_MEMORY / shared.ref.name).exists()
    path.touch()
    assert first.result(60) == second.result(60) == image.sum()
    qtbot.waitUntil(lambda: not (SHARED_MEMORY / shared.ref.name).exists(), timeout=LONG)


def test_a_large_image_is_copied_beside_the_window(
    qtbot: QtBot, jobs: Jobs, tmp_path: Path
) -> None:
    """157 MB, as a CT has; by the Qt thread's own time, for others may hold up the computer."""
    finish(qtbot, jobs, jobs.submit(name_of(tasks.nothing)))
    image, path = np.full((300, 512, 512), 3, np.int16), tmp_path / "end"
    path.touch()
    start = time.thread_time()
    job = jobs.submit(name_of(tasks.until), {"image": image}, path=str(path))
    assert time.thread_time() - start < 0.05
    assert job.result(60) == image.sum()


def test_a_large_result_never_blocks_the_window(qtbot: QtBot, jobs: Jobs) -> None:
    """300 MB, as the probability of a CT has; a block of ours would be there in every round.

    By the time that this process works: others may hold up the computer.
    """
    finish(qtbot, jobs, jobs.submit(name_of(tasks.nothing)))
    gc.collect()
    gc.freeze()  # as the window does: to search all that it has loaded takes longer
    assert min(_longest_block(qtbot, jobs) for _ in range(3)) < 0.1


def _longest_block(qtbot: QtBot, jobs: Jobs) -> float:
    ticks: list[float] = []
    timer = QTimer(interval=5)
    timer.timeout.connect(lambda: ticks.append(time.process_time()))
    timer.start()
    job = jobs.submit(name_of(tasks.zeros), count=300_000_000)
    finish(qtbot, jobs, job)
    timer.stop()
    assert job.result().nbytes == 300_000_000
    assert len(ticks) > 5
    return float(max(np.diff(ticks)))


def test_a_result_leaves_memory_with_its_job(qtbot: QtBot, jobs: Jobs) -> None:
    """At once: a search for rubbish may come much later."""
    gc.disable()
    try:
        with qtbot.waitSignal(jobs.job_finished, timeout=LONG) as caught:
            jobs.submit(name_of(tasks.partial), steps=1, partial=lambda value: None)
        job = weakref.ref(caught.args.pop())
        del caught
        qtbot.waitUntil(lambda: job() is None, timeout=LONG)
    finally:
        gc.enable()


def test_close_ends_the_worker_within_a_second(qtbot: QtBot, jobs: Jobs, tmp_path: Path) -> None:
    job = begin(qtbot, jobs, tasks.hang, done=fail, failed=fail)
    start = time.perf_counter()
    jobs.close()
    assert time.perf_counter() - start < 1
    assert job.cancelled()
    finish(qtbot, jobs, job)
