"""A window in which somebody draws by the mouse and clicks, and that never ends by itself."""

from __future__ import annotations

import sys
from pathlib import Path

from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from gui.glass import Glass
from gui.window import LimnWindow
from plugins.click_segmentation.prompts import Prompt
from tests.conftest import wait_until

LEFT, PLAIN = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def draw(window: LimnWindow) -> None:
    """A stroke on a first object, which is locked then; a click on a second one."""
    document = window.studies.open[0]
    document.add_object("Lesion")
    window.correction.use("brush")
    view = window.views.active
    glass = view.findChild(Glass)
    start, end = (QPoint(*map(round, view.pixel_of(place))) for place in ((10, 10), (20, 60)))
    QTest.mousePress(glass, LEFT, PLAIN, start)
    QTest.mouseMove(glass, end)
    QTest.mouseRelease(glass, LEFT, PLAIN, end)
    document.set_locked(1, True)
    window.task_panel.open_task("click_segmentation")
    document.add_object()
    clicks = window.task_panel.pages["click_segmentation"].widget.clicks
    clicks.add(Prompt("click", ((30.0, 41.0),)))


def main(path: Path) -> None:
    """Open a picture, draw, and say so once the autosave has had its turn."""
    app = QApplication([])
    app.setStyle("Fusion")
    window = LimnWindow()
    window.show()
    wait_until(lambda: window.is_ready)
    window.opening.open([path])
    wait_until(lambda: window.studies.open)
    draw(window)
    keeper = window.projects.autosave
    wait_until(lambda: keeper.path is not None and keeper.wait(0.1))
    sys.stdout.write("drawn\n")
    sys.stdout.flush()
    app.exec()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
