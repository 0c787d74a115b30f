from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, wait
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from inference import client as client_module
from inference.client import WorkerClient
from inference.errors import UserError
from inference.handover import LARGE
from inference.job import Job, TaskFailed, WorkerCrashed, WorkerStopped
from inference.messages import Priority
from inference.shared import SharedArray
from tests import tasks_for_tests as tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
LONG = 60  # seconds: only to end a test that would hang
TORCH = "torch" in sys.modules


@pytest.fixture(scope="module", autouse=True)
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("state")
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder / "limn" / "log"


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerClient]:
    """With torch."""
    client = WorkerClient()
    yield client
    client.close()


@pytest.fixture(scope="module")
def reader() -> Iterator[WorkerClient]:
    """Without torch, therefore back in a moment when a test kills it."""
    client = WorkerClient("reader", preload=())
    yield client
    client.close()


def name_of(task: Callable[..., Any]) -> str:
    return f"{tasks.__name__}:{task.__name__}"


def begun(job: Job, notes: Queue[str]) -> None:
    """Wait until the worker runs the job."""
    while not notes.get(timeout=LONG):
        pass
    assert job.begun


class Submit:
    """Submits and collects the notes of one job."""

    def __init__(self, client: WorkerClient, task: Callable[..., Any], **options: Any) -> None:
        self.notes: Queue[str] = Queue()
        self.seen: list[tuple[int, int, str]] = []
        self.job = client.submit(name_of(task), on_progress=self._note, **options)

    def _note(self, done: int, total: int, note: str) -> None:
        self.seen.append((done, total, note))
        self.notes.put(note)

    def runs(self) -> Submit:
        begun(self.job, self.notes)
        return self


# Results and errors


def test_arrays_cross_both_ways(worker: WorkerClient) -> None:
    image = np.random.default_rng(0).random((512, 512), np.float32)
    with SharedArray.copy_of(image) as shared:
        result = worker.submit(name_of(tasks.blur), {"image": shared.ref}).result(LONG)
    assert result["mask"].shape == (512, 512)
    assert 0.4 < result["mask"].mean() < 0.6
    assert 0.4 < result["mean"] < 0.6


@pytest.mark.parametrize(
    "value",
    [
        np.arange(12_000_000, dtype=np.int16).reshape(200, 300, 200),
        np.arange(12_000_000, dtype=np.int16).reshape(200, 300, 200)[::-1, ::2],
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.zeros((0, 4)),
        np.array(3, ">i4"),
    ],
    ids=["large", "flipped", "fortran", "empty", "scalar"],
)
def test_any_array_comes_back_writable_and_equal(reader: WorkerClient, value: Any) -> None:
    result = reader.submit(name_of(tasks.echo), value={"array": value}).result(LONG)["array"]
    np.testing.assert_array_equal(result, value)
    assert result.dtype == value.dtype
    assert result.flags.writeable


def test_a_large_array_is_copied_where_its_task_may_go_on_changing_it(reader: WorkerClient) -> None:
    value = np.arange(LARGE // 2, dtype=np.int16).reshape(-1, 1024)
    result = reader.submit(name_of(tasks.echo), value=value).result(LONG)
    np.testing.assert_array_equal(result, value)
    assert result.flags.writeable


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has blocks without names")
def test_a_block_is_handed_over_as_it_lies() -> None:
    client = WorkerClient("reader", preload=())
    slices = client.submit(name_of(tasks.lent_slices), count=40).result(LONG)
    assert [int(picture.min()) for picture in slices] == list(range(1, 41))
    assert [int(picture.max()) for picture in slices] == list(range(1, 41))
    slices[-1, -1, -1] = 77
    assert client.submit(name_of(tasks.lent_value)).result(LONG) == 77  # the same memory
    client.close()
    assert slices[-1].sum() == 40 * 1024 * 1024 + 37  # it outlives the process that made it


def test_progress_comes_in_order_before_the_result(reader: WorkerClient) -> None:
    submit = Submit(reader, tasks.count, steps=5)
    assert submit.job.result(LONG) == 5
    assert submit.seen == [(step, 5, "") for step in (1, 2, 3, 4, 5)]


def test_intermediate_results_come_before_the_result(reader: WorkerClient) -> None:
    seen: list[int] = []
    job = reader.submit(
        name_of(tasks.partial), on_partial=lambda value: seen.append(int(value[0])), steps=3
    )
    assert job.result(LONG) == "whole"
    assert seen == [0, 1, 2]


def test_the_user_reads_what_a_task_says(reader: WorkerClient) -> None:
    with pytest.raises(UserError, match=r"^This is not a photograph of a retina"):
        reader.submit(name_of(tasks.refuse)).result(LONG)


def test_an_unforeseen_error_is_one_sentence_with_details(
    reader: WorkerClient, log_folder: Path
) -> None:
    with pytest.raises(TaskFailed, match=r"^“boom” could not be finished") as caught:
        reader.submit(name_of(tasks.boom), name="Jane Doe").result(LONG)
    assert "\n" not in str(caught.value)
    assert "tests/tasks_for_tests.py" in caught.value.details
    assert "bad input Jane Doe" in caught.value.details
    log = (log_folder / "reader.log").read_text()
    assert "tasks_for_tests.py" in log
    assert "Jane" not in log


@pytest.mark.parametrize("task", [tasks.leave, tasks.unpicklable, tasks.die_once])
def test_no_error_ends_the_worker(reader: WorkerClient, task: Callable[..., Any]) -> None:
    before = reader.process.pid
    with pytest.raises(TaskFailed):  # `die_once` is not given its parameter
        reader.submit(name_of(task)).result(LONG)
    assert reader.submit(name_of(tasks.nothing)).result(LONG) == 0
    assert reader.process.pid == before


def test_a_tensor_is_refused_for_the_window_has_no_torch(worker: WorkerClient) -> None:
    with pytest.raises(TaskFailed) as caught:
        worker.submit(name_of(tasks.tensor)).result(LONG)
    assert "numpy arrays" in caught.value.details
    assert TORCH or "torch" not in sys.modules


# Memory and devices


@pytest.mark.parametrize(("fits", "steps"), [("cuda/512", 0), ("cuda/256", 1), ("cpu/256", 2)])
def test_out_of_memory_takes_the_next_step_and_says_so(
    worker: WorkerClient, fits: str, steps: int
) -> None:
    submit = Submit(worker, tasks.greedy, fits=fits)
    assert submit.job.result(LONG) == fits
    told = [note for *_, note in submit.seen if note]
    assert [note.startswith("Not enough GPU memory") for note in told] == [True] * steps


@pytest.mark.parametrize("task", [tasks.greedy, tasks.allocate])
def test_out_of_memory_for_good_is_a_sentence(
    worker: WorkerClient, task: Callable[..., Any]
) -> None:
    params = {"fits": "nowhere"} if task is tasks.greedy else {}
    with pytest.raises(UserError, match=r"^There is not enough memory for this: close other"):
        worker.submit(name_of(task), **params).result(LONG)


def test_memory_is_given_back_after_a_job(worker: WorkerClient) -> None:
    peak, pid = worker.submit(name_of(tasks.measure_allocation)).result(LONG)
    worker.submit(name_of(tasks.nothing)).result(LONG)
    assert psutil.Process(pid).memory_info().rss < peak - 700_000_000


def test_the_best_device_is_chosen_unless_the_user_wishes(worker: WorkerClient) -> None:
    assert worker.submit(name_of(tasks.device)).result(LONG) == worker.devices[0].name
    assert worker.submit(name_of(tasks.device), device="cpu").result(LONG) == "cpu"
    assert worker.devices[-1].name == "cpu"
    with pytest.raises(UserError, match="The device abacus is not known"):
        worker.submit(name_of(tasks.device), device="abacus").result(LONG)


def test_a_wish_that_cannot_be_met_says_what_can(worker: WorkerClient) -> None:
    missing = {"cuda", "mps"} - {device.name for device in worker.devices}
    for wish in missing:
        with pytest.raises(UserError, match=f"The device {wish} was asked for, but this computer"):
            worker.submit(name_of(tasks.device), device=wish).result(LONG)
    assert missing


def test_models_stay_between_jobs(worker: WorkerClient) -> None:
    found = [worker.submit(name_of(tasks.cached), key="model").result(LONG) for _ in range(2)]
    assert found == [False, True]


# Shared memory


def test_the_worker_cannot_change_the_image(reader: WorkerClient) -> None:
    with SharedArray.copy_of(np.zeros(4)) as shared:
        with pytest.raises(TaskFailed) as caught:
            reader.submit(name_of(tasks.scribble), {"image": shared.ref}).result(LONG)
        assert "read-only" in caught.value.details


def test_a_view_kept_by_a_task_outlives_its_block(reader: WorkerClient) -> None:
    with SharedArray.copy_of(np.ones(1000)) as shared:
        reader.submit(name_of(tasks.keep_view), {"image": shared.ref}).result(LONG)
    assert reader.submit(name_of(tasks.read_view)).result(LONG) == 1000


# Priorities


@pytest.mark.parametrize("clicks", [1, 3])
def test_clicks_overtake_a_volume(reader: WorkerClient, tmp_path: Path, clicks: int) -> None:
    path = tmp_path / "end"
    with SharedArray.copy_of(np.ones(10)) as shared:
        volume = Submit(reader, tasks.until, arrays={"image": shared.ref}, path=str(path)).runs()
        later = reader.submit(name_of(tasks.echo), value="volume")
        results = [
            reader.submit(name_of(tasks.echo), value=n, priority=Priority.CLICK).result(LONG)
            for n in range(clicks)
        ]
        assert results == list(range(clicks))
        assert not volume.job.done()
        assert not later.done()
        path.touch()
        assert volume.job.result(LONG) == 10
        assert later.result(LONG) == "volume"


def test_a_held_job_keeps_nobody_waiting(reader: WorkerClient) -> None:
    held = reader.submit(name_of(tasks.echo), value="held", held=True)
    assert reader.submit(name_of(tasks.echo), value="free").result(LONG) == "free"
    assert not held.done()
    reader.release(held)
    assert held.result(LONG) == "held"


def test_a_click_is_free_of_the_volume_s_inference_mode(
    worker: WorkerClient, tmp_path: Path
) -> None:
    path = tmp_path / "end"
    volume = Submit(worker, tasks.learn, path=str(path)).runs()
    slope = worker.submit(name_of(tasks.gradient), priority=Priority.CLICK).result(LONG)
    assert slope == 6
    path.touch()
    assert volume.job.result(LONG)


def test_a_failing_click_leaves_the_volume_alone(reader: WorkerClient, tmp_path: Path) -> None:
    path = tmp_path / "end"
    volume = Submit(reader, tasks.until, path=str(path)).runs()
    with pytest.raises(TaskFailed):
        reader.submit(name_of(tasks.boom), priority=Priority.CLICK).result(LONG)
    path.touch()
    assert volume.job.result(LONG) == 0


# Cancelling and replacing


def test_cancel_frees_the_worker_within_a_second(reader: WorkerClient, tmp_path: Path) -> None:
    submit = Submit(reader, tasks.until, path=str(tmp_path / "never")).runs()
    before, start = reader.process.pid, time.perf_counter()
    assert submit.job.cancel()
    assert reader.submit(name_of(tasks.nothing)).result(LONG) == 0
    assert time.perf_counter() - start < 1
    assert reader.process.pid == before


def test_no_task_can_swallow_a_cancel(reader: WorkerClient, tmp_path: Path) -> None:
    submit = Submit(reader, tasks.stubborn, path=str(tmp_path / "never")).runs()
    before = reader.process.pid
    submit.job.cancel()
    assert reader.submit(name_of(tasks.nothing)).result(LONG) == 0
    assert reader.process.pid == before


def test_a_job_that_waits_is_cancelled_without_running(
    reader: WorkerClient, tmp_path: Path
) -> None:
    path = tmp_path / "end"
    first = Submit(reader, tasks.until, path=str(path)).runs()
    released = threading.Event()
    second = reader.submit(name_of(tasks.die), on_released=released.set)
    assert second.cancel()
    assert released.wait(LONG)
    path.touch()
    assert first.job.result(LONG) == 0
    with pytest.raises(CancelledError):
        second.result(LONG)


def test_a_job_that_does_not_answer_is_killed_and_the_others_run(
    reader: WorkerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PATIENCE", 0.2)
    before = reader.process.pid
    stuck = Submit(reader, tasks.hang).runs()
    waiting = [reader.submit(name_of(tasks.echo), value=n) for n in range(3)]
    stuck.job.cancel()
    assert [job.result(LONG) for job in waiting] == [0, 1, 2]
    assert reader.process.pid != before
    assert stuck.job.cancelled()


def test_a_hung_click_is_killed_and_the_volume_under_it_runs_again(
    reader: WorkerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PATIENCE", 0.2)
    path = tmp_path / "end"
    volume = Submit(reader, tasks.until, path=str(path)).runs()
    click = Submit(reader, tasks.hang, priority=Priority.CLICK).runs()
    click.job.cancel()
    path.touch()
    assert volume.job.result(LONG) == 0


def test_patience_is_five_seconds() -> None:
    assert client_module.PATIENCE == 5


def test_a_newer_request_replaces_the_older(reader: WorkerClient, tmp_path: Path) -> None:
    submit = Submit(reader, tasks.until, replaces="view", path=str(tmp_path / "never")).runs()
    other = reader.submit(name_of(tasks.echo), value="other", replaces="another view")
    jobs = [reader.submit(name_of(tasks.echo), value=n, replaces="view") for n in range(20)]
    assert jobs[-1].result(LONG) == 19
    assert other.result(LONG) == "other"
    assert submit.job.withdrawn
    assert all(job.withdrawn for job in jobs[:-1])
    assert not jobs[-1].withdrawn


def test_cancelling_at_any_moment_is_safe(reader: WorkerClient) -> None:
    before = reader.process.pid
    for spins in range(0, 40_000, 100):
        job = reader.submit(name_of(tasks.nothing))
        for _ in range(spins):
            pass
        job.cancel()
    assert reader.submit(name_of(tasks.nothing)).result(LONG) == 0
    assert reader.process.pid == before
    assert not reader._queue.given
    assert not reader._queue.running


def test_requests_from_many_threads_are_all_answered(reader: WorkerClient) -> None:
    jobs: Queue[Job] = Queue()

    def ask() -> None:
        for n in range(50):
            job = reader.submit(name_of(tasks.echo), value=n, priority=Priority(n % 2))
            jobs.put(job)
            if n % 5 == 0:
                job.cancel()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [jobs.get() for _ in range(jobs.qsize())]
    assert len(every) == 200
    assert not wait(every, LONG).not_done
    assert all(job.cancelled() or job.result() == job.request.params["value"] for job in every)


# Crashes


def test_a_crash_fails_its_job_with_a_sentence(worker: WorkerClient) -> None:
    with pytest.raises(WorkerCrashed) as caught:
        worker.submit(name_of(tasks.die), title="Retinal vessels").result(LONG)
    assert str(caught.value) == (
        "The model process stopped unexpectedly while it worked on “Retinal vessels”. "
        "It was started again; nothing you drew is lost."
    )


def test_a_worker_with_torch_is_back_within_three_seconds() -> None:
    """In seconds of its own work: what else the computer does is not the worker's."""
    states: Queue[str] = Queue()
    client = WorkerClient(on_state=states.put)
    try:
        assert [states.get(timeout=LONG) for _ in range(2)] == ["starting", "ready"]
        with pytest.raises(WorkerCrashed):
            client.submit(name_of(tasks.killed)).result(LONG)
        start = time.perf_counter()
        assert [states.get(timeout=LONG) for _ in range(2)] == ["restarting", "ready"]
        elapsed = time.perf_counter() - start
        work = psutil.Process(client.process.pid).cpu_times()
        busy = psutil.cpu_percent() > 70
        assert work.user + work.system < 3
        assert busy or elapsed < 3
        assert client.submit(name_of(tasks.echo), value=1).result(LONG) == 1
    finally:
        client.close()


def test_a_crash_runs_the_waiting_jobs_and_logs_where(
    reader: WorkerClient, tmp_path: Path, log_folder: Path
) -> None:
    path = tmp_path / "end"
    dying = Submit(reader, tasks.die_once, path=str(path)).runs()
    waiting = [reader.submit(name_of(tasks.echo), value=n) for n in range(3)]
    path.touch()
    with pytest.raises(WorkerCrashed):
        dying.job.result(LONG)
    assert [job.result(LONG) for job in waiting] == [0, 1, 2]
    log = (log_folder / "reader.log").read_text()
    assert "Segmentation fault" in log
    assert "in die_once" in log


def test_a_click_that_crashes_costs_only_itself(reader: WorkerClient, tmp_path: Path) -> None:
    path = tmp_path / "end"
    volume = Submit(reader, tasks.until, path=str(path)).runs()
    with pytest.raises(WorkerCrashed, match="probably for want of memory"):
        reader.submit(name_of(tasks.killed), priority=Priority.CLICK).result(LONG)
    path.touch()
    assert volume.job.result(LONG) == 0


def test_a_worker_killed_from_outside_comes_back(reader: WorkerClient) -> None:
    reader.submit(name_of(tasks.nothing)).result(LONG)
    reader.process.kill()
    jobs = [reader.submit(name_of(tasks.echo), value=n) for n in range(5)]
    assert [job.result(LONG) for job in jobs] == list(range(5))


def test_any_number_of_jobs_may_kill_their_worker(reader: WorkerClient) -> None:
    doomed = [reader.submit(name_of(tasks.die)) for _ in range(6)]
    last = reader.submit(name_of(tasks.nothing))
    for job in doomed:
        with pytest.raises(WorkerCrashed):
            job.result(LONG)
    assert last.result(LONG) == 0


def test_a_worker_that_cannot_start_is_given_up_and_can_be_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_install.py").write_text("raise ImportError('no library')")
    states: Queue[str] = Queue()
    client = WorkerClient("reader", ("broken_install",), states.put)
    try:
        early = client.submit(name_of(tasks.nothing))
        with pytest.raises(WorkerStopped, match=r"^The reader process stopped 4 times within a"):
            early.result(LONG)
        seen = [states.get(timeout=LONG) for _ in range(5)]
        assert seen == ["starting", "restarting", "restarting", "restarting", "stopped"]
        with pytest.raises(WorkerStopped):
            client.submit(name_of(tasks.nothing)).result(0)
        (tmp_path / "broken_install.py").write_text("")
        client.restart()
        assert client.submit(name_of(tasks.nothing)).result(LONG) == 0
    finally:
        client.close()


# The end


def test_close_ends_a_busy_worker_at_once_and_cancels_its_jobs() -> None:
    client = WorkerClient("reader", ())
    busy = Submit(client, tasks.hang).runs()
    waiting = client.submit(name_of(tasks.nothing))
    start = time.perf_counter()
    client.close()
    assert time.perf_counter() - start < 1
    assert not client.process.is_alive()
    assert busy.job.cancelled()
    assert waiting.cancelled()
    client.close()
    late = client.submit(name_of(tasks.nothing))  # by another thread, say: nobody would answer
    assert late.cancelled()


APPLICATION = """
import sys, numpy as np
from inference.client import WorkerClient
from inference.shared import SharedArray
if __name__ == "__main__":
    client = WorkerClient("reader", ())
    block = SharedArray.copy_of(np.ones(1000))
    job = client.submit("tests.tasks_for_tests:until", {"image": block.ref}, path="/nowhere",
        on_progress=lambda *_: print(client.process.pid, block.ref.name, flush=True))
    if sys.stdin.readline() == "raises\\n":
        raise SystemExit(1)
"""


@pytest.mark.parametrize("ending", ["killed", "returns", "raises"])
def test_no_worker_and_no_block_outlive_the_application(tmp_path: Path, ending: str) -> None:
    script = tmp_path / "application.py"
    script.write_text(APPLICATION)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    application = subprocess.Popen(
        [sys.executable, script], stdin=-1, stdout=-1, stderr=-1, env=environment, text=True
    )
    with application:
        pid, block = application.stdout.readline().split()
        worker = psutil.Process(int(pid))
        if ending == "killed":
            application.kill()
        _, errors = application.communicate(f"{ending}\n", timeout=LONG)
    psutil.wait_procs([worker], timeout=5)
    assert not worker.is_running()
    deadline = time.monotonic() + 10
    while Path("/dev/shm", block).exists() and time.monotonic() < deadline:
        time.sleep(0.01)  # the resource tracker's turn
    assert not Path("/dev/shm", block).exists()
    if application.returncode == 0:
        assert not errors
    else:
        assert "Traceback" not in errors


def test_the_worker_has_no_window_and_the_reader_no_torch(
    worker: WorkerClient, reader: WorkerClient
) -> None:
    qt = {"qtpy", "PySide6", "napari", "vispy", "gui"}
    assert not qt & set(worker.submit(name_of(tasks.modules)).result(LONG))
    assert not (qt | {"torch"}) & set(reader.submit(name_of(tasks.modules)).result(LONG))
