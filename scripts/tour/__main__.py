"""Use the window as a person would, with real clicks and keys; pictures and results are left.

Run it with `python -m scripts.tour`: as a `__main__.py` it is not imported again by the workers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QPushButton

from gui.opening import SAMPLES
from gui.settings import SettingsFile
from gui.window import LimnWindow

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

LEFT = Qt.MouseButton.LeftButton


class Tour:
    """A visit of the program; each method is one thing that a person does."""

    def __init__(self, window: LimnWindow, out: Path) -> None:
        self.window, self.out = window, out
        self.taken = 0

    def run(self) -> None:
        """From the empty window to the exported result."""
        self.start()
        self.open_samples()
        self.look_at_each()

    def start(self) -> None:
        """Show the window and wait until it can be used."""
        self.window.show()
        wait_for(lambda: self.window.is_ready, "the window")
        self.take_picture("start")

    def open_samples(self) -> None:
        """Press the button that opens what ships with the program."""
        click(button(self.window.start_page, "Open sample studies"))
        wait_for(lambda: len(self.window.studies.open) >= len(samples()), "the sample studies")

    def look_at_each(self) -> None:
        """Choose each study in the list."""
        tree = self.window.study_panel.tree
        for item in self.window.study_panel.items():
            QTest.mouseClick(tree.viewport(), LEFT, pos=tree.visualItemRect(item).center())
            QTest.qWait(500)
            self.take_picture("study")

    def take_picture(self, name: str) -> None:
        """Save the window as it looks now."""
        QTest.qWait(300)  # ms, so that what was asked for is painted
        self.taken += 1
        self.window.grab().save(str(self.out / f"{self.taken:02}_{name}.png"))


def samples() -> list[Path]:
    """The studies that ship with the program."""
    return sorted(SAMPLES.glob("*"))


def wait_for(reached: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Let the program work until something is so; raises TimeoutError."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError(f"The tour waited {seconds:g} s for {what} in vain.")
        QTest.qWait(50)


def click(widget: QWidget) -> None:
    """Press the middle of a widget with the left mouse button."""
    QTest.mouseClick(widget, LEFT)


def button(inside: QWidget, text: str) -> QPushButton:
    """The button with this text."""
    return next(b for b in inside.findChildren(QPushButton) if b.text() == text)


def main() -> None:
    """Make the tour and say what it left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"))
    out = parser.parse_args().out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    app = QApplication(sys.argv[:1])
    app.setStyle("Fusion")
    with tempfile.TemporaryDirectory() as folder:
        window = LimnWindow(SettingsFile(Path(folder) / "settings.json"))
        Tour(window, out).run()
        window.close()
    left = sorted(path.relative_to(out.parent) for path in out.rglob("*") if path.is_file())
    sys.stdout.write("The tour left:\n" + "".join(f"  {path}\n" for path in left))


if __name__ == "__main__":
    main()
