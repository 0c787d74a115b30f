from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gui.ai_result import AiResult, plan
from gui.document import Document
from gui.segment_object import SegmentObject
from gui.voxel_edit import SLAB, VoxelEdit
from inference.box import Box
from inference.errors import UserError
from inference.series import Geometry, Series

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SHAPE = (3, 4, 5)
VESSELS = SegmentObject(1, "Vessels", "#ff0000", origin="Vessels")
DISC = SegmentObject(2, "Disc", "#00ff00")


def volume(shape: tuple[int, int, int] = SHAPE, spacing: float = 1.0) -> Series:
    affine = np.diag([spacing, spacing, spacing, 1.0])[:, [2, 1, 0, 3]]
    return Series(np.zeros(shape, np.int16), "volume", "CT", (Path("x"),), Geometry(affine, True))


def picture(shape: tuple[int, int] = (8, 9)) -> Series:
    return Series(np.zeros((*shape, 3), np.uint8), "image", "OP", (Path("x"),), rgb=True)


def fill(document: Document, box: Box, value: int, title: str = "Paint") -> bool:
    values = np.full(box.shape, value, np.uint8)
    return document.apply(VoxelEdit.of(document.labels, box, values, title))


def brute_force(document: Document, object_id: int) -> tuple[float, int, int]:
    now, ai = document.labels == object_id, np.zeros(document.shape, bool)
    if document.ai_labels is not None:
        ai = document.ai_labels == object_id
    total = int(now.sum() + ai.sum())
    return (
        (2 * int((now & ai).sum()) / total if total else 1.0),
        int((now & ~ai).sum()),
        int((ai & ~now).sum()),
    )


# --- edits -----------------------------------------------------------------------------------

labels_of = st.lists(st.integers(0, 3), min_size=60, max_size=60).map(
    lambda values: np.array(values, np.uint8).reshape(SHAPE)
)


@given(labels_of, labels_of)
def test_an_edit_and_its_reverse_are_exact(
    before: NDArray[np.uint8], after: NDArray[np.uint8]
) -> None:
    edit = VoxelEdit.of(before, Box.whole(SHAPE), after, "")
    flat = before.copy().reshape(-1)
    flat[edit.index()] = np.repeat(edit.after, edit.lengths)
    assert np.array_equal(flat.reshape(SHAPE), after)
    back = edit.reversed()
    flat[back.index()] = np.repeat(back.after, back.lengths)
    assert np.array_equal(flat.reshape(SHAPE), before)
    assert edit.count == int((before != after).sum())
    outside = np.ones(SHAPE, bool)
    outside[edit.box.slices] = False
    assert np.array_equal(before[outside], after[outside])


@given(labels_of, labels_of, labels_of)
def test_merged_edits_do_what_they_did_one_by_one(
    first: NDArray[np.uint8], second: NDArray[np.uint8], third: NDArray[np.uint8]
) -> None:
    whole = Box.whole(SHAPE)
    steps = [VoxelEdit.of(first, whole, second, ""), VoxelEdit.of(second, whole, third, "")]
    merged, direct = VoxelEdit.merged(steps, ""), VoxelEdit.of(first, whole, third, "")
    assert np.array_equal(merged.index(), direct.index())
    assert np.array_equal(merged.before, direct.before)
    assert np.array_equal(merged.after, direct.after)


def test_a_step_of_a_large_volume_is_small_in_memory() -> None:
    document = Document(volume((64, 256, 256)))
    z, y, x = np.ogrid[:64, :256, :256]
    ball = ((z - 32) * 4) ** 2 + (y - 128) ** 2 + (x - 128) ** 2 < 100**2
    document.set_ai_result(ball.astype(np.uint8), [VESSELS], "Model")
    assert ball.sum() > 900_000
    assert document.history.nbytes < 300_000


def test_a_large_edit_is_made_in_pieces() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.integers(0, 3, (2, 40, 200, 300), np.uint8)
    edit = VoxelEdit.of(before, Box.whole(before.shape), after, "")
    pieces = list(edit.pieces())
    assert len(pieces) > 3
    assert max(piece.count for piece in pieces) <= SLAB
    assert np.array_equal(np.concatenate([piece.index() for piece in pieces]), edit.index())


# --- random work -----------------------------------------------------------------------------

Action = tuple[str, int, int, "NDArray[np.uint8]"]
KINDS = (
    "paint", "stroke", "add", "rename", "recolor", "lock", "unlock", "remove", "merge", "ai",
    "threshold", "reset", "undo", "redo",
)  # fmt: skip
actions = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 5), st.integers(0, 5), labels_of),
    max_size=25,
)


def perform(document: Document, action: Action) -> None:
    kind, a, b, labels = action
    ids = list(document.objects)
    one, other = (ids[a % len(ids)], ids[b % len(ids)]) if ids else (0, 0)
    box = Box((a % 3, b % 4, (a + b) % 5), SHAPE)
    known = _known(labels, ids)[box.slices]
    key = "threshold" if kind == "threshold" else ""
    scores = labels.astype(np.float16)
    calls: dict[str, Callable[[], object]] = {
        "paint": lambda: document.apply(VoxelEdit.of(document.labels, box, known, "Paint")),
        "stroke": lambda: stroke(document, box, one, b),
        "add": document.add_object,
        "ai": lambda: document.set_ai_result(labels & 1, [VESSELS], "AI", scores),
        "threshold": lambda: document.set_ai_result(labels & 1, [VESSELS], "T", scores, key=key),
        "undo": document.history.undo,
        "redo": document.history.redo,
    }
    if kind in calls:
        calls[kind]()
    elif ids:
        perform_on_object(document, kind, one, other)


def stroke(document: Document, box: Box, object_id: int, moves: int) -> None:
    document.history.begin("Stroke")
    for place in range(moves):
        fill(document, box.clipped((3, 4, 5 - place)), object_id if place % 2 else 0)
    document.history.end()


def perform_on_object(document: Document, kind: str, one: int, other: int) -> None:
    calls: dict[str, Callable[[], object]] = {
        "rename": lambda: document.rename(one, f"name {other}"),
        "recolor": lambda: document.recolor(one, f"#0000{other:02x}"),
        "lock": lambda: document.set_locked(one, True),
        "unlock": lambda: document.set_locked(one, False),
        "remove": lambda: document.remove_object(one),
        "merge": lambda: one != other and document.merge_objects(one, other),
        "reset": lambda: document.reset_to_ai(one),
    }
    try:
        calls[kind]()
    except UserError:
        locked = {i for i, item in document.objects.items() if item.locked}
        assert locked & {one, other}


def _known(labels: NDArray[np.uint8], ids: list[int]) -> NDArray[np.uint8]:
    table = np.array([0, *ids, *[0] * 256][:256], np.uint8)
    known: NDArray[np.uint8] = table[labels]
    return known


def state(document: Document) -> tuple[bytes, bytes | None, bytes | None, dict[int, SegmentObject]]:
    ai, probability = document.ai_labels, document.probability
    return (
        document.labels.tobytes(),
        None if ai is None else ai.tobytes(),
        None if probability is None else probability.tobytes(),
        dict(document.objects),
    )


def check_counts(document: Document) -> None:
    for i in document.objects:
        assert round(1000 * document.size(i)[0]) == int((document.labels == i).sum())
        compared = document.compare(i)
        if compared is not None:
            found = compared.dice, round(1000 * compared.added), round(1000 * compared.removed)
            assert found == pytest.approx(brute_force(document, i))


@settings(deadline=None, max_examples=150)
@given(actions)
def test_undone_to_the_start_and_redone_to_the_end(work: list[Action]) -> None:
    document = Document(volume())
    start = state(document)
    for action in work:
        locked = [i for i, item in document.objects.items() if item.locked]
        before = {i: document.labels == i for i in locked}
        perform(document, action)
        check_counts(document)
        if action[0] in ("undo", "redo"):  # these meet the locks of their time
            continue
        for i, mask in before.items():
            assert np.array_equal(document.labels == i, mask), "a locked object was changed"
    while document.history.redo():
        pass
    end = state(document)
    while document.history.undo():
        pass
    assert state(document) == start
    check_counts(document)
    while document.history.redo():
        pass
    assert state(document) == end


# --- objects -----------------------------------------------------------------------------------


def test_a_locked_object_is_neither_drawn_over_nor_drawn() -> None:
    document = Document(picture())
    first, second = document.add_object("Disc"), document.add_object("Vessels")
    fill(document, Box((0, 0), (4, 4)), first.id)
    document.set_locked(first.id, True)
    assert fill(document, Box((2, 0), (8, 9)), second.id)
    assert (document.labels == first.id).sum() == 16
    assert not fill(document, Box((0, 0), (4, 4)), 0)
    fill(document, Box((0, 0), (8, 9)), first.id)
    assert (document.labels == first.id).sum() == 16
    with pytest.raises(UserError, match="Disc is locked"):
        document.remove_object(first.id)
    with pytest.raises(UserError, match="Disc is locked"):
        document.merge_objects(second.id, first.id)


def test_deleting_and_undoing_brings_back_voxels_name_and_colour() -> None:
    document = Document(picture())
    disc = document.add_object("Disc", "#123456")
    fill(document, Box((1, 1), (3, 3)), disc.id)
    document.remove_object(disc.id)
    assert not document.objects
    assert not document.labels.any()
    assert document.active == 0
    assert document.history.undo() == "Delete Disc"
    assert document.objects[disc.id] == disc
    assert document.labels.sum() == 4 * disc.id
    assert document.active == disc.id


def test_an_object_that_is_back_is_worked_on_again() -> None:
    document = Document(volume())
    document.add_object("Liver")
    document.add_object("Spleen")
    document.history.undo()
    assert document.active == 1
    document.history.redo()
    assert document.active == 2
    document.remove_object(1)
    assert document.active == 2
    document.history.undo()
    assert document.active == 1


def test_hiding_is_no_step_and_survives_an_undo() -> None:
    document = Document(picture())
    disc = document.add_object("Disc")
    document.rename(disc.id, "Optic disc")
    steps = len(document.history)
    document.set_visible(disc.id, False)
    assert len(document.history) == steps
    document.history.undo()
    assert (document.objects[disc.id].name, document.objects[disc.id].visible) == ("Disc", False)


def test_an_image_holds_255_objects() -> None:
    document = Document(picture())
    for _ in range(255):
        document.add_object()
    with pytest.raises(UserError, match="255 objects"):
        document.add_object()
    document.remove_object(17)
    assert document.add_object().id == 17


def test_merging_gives_all_voxels_to_one_object() -> None:
    document = Document(picture())
    a, b = document.add_object("A"), document.add_object("B")
    fill(document, Box((0, 0), (2, 2)), a.id)
    fill(document, Box((4, 4), (6, 6)), b.id)
    document.merge_objects(b.id, a.id)
    assert list(document.objects) == [a.id]
    assert (document.labels == a.id).sum() == 8
    document.history.undo()
    assert (document.labels == b.id).sum() == 4


# --- the AI's version -----------------------------------------------------------------------------


def test_an_ai_result_is_one_step_and_leaves_no_trace_when_undone() -> None:
    document = Document(picture())
    mask = np.zeros((8, 9), np.uint8)
    mask[2:5, 3:7] = 1
    document.set_ai_result(mask, [VESSELS], "Retinal vessels", mask.astype(np.float16))
    assert np.array_equal(document.labels, mask)
    assert document.compare() is not None
    assert document.history.undo() == "Retinal vessels"
    assert (document.ai_labels, document.probability, document.objects) == (None, None, {})
    assert document.compare() is None
    document.history.redo()
    assert np.array_equal(document.labels, mask)
    assert document.objects[1] == VESSELS


def test_the_labels_of_a_result_meet_those_that_are_there() -> None:
    document = Document(picture())
    mine = document.add_object("Mine")
    fill(document, Box((0, 0), (1, 9)), mine.id)
    result = np.zeros((8, 9), np.uint8)
    result[:3], result[3:5] = 1, 2
    document.set_ai_result(result, [VESSELS, DISC], "Model")
    names = {item.name: item.id for item in document.objects.values()}
    assert set(names) == {"Mine", "Vessels", "Disc"}
    assert (document.labels[0] == mine.id).all(), "what the user drew stays"
    assert (document.labels[1:3] == names["Vessels"]).all()
    assert (document.labels[3:5] == names["Disc"]).all()
    only_disc = np.where(result == 2, np.uint8(1), np.uint8(0))
    document.set_ai_result(only_disc[::-1], [SegmentObject(1, "Disc", "#ffffff")], "Disc again")
    assert document.ai_labels is not None
    assert (document.ai_labels[:3] == names["Vessels"]).all(), "another result stays"
    assert np.array_equal(document.ai_labels == names["Disc"], only_disc[::-1] == 1)


def test_a_result_worked_out_before_is_void_after_any_change() -> None:
    document = Document(volume((8, 9, 1)))
    mask = np.zeros((8, 9, 1), np.uint8)
    mask[2:5, 3:7] = 1
    item = document.add_object("Mine")
    early = plan(document, AiResult(mask, (VESSELS,), "Model"))
    fill(document, Box((0, 0, 0), (3, 9, 1)), item.id)
    assert not document.take(early)
    document.set_locked(item.id, True)
    late = plan(document, AiResult(mask, (VESSELS,), "Model"))
    assert document.take(late)
    assert (document.labels[:3] == item.id).all()
    assert np.array_equal(document.labels[3:] == 2, mask[3:] == 1)
    assert document.ai_labels is not None
    assert np.array_equal(document.ai_labels == 2, mask == 1)
    check_counts(document)
    document.history.undo()
    assert list(document.objects) == [item.id]
    check_counts(document)


def test_a_model_finds_its_object_under_another_name() -> None:
    document = Document(picture())
    mask = np.zeros((8, 9), np.uint8)
    mask[2:5, 3:7] = 1
    document.set_ai_result(mask, [VESSELS], "Model")
    document.rename(1, "Retinal tree")
    document.set_ai_result(mask[::-1].copy(), [VESSELS], "Model")
    assert [item.name for item in document.objects.values()] == ["Retinal tree"]
    assert np.array_equal(document.labels, mask[::-1])
    other = document.add_object("Disc seen by hand")
    document.rename(other.id, "Disc")
    document.set_ai_result(mask * np.uint8(2), [DISC], "Discs")
    document.rename(other.id, "Papilla")
    document.set_ai_result(mask * np.uint8(2), [DISC], "Discs")
    assert [item.name for item in document.objects.values()] == ["Retinal tree", "Papilla"]


def test_a_threshold_drag_is_one_step_and_keeps_corrections() -> None:
    document = Document(picture((10, 10)))
    probability = np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10)
    document.set_ai_result((probability > 0.5).astype(np.uint8), [VESSELS], "Model", probability)
    fill(document, Box((0, 0), (1, 10)), 1, "Brush")
    fill(document, Box((9, 0), (10, 10)), 0, "Eraser")
    corrected = document.labels.copy()
    steps = len(document.history)
    for threshold in (0.6, 0.95, 0.2, 0.4, 0.5):
        mask = (probability > threshold).astype(np.uint8)
        document.set_ai_result(mask, [VESSELS], "Threshold", probability, key="threshold")
        assert (document.labels[0] == 1).all()
        assert (document.labels[9] == 0).all()
        assert np.array_equal(document.labels[1:9], mask[1:9])
    assert np.array_equal(document.labels, corrected)
    document.set_ai_result(
        (probability > 0.3).astype(np.uint8), [VESSELS], "Threshold", probability, key="threshold"
    )
    assert len(document.history) == steps + 1
    document.history.undo()
    assert np.array_equal(document.labels, corrected)


def test_resetting_gives_up_corrections() -> None:
    document = Document(picture())
    mask = np.zeros((8, 9), np.uint8)
    mask[2:5, 3:7] = 1
    document.set_ai_result(mask, [VESSELS], "Model")
    fill(document, Box((0, 0), (3, 9)), 1)
    fill(document, Box((4, 0), (6, 9)), 0)
    document.reset_to_ai(1)
    assert np.array_equal(document.labels, mask)
    assert document.history.undo() == "Reset Vessels to the AI"


def test_comparison_is_in_clinical_units() -> None:
    document = Document(volume((10, 10, 10), spacing=10.0))
    mask = np.zeros((10, 10, 10), np.uint8)
    mask[:4] = 1
    document.set_ai_result(mask, [SegmentObject(1, "Liver", "#ffffff")], "Model")
    fill(document, Box((4, 0, 0), (5, 10, 10)), 1)
    fill(document, Box((0, 0, 0), (1, 5, 10)), 0)
    compared = document.compare(1)
    assert compared is not None
    assert compared.unit == "ml"
    assert (compared.ai, compared.corrected) == (400, 450)
    assert (compared.added, compared.removed, compared.difference) == (100, 50, 50)
    assert compared.dice == pytest.approx(2 * 350 / 850)


def test_a_result_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        Document(picture()).set_ai_result(np.zeros((9, 8), np.uint8), [VESSELS], "Model")


def test_an_edit_computed_before_the_user_drew_does_not_take_that_away() -> None:
    document = Document(picture())
    a, b = document.add_object(), document.add_object()
    late = VoxelEdit.of(
        document.labels, Box((0, 0), (4, 4)), np.full((4, 4), a.id, np.uint8), "Grow"
    )
    fill(document, Box((0, 0), (1, 4)), b.id)
    document.apply(late)
    assert (document.labels[0, :4] == b.id).all()
    assert (document.labels[1:4, :4] == a.id).all()


def test_the_box_of_a_change_holds_it() -> None:
    document = Document(volume())
    item = document.add_object()
    boxes: list[Box] = []
    document.labels_changed.connect(boxes.append)
    fill(document, Box((1, 1, 1), (2, 3, 4)), item.id)
    document.history.undo()
    assert boxes == [Box((1, 1, 1), (2, 3, 4))] * 2


# --- speed ---------------------------------------------------------------------------------


def test_a_stroke_in_a_large_volume_is_fast() -> None:
    document = Document(volume((300, 512, 512)))
    item = document.add_object()
    rows, columns = np.ogrid[-30:31, -30:31]
    disk = (rows**2 + columns**2 <= 900)[None]
    times = []
    document.history.begin("Brush")
    for step in range(100):
        box = Box((150, 200, 100 + 2 * step), (151, 261, 161 + 2 * step))
        start = time.perf_counter()
        document.apply(VoxelEdit.painted(document.labels, box, disk, item.id, "Brush"))
        times.append(time.perf_counter() - start)
    document.history.end()
    assert len(document.history) == 2
    assert np.median(times) < 0.016
    assert document.history.nbytes < 200_000
    document.history.undo()
    assert not document.labels[150].any()


def test_a_large_result_is_taken_over_within_a_blink() -> None:
    """What is left for the window's thread of 33 million voxels in a CT."""
    document = Document(volume((300, 512, 512)))
    z, y, x = np.ogrid[-1.5:1.5:300j, -1:1:512j, -1:1:512j]
    labels = (z**2 + y**2 + x**2 < 1.2).astype(np.uint8)
    labels[(z**2 + y**2 + x**2 < 0.4)] = 2
    assert labels.astype(bool).sum() > 30_000_000
    result = AiResult(labels, (VESSELS, DISC), "Model")
    assert min(_taken_over(document, result) for _ in range(2)) < 0.1
    assert np.array_equal(document.labels, labels)
    assert document.size(2)[0] == pytest.approx((labels == 2).sum() / 1000)
    assert document.compare().dice == 1


def _taken_over(document: Document, result: AiResult) -> float:
    document.history.undo()
    planned = plan(document, result)
    start = time.thread_time()
    assert document.take(planned)
    return time.thread_time() - start
