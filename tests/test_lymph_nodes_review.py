"""What a reader does to nodes: stations, shapes, decisions, thresholds, comparison, report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bright_nodes import bright_finder
from chests import SHAPE, SPACING, ball, chest
from scipy import ndimage

from gui.document import Document
from gui.project import Kept
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.corrections import Lesson
from inference.errors import UserError
from inference.measured import LEFT, LYMPH_NODE, SHORT_AXIS, STATIONS
from inference.reading import read
from inference.series import Geometry, Series
from inference.worker import JobContext
from plugins.lymph_nodes import earlier, edits, landmarks, regions, report, shaping
from plugins.lymph_nodes.findings import findings, place_of
from plugins.lymph_nodes.landmarks import Cut, Landmarks
from plugins.lymph_nodes.learning import LEARNING
from plugins.lymph_nodes.model import CONFIGS, NodeNet
from plugins.lymph_nodes.review import Earlier, is_node, response, sum_of_targets
from plugins.lymph_nodes.stations import suggest
from plugins.lymph_nodes.task import TASK, survey
from plugins.lymph_nodes.work import NodeWork

FIRST, SECOND = (46, 30, 66), (58, 52, 66)
CARINA = 40


class AtOnce:
    """A background that is in front."""

    def run(self, work, then, failed=None):
        then(work())


NOW = AtOnce()


def forked() -> np.ndarray:
    """The chest with two bronchi below its trachea."""
    volume = chest()
    z, y, x = np.indices(SHAPE)
    tube = (y - 47.5) ** 2 * 6.25 < 49
    volume[(z >= CARINA) & tube & (np.abs(x - 63.5) < 4)] = -990
    for side in (-1, 1):
        aside = x - 63.5 - side * (5 + 0.8 * (CARINA - z))
        volume[(z < CARINA) & (z > CARINA - 8) & tube & (np.abs(aside) < 3)] = -990
    return volume


def document(volume: np.ndarray) -> Document:
    geometry = Geometry(np.diag((*SPACING, 1.0))[[2, 1, 0, 3]], known=True)
    return Document(
        Series(volume, "volume", "CT", (Path("chest.nii"),), geometry, unit="HU", sha256="0" * 64)
    )


@pytest.fixture
def work() -> NodeWork:
    """Two nodes found, the second one less surely."""
    volume = chest()
    probability = np.zeros(SHAPE, np.float16)
    for centre, radius, sure in ((FIRST, 9.0, 0.9), (SECOND, 6.0, 0.58)):
        place = ball(SHAPE, centre, radius)
        volume[place], probability[place] = 60, sure
    made = NodeWork(document(volume))
    marks = Landmarks(SPACING, (40.0, 48.0, 63.0), None, {40: Cut(44, 51, 60, 67)})
    result = {
        "probability": probability[10:70, 10:80, 20:110], "box": ((10, 10, 20), (70, 80, 110)),
        "landmarks": marks, "models": [], "warning": None,
    }  # fmt: skip
    made.cutting.accept(NOW, result, 0.4, lambda: None, pytest.fail)
    return measured(made)


def measured(work: NodeWork) -> NodeWork:
    while not work.sizes.current:
        work.sizes.measure(NOW, pytest.fail)
    return work


def states(work: NodeWork) -> dict[str, str]:
    return {row.key: row.review.state for row in measured(work).rows}


# --- stations ----------------------------------------------------------------------------------


def test_the_carina_is_where_the_trachea_forks():
    found = survey(JobContext("cpu"), forked(), SPACING)
    assert found.carina == pytest.approx((CARINA, 47.5, 63.5), abs=1)
    assert survey(JobContext("cpu"), chest(), SPACING).carina is None


@pytest.mark.parametrize(
    ("name", "height"), [("r01_001", 110), ("fnndsc_chest", 85), ("lung1_001", 145)]
)
def test_the_carina_of_real_chests(shared_data, name, height):
    """About so many mm below the highest slice, as seen by eye."""
    series = read(shared_data / "ct" / name / "ct.nii.gz")[0]
    volume, spacing = series.canonical(), series.canonical_geometry.spacing
    carina = landmarks.find(volume, spacing, regions.find(volume, spacing).lungs).carina
    assert (len(volume) - carina[0]) * spacing[0] == pytest.approx(height, abs=12)


MARKS = Landmarks((1.0, 1.0, 1.0), (100.0, 100.0, 100.0), 190.0,
                  {z: Cut(92, 108, 91, 109) for z in range(100, 200)})  # fmt: skip


@pytest.mark.parametrize(
    ("place", "station"),
    [
        ((112, 95, 80), "4R"),
        ((112, 95, 116), "4L"),
        ((112, 118, 100), "3p"),
        ((90, 105, 100), "7"),
        ((90, 100, 60), "10R"),
        ((90, 100, 140), "10L"),
        ((195, 95, 80), "1R"),
        ((150, 95, 80), ""),
        ((120, 70, 100), ""),
        ((40, 110, 105), ""),
    ],
)
def test_a_station_is_proposed_only_where_it_can_be_told(place, station):
    found = suggest(place, MARKS)
    assert found.station == station
    assert found.reason.endswith(".")


def test_labelled_structures_tell_more():
    aorta = {z: Cut(60, 100, 100, 130) for z in range(110, 141)}
    vein = {z: Cut(70, 80, 60, 130) for z in range(145, 160)}
    gullet = {z: Cut(112, 122, 98, 110) for z in range(20, 100)}
    known = {"aorta": aorta, "vein": vein, "oesophagus": gullet}
    marks = Landmarks(MARKS.spacing, MARKS.carina, MARKS.apex, MARKS.trachea, known)
    wanted = {
        (130, 95, 80): "4R", (165, 95, 80): "2R", (150, 105, 116): "2L", (120, 80, 135): "6",
        (40, 112, 105): "8", (150, 60, 100): "3a",
    }  # fmt: skip
    assert {place: suggest(place, marks).station for place in wanted} == wanted
    assert suggest((1, 2, 3), None).station == ""


def test_labels_are_structures_by_name():
    labels = np.zeros((4, 9, 9), np.uint8)
    labels[1:3, 2:5, 3:8] = 7
    found = landmarks.labelled(labels, {7: "Aorta thoracica", 8: "Liver"}, (10, 20, 30))
    assert found == {"aorta": {z: Cut(22, 24, 33, 37) for z in (11, 12)}}
    assert is_node("Node 3")
    assert is_node("Subcarinal", "Node 3")
    assert not is_node("Azygos", "Node 3")
    assert not is_node("Heart")


# --- shapes ------------------------------------------------------------------------------------


def test_a_node_is_split_at_its_waist_else_in_halves():
    one, other = ball(SHAPE, (40, 40, 40), 8), ball(SHAPE, (40, 40, 46), 7)
    parts = shaping.split(one | other, SPACING)
    assert np.argwhere(parts == 1).mean(0) == pytest.approx((40, 40, 40), abs=0.7)
    assert np.argwhere(parts == 2).mean(0) == pytest.approx((40, 40, 46), abs=0.7)
    halves = np.bincount(shaping.split(one, SPACING)[one])
    assert halves[2] > 0.5 * halves[1]


def test_a_click_outlines_the_node_under_it():
    volume, node = chest(), ball(SHAPE, FIRST, 9.0)
    volume[node] = 60
    free = np.ones(SHAPE, bool)
    box, mask, whole = shaping.grown(volume, None, (46, 31, 67), SPACING, free)
    assert whole
    found = np.zeros(SHAPE, bool)
    found[box.slices] = mask
    assert 2 * (found & node).sum() / (found.sum() + node.sum()) > 0.85
    seen = node * np.float16(0.3)
    volume[node] = 40
    box, mask, _ = shaping.grown(volume, seen, FIRST, SPACING, free)
    assert mask.sum() == pytest.approx(node.sum(), rel=0.1)  # by the network, where it is unsure


@pytest.mark.parametrize("shift", [-3, 0, 2])
def test_a_click_beside_the_lung_takes_none_of_it(shift):
    centre = (46, 38, 88)  # half in the mediastinum, half in the left lung
    volume, node = chest(), ball(SHAPE, centre, 8.0)
    volume[node] = 55
    volume = ndimage.gaussian_filter(volume.astype(np.float32), (0.3, 0.7, 0.7)).astype(np.int16)
    seed = (46, 38, 88 + shift)
    box, mask, _ = shaping.grown(volume, None, seed, SPACING, np.ones(SHAPE, bool))
    assert (volume[box.slices][mask] > -400).all()
    found = np.zeros(SHAPE, bool)
    found[box.slices] = mask
    assert 2 * (found & node).sum() / (found.sum() + node.sum()) > 0.7


VESSEL = (46, 37, 61)  # the middle of the great vessel, 36 mm thick


@pytest.mark.parametrize("value", [40, 90, 150, 260, 400])
def test_a_great_vessel_is_no_node_however_bright(value):
    volume = chest()
    volume[np.abs(volume.astype(int) - 170) < 40] = value
    with pytest.raises(shaping.NoNodeError):
        shaping.grown(volume, None, VESSEL, SPACING, np.ones(SHAPE, bool))


@pytest.mark.parametrize("thick", [8.0, 14.0])
def test_of_a_tube_no_more_is_added_than_a_node_can_be(thick):
    """A vessel across the fat: what fits round the click, and it is said that this is a part."""
    volume = chest()
    _, y, x = np.indices(SHAPE)
    volume[((y - 56) * 2.5) ** 2 + ((x - 66) * 2.5) ** 2 < (thick / 2) ** 2] = 60
    _, mask, whole = shaping.grown(volume, None, (46, 56, 66), SPACING, np.ones(SHAPE, bool))
    assert not whole
    assert mask.sum() * np.prod(SPACING) / 1000 < thick**3 * 1.7 / 1000


def test_a_click_in_fat_outlines_nothing():
    with pytest.raises(shaping.NoNodeError, match="fat"):
        shaping.grown(chest(), None, (46, 54, 66), SPACING, np.ones(SHAPE, bool))


# --- work --------------------------------------------------------------------------------------


def test_found_nodes_are_objects_and_rows(work):
    first, second = work.rows
    assert first.node.short_axis_mm == pytest.approx(18, abs=1.5)
    assert [item.name for item in work.document.objects.values()] == ["Node 1", "Node 2"]
    assert first.confidence == pytest.approx(0.9, abs=0.01)
    assert second.node.centroid == pytest.approx(SECOND, abs=0.4)


def test_the_threshold_moves_and_what_was_decided_stays(work):
    history = work.document.history
    work.cutting.set_threshold(NOW, 0.6, pytest.fail)
    assert states(work) == {"Node 1": "open"}
    work.cutting.set_threshold(NOW, 0.3, pytest.fail)
    assert states(work) == {"Node 1": "open", "Node 2": "open"}
    history.undo()  # both moves are one step
    assert states(work) == {"Node 1": "open", "Node 2": "open"}
    assert work.choices.threshold == 0.4
    work.decide(["Node 2"], "accepted")
    work.decide(["Node 1"], "rejected")
    work.cutting.set_threshold(NOW, 0.8, pytest.fail)
    assert states(work) == {"Node 1": "rejected", "Node 2": "accepted"}
    assert not work.document.labels[FIRST]


def test_an_accepted_node_stays_the_networks_at_any_threshold(work):
    work.decide(["Node 2"], "accepted")
    surely = work.row("Node 2").confidence
    for threshold in (0.8, 0.4, 0.3, 0.4):
        work.cutting.set_threshold(NOW, threshold, pytest.fail)
        assert states(work) == {"Node 1": "open", "Node 2": "accepted"}
        assert work.row("Node 2").confidence == surely
        assert [item.name for item in work.document.objects.values()] == ["Node 1", "Node 2"]
    work.decide(["Node 2"], "open")
    work.cutting.set_threshold(NOW, 0.8, pytest.fail)
    assert states(work) == {"Node 1": "open"}


def test_every_decision_is_one_step_that_can_be_undone(work):
    document, history = work.document, work.document.history
    before = document.labels.copy()
    work.decide(["Node 1"], "rejected")
    assert states(work)["Node 1"] == "rejected"
    assert not document.labels[FIRST]
    work.decide(["Node 1"], "rejected")  # again: back
    assert states(work)["Node 1"] == "open"
    assert (document.labels > 0).sum() == (before > 0).sum()
    work.decide(["Node 2"], "accepted")
    with pytest.raises(UserError, match="locked"):
        document.remove_object(work.row("Node 2").object_id)
    work.set_station(["Node 2"], "7")
    work.set_target(["Node 2"], True)
    assert work.row("Node 2").station == "7"
    assert sum_of_targets(work.rows) == pytest.approx(12, abs=1.5)
    for _ in range(5):
        history.undo()
    assert states(work) == {"Node 1": "open", "Node 2": "open"}
    np.testing.assert_array_equal(document.labels, before)
    assert work.row("Node 2").station == work.row("Node 2").suggestion.station


def test_nodes_are_edited_split_merged_and_added(work):
    names = edits.split(work, "Node 1")
    assert names == ["Node 1", "Node 3"]
    volumes = {row.key: row.node.volume_ml for row in measured(work).rows}
    assert edits.merge(work, ["Node 1", "Node 3"]) == "Node 1"
    whole = measured(work).row("Node 1").node.volume_ml
    assert whole == pytest.approx(volumes["Node 1"] + volumes["Node 3"])
    with pytest.raises(UserError, match="choose both to merge"):
        edits.neighbour(work, "Node 1")
    with pytest.raises(UserError, match="object here already"):
        edits.add_at(work, FIRST)
    with pytest.raises(UserError, match="no soft tissue"):
        edits.add_at(work, (46, 46, 33))
    document = work.document
    document.remove_object(work.row("Node 2").object_id)
    assert edits.add_at(work, SECOND) == ("Node 4", "")
    assert measured(work).row("Node 4").by_hand
    document.history.undo()
    document.history.undo()
    assert list(states(work)) == ["Node 1", "Node 2"]


def test_work_goes_through_a_project_and_comes_back(work):
    work.decide(["Node 1"], "rejected")
    work.set_station(["Node 2"], "4L")
    work.compare("before", {"Node 2": Earlier("Node 5", 9.0)}, (Earlier("Node 6", 7.0),))
    kept = work.kept()
    values = json.loads(json.dumps(kept.values))
    again = NodeWork(work.document)
    again.restore(Kept(values, kept.arrays))
    assert states(again) == states(work)
    assert again.row("Node 2").station == "4L"
    assert again.row("Node 2").change_mm == pytest.approx(3, abs=1.5)
    again.decide(["Node 1"], "open")
    assert again.document.labels[FIRST]
    assert again.landmarks.carina == work.landmarks.carina


def test_a_node_that_nobody_decided_on_is_not_taught_as_none(work):
    beside = (46, 30, 72)  # touches the first node, and no network saw it
    edge = np.zeros(SHAPE, bool)
    edge[46, 29:32, 70:74] = True
    work.add("Node 9", "", Box.whole(SHAPE), edge)
    work.decide(["Node 1"], "accepted")
    measured(work)
    arrays, figures = work.lesson()
    start = np.subtract(FIRST, np.argwhere(arrays["decided"]).mean(axis=0).round()).astype(int)
    assert arrays["sure"][tuple(FIRST - start)]
    assert not arrays["sure"][tuple(beside - start)]
    work.decide(["Node 9"], "accepted")
    measured(work)
    arrays, figures = work.lesson()
    assert figures["accepted"] == [1, 2]
    assert arrays["sure"][arrays["decided"] > 0].all()


def test_a_network_with_priors_learns_and_is_checked_with_known_anatomy(work):
    document = work.document
    item = document.add_object("Aorta", "#ff0000")
    drawn = ball(SHAPE, (46, 37, 61), 8.0) & (document.labels == 0)
    document.apply(VoxelEdit.painted(document.labels, Box.whole(SHAPE), drawn, item.id, ""))
    work.decide(["Node 1"], "accepted")
    measured(work)
    arrays, figures = work.lesson()
    assert arrays["anatomy"].sum() == drawn.sum()
    lesson = Lesson("a", arrays, figures)
    for name in ("slab_priors", "full_priors"):
        course = LEARNING.course(NodeNet(CONFIGS[name]), [lesson], "cpu")
        batches = [course.batch_at(step) for step in range(8)]
        shown = [bool(batch["priors"].any()) for batch in batches]
        assert any(shown)
        assert not all(shown)  # it may be absent
        assert course.loss_of(NodeNet(CONFIGS[name]), batches[0]).isfinite()
    taking = [
        LEARNING.score(bright_finder(name), lesson, "cpu") for name in ("slab", "slab_priors")
    ]
    assert taking == [0.0, 0.0]  # nothing here is bright; both run


# --- earlier study, report, files --------------------------------------------------------------


def test_studies_are_laid_over_each_other_and_nodes_matched():
    volume = forked()
    moved = np.roll(volume, (4, -2, 3), (0, 1, 2))
    geometry = document(volume).series.geometry
    there = earlier.register(volume, geometry, moved, geometry)
    points = geometry.to_patient(np.array([FIRST, SECOND]))
    wanted = geometry.to_patient(np.add([FIRST, SECOND], (4, -2, 3)))
    assert np.linalg.norm(there(points) - wanted, axis=1).max() < 3
    pairs = earlier.matched(there(points), wanted[::-1], [18, 12], [12, 17])
    assert pairs == [(0, 1), (1, 0)]
    assert earlier.matched(points, points + 100, [1, 1], [1, 1]) == []


def test_change_of_targets_in_words(work):
    work.set_target(["Node 1"], True)
    work.compare("before", {"Node 1": Earlier("Node 1", 12.0)}, ())
    assert "progression" in response(work.rows)
    work.compare("before", {"Node 1": Earlier("Node 1", 30.0)}, ())
    assert "partial response" in response(work.rows)
    work.compare("before", {}, ())
    assert response(work.rows) == ""


def test_the_report_is_a_page_with_pictures_and_without_names(work):
    work.set_target(["Node 1"], True)
    rows, shown = work.rows, work.document
    page = report.Page(
        "Lymph nodes", shown.image, shown.labels, SPACING, rows,
        {"models": [{"name": "slab", "version": "1", "sha256": "ab" * 32}],
         "settings": {"threshold": 0.4}},
        [("Input", "CT")], "2025", (Earlier("Node 9", 8.0),),
    )  # fmt: skip
    text = report.html(page)
    assert "Research use only. Not for diagnosis." in text
    assert text.count("data:image/png;base64,") == 2
    for words in ("Target nodes", "Node 9 (8.0 mm)", "slab 1", "threshold 0.4"):
        assert words in text
    picture = np.asarray(report.picture(page, rows[0]))
    assert (picture == report.EDGE).all(axis=-1).sum() > 50
    assert (picture == report.LONG).all(axis=-1).any()


def test_a_key_image_at_the_border_is_not_stretched(work):
    row, shown = work.rows[0], work.document
    near = replace(row.node, slice=5, centroid=(5.0, 20.0, 4.0))
    labels = np.zeros(shown.shape, np.uint8)
    high, wide = (round(20 / step) for step in SPACING[1:])
    labels[5, 20 - high // 2 : 20 + high - high // 2, :wide] = row.object_id
    page = report.Page("", shown.image, labels, SPACING, [row], {}, [], "", ())
    picture = np.asarray(report.picture(page, replace(row, node=near)))
    rows, columns = np.nonzero((picture == report.EDGE).all(axis=-1))
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), rel=0.1)


def test_findings_are_coded_and_rejected_nodes_left_out(work):
    work.decide(["Node 2"], "rejected")
    work.set_station(["Node 1"], "4L")
    measured(work).publish()
    result = work.document.results["lymph_nodes"]
    found = findings(work.document.series, result)
    [thing] = found.measured
    assert (thing.finding, thing.site, thing.side) == (LYMPH_NODE, STATIONS["4"], LEFT)
    short = next(q.value for q in thing.quantities if q.name == SHORT_AXIS)
    assert short == pytest.approx(18, abs=1.5)
    assert [segment.name for segment in found.segments] == ["Node 1"]
    assert place_of("3a") == (STATIONS["3"], None)
    assert place_of("") == (None, None)


def test_the_reviewed_table_says_who_decided(work, tmp_path):
    work.decide(["Node 2"], "rejected")
    work.set_station(["Node 1"], "7")
    measured(work).publish()
    result = work.document.results["lymph_nodes"]
    said = TASK.write(work.document.series, result, tmp_path / "a")
    assert said["nodes"] == 1
    head, *lines = (tmp_path / "a_nodes.csv").read_text().splitlines()
    rows = [dict(zip(head.split(","), line.split(","), strict=True)) for line in lines]
    assert (rows[0]["state"], rows[0]["station"]) == ("open", "7")
    assert rows[1]["state"] == "rejected"
