"""Starts the application, or only takes a picture of its window."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QApplication

from gui import notices
from gui.window import LimnWindow
from inference.resources import resource_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NO_DISPLAY = (
    "There is no display to show the window on: start Limn from a desktop, or use its commands "
    "(python app.py --help)."
)


def main(paths: Sequence[Path], screenshot: Path | None = None) -> int:
    """Run the application, or only save a picture of it; the exit code."""
    from inference import logs, memory

    memory.return_freed_blocks()
    log = logs.start("window")
    if not _has_display():
        sys.stderr.write(f"{NO_DISPLAY}\n")
        return 1
    app = QApplication(sys.argv[:1])
    app.setApplicationName("Limn")
    app.setDesktopFileName("limn")
    app.setWindowIcon(QIcon(str(resource_path("icons", "limn.svg"))))
    app.setStyle("Fusion")
    window = LimnWindow()
    notices.install(window.notices)
    if log is None:
        window.notices.tell(f"No log can be written to {logs.folder()}.", level="warning")
    window.show()
    window.opening.open(paths)
    if screenshot:
        from gui.screenshot import take_and_quit

        take_and_quit(window, screenshot)
    return int(app.exec())


def _has_display() -> bool:
    """Whether there is somewhere to show a window: without, Qt aborts the process."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return not sys.platform.startswith("linux") or any(map(os.environ.get, names))
