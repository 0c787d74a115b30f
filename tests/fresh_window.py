"""A window in a process of its own, asked for what other tests disturb; writes JSON to stdout."""

from __future__ import annotations

import contextlib
import gc
import json
import sys
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from gui.glass import Glass
from gui.settings import SettingsFile
from gui.window import LimnWindow
from inference.series import Series
from tests.conftest import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from gui.document import Document

LEFT, PLAIN = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def seconds(work: Callable[[], object]) -> float:
    """What something takes of this thread's own time, however busy the machine is."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def draw(window: LimnWindow) -> None:
    """A stroke with the brush, by the mouse."""
    view = window.views.active
    glass = view.findChild(Glass)
    start, end = (QPoint(*map(round, view.pixel_of(place))) for place in ((10, 10), (20, 30)))
    QTest.mousePress(glass, LEFT, PLAIN, start)
    QTest.mouseMove(glass, end)
    QTest.mouseRelease(glass, LEFT, PLAIN, end)
    QApplication.processEvents()


def shown(window: LimnWindow, sha256: str) -> Document:
    """A grey image."""
    voxels = np.zeros((64, 64), np.uint8)
    series = Series(voxels, "image", "OT", (Path("grey.png"),), sha256=sha256)
    window.studies.select(document := window.studies.add(series))
    return document


def is_reached(state: Callable[[], bool]) -> bool:
    """Whether something becomes so."""
    with contextlib.suppress(TimeoutError):
        wait_until(state, 20)
    return state()


def report(window: LimnWindow) -> dict[str, Any]:
    """The first stroke in a window that has settled, and full garbage collections after it."""
    early = weakref.ref(shown(window, "early"))
    wait_until(gc.get_freeze_count)
    document = shown(window, "0")
    window.studies.close(early())
    freed = is_reached(lambda: early() is None)
    window.correction.use("brush")
    QApplication.processEvents()
    stroke = seconds(lambda: draw(window))
    return {
        "freed": freed,
        "drawn": int(document.labels.astype(bool).sum()),
        "stroke": stroke,
        "collections": [seconds(gc.collect) for _ in range(3)],
        "torch": "torch" in sys.modules,
    }


def main(folder: Path) -> None:
    """Ask a new window, with its settings in `folder`."""
    app = QApplication([])
    app.setStyle("Fusion")
    window = LimnWindow(SettingsFile(folder / "settings.json"))
    window.show()
    found = report(window)
    for document in list(window.studies.open):
        window.studies.close(document)
    window.close()
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
