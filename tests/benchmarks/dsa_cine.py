"""Time that the Qt thread spends on a large DSA run: opening its dock, playing it subtracted.

Times of the thread, not of the clock: other programs on the computer do not count.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from rich.console import Console
from rich.table import Table

from gui.settings import SettingsFile
from gui.window import LimnWindow
from inference.series import Acquisition, Series
from plugins.dsa_interpolation.subtraction import Subtraction, Subtractor

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from inference.series import Array

FRAMES, SIZE, FRAME_MS = 150, 1024, 33.3
PLAYED = 5.0  # s
DOCK = "plugins.dsa_interpolation.widget"


def run() -> Series:
    """Noise, in which a band fills."""
    some = np.random.default_rng(0).integers(1000, 4096, (10, SIZE, SIZE), np.uint16)
    voxels = np.concatenate([some] * (FRAMES // 10))
    voxels[FRAMES // 3 :, 400:440] //= 2
    times = tuple(FRAME_MS * index for index in range(FRAMES))
    known = Acquisition("linear")
    return Series(voxels, "run", "XA", (Path("run.dcm"),), frame_times=times, acquisition=known)


def frame_costs(voxels: Array) -> dict[str, float]:
    """Median ms of this thread to subtract a frame, by what is switched on."""
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 1, (len(voxels), 2)).astype(np.float32)
    fields = rng.normal(0, 0.5, (len(voxels), 9, 9, 2)).astype(np.float32)
    plain = Subtraction(mask=(0, 1))
    kinds = {
        "subtracted": plain,
        "mask shifted by hand": replace(plain, shift=(0.3, -1.2)),
        "edges": replace(plain, edges=0.5),
        "noise": replace(plain, smoothing=0.6),
        "aligned": replace(plain, shifts=shifts),
        "aligned in parts": replace(plain, shifts=shifts, fields=fields),
    }
    return {name: _frame_cost(Subtractor(voxels, None, kind)) for name, kind in kinds.items()}


def _frame_cost(subtractor: Subtractor) -> float:
    subtractor.frame(0)
    return float(np.median([_spent(lambda: subtractor.frame(i)) for i in range(1, 16)]))  # noqa: B023


def _spent(work: Callable[[], Any]) -> float:
    """Ms of this thread."""
    started = time.thread_time()
    work()
    return 1000 * (time.thread_time() - started)


def _wait(seconds: float) -> None:
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def _wait_until(reached: Callable[[], object]) -> None:
    while not reached():
        _wait(0.05)


def window_costs(window: LimnWindow, series: Series) -> dict[str, float]:
    """Ms of the Qt thread; playing: the most between two moments at which it serves events."""
    window.resize(1440, 900)
    window.show()
    _wait_until(lambda: window.is_ready)
    window.studies.select(window.studies.add(series))
    _wait_until(lambda: DOCK in sys.modules)  # an idle window loads the docks' libraries
    _wait_until(lambda: not any(one.name == "widgets" for one in threading.enumerate()))
    card = window.task_panel.cards["dsa_interpolation"].button
    opening = _spent(lambda: QTest.mouseClick(card, Qt.MouseButton.LeftButton))
    dock: Any = window.task_panel.pages["dsa_interpolation"].widget
    _wait_until(lambda: dock.work.subtractor is not None)
    dock.work.set(on=True)
    _wait(1)
    beats: list[float] = []
    timer = QTimer(interval=0)
    timer.timeout.connect(lambda: beats.append(time.thread_time()))
    timer.start()
    window.cine.toggle()
    _wait(PLAYED)
    window.cine.stop()
    timer.stop()
    return {"opening the dock": opening, "playing, at most": 1000 * float(np.diff(beats).max())}


def main() -> None:
    """Print a table."""
    series = run()
    app = QApplication.instance() or QApplication([])
    with tempfile.TemporaryDirectory() as folder:
        window = LimnWindow(SettingsFile(Path(folder) / "settings.json"))
        costs = frame_costs(series.voxels) | window_costs(window, series)
        window.close()
    app.quit()
    shown = Table("what", "ms", title=f"A DSA run of {FRAMES} x {SIZE}², time of one thread")
    for name, cost in costs.items():
        shown.add_row(name, f"{cost:.1f}")
    Console().print(shown)
