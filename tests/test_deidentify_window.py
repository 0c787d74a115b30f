"""De-identified copies through the window: preview, masks, the confirmation, what was written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from conftest import wait_until
from pydicom.uid import SecondaryCaptureImageStorage
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from inference.audit import Trail
from plugins.dicom.masking import Mask
from plugins.dicom.widget_changes import HIDDEN
from plugins.dicom.widget_deidentify import DeidentifyDialog
from tests import identities, phantoms

if TYPE_CHECKING:
    from collections.abc import Callable

    from gui.window import LimnWindow

PICTURE = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50) + 7


@pytest.fixture
def ask(window: LimnWindow, tmp_path: Path) -> Callable[..., DeidentifyDialog]:
    """Opens files and the dialog over them, with its preview there."""

    def opened(*files: Path) -> DeidentifyDialog:
        window.opening.open(files)
        wait_until(lambda: len(window.studies.open) == len(files) and not window.job_bar.rows)
        window.commands.actions["deidentify"].trigger()
        dialog = window.findChildren(DeidentifyDialog)[-1]
        dialog.choices.folder.setText(str(tmp_path / "out"))
        dialog.activateWindow()  # until then, keys may be the main window's
        wait_until(dialog.isActiveWindow)
        settled(window, dialog)
        return dialog

    return opened


def settled(window: LimnWindow, dialog: DeidentifyDialog) -> None:
    wait_until(lambda: not window.job_bar.rows and dialog.changes.rows.model().rowCount())


def capture(path: Path, **elements: str) -> Path:
    dataset = phantoms.dicom(path, SecondaryCaptureImageStorage, Modality="OT", **elements)
    dataset.PatientName, dataset.PatientID = identities.NAME, identities.NUMBER
    dataset.SeriesInstanceUID = f"2.25.{len(path.stem)}"
    phantoms.set_pixels(dataset, PICTURE)
    dataset.save_as(path, enforce_file_format=True)
    return path


def rows(dialog: DeidentifyDialog) -> dict[str, tuple[str, ...]]:
    """What the table shows, by tag."""
    table = dialog.changes.rows.model()
    cells = [[table.index(row, column).data() for column in range(5)]
             for row in range(table.rowCount())]  # fmt: skip
    return {cell[0]: tuple(cell[1:]) for cell in cells}


def write(window: LimnWindow, dialog: DeidentifyDialog) -> list[Path]:
    QTest.mouseClick(dialog.write_button, Qt.MouseButton.LeftButton)
    wait_until(lambda: dialog._job is None and not window.job_bar.rows)
    return sorted((Path(dialog.choices.folder.text())).rglob("*.dcm"))


def test_what_changes_is_shown_searched_and_written(
    window: LimnWindow, ask: Callable[..., DeidentifyDialog], tmp_path: Path
) -> None:
    dialog = ask(capture(tmp_path / "a.dcm", BurnedInAnnotation="NO", PatientAge="060Y"))
    name = rows(dialog)["(0010,0010)"]
    assert name[:3] == ("changed", "Patient's Name", identities.NAME)
    assert rows(dialog)["(0010,1010)"][0] == "removed"
    dialog.choices.options["patient"].click()
    settled(window, dialog)
    assert "(0010,1010)" not in rows(dialog)
    QTest.keyClicks(dialog.changes.search, "patient id")
    assert set(rows(dialog)) == {"(0010,0020)", "(0012,0062)"}
    [path] = write(window, dialog)
    found = pydicom.dcmread(path)
    assert (str(found.PatientName), found.PatientAge) == (name[3], "060Y")
    assert "1 of 1 files were written" in dialog.state.text()
    wait_until(lambda: "de-identified" in [record.event for record in Trail().records()])
    dialog.reject()


def test_choices_and_table_are_whole_at_twice_the_size_of_text(
    window: LimnWindow, ask: Callable[..., DeidentifyDialog], tmp_path: Path
) -> None:
    window.settings.change(text_size=200)
    dialog = ask(capture(tmp_path / "a.dcm", BurnedInAnnotation="NO"))
    for box in dialog.choices.options.values():
        shown = box.visibleRegion().boundingRect().width()
        assert shown >= box.sizeHint().width()
    table = dialog.changes.rows
    metrics = table.fontMetrics()
    assert table.rowHeight(0) >= metrics.height()
    assert table.columnWidth(0) > metrics.horizontalAdvance("(0012,0063)")
    assert dialog.size().width() <= dialog.screen().availableSize().width()


def test_masks_are_drawn_and_typed(
    window: LimnWindow, ask: Callable[..., DeidentifyDialog], tmp_path: Path
) -> None:
    """Text in the picture is feared, so something has to be done about it first."""
    dialog = ask(capture(tmp_path / "a.dcm"))
    wait_until(dialog.choices.fear.isVisible)
    assert "screen captures" in dialog.choices.fear.text()
    assert not dialog.write_button.isEnabled()
    dialog.tabs.setCurrentIndex(1)
    canvas = dialog.masks.canvas
    frame, scale = canvas.frame(), canvas.frame().width() / 50
    start = frame.topLeft() + QPoint(round(10.2 * scale), round(5.2 * scale))
    end = frame.topLeft() + QPoint(round(19.5 * scale), round(8.5 * scale))
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(canvas, end)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=end)
    assert dialog.masks.masks["2.25.1"] == [Mask(5, 10, 9, 20)]
    QTest.keyClicks(dialog.masks.edit, "30,0")
    QTest.keyClick(dialog.masks.edit, Qt.Key.Key_Return)
    assert "no rectangle" in dialog.masks.problem.text()
    dialog.masks.edit.setText("30,0,99,50")
    QTest.keyClick(dialog.masks.edit, Qt.Key.Key_Return)
    assert dialog.masks.list.count() == 2
    [path] = write(window, dialog)
    expected = PICTURE.copy()
    expected[5:9, 10:20] = expected[30:] = PICTURE.min()
    np.testing.assert_array_equal(pydicom.dcmread(path).pixel_array, expected)
    dialog.masks._remove()
    assert dialog.masks.masks["2.25.1"] == [Mask(5, 10, 9, 20)]
    dialog.reject()


def test_any_file_of_a_series_can_be_looked_at(
    window: LimnWindow, ask: Callable[..., DeidentifyDialog], tmp_path: Path
) -> None:
    stored = phantoms.stored((0, 1, 2), (False, False, False), tmp_path)
    dialog = ask(phantoms.save(tmp_path / "ct", phantoms.ct_slices(stored)))
    count = len(stored.voxels)
    assert dialog.changes.file.text() == f"File 1 of {count}"
    first = rows(dialog)["(0008,0018)"]
    dialog.changes.file.setValue(count)
    settled(window, dialog)
    assert rows(dialog)["(0008,0018)"] != first
    dialog.reject()


def test_series_can_be_left_out_and_problems_are_listed(
    window: LimnWindow, ask: Callable[..., DeidentifyDialog], tmp_path: Path
) -> None:
    files = [capture(tmp_path / f"{name}.dcm") for name in ("a", "bb")]
    dialog = ask(*files)
    assert dialog.choices.series.count() == 2
    assert not dialog.write_button.isEnabled()
    QTest.mouseClick(dialog.choices.looked, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    wait_until(dialog.write_button.isEnabled)
    dialog.choices.series.item(1).setCheckState(Qt.CheckState.Unchecked)
    assert len(write(window, dialog)) == 1
    dialog.choices.series.item(1).setCheckState(Qt.CheckState.Checked)
    assert len(write(window, dialog)) == 2
    assert "1 of 2 files" in dialog.state.text()
    assert "earlier export" in dialog.outcome.toPlainText()
    dialog.reject()


def test_hidden_names_are_not_in_the_preview(
    window: LimnWindow, ask: Callable[..., DeidentifyDialog], tmp_path: Path
) -> None:
    window.settings.change(hide_patient_names=True)
    dialog = ask(capture(tmp_path / "Wintergreen.dcm"))
    shown = "\n".join("\n".join(row) for row in rows(dialog).values())
    listed = dialog.choices.series.item(0).text() + dialog.choices.fear.text() + dialog.state.text()
    assert HIDDEN in shown
    assert not [s for s in identities.SECRETS if s in f"{shown}{listed}".casefold()]
    dialog.choices.looked.setChecked(True)
    assert len(write(window, dialog)) == 1
    assert write(window, dialog)
    assert dialog.outcome.toPlainText()
    assert "wintergreen" not in dialog.outcome.toPlainText().casefold()
    dialog.reject()


def test_a_decoder_that_ends_the_reader_stops_no_other_file(
    window: LimnWindow, ask: Callable[..., DeidentifyDialog], tmp_path: Path
) -> None:
    dialog = ask(capture(tmp_path / "a.dcm", BurnedInAnnotation="NO"))
    document = window.studies.selected
    bad = phantoms.aborting(tmp_path / "bad.dcm")
    paths = (bad, *document.series.paths)
    object.__setattr__(document.series, "paths", paths)
    uid = pydicom.dcmread(bad).SeriesInstanceUID
    dialog.masks.masks = {document.series.identity.series_uid: [Mask(0, 0, 9, 9)],
                          uid: [Mask(0, 0, 9, 9)]}  # fmt: skip
    assert len(write(window, dialog)) == 1
    assert "bad.dcm" in dialog.outcome.toPlainText()
    assert "1 of 2 files" in dialog.state.text()
    dialog.reject()
