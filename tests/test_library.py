"""The studies of this computer: listed while they are scanned, found again, never in the way."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from inference.errors import UserError
from inference.worker import Cancelled, JobContext
from plugins.dicom.index import Index, SeriesRow, StudyRow, Wanted
from plugins.dicom.scan import Scanned, scan_job
from plugins.dicom.widget_library_tree import LibraryTree
from tests import phantoms
from tests.conftest import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtWidgets import QApplication

    from gui.window import LimnWindow
    from plugins.dicom.widget_library import ThisComputer


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "data" / "studies.sqlite")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A CT and an angiogram of two patients, and a letter."""
    folder = tmp_path / "archive"
    slices = list(phantoms.ct_slices(phantoms.stored((0, 1, 2), (False,) * 3, tmp_path)))
    for dataset in slices:
        dataset.StudyDate, dataset.StudyDescription = "20240131", "Chest"
    phantoms.save(folder / "ct", slices)
    phantoms.angiogram(
        folder / "xa.dcm", phantoms.run(), FrameTime="40", PatientName="Müller^Jörg",
        PatientID="4-711", StudyInstanceUID="2.25.99", StudyDate="20230201",
        SpecificCharacterSet="ISO_IR 192",
    )  # fmt: skip
    (folder / "letter.txt").write_text("Dear colleague", "utf-8")
    return folder


def scan(index: Index, folder: Path) -> Scanned:
    return scan_job(JobContext("cpu"), str(index.path), str(folder))


def test_studies_are_found_by_every_word_of_the_list(index: Index, archive: Path) -> None:
    assert scan(index, archive).files == 9
    newest, older = index.studies()
    assert (newest.name, newest.modalities, newest.series, newest.images) == (
        "Doe^Jane",
        "CT",
        1,
        7,
    )
    assert (older.name, older.images) == ("Müller^Jörg", 5)
    for words in ("doe", "JANE doe", "secret", "chest", "2024-01", "20240131"):
        assert index.studies(Wanted(words)) == [newest], words
    for wanted in (Wanted("MÜLLER"), Wanted("4-711"), Wanted("", "XA")):
        assert index.studies(wanted) == [older], wanted
    assert index.studies(Wanted("", "", "20240101")) == [newest]
    assert index.studies(Wanted("%")) == []
    (series,) = index.series(newest.key)
    assert len(index.files(series=series.key)) == len(index.files(study=newest.key)) == 7


def test_a_second_scan_reads_only_what_is_new_and_forgets_what_is_gone(
    index: Index, archive: Path
) -> None:
    scan(index, archive)
    assert scan(index, archive) == Scanned(str(archive), 0, 0)
    (archive / "xa.dcm").unlink()
    (archive / "letter.txt").write_text("Dear colleague, again", "utf-8")
    assert scan(index, archive) == Scanned(str(archive), 1, 1)
    assert [study.name for study in index.studies()] == ["Doe^Jane"]


def test_a_folder_that_is_not_there_keeps_its_studies(index: Index, archive: Path) -> None:
    scan(index, archive)
    archive.rename(archive.parent / "elsewhere")
    with pytest.raises(UserError, match="archive is not there"):
        scan(index, archive)
    assert len(index.studies()) == 2


def test_a_cancelled_scan_keeps_what_it_has_listed(
    index: Index, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.dicom.scan.AT_ONCE", 2)
    told: list[Scanned] = []

    def give_way() -> None:
        if told and told[-1].files >= 4:
            raise Cancelled

    context = JobContext("cpu", hand_over=told.append, give_way=give_way)
    with pytest.raises(Cancelled):
        scan_job(context, str(index.path), str(archive))
    assert len(index.known(archive)) == 4
    assert scan(index, archive).files == 5


def test_links_out_of_the_folder_are_not_listed(index: Index, archive: Path) -> None:
    (archive / "ct" / "out.dcm").symlink_to(archive / "xa.dcm")
    scan(index, archive / "ct")
    assert [study.name for study in index.studies()] == ["Doe^Jane"]


def test_nothing_of_an_emptied_list_stays_in_its_file(index: Index, archive: Path) -> None:
    scan(index, archive)
    assert b"ller^J" in index.path.read_bytes()
    assert index.path.stat().st_mode & 0o077 == 0
    index.empty()
    assert (index.studies(), index.folders()) == ([], [])
    left = b"".join(file.read_bytes() for file in index.path.parent.iterdir() if file.is_file())
    assert b"ller^J" not in left
    assert b"SECRET" not in left


def test_a_damaged_list_is_begun_anew_in_one_sentence(index: Index, archive: Path) -> None:
    scan(index, archive)
    index.path.write_bytes(b"no database " * 1000)
    with pytest.raises(UserError, match="was damaged and is begun anew"):
        index.studies()
    assert index.studies() == []
    assert scan(index, archive).files == 9


def test_a_list_of_another_version_is_made_again(index: Index, archive: Path) -> None:
    scan(index, archive)
    with sqlite3.connect(index.path) as base:
        base.execute("PRAGMA user_version = 99")
    assert index.studies() == []


def test_a_locked_list_is_told(
    index: Index, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.dicom.index.WAIT", 0.05)
    scan(index, archive)
    other = sqlite3.connect(index.path)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError, match="in use by another program"):
        index.studies()
    other.close()
    assert len(index.studies()) == 2


def test_a_list_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", "utf-8")
    with pytest.raises(UserError, match="cannot be kept in"):
        Index(tmp_path / "file" / "studies.sqlite").folders()


# --- in the window -----------------------------------------------------------------------------


@pytest.fixture
def library(window: LimnWindow) -> ThisComputer:
    window.browser.open("This computer")
    page = window.browser.pages["This computer"]
    page.empty()
    wait_until(lambda: not page._background.busy)
    return page


def settled(page: ThisComputer) -> bool:
    return "scan" not in page.running and not page._background.busy and not page._left


def names(page: ThisComputer) -> list[str]:
    items = [page.tree.topLevelItem(row) for row in range(page.tree.topLevelItemCount())]
    return [item.text(0) for item in items]


def test_descriptions_tell_no_hidden_name(qapp: QApplication) -> None:
    tree = LibraryTree()
    study = StudyRow("1", "Wintergreen^Aurelia", "MRN-4711", "", "Thorax Wintergreen", "CT", 1, 7)
    series = SeriesRow("2", "1", "Aurelia MRN-4711 lung", "CT", 7)
    for hidden, texts in (
        (True, ("Thorax …", "1  … … lung")),
        (False, ("Thorax Wintergreen", "1  Aurelia MRN-4711 lung")),
    ):
        tree.show_studies([study], hidden=hidden)
        tree.show_series("1", [series])
        item = tree.topLevelItem(0)
        assert (item.text(3), item.child(0).text(0)) == texts


def test_scan_search_and_open_in_the_window(
    window: LimnWindow, library: ThisComputer, archive: Path
) -> None:
    assert library.hint.isVisibleTo(library)
    library.scan([str(archive)])
    wait_until(lambda: settled(library) and names(library))
    assert names(library) == ["Doe Jane", "Müller Jörg"]
    assert library.summary.text() == "2 studies, 12 images"
    QTest.keyClicks(library.words, "doe")
    wait_until(lambda: names(library) == ["Doe Jane"])
    QTest.keyClick(library.words, Qt.Key.Key_Return)
    QTest.keyClick(library.tree, Qt.Key.Key_Right)
    wait_until(lambda: library.tree.topLevelItem(0).childCount() == 1)
    QTest.keyClick(library.tree, Qt.Key.Key_Return)
    wait_until(lambda: window.studies.open and not window.job_bar.rows)
    assert window.studies.selected.series.voxels.shape == phantoms.volume().shape
    assert window.settings.now.recent == ()  # found again in the list, which can be emptied
    window.settings.change(hide_patient_names=True)
    wait_until(lambda: names(library) == ["Patient"])
    window.settings.change(remember_recent=False)
    wait_until(lambda: settled(library) and not names(library))
    assert library.index.studies() == []
