"""What the window says of each object: volume, levels, slices, names with codes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import wait_until
from pydicom.sr import _concepts_dict
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit

from gui.document import Document
from gui.facts import Moments, facts_of, stacked, table
from gui.object_details import lines_of
from gui.objects_panel import NAME
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.series import Geometry, Series
from plugins.dicom import terminology

if TYPE_CHECKING:
    from gui.window import LimnWindow

SCALE = (3.0, 0.8, 0.5)


def scan(shape: tuple[int, int, int] = (20, 30, 40), unit: str = "HU") -> Series:
    z, y, x = SCALE
    affine = np.array([[0, 0, x, 0], [0, y, 0, 0], [z, 0, 0, 0], [0, 0, 0, 1.0]])
    voxels = np.random.default_rng(1).integers(-1000, 1500, shape).astype(np.int16)
    return Series(voxels, "volume", "CT", (Path("ct"),), Geometry(affine, True), unit=unit)


def put(document: Document, where: tuple[slice, ...], value: int) -> None:
    box = Box(tuple(s.start for s in where), tuple(s.stop for s in where))
    values = np.full(box.shape, value, np.uint8)
    document.apply(VoxelEdit.of(document.labels, box, values, "Put"))


def details(window: LimnWindow) -> dict[str, str]:
    lines = window.correct_panel.objects.details.lines.values()
    return {caption.text(): value.text() for caption, value in lines if caption.text()}


# --- what is computed -------------------------------------------------------------------------


def test_figures_are_those_of_the_voxels_however_they_were_edited() -> None:
    document = Document(scan())
    moments, random = Moments(20), np.random.default_rng(5)
    for _ in range(40):
        start = [int(random.integers(0, n - 4)) for n in document.shape]
        where = tuple(slice(a, a + int(random.integers(1, 5))) for a in start)
        put(document, where, int(random.integers(0, 4)))
        labels, image = stacked(document)
        moments.renew(labels, image, range(where[0].start, where[0].stop))
    for label in (1, 2, 3):
        inside = document.labels == label
        facts = moments.facts(label, document.series)
        levels = document.image[inside].astype(float)
        assert facts.size == pytest.approx(inside.sum() * np.prod(SCALE) / 1000)
        assert facts.mean == pytest.approx(levels.mean())
        assert facts.deviation == pytest.approx(levels.std())
        held = np.flatnonzero(inside.any(axis=(1, 2)))
        assert facts.slices == (held[0] + 1, held[-1] + 1)
        assert facts.extent == pytest.approx((held[-1] - held[0] + 1) * 3.0)


def test_levels_that_are_no_number_are_left_out_and_colours_have_none() -> None:
    voxels = np.full((3, 4), np.nan, np.float32)
    voxels[0, :2] = 1, 3
    labels = np.ones((1, 3, 4), np.uint8)
    moments = Moments(1)
    moments.renew(labels, voxels[None], [0])
    picture = Series(voxels, "image", "OT", (Path("a"),))
    facts = moments.facts(1, picture)
    assert (facts.mean, facts.deviation, facts.slices) == (2, 1, None)
    assert lines_of(facts, "image") == {"Area": "12 px", "Mean grey value": "2.0 ± 1.0"}
    colours = Document(Series(np.zeros((3, 4, 3), np.uint8), "image", "OP", (Path("b"),), rgb=True))
    moments.renew(*stacked(colours), [0])
    empty = Moments(1).facts(1, colours.series)
    assert (empty.size, empty.mean) == (0, None)


def test_the_table_has_a_row_for_each_object() -> None:
    document = Document(scan(unit=""))
    document.add_object("Liver")
    document.add_object("Nothing drawn")
    put(document, (slice(2, 4), slice(0, 10), slice(0, 10)), 1)
    full, empty = table(facts_of(document.objects.values(), document.series, *stacked(document)))
    assert full["name"] == "Liver"
    assert full["size_ml"] == pytest.approx(200 * np.prod(SCALE) / 1000)
    assert full["mean_grey"] == pytest.approx(document.image[2:4, :10, :10].mean(), rel=1e-5)
    assert (full["first_slice"], full["last_slice"], full["extent_mm"]) == (3, 4, 6)
    assert (empty["size_ml"], empty["mean_grey"], empty["first_slice"]) == (0, "", "")


# --- names ------------------------------------------------------------------------------------


def test_every_code_is_one_that_the_standard_gives_that_meaning() -> None:
    meanings: dict[str, set[str]] = {}
    for entries in _concepts_dict.concepts["SCT"].values():
        for code, (meaning, *_) in entries.items():
            meanings.setdefault(code, set()).add(meaning.casefold())
    for term in terminology.terms().values():
        for code, name in (term.code, term.category):
            assert any(name.casefold() in known for known in meanings[code]), term


def test_sides_and_unknown_names() -> None:
    left = terminology.term(" left KIDNEY ")
    assert (left.name, left.code, left.side) == ("Left kidney", ("64033007", "Kidney"), "Left")
    assert terminology.term("Segment IVb") is terminology.ANY
    assert terminology.term("mass").category == terminology.ABNORMAL
    assert len(terminology.names()) == len(set(terminology.names())) > 150


# --- in the window ------------------------------------------------------------------------------


def test_the_figures_of_the_chosen_object_follow_edits(window: LimnWindow) -> None:
    document = window.studies.add(scan())
    window.studies.select(document)
    window.tabs.setCurrentWidget(window.correct_panel)
    assert details(window) == {}
    document.add_object("Liver")
    put(document, (slice(2, 6), slice(0, 10), slice(0, 10)), 1)
    levels = document.image[2:6, :10, :10]
    level = f"{levels.mean():.1f} ± {levels.std():.1f} HU".replace("-", "\N{MINUS SIGN}")
    wait_until(lambda: details(window).get("Slices") == "3\N{EN DASH}6 of 20, 12 mm")
    assert details(window) == {"Volume": "0.48 ml", "Mean": level,
                               "Slices": "3\N{EN DASH}6 of 20, 12 mm"}  # fmt: skip
    window.undo()
    wait_until(lambda: details(window) == {})
    window.redo()
    wait_until(lambda: details(window))
    row = window.correct_panel.objects.tree.topLevelItem(0)
    assert "Slices: 3\N{EN DASH}6 of 20, 12 mm" in row.toolTip(NAME)
    document.add_object("Spleen")
    wait_until(lambda: details(window) == {})
    document.active = 1
    wait_until(lambda: details(window)["Volume"] == "0.48 ml")


def test_figures_of_what_changed_out_of_sight_are_counted_again(window: LimnWindow) -> None:
    first, second = (window.studies.add(scan(unit=unit)) for unit in ("HU", ""))
    window.studies.select(first)
    first.add_object("Liver")
    window.studies.select(second)
    put(first, (slice(0, 1), slice(0, 10), slice(0, 10)), 1)
    window.studies.select(first)
    wait_until(lambda: details(window).get("Slices") == "1, 3 mm")


def test_renaming_suggests_names_with_codes_and_takes_others(window: LimnWindow) -> None:
    document = window.studies.add(scan())
    window.studies.select(document)
    window.tabs.setCurrentWidget(window.correct_panel)
    document.add_object()
    tree = window.correct_panel.objects.tree
    tree.editItem(tree.topLevelItem(0), NAME)
    editor = tree.findChild(QLineEdit)
    editor.selectAll()
    QTest.keyClicks(editor, "kidn")
    wait_until(lambda: editor.completer().popup().isVisible())
    offered = editor.completer().completionModel()
    names = {offered.index(row, 0).data() for row in range(offered.rowCount())}
    assert names == {"Kidney", "Left kidney", "Right kidney"}
    popup = editor.completer().popup()
    QTest.keyClick(popup, Qt.Key.Key_Down)
    QTest.keyClick(popup, Qt.Key.Key_Down)
    QTest.keyClick(popup, Qt.Key.Key_Return)
    wait_until(lambda: document.objects[1].name == "Left kidney")
    wait_until(lambda: not tree.findChildren(QLineEdit))
    tree.editItem(tree.topLevelItem(0), NAME)
    editor = tree.findChildren(QLineEdit)[-1]
    editor.selectAll()
    QTest.keyClicks(editor, "Segment IVb")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    wait_until(lambda: document.objects[1].name == "Segment IVb")
