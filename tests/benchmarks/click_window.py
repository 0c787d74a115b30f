"""Clicks by the mouse in the window on volumes of a clinical size and of 5 GB: opened, clicked,
followed and saved; milliseconds from the click to the painted mask, and memory over the volume.

`python -m tests.benchmarks click_window --slices 1000` for one size. Exit code 1 if it is too slow
or takes too much.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from rich.console import Console
from rich.table import Table

from gui.glass import Glass
from gui.settings import SettingsFile
from gui.window import LimnWindow
from plugins.click_segmentation.task import NAME
from scripts.tour.hand import LEFT, wait_for
from tests.benchmarks.click_segmentation import phantom

if TYPE_CHECKING:
    from gui.document import Document

SIDE, SLICES = 512, (1000, 10_000)
SHOWN = 40  # slices round the middle that show a body; the others are empty
CLICKS = 24
MEDIAN, LATE, SLICE = 200.0, 400.0, 150.0  # ms
OVER = 2 * 2**30  # bytes over the volume
PLAIN = Qt.KeyboardModifier.NoModifier
DRIVE = "import sys; from tests.benchmarks.click_window import drive; drive(sys.argv[1])"


def write_volume(path: Path, slices: int) -> None:
    """A CT (z, y, x) as a plain NRRD file; empty slices take no room on most disks."""
    header = (
        "NRRD0004\ntype: int16\ndimension: 3\nspace: left-posterior-superior\n"
        f"sizes: {SIDE} {SIDE} {slices}\nspace directions: (0.7,0,0) (0,0.7,0) (0,0,1)\n"
        "space origin: (0,0,0)\nendian: little\nencoding: raw\n\n"
    ).encode()
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + 2 * SIDE * SIDE * slices)
        file.seek(len(header) + 2 * SIDE * SIDE * (slices - SHOWN) // 2)
        for seed in range(SHOWN):
            file.write(phantom((SIDE, SIDE), seed).astype("<i2").tobytes())


def drive(name: str) -> None:
    """Open a volume in a window, click, follow and save; print what it took as JSON."""
    path, app = Path(name), QApplication([])
    window = LimnWindow(SettingsFile(path.parent / "settings.json"))
    window.resize(1440, 900)
    window.show()
    wait_for(lambda: window.is_ready and window.session.jobs.state == "ready", "the window")
    window.activateWindow()
    QTest.qWaitForWindowActive(window, 20_000)
    start, seen = time.perf_counter(), list[object]()
    window.views.shown.connect(seen.append)
    window.opening.open([path])
    wait_for(lambda: any(seen), "the volume")
    found: dict[str, Any] = {"opened": time.perf_counter() - start}
    document: Document = window.studies.selected
    bytes_used = [family_bytes()]
    found["clicks"] = click_about(window, document)
    bytes_used.append(family_bytes())
    found["slice"] = follow(window)
    bytes_used.append(family_bytes())
    start, project = time.perf_counter(), path.with_suffix(".limn")
    window.projects.write(project)
    wait_for(lambda: not window.projects.unsaved(document), "the saving")
    found["saved"] = time.perf_counter() - start
    bytes_used.append(family_bytes())
    volume = document.image.nbytes
    found |= {"over": max(bytes_used) - volume, "volume": volume, "file": project.stat().st_size}
    sys.stdout.write(f"found {json.dumps(found)}\n")
    window.close()
    app.quit()


def click_about(window: LimnWindow, document: Document) -> list[float]:
    """Milliseconds of each click: in the organ, then at its rim on either side, by turns."""
    middle = document.labels.shape[0] // 2
    window.views.look_at((middle, SIDE // 2, SIDE // 2))
    view = window.views.slices[0]
    [glass] = view.findChildren(Glass)
    glass.setFocus()
    QTest.keyClick(glass, Qt.Key.Key_Q)
    wait_for(lambda: NAME in window.task_panel.pages, "the tool")
    widget = window.task_panel.pages[NAME].widget
    wait_for(lambda: widget.clicks is not None, "the volume's prompts")
    taken = []
    for number in range(CLICKS + 1):
        angle, reach = 2.4 * number, 0.0 if number == 0 else 0.15 * SIDE
        place = (SIDE / 2 + reach * np.sin(angle), SIDE / 2 + reach * np.cos(angle))
        pixel = QPoint(*map(round, view.pixel_of((middle, *place))))
        button = LEFT if number % 2 == 0 else Qt.MouseButton.RightButton
        start = time.perf_counter()
        QTest.mouseClick(glass, button, PLAIN, pixel)
        until(widget.clicks.answered)
        taken.append(1000 * (time.perf_counter() - start))
    return taken[1:]  # the first one loads the network


def until(signal: Any) -> None:
    """Work until a signal, and paint what it changed."""
    loop = QEventLoop()
    signal.connect(lambda *_: loop.quit())
    QTimer.singleShot(60_000, loop.quit)
    loop.exec()
    QApplication.processEvents()


def follow(window: LimnWindow) -> float:
    """Milliseconds for each slice that the object is followed through, in both directions."""
    section, times = window.task_panel.pages[NAME].widget.third, list[float]()
    section.following.changed.connect(lambda: times.append(time.perf_counter()))
    QTest.mouseClick(section.go, LEFT)
    wait_for(lambda: section.following.run is None and len(times) > 1, "the following")
    return 1000 * (times[-1] - times[0]) / (len(times) - 2)


def family_bytes() -> int:
    """Of this process and its workers; what they share counts once."""
    own = psutil.Process()
    return sum(p.memory_full_info().pss for p in [own, *own.children(recursive=True)])


def measure(slices: int) -> dict[str, Any]:
    """In a process of its own, whose settings and files are thrown away."""
    with TemporaryDirectory() as name:
        path = Path(name) / "ct.nrrd"
        write_volume(path, slices)
        own = dict.fromkeys(("LIMN_DATA_DIR", "LIMN_CONFIG_DIR", "XDG_STATE_HOME"), name)
        answer = subprocess.run(
            [sys.executable, "-c", DRIVE, str(path)], env=os.environ | own, text=True,
            stdout=subprocess.PIPE, check=True,
        ).stdout  # fmt: skip
    found: dict[str, Any] = json.loads(answer.split("found", 1)[1])
    return found


def main() -> None:
    """Print a table; exit with 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, nargs="*", default=SLICES)
    shown = Table(title=f"Clicks in the window on {psutil.cpu_count()} cores")
    for heading in ("volume, GB", "opened, s", "click, median ms", "95 %", "followed slice, ms",
                    "over the volume, GB", "saved, s", "project, MB"):  # fmt: skip
        shown.add_column(heading, justify="right")
    broken = False
    for slices in parser.parse_args(sys.argv[2:]).slices:
        row = measure(slices)
        median, late = np.percentile(row["clicks"], (50, 95))
        shown.add_row(
            f"{row['volume'] / 1e9:.1f}", f"{row['opened']:.1f}", f"{median:.0f}", f"{late:.0f}",
            f"{row['slice']:.0f}", f"{row['over'] / 1e9:.2f}", f"{row['saved']:.1f}",
            f"{row['file'] / 1e6:.1f}",
        )  # fmt: skip
        broken |= median > MEDIAN or late > LATE or row["slice"] > SLICE or row["over"] > OVER
    Console().print(shown)
    sys.exit(bool(broken))
