"""One document's nodes, what was decided on each, and everything that a reader does to them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from gui.ai_result import AiResult, plan
from gui.document import PALETTE, SegmentObject
from gui.history import Step
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.errors import UserError
from plugins.lymph_nodes import outcome, recut, shaping
from plugins.lymph_nodes.measure import Node
from plugins.lymph_nodes.prepare import THRESHOLD
from plugins.lymph_nodes.review import Choices, Rejected, Review, Row, is_node, number_of
from plugins.lymph_nodes.sizes import Sizes
from plugins.lymph_nodes.stations import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gui.ai_result import Takeover
    from gui.background import Background
    from gui.document import Document
    from gui.learning_section import Taught
    from gui.project import Kept
    from inference.series import Array
    from plugins.lymph_nodes.landmarks import Landmarks
    from plugins.lymph_nodes.review import Earlier, State

CUT = "Threshold of nodes"
EARLY = "Early "
AIR_HU, BONE_HU = -150, 350
"""A click beyond cannot be meant for a node."""
SAME_MM = 8.0
"""Two networks tell of one node at most so far apart."""
MOST_OBJECTS = 255


class NodeWork:
    """Keeps the nodes of a document; its history takes back whatever is changed here."""

    changed = Signal()  # rows or choices

    def __init__(self, document: Document) -> None:
        self.document = document
        self.choices = Choices(THRESHOLD)
        self.sizes = Sizes(document)
        self.found: dict[str, Any] = {}  # what the search gave, but for labels and probability
        self.landmarks: Landmarks | None = None
        self.early: list[Row] = []  # told while a search goes on
        self.earlier: Mapping[str, Earlier] = {}
        self.gone: tuple[Earlier, ...] = ()  # nodes of the earlier study without one here
        self.compared_with = ""
        self.part: Array | None = None  # probability over the box of the search
        self.box: Box | None = None
        self.wanted: float | None = None  # threshold that is waited for

    # --- rows --------------------------------------------------------------------------------

    @property
    def objects(self) -> dict[str, SegmentObject]:
        """The objects that are nodes, by the name that each had at first."""
        items = self.document.objects.values()
        return {item.origin or item.name: item for item in items if is_node(item.name, item.origin)}

    @property
    def rows(self) -> list[Row]:
        """Every node that has been measured, rejected ones as well, by number."""
        made = [
            self._row(key, item.id, self.sizes.nodes[item.id], not self._by_ai(item))
            for key, item in self.objects.items()
            if item.id in self.sizes.nodes
        ]
        made += [
            self._row(key, 0, out.node, out.by_hand) for key, out in self.choices.rejected.items()
        ]
        return sorted(made, key=lambda row: (row.number, row.key))

    @property
    def shown(self) -> list[Row]:
        """The rows, and while a search goes on what it tells of."""
        return [*self.rows, *self.early]

    def _row(self, key: str, object_id: int, node: Node, by_hand: bool) -> Row:
        found = suggest(node.centroid, self.landmarks and self._marks)
        review, earlier = self.choices.of(key), self.earlier.get(key)
        return Row(key, number_of(key), object_id, node, review, found, by_hand, earlier)

    @property
    def _marks(self) -> Landmarks | None:
        marks = self.landmarks
        return marks and replace(marks, structures=self.sizes.structures)

    def row(self, key: str) -> Row | None:
        """The line of a node."""
        return next((row for row in self.shown if row.key == key), None)

    @property
    def warning(self) -> str:
        """What to doubt about the result."""
        return self.found.get("warning") or ""

    # --- search and threshold ----------------------------------------------------------------

    def tell(self, nodes: Sequence[Mapping[str, Any]] | None) -> None:
        """Show nodes that a search tells of while it goes on; None: it is over."""
        scale = np.asarray(self.document.scale)
        for told in nodes or ():
            node = Node(**told)
            offsets = [np.subtract(node.centroid, row.node.centroid) for row in self.early]
            if all(np.linalg.norm(offset * scale) > SAME_MM for offset in offsets):
                key = f"{EARLY}{len(self.early) + 1}"
                place = suggest(node.centroid, None)
                self.early.append(Row(key, 0, 0, node, Review(), place, by_hand=False))
        if nodes is None:
            self.early = []
        self.changed.emit()

    def accept_search(
        self,
        background: Background,
        result: Mapping[str, Any],
        threshold: float,
        then: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Take over what a search gave; corrections and decisions made before stay."""
        kept = ("warning", "models", "device", "seconds", "settings")
        self.found = {name: result[name] for name in kept if name in result}
        self.landmarks = result["landmarks"]
        self.box, self.part = Box(*result["box"]), np.asarray(result["probability"])
        whole = np.zeros(self.document.shape, np.float16)
        whole[self.box.slices] = self.part

        def finish() -> None:
            self.early = []
            self.changed.emit()
            then()

        self._cut(background, threshold, "Find lymph nodes", whole, finish, failed)

    def set_threshold(
        self, background: Background, threshold: float, failed: Callable[[Exception], None]
    ) -> None:
        """Cut the kept probability anew; all moves of the slider in a row are one step."""
        if self.part is None:
            return
        busy, self.wanted = self.wanted is not None, threshold
        if not busy:
            self._next_cut(background, failed)

    def _next_cut(self, background: Background, failed: Callable[[Exception], None]) -> None:
        """The newest threshold; those that came while the last was worked on are passed over."""
        threshold = self.wanted
        if threshold is None or threshold == self.choices.threshold:
            self.wanted = None
            return
        then = partial(self._next_cut, background, failed)
        self._cut(background, threshold, CUT, None, then, failed)

    def _cut(
        self,
        background: Background,
        threshold: float,
        title: str,
        whole: Array | None,
        then: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Work out in the background what a threshold gives, take it over between strokes."""

        def take(planned: tuple[Takeover, tuple[str, ...]]) -> None:
            history = self.document.history
            if history.grouping or planned[0].version != self.document.version:
                return self._cut(background, threshold, title, whole, then, failed)
            together = history.amend if history.undo_title == title == CUT else history.group
            with together(title):
                self.document.take(planned[0])
                self._drop_empty(planned[1])
                self._choose(replace(self.choices, threshold=threshold), "")
            return then()

        background.run(partial(self._planned, threshold, title, whole), take, failed)

    def _planned(
        self, threshold: float, title: str, whole: Array | None
    ) -> tuple[Takeover, tuple[str, ...]]:
        """What changes, and the names of nodes that the threshold no longer gives."""
        box, part = self.box, self.part
        if box is None or part is None:
            raise RuntimeError("nothing was searched")
        objects, ai = self.objects, self.document.ai_labels
        ours = {item.id: key for key, item in objects.items() if self._by_ai(item)}
        found = recut.cut(
            part, self.document.scale, threshold, None if ai is None else ai[box.slices], ours,
            [_within(out, box) for out in self.choices.rejected.values()], self.next_number,
            MOST_OBJECTS - len(self.document.objects),
        )  # fmt: skip
        labels = np.zeros(self.document.shape, np.uint8)
        labels[box.slices] = found.labels
        lost = tuple(key for key in ours.values() if key not in found.names)
        names = (*found.names, *lost)[:MOST_OBJECTS]
        items = tuple(
            SegmentObject(i, name, PALETTE[(number_of(name) - 1) % len(PALETTE)])
            for i, name in enumerate(names, start=1)
        )
        return plan(self.document, AiResult(labels, items, title, whole)), lost

    def _by_ai(self, item: SegmentObject) -> bool:
        """Whether the network made an object: a new one may have the label of a deleted one."""
        return bool(item.origin and self.document.counts.ai[item.id])

    def _drop_empty(self, keys: Sequence[str]) -> None:
        """Delete objects of which nothing is left."""
        items = [item for key, item in self.objects.items() if key in keys]
        self.document.drop_empty(item.id for item in items if not item.locked)

    # --- decisions ---------------------------------------------------------------------------

    def decide(self, keys: Sequence[str], state: State) -> None:
        """Accept, reject or leave open; what is in that state already is left open again."""
        rows = [row for row in self.rows if row.key in keys]
        if rows and all(row.review.state == state for row in rows):
            state = "open"
        titles = {"accepted": "Accept", "rejected": "Reject", "open": "Leave open"}
        with self.document.history.group(f"{titles[state]} {_named(rows)}"):
            for row in rows:
                self._set_state(row, state)

    def _set_state(self, row: Row, state: State) -> None:
        if state == row.review.state:
            return
        document = self.document
        if row.review.state == "rejected":
            self._put_back(row.key)
        item = self.objects[row.key]
        document.set_locked(item.id, state == "accepted")
        if state == "rejected":
            self._take_out(row, item)
        self._review(row.key, state=state)

    def _take_out(self, row: Row, item: SegmentObject) -> None:
        box = self.sizes.boxes[item.id]
        mask = self.document.labels[box.slices] == item.id
        out = Rejected(item.name, item.color, box, mask, row.node, row.by_hand)
        self.document.remove_object(item.id)
        self._choose(replace(self.choices, rejected={**self.choices.rejected, row.key: out}), "")

    def _put_back(self, key: str) -> None:
        out = self.choices.rejected[key]
        left = {name: other for name, other in self.choices.rejected.items() if name != key}
        self._choose(replace(self.choices, rejected=left), "")
        self._add(key, out.color, out.box, out.mask)
        if out.name != key:
            self.document.rename(self.document.active, out.name)

    def set_station(self, keys: Sequence[str], station: str | None) -> None:
        """Choose a station, "" for not known, None for what is proposed."""
        with self.document.history.group(f"Station {station or ''}".strip()):
            for key in keys:
                self._review(key, station=station or "", chosen=station is not None)

    def set_target(self, keys: Sequence[str], target: bool) -> None:
        """Follow nodes as targets, or no longer."""
        with self.document.history.group("Target nodes"):
            for key in keys:
                self._review(key, target=target)

    def compare(
        self, study: str, earlier: Mapping[str, Earlier], gone: tuple[Earlier, ...]
    ) -> None:
        """Take up what each node was in an earlier study."""
        self.compared_with, self.earlier, self.gone = study, earlier, gone
        self.changed.emit()

    # --- shapes ------------------------------------------------------------------------------

    def split(self, key: str) -> list[str]:
        """Take a node apart at its waist; the names of its parts. Raises UserError."""
        item, document = self._item(key), self.document
        box = self.sizes.boxes[item.id]
        parts = shaping.split(document.labels[box.slices] == item.id, document.scale)
        if parts.max(initial=0) < 2:
            raise UserError(f"{item.name} is too small to be split.")
        with document.history.group(f"Split {item.name}"):
            self._open_up(key, item)
            made = []
            for part in range(2, int(parts.max()) + 1):
                mask = parts == part
                document.apply(VoxelEdit.painted(document.labels, box, mask, 0, ""))
                made.append(self._add(f"Node {self.next_number}", "", box, mask))
        return [key, *made]

    def merge(self, keys: Sequence[str]) -> str:
        """Make one node of several, the largest; its name. Raises UserError."""
        rows = [row for row in self.rows if row.key in keys and row.object_id]
        if len(rows) < 2:
            raise UserError("Choose two nodes or more to merge.")
        rows.sort(key=lambda row: -row.node.volume_ml)
        with self.document.history.group(f"Merge {_named(rows)}"):
            for row in rows:
                self._open_up(row.key, self.objects[row.key])
            for row in rows[1:]:
                self.document.merge_objects(row.object_id, rows[0].object_id)
        return rows[0].key

    def nearest(self, key: str) -> str | None:
        """The node nearest to one, by their middles."""
        row = self.row(key)
        others = [other for other in self.rows if other.object_id and other.key != key]
        if row is None or not others:
            return None
        scale = np.asarray(self.document.scale)
        here = np.asarray(row.node.centroid)
        return min(
            others, key=lambda o: float(np.linalg.norm((o.node.centroid - here) * scale))
        ).key

    def add_at(self, seed: Sequence[int]) -> str:
        """Outline the node at a voxel by one click; its name. Raises UserError."""
        document = self.document
        if document.labels[tuple(seed)]:
            raise UserError("There is an object here already: click beside it, or edit it.")
        if (value := float(document.image[tuple(seed)])) < AIR_HU or value > BONE_HU:
            raise UserError(f"This is no soft tissue ({value:.0f} HU): click in the node.")
        box, mask = shaping.grown(
            document.image, document.probability, seed, document.scale, document.labels == 0
        )
        with document.history.group("Add a node"):
            return self._add(f"Node {self.next_number}", "", box, mask)

    @property
    def next_number(self) -> int:
        """One that no node has, and none that something was decided on."""
        keys = (*self.choices.reviews, *self.choices.rejected, *self.objects)
        return 1 + max((number_of(key) for key in keys), default=0)

    def _item(self, key: str) -> SegmentObject:
        item = self.objects.get(key)
        if item is None:
            raise UserError(f"{key} was rejected: take it back first.")
        return item

    def _open_up(self, key: str, item: SegmentObject) -> None:
        """What is changed has to be decided on again."""
        self.document.set_locked(item.id, False)
        self._review(key, state="open")

    def _add(self, key: str, color: str, box: Box, mask: Array) -> str:
        """A new object where no other is."""
        document = self.document
        made = document.add_object(key, color or PALETTE[(number_of(key) - 1) % len(PALETTE)])
        free = mask & (document.labels[box.slices] == 0)
        document.apply(VoxelEdit.painted(document.labels, box, free, made.id, ""))
        self._review(key)
        return key

    # --- bookkeeping -------------------------------------------------------------------------

    def _review(self, key: str, **changes: Any) -> None:
        after = replace(self.choices.of(key), **changes)
        if after != self.choices.reviews.get(key):
            reviews = {**self.choices.reviews, key: after}
            self._choose(replace(self.choices, reviews=reviews), "")

    def _choose(self, after: Choices, title: str) -> None:
        if after != self.choices:
            put = partial(self._put, self.choices), partial(self._put, after)
            self.document.history.run(Step(title, *put, nbytes=500))

    def _put(self, choices: Choices) -> None:
        self.choices = choices
        self.sizes.threshold = choices.threshold
        self.changed.emit()

    def kept(self) -> Kept | None:
        """What was found and decided, for the project."""
        return outcome.kept(self)

    def restore(self, kept: Kept) -> None:
        """Go on with it; KeyError, TypeError or ValueError if it makes no sense."""
        outcome.restore(self, kept)

    def lesson(self) -> Taught:
        """The decided nodes, to learn from; raises UserError if nothing was decided."""
        return outcome.lesson(self)

    def publish(self) -> None:
        """Leave with the document what an export writes."""
        outcome.publish(self)


def _named(rows: Sequence[Row]) -> str:
    return rows[0].key if len(rows) == 1 else f"{len(rows)} nodes"


def _within(out: Rejected, box: Box) -> tuple[Box, Array]:
    """A rejected mask in the axes of a box."""
    moved = out.box.shifted([-first for first in box.start])
    inside = moved.clipped(box.shape)
    cut = inside.shifted([-first for first in moved.start])
    return inside, out.mask[cut.slices]
