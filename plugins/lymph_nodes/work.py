"""One document's nodes, what was decided on each, and everything that a reader does to them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from gui.history import Step
from gui.segment_object import SegmentObject, color_of
from gui.voxel_edit import VoxelEdit
from plugins.lymph_nodes import outcome
from plugins.lymph_nodes.cutting import Cutting
from plugins.lymph_nodes.measure import Node
from plugins.lymph_nodes.prepare import THRESHOLD
from plugins.lymph_nodes.review import (
    Choices,
    Rejected,
    Review,
    Row,
    is_node,
    named,
    number_of,
)
from plugins.lymph_nodes.sizes import Sizes
from plugins.lymph_nodes.stations import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gui.document import Document
    from gui.learning_section import Taught
    from gui.project import Kept
    from inference.box import Box
    from inference.series import Array
    from plugins.lymph_nodes.landmarks import Landmarks
    from plugins.lymph_nodes.review import Earlier, State

EARLY = "Early "
SAME_MM = 8.0
"""Two networks tell of one node at most so far apart."""


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
        self.cutting = Cutting(self)

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
            self._row(key, item.id, self.sizes.nodes[item.id], not self.by_ai(item))
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

    # --- search ------------------------------------------------------------------------------

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

    def by_ai(self, item: SegmentObject) -> bool:
        """Whether the network made an object: a new one may have the label of a deleted one."""
        return bool(item.origin and self.document.counts.ai[item.id])

    def drop_empty(self, keys: Sequence[str]) -> None:
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
        with self.document.history.group(f"{titles[state]} {named(rows)}"):
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
        self.choose(replace(self.choices, rejected={**self.choices.rejected, row.key: out}))

    def _put_back(self, key: str) -> None:
        out = self.choices.rejected[key]
        left = {name: other for name, other in self.choices.rejected.items() if name != key}
        self.choose(replace(self.choices, rejected=left))
        self.add(key, out.color, out.box, out.mask)
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

    # --- new objects -------------------------------------------------------------------------

    @property
    def next_number(self) -> int:
        """One that no node has, and none that something was decided on."""
        keys = (*self.choices.reviews, *self.choices.rejected, *self.objects)
        return 1 + max((number_of(key) for key in keys), default=0)

    def open_up(self, key: str, item: SegmentObject) -> None:
        """What is changed has to be decided on again."""
        self.document.set_locked(item.id, False)
        self._review(key, state="open")

    def add(self, key: str, color: str, box: Box, mask: Array) -> str:
        """A new object where no other is."""
        document = self.document
        made = document.add_object(key, color or color_of(number_of(key)))
        free = mask & (document.labels[box.slices] == 0)
        document.apply(VoxelEdit.painted(document.labels, box, free, made.id, ""))
        self._review(key)
        return key

    # --- bookkeeping -------------------------------------------------------------------------

    def _review(self, key: str, **changes: Any) -> None:
        after = replace(self.choices.of(key), **changes)
        if after != self.choices.reviews.get(key):
            reviews = {**self.choices.reviews, key: after}
            self.choose(replace(self.choices, reviews=reviews))

    def choose(self, after: Choices) -> None:
        """Put choices in force, as part of a step to undo."""
        if after != self.choices:
            put = partial(self._put, self.choices), partial(self._put, after)
            self.document.history.run(Step("", *put, nbytes=500))

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
