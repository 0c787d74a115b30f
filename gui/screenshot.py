"""`app.py PATH ... --screenshot FILE`: a picture of the window, for documents and for checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from pathlib import Path

    from gui.window import LimnWindow

LOOK_MS = 100
PAINTED_MS = 1000  # what was opened last is on the screen after that


def take_and_quit(window: LimnWindow, path: Path) -> None:
    """Save the window once all that was asked for is open; exit code 1 if that fails."""

    def look() -> None:
        if window.is_ready and not window.job_bar.rows:
            timer.stop()
            QTimer.singleShot(PAINTED_MS, window, save)

    def save() -> None:
        saved = bool(window.studies.open) and window.grab().save(str(path))
        window.close()
        QApplication.exit(0 if saved else 1)

    timer = QTimer(window, interval=LOOK_MS)
    timer.timeout.connect(look)
    timer.start()
