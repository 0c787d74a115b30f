"""A user who opens, works on, exports and closes one study after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import SimpleITK as sitk
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from gui.export_dialog import ExportDialog
from gui.opening import SAMPLES
from scripts.tour.hand import click, drag, wait_for
from tests.chests import SPACING, chest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gui.document import Document
    from gui.window import LimnWindow

CONTROL = Qt.KeyboardModifier.ControlModifier
PATIENCE = 300  # s, for one step of one study
EDGES = (0, 7, 12)  # voxels cut off, so that not all studies are of one size


class Soak:
    """Visits studies of all four kinds in turn."""

    def __init__(self, window: LimnWindow, folder: Path) -> None:
        self.window, self.folder = window, folder
        self.kinds: tuple[Callable[[Path, int], None], ...] = (
            self.photograph, self.run, self.volume, self.chest
        )  # fmt: skip
        self.out = folder / "results"
        self.out.mkdir()
        self._saved: list[Path] = []
        window.export.saved.connect(lambda document, paths: self._saved.extend(paths))

    def visit(self, number: int) -> None:
        """Open the study of this number, work on it, export it, close it."""
        edge = EDGES[number // len(self.kinds) % len(EDGES)]
        self.kinds[number % len(self.kinds)](self.folder / f"study{number:04}", edge)
        while self.window.studies.open:
            self.window.studies.close(self.window.studies.open[0])
        self._wait(lambda: not self.window.job_bar.rows, "the end of all jobs")
        for path in (*self.folder.glob("study*"), *self.out.iterdir()):
            path.unlink()

    # --- the four kinds ------------------------------------------------------------------------

    def photograph(self, path: Path, edge: int) -> None:
        """Find the vessels of a fundus, move the threshold, draw, export."""
        pixels = np.asarray(Image.open(SAMPLES / "fundus.jpg"))
        path = path.with_suffix(".png")
        Image.fromarray(pixels[edge:, edge:]).save(path)
        document, dock = self._open(path, "retinal_vessels")
        click(dock.model.run_button)
        self._wait(lambda: document.probability is not None, "the vessels")
        QTest.keyClick(dock.threshold.slider, Qt.Key.Key_PageUp)
        self._wait(lambda: dock.work.rows, "the measurements")
        self._draw((300, 200), (330, 320))
        self._export()

    def run(self, path: Path, _: int) -> None:
        """Subtract a run, follow a region, make frames between its frames."""
        path = path.with_suffix(".dcm")
        run = pydicom.dcmread(SAMPLES / "dsa_run.dcm")
        run.save_as(path)
        dock = self._open(path, "dsa_interpolation")[1]
        self._wait(lambda: dock.work.subtractor is not None, "the mask")
        dock.work.set(on=True)
        dock.work.add_region(((120.0, 90.0), (120.0, 120.0), (150.0, 120.0), (150.0, 90.0)))
        dock.tabs.setCurrentWidget(dock.curves)
        self._wait(lambda: dock.work.known, "the curve")
        dock.tabs.setCurrentWidget(dock.maps)
        click(dock.maps.choices["arrival"])
        self._wait(lambda: dock.work.map is not None, "the map")
        dock.tabs.setCurrentWidget(dock.interpolation)
        click(dock.interpolation.run_button)
        self._wait(lambda: len(self.window.studies.open) == 2, "the frames between")
        self.window.run_export.save(self.window.studies.selected, self.out / "run.dcm")
        self._wait((self.out / "run.dcm").exists, "the export")

    def volume(self, path: Path, edge: int) -> None:
        """Click on an organ, correct it, export."""
        path = path.with_suffix(".nii")
        image = sitk.ReadImage(str(SAMPLES / "ct_phantom.nii.gz"))
        sitk.WriteImage(image[edge:, edge:], str(path))
        document, dock = self._open(path, "click_segmentation")
        middle = tuple(n // 2 for n in document.shape)
        self.window.views.look_at(middle)
        dock.use("click")
        drag(self.window.views.active, middle, middle)
        self._wait(lambda: document.labels.any() and dock.clicks.waiting is None, "the mask")
        self._draw(middle, (middle[0], middle[1] + 20, middle[2] + 20))
        self._export()

    def chest(self, path: Path, edge: int) -> None:
        """Search for lymph nodes, correct, export."""
        path = path.with_suffix(".nii")
        image = sitk.GetImageFromArray(np.ascontiguousarray(chest()[:, edge:, edge:]))
        image.SetSpacing(SPACING[::-1])
        sitk.WriteImage(image, str(path))
        document, dock = self._open(path, "lymph_nodes")
        click(dock.search.run_button)
        self._wait(lambda: dock.work.found and document not in dock.search.running, "the nodes")
        middle = tuple(n // 2 for n in document.shape)
        self._draw(middle, (middle[0], middle[1] + 20, middle[2] + 20))
        self._export()

    # --- what all have in common -----------------------------------------------------------------

    def _open(self, path: Path, task: str) -> tuple[Document, Any]:
        """The document, and the dock of a task."""
        window = self.window
        window.opening.open([path])
        self._wait(lambda: window.views.document is not None, "the study")
        click(window.task_panel.cards[task].button)
        self._wait(lambda: window.session.jobs.state == "ready", "the worker")
        return window.studies.selected, window.task_panel.pages[task].widget

    def _draw(self, *places: tuple[float, ...]) -> None:
        """A stroke of the brush, taken back and done again."""
        document = self.window.studies.selected
        if not document.objects:
            document.add_object()
        self.window.correction.use("brush")
        before = document.labels.copy()
        drag(self.window.views.active, *places)
        self._press(Qt.Key.Key_Z)
        self._wait(lambda: np.array_equal(document.labels, before), "the stroke taken back")
        self._press(Qt.Key.Key_Y)
        self._wait(lambda: not np.array_equal(document.labels, before), "the stroke done again")

    def _export(self) -> None:
        self._saved.clear()
        self._press(Qt.Key.Key_E)
        self._wait(lambda: self.window.findChildren(ExportDialog), "the dialogue")
        [dialog] = self.window.findChildren(ExportDialog)
        dialog.folder.setText(str(self.out))
        click(dialog.save)
        self._wait(lambda: self._saved, "the export")
        self._wait(lambda: not self.window.findChildren(ExportDialog), "the dialogue to go")

    def _press(self, key: Qt.Key) -> None:
        self.window.activateWindow()  # without a window manager nobody else gives it the keyboard
        self._wait(self.window.isActiveWindow, "the keyboard")
        self.window.views.active.take_focus()
        QTest.keyClick(QApplication.focusWidget() or self.window, key, CONTROL)

    def _wait(self, reached: Callable[[], object], what: str) -> None:
        wait_for(reached, what, PATIENCE)
