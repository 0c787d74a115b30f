"""Use the window as a person would, with real clicks and keys; pictures and results are left.

Run it with `python -m scripts.tour`: as a `__main__.py` it is not imported again by the workers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from gui.export_dialog import ExportDialog
from gui.opening import SAMPLES
from gui.settings import SettingsFile
from gui.studies import series_title
from gui.window import LimnWindow
from scripts.tour.hand import button, click, click_row, drag, pause, wait_for

if TYPE_CHECKING:
    from gui.document import Document

CONTROL = Qt.KeyboardModifier.ControlModifier
TASK, DSA = "retinal_vessels", "dsa_interpolation"
FILLED = 9  # a frame of the sample run with its arteries full
ARTERY, TISSUE = ((328, 138), (344, 152)), ((120, 90), (150, 120))  # (y, x), boxes in that run
DISC = (393, 537), (393, 637)  # (y, x) of its left and right edge in the sample fundus, voxels
REGION = (560, 500), (640, 500)
STROKE = (300, 200), (310, 260), (330, 320)


class Tour:
    """A visit of the program; each method is one thing that a person does."""

    def __init__(self, window: LimnWindow, out: Path) -> None:
        self.window, self.out = window, out
        self.pictures = 0

    def run(self) -> None:
        """From the empty window to the exported result."""
        self.start()
        self.open_samples()
        self.follow_contrast()
        self.look_at_each()
        self.find_vessels()
        self.move_threshold()
        self.paint()
        self.mark_disc()
        self.explain()
        self.export()

    def start(self) -> None:
        """Show the window and wait until it can be used."""
        self.window.show()
        wait_for(lambda: self.window.is_ready, "the window")
        self.take_picture("start")

    def open_samples(self) -> None:
        """Press the button that opens what ships with the program."""
        click(button(self.window.start_page, "Open sample studies"))
        count = len(list(SAMPLES.iterdir()))
        wait_for(lambda: len(self.window.studies.open) >= count, "the sample studies")

    def follow_contrast(self) -> None:
        """Subtract the run, draw regions, map its arrival, and make frames between its frames."""
        run = next(item for item in self.window.studies.open if item.series.kind == "run")
        self.choose(run)
        click(self.window.task_panel.cards[DSA].button)
        dock: Any = self.window.task_panel.pages[DSA].widget
        wait_for(lambda: dock.work.subtractor is not None, "the mask")
        if not dock.subtraction.switch.isChecked():
            click(dock.subtraction.switch)
        for _ in range(FILLED):
            self.press(Qt.Key.Key_Right)
        self.take_picture("subtracted")
        self.open_page(dock, 1)
        click(dock.curves.buttons["Ellipse"])
        for box in (ARTERY, TISSUE):
            drag(self.window.views.active, *((FILLED, *corner) for corner in box))
        wait_for(lambda: len(dock.work.known) == 2, "the curves")
        click(dock.curves.buttons["Ellipse"])
        self.take_picture("curves")
        self.open_page(dock, 2)
        click(dock.maps.choices["arrival"])
        wait_for(lambda: dock.work.map is not None, "the map")
        self.take_picture("arrival")
        click(dock.maps.choices["frames"])
        self.open_page(dock, 3)
        count = len(self.window.studies.open)
        click(dock.interpolation.run_button)
        wait_for(lambda: len(self.window.studies.open) > count, "the frames between")
        for _ in range(2 * FILLED + 1):
            self.press(Qt.Key.Key_Right)
        self.take_picture("interpolated")

    def open_page(self, dock: Any, page: int) -> None:
        """Press one of the dock's tabs."""
        bar = dock.tabs.tabBar()
        QTest.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.tabRect(page).center())

    def look_at_each(self) -> None:
        """Choose each study in the list, the fundus last."""
        taken = [item for item in self.window.studies.open if item.series.synthetic is None]
        for document in sorted(taken, key=lambda item: item.series.rgb):
            self.choose(document)
            self.take_picture(document.series.kind)

    def choose(self, document: Document) -> None:
        """Press its row in the list."""
        click_row(self.window.study_panel.tree, series_title(document.series))
        wait_for(lambda: self.window.views.document is document, "the study")

    def find_vessels(self) -> None:
        """Open the task that is offered for the fundus, and run it."""
        click(self.window.task_panel.cards[TASK].button)
        self.take_picture("task")
        click(self.task.model.run_button)
        wait_for(lambda: self.document.probability is not None, "the vessels")
        self.wait_for_measurements()
        self.take_picture("vessels")

    def move_threshold(self) -> None:
        """Move the slider by keys, there and back."""
        for key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            QTest.keyClick(self.task.threshold.slider, key)
            self.wait_for_measurements()
            self.take_picture("threshold")

    def paint(self) -> None:
        """Draw a vessel with the brush, take it back, and draw it again."""
        self.press(Qt.Key.Key_B)
        before = self.document.labels.copy()
        drag(self.window.views.active, *STROKE)
        self.take_picture("brush")
        self.press(Qt.Key.Key_Z, CONTROL)
        wait_for(lambda: (self.document.labels == before).all(), "the stroke to be taken back")
        self.press(Qt.Key.Key_Y, CONTROL)

    def mark_disc(self) -> None:
        """Drag across the optic disc, so that its zones are measured."""
        click(self.task.marks.disc_button)
        drag(self.window.views.active, *DISC)
        self.wait_for_measurements()
        self.take_picture("disc")

    def explain(self) -> None:
        """Ask what made the model see the vessels of a region."""
        click(self.task.explanation.button)
        drag(self.window.views.active, *REGION)
        wait_for(self.task.explanation.hide_button.isVisible, "the explanation")
        self.take_picture("explanation")
        click(self.task.explanation.hide_button)

    def export(self) -> None:
        """Save the results to a folder that is typed into the dialogue."""
        saved: list[Path] = []
        self.window.export.saved.connect(lambda document, paths: saved.extend(paths))
        folder = self.out / "results"
        folder.mkdir(exist_ok=True)
        self.press(Qt.Key.Key_E, CONTROL)
        wait_for(lambda: self.window.findChildren(ExportDialog), "the dialogue")
        [dialog] = self.window.findChildren(ExportDialog)
        dialog.folder.selectAll()
        QTest.keyClicks(dialog.folder, str(folder))
        click(dialog.save)
        wait_for(lambda: saved, "the export")
        self.take_picture("exported")

    @property
    def document(self) -> Document:
        """What is shown."""
        document = self.window.studies.selected
        if document is None:
            raise RuntimeError("nothing is open")
        return document

    @property
    def task(self) -> Any:
        """The panel of the task."""
        return self.window.task_panel.pages[TASK].widget

    def press(self, key: Qt.Key, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key in the image."""
        self.window.activateWindow()  # without a window manager nobody else gives it the keyboard
        wait_for(self.window.isActiveWindow, "the keyboard")
        self.window.views.active.take_focus()
        QTest.keyClick(QApplication.focusWidget() or self.window, key, modifier)

    def wait_for_measurements(self) -> None:
        """Until the table is up to date and no job runs."""
        pause(0.5)
        wait_for(lambda: self.task.work.rows and not self.window.job_bar.rows, "measurements")

    def take_picture(self, name: str) -> None:
        """Save the window as it looks now."""
        pause(0.5)
        self.pictures += 1
        self.window.grab().save(str(self.out / f"{self.pictures:02}_{name}.png"))


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
        tour = Tour(window, out)
        try:
            tour.run()
        except TimeoutError:
            tour.take_picture("stuck")
            raise
        window.close()
    left = sorted(path.relative_to(out.parent) for path in out.rglob("*") if path.is_file())
    sys.stdout.write("The tour left:\n" + "".join(f"  {path}\n" for path in left))


if __name__ == "__main__":
    main()
