"""Opening in the window: a first picture, a list that grows, what waits to be asked for, Cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from gui.layout import IMAGES, PREVIEW
from gui.studies import Expected, person
from inference.arrivals import Entry, Glimpse
from inference.series import Identity
from tests import phantoms
from tests.conftest import wait_until
from tests.scanners import chest

if TYPE_CHECKING:
    from pathlib import Path

    from gui.window import LimnWindow


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two CT series, and one whose header claims more than is read unasked."""
    folder = tmp_path / "archive"
    for number in (1, 2):
        uid = {"SeriesInstanceUID": f"2.25.{number}", "SeriesNumber": number}
        phantoms.save(folder / str(number), chest(tmp_path, **uid))
    huge = chest(tmp_path, SeriesInstanceUID="2.25.3", SeriesNumber=3, SeriesDescription="Huge")[0]
    huge.Rows = huge.Columns = 50_000
    phantoms.save(folder / "3", [huge])
    return folder


def rows(window: LimnWindow) -> list[str]:
    """All series rows of the panel, by title and facts."""
    tree = window.study_panel.tree
    groups = [tree.topLevelItem(number) for number in range(tree.topLevelItemCount())]
    items = [group.child(number) for group in groups for number in range(group.childCount())]
    facts = Qt.ItemDataRole.UserRole + 2
    return [f"{item.text(0)} | {item.data(0, facts)}" for item in items]


def test_a_list_and_a_picture_come_first_and_the_huge_series_waits(
    window: LimnWindow, archive: Path
) -> None:
    heard: list[str] = []
    window.opening.glimpsed.connect(lambda _: heard.append("picture"))
    window.studies.expected_changed.connect(lambda: heard.append("list"))
    window.studies.added.connect(lambda _: heard.append("series"))
    window.opening.open([archive])
    wait_until(lambda: len(window.studies.open) == 2 and not window.job_bar.rows)
    assert heard[0] == "picture"
    assert heard.index("list") < heard.index("series")
    assert window._pages.currentIndex() == IMAGES
    (waiting,) = [row for row in rows(window) if "Huge" in row]
    assert waiting.endswith("Enter opens it · CT · 50000×50000×1")
    assert [expected.coming for expected in window.studies.expected.values()] == [False]
    tree = window.study_panel.tree
    item = next(item for item in window.study_panel._expected)
    tree.setCurrentItem(item)
    tree.setFocus()
    QTest.keyClick(tree, Qt.Key.Key_Return)
    wait_until(lambda: window.notices.toasts and not window.job_bar.rows)
    sentences = " ".join(toast.sentence for toast in window.notices.toasts)
    assert "claims" in sentences or "cut off" in sentences  # it is not as large as it says
    assert not window.studies.expected


def test_the_first_picture_is_shown_until_its_series_has_come(window: LimnWindow) -> None:
    picture = np.zeros((20, 30), np.uint8)
    picture[5:15, 5:25] = 255
    window._glimpse(Glimpse(picture, (2.0, 1.0)))
    assert window._pages.currentIndex() == PREVIEW
    shot = window.preview.grab().toImage()
    middle, corner = shot.rect().center(), shot.rect().topLeft()
    assert shot.pixelColor(middle).lightness() > 200
    assert shot.pixelColor(corner).lightness() < 60
    window.opening.ended.emit()
    assert window._pages.currentIndex() != PREVIEW


def test_cancel_takes_the_rows_away_and_shows_what_was_shown(
    window: LimnWindow, archive: Path
) -> None:
    window.opening.open([archive / "1"])
    wait_until(lambda: len(window.studies.open) == 1 and not window.job_bar.rows)
    before = window.studies.selected
    window.opening.glimpsed.connect(window.job_bar.cancel_all)
    try:
        window.opening.open([archive])
        wait_until(lambda: not window.opening._requests)
    finally:
        window.opening.glimpsed.disconnect(window.job_bar.cancel_all)
    assert window.studies.selected is before
    assert all(not expected.coming for expected in window.studies.expected.values())
    assert window._pages.currentIndex() == IMAGES


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Doe^Jane^^Dr", "Doe Jane Dr"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada Tarou (山田 太郎)"),
        ("=王^小东", "王 小东"),
        ("", ""),
    ],
)
def test_names_are_shown_as_they_are_read_and_written(name: str, shown: str) -> None:
    assert person(name) == shown


def test_hidden_names_are_not_in_rows_that_wait(window: LimnWindow, tmp_path: Path) -> None:
    who = Identity(patient_name="Wintergreen^Aurelia", series_number="4")
    entry = Entry("k", who, "CT", (500, 512, 512), tmp_path / "wintergreen.dcm")
    window.studies.expect([Expected(entry, tmp_path, coming=True)])
    assert "4  wintergreen.dcm | Reading… · CT · 512×512×500" in rows(window)
    window.settings.change(hide_patient_names=True)
    assert "wintergreen" not in "".join(rows(window)).casefold()
    window.studies.expect_no_more(["k"])
    assert rows(window) == []
