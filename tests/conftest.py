from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qtpy.QtCore import QByteArray

    from gui.window import LimnWindow
    from inference.cohort import LocalCrew

ROOT = Path(__file__).parents[1]
WINDOW_SIZE = 1200, 800

# a busy computer is no fault of the code
hypothesis.settings.register_profile(
    "any computer", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any computer")


def pytest_configure(config: pytest.Config) -> None:
    """A display of our own where there is none: napari's canvases need OpenGL.

    Each process that runs tests has one to itself: two windows would fight for the keyboard. Each
    has its share of the processor, too: numerics that wait for a core that another has taken take
    twice as long.
    """
    if getattr(config.option, "numprocesses", None):  # it only shares out the tests
        return
    share = (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.name != "posix":
        return
    if shutil.which("Xvfb") is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        return
    ours, _ = os.pipe()  # its other end closes with this process, and the server ends after it:
    # Qt ends a process that loses its display with exit code 1, even if all tests passed
    server = "Xvfb -displayfd 1 -screen 0 1600x1000x24 -nolisten tcp"
    shell = subprocess.Popen(
        ["sh", "-c", f"{server} & exec >&2; cat; kill $!"], stdin=ours, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    os.close(ours)
    with shell.stdout as answer:
        number = answer.readline().strip()  # Xvfb writes it once it takes connections
    os.environ["DISPLAY"] = f":{number}"
    os.environ["QT_QPA_PLATFORM"] = "xcb"


@pytest.fixture(autouse=True, scope="session")
def own_logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes into the logs of whoever runs it, or keeps or finds unsaved work there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("LIMN_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(autouse=True)
def own_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or changes the settings of whoever runs it."""
    monkeypatch.setenv("LIMN_CONFIG_DIR", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("LIMN_DATA_DIR", str(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real development data beside the checkout; continuous integration has it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the development data folder ../shared/data is absent")
    return folder


@pytest.fixture(scope="session")
def shared_window(qapp: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LimnWindow]:
    """One window for all tests: a first one takes seconds. Use `window`, which tidies it up."""
    from gui.settings import SettingsFile
    from gui.window import LimnWindow

    qapp.setStyle("Fusion")
    folder = tmp_path_factory.mktemp("window")
    window = LimnWindow(SettingsFile(folder / "settings.json"))
    window.resize(*WINDOW_SIZE)
    window.show()
    wait_until(lambda: window.is_ready)
    yield window
    window.close()


@pytest.fixture(scope="session")
def first_places(shared_window: LimnWindow) -> QByteArray:
    """Where the docks of the window stand before any test."""
    return shared_window.saveState()


@pytest.fixture
def window(shared_window: LimnWindow, first_places: QByteArray) -> Iterator[LimnWindow]:
    """The window with nothing open and default settings; what a test opens is closed after it."""
    from qtpy.QtWidgets import QDialog

    from gui.settings import Settings

    shared_window.resize(*WINDOW_SIZE)
    shared_window.restoreState(first_places)
    shared_window.activateWindow()
    yield shared_window
    for dialog in shared_window.findChildren(QDialog):
        dialog.close()
    shared_window.job_bar.cancel_all()
    shared_window.views.set_mode("navigate")
    for document in list(shared_window.studies.open):
        shared_window.studies.close(document)
    for toast in list(shared_window.notices.toasts):
        toast.dismiss()
    shared_window.tabs.setCurrentIndex(0)
    shared_window.settings.change(**Settings().model_dump())


@pytest.fixture(scope="session")
def lanes() -> Iterator[LocalCrew]:
    """Two, for all tests of cohorts: each takes seconds to start."""
    from inference.cohort import LocalCrew

    with LocalCrew(2) as crew:
        yield crew


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Of a cluster of dask with two worker processes, which state one GPU each."""
    import dask
    import distributed

    with (
        dask.config.set({"distributed.worker.daemon": False}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0",
            resources={"GPU": 1}, silence_logs=50,
        ) as made,
    ):  # fmt: skip
        yield made.scheduler_address


def wait_until(reached: Callable[[], object], seconds: float = 180) -> None:
    """Let Qt and Python's other threads work until something is so."""
    from qtpy.QtCore import QEventLoop, QTimer

    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain")
        loop = QEventLoop()
        QTimer.singleShot(20, loop.quit)
        loop.exec()
