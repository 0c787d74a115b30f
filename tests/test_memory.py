from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from inference import logs, memory, shared
from inference.cache import ModelCache, size_of
from inference.errors import UserError
from inference.shared import SharedArray

if TYPE_CHECKING:
    from inference.series import Array

ROOT = Path(__file__).parents[1]


# Estimates


def test_a_job_that_fits_needs_no_warning() -> None:
    assert memory.check(1) is None
    assert memory.check(2_000_000_000, "cuda", free_bytes=2_000_000_000) is None


@pytest.mark.parametrize(
    ("device", "place"), [("cpu", "of memory"), ("cuda", "of GPU memory"), ("mps", "of GPU memory")]
)
def test_a_job_that_does_not_fit_is_told_with_both_figures(device: str, place: str) -> None:
    sentence = memory.check(7_300_000_000, device, free_bytes=2_100_000_000)
    assert sentence
    assert f"about 7.3 GB {place} and 2.1 GB are free" in sentence


def test_the_free_memory_of_this_computer_is_asked() -> None:
    assert memory.check(psutil.virtual_memory().total * 2)


def test_the_window_estimates_without_torch() -> None:
    code = (
        "import sys; from inference import memory, device; memory.check(1, 'cuda');"
        "memory.check(10**18); print(device.describe()[0].name, 'torch' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "cpu False\n"


SCATTERED = """
import sys
import numpy as np, psutil
from inference import memory
if sys.argv[1] == "returned":
    memory.return_freed_blocks()
before = psutil.Process().memory_full_info().uss
np.ones(31 << 20, np.uint8)  # as it is freed, glibc takes blocks of this size for usual ones
images, kept = [], []
for _ in range(6):
    images.append(np.ones(24 << 20, np.uint8))
    kept.append(np.ones(50_000, np.uint8))
images.clear()
print((psutil.Process().memory_full_info().uss - before) >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_a_window_gives_back_what_closed_images_took() -> None:
    def grown(how: str) -> int:
        command = [sys.executable, "-c", SCATTERED, how]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return int(answer.stdout)

    assert grown("usual") > 100
    assert grown("returned") < 10


def test_an_error_of_another_kind_takes_no_smaller_step() -> None:
    tried: list[memory.Footprint] = []

    def run(footprint: memory.Footprint) -> None:
        tried.append(footprint)
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        memory.with_fallback(run, memory.Footprint("cuda", 64), lambda note: None)
    assert len(tried) == 1


def test_room_is_made_before_the_next_step() -> None:
    events: list[str] = []

    def run(footprint: memory.Footprint) -> str:
        events.append(f"{footprint.device} {footprint.tile}")
        if footprint.tile > 32:
            raise MemoryError
        return "fits"

    first = memory.Footprint("cpu", 64)
    assert memory.with_fallback(run, first, events.append, lambda: events.append("room")) == "fits"
    assert events == ["cpu 64", "room", "Not enough memory: continuing in smaller parts", "cpu 32"]


# The cache


def kilobytes(count: int) -> Array:
    return np.zeros(count * 1000, np.uint8)


def test_the_model_used_longest_ago_goes_first() -> None:
    cache = ModelCache(3000)
    for key in ("a", "b", "c"):
        cache.get(key, lambda: kilobytes(1))
    cache.get("a", lambda: pytest.fail("a was forgotten"))
    cache.get("d", lambda: kilobytes(1))
    loaded: list[str] = []
    for key in ("a", "c", "d", "b"):
        cache.get(key, lambda key=key: loaded.append(key) or kilobytes(1))
    assert loaded == ["b"]
    assert cache.nbytes == 3000


def test_a_model_over_the_limit_is_kept_alone() -> None:
    cache = ModelCache(1000)
    cache.get("small", lambda: kilobytes(1))
    cache.get("large", lambda: kilobytes(5))
    cache.get("large", lambda: pytest.fail("large was forgotten"))
    assert cache.nbytes == 5000
    cache.clear()
    assert cache.nbytes == 0


def test_loading_one_model_does_not_hold_up_another() -> None:
    cache, loading, go_on = ModelCache(10_000), threading.Event(), threading.Event()

    def slowly() -> Array:
        loading.set()
        assert go_on.wait(60)
        return kilobytes(1)

    volume = threading.Thread(target=cache.get, args=("volume", slowly))
    volume.start()
    assert loading.wait(60)
    assert cache.get("click", lambda: kilobytes(2)).nbytes == 2000
    go_on.set()
    volume.join()
    assert cache.nbytes == 3000


def test_a_network_weighs_its_parameters_and_buffers() -> None:
    import torch

    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4))
    parameters, buffers = (4 * 9 + 4 + 4 + 4) * 4, 4 * 4 + 4 * 4 + 8
    assert size_of(network) == parameters + buffers
    assert size_of({"a": network, "b": [torch.zeros(10), (kilobytes(1),)]}) == (
        parameters + buffers + 40 + 1000
    )


# Shared memory


@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "<i2", ">u2", "float16", "float64"])
def test_an_array_is_seen_on_both_sides(shape: tuple[int, ...], dtype: str) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype).T
    with SharedArray.copy_of(array) as ours, SharedArray.attach(ours.ref) as theirs:
        np.testing.assert_array_equal(theirs.view, array)
        assert theirs.view is not None
        assert theirs.view.dtype == array.dtype
        assert not theirs.view.flags.writeable


def test_a_block_is_freed_by_its_last_holder() -> None:
    ours = SharedArray.filling(np.arange(1_000_000))
    ours.wait()
    path = shared.SHARED_MEMORY / ours.ref.name
    assert ours.view is not None
    assert ours.view[-1] == 999_999
    ours.retain()
    ours.close()
    assert path.exists()
    ours.close()
    assert not path.exists()


def test_a_view_that_outlives_its_block_is_safe() -> None:
    ours = SharedArray.copy_of(np.arange(1000))
    view = ours.view
    ours.close()
    assert view is not None
    assert view.sum() == 499_500


def test_too_little_shared_memory_is_a_sentence_not_a_dead_window() -> None:
    with pytest.raises(UserError, match="GiB of shared memory and the system has"):
        SharedArray.create((1 << 50,), np.dtype(np.uint8))


# Logs


def test_the_log_rotates_holds_only_ours_and_receives_crashes(tmp_path: Path) -> None:
    code = """
import logging, faulthandler, resource
from inference import logs
logs.MAX_BYTES = 2000
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
path = logs.start("window")
logging.getLogger("pydicom").warning("Jane Doe has an invalid birth date")
for n in range(300):
    logging.getLogger("inference.worker").info("job %d", n)
print(path, resource.getrlimit(resource.RLIMIT_CORE)[0], flush=True)
faulthandler._sigsegv()
"""
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    place, core = answer.stdout.split()
    assert core == "0", "the system would keep the memory of the process, patients and all"
    path = Path(place)
    assert path == tmp_path / "limn" / "log" / "window.log"
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == [
        "window.log", "window.log.1", "window.log.2", "window.log.3"
    ]  # fmt: skip
    text = path.read_text()
    assert "job 299" in text
    assert "Segmentation fault" in text
    assert not any("Jane" in file.read_text() for file in files)


def test_a_stack_tells_where_but_not_what() -> None:
    with pytest.raises(UserError) as caught:
        SharedArray.create((1 << 50,), np.dtype(np.uint8))
    stack = logs.stack(caught.value)
    assert stack.startswith("UserError\n")
    assert "in _require_space" in stack
    assert str(caught.value) not in stack
