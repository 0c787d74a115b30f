"""What a reader does to the shapes of nodes: split, merge, add; each is one step to undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gui.segment_object import color_of
from gui.voxel_edit import VoxelEdit
from inference.errors import UserError
from plugins.lymph_nodes import shaping
from plugins.lymph_nodes.review import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.segment_object import SegmentObject
    from plugins.lymph_nodes.review import Row
    from plugins.lymph_nodes.work import NodeWork

AIR_HU = -150
"""A click below cannot be meant for a node."""
PART = "No border is seen all round: only what fits round the click was added. Check its outline."
BESIDE_MM = 10.0
"""Two nodes with more between them are not taken for one unless both are chosen."""


def split(work: NodeWork, key: str) -> list[str]:
    """Take a node apart at its waist; the names of its parts. Raises UserError."""
    item, document = _item(work, key), work.document
    box = work.sizes.boxes[item.id]
    parts = shaping.split(document.labels[box.slices] == item.id, document.scale)
    if parts.max(initial=0) < 2:
        raise UserError(f"{item.name} is too small to be split.")
    with document.history.group(f"Split {item.name}"):
        work.open_up(key, item)
        made = []
        for part in range(2, int(parts.max()) + 1):
            mask = parts == part
            document.apply(VoxelEdit.painted(document.labels, box, mask, 0, ""))
            made.append(work.add(f"Node {work.next_number}", "", box, mask))
    return [key, *made]


def merge(work: NodeWork, keys: Sequence[str]) -> str:
    """Make one node of several, the largest; its name. Raises UserError."""
    rows = [row for row in work.rows if row.key in keys and row.object_id]
    if len(rows) < 2:
        raise UserError("Choose two nodes or more to merge.")
    rows.sort(key=lambda row: -row.node.volume_ml)
    with work.document.history.group(f"Merge {named(rows)}"):
        for row in rows:
            work.open_up(row.key, work.objects[row.key])
        for row in rows[1:]:
            work.document.merge_objects(row.object_id, rows[0].object_id)
    return rows[0].key


def neighbour(work: NodeWork, key: str) -> str:
    """The node nearest to one. Raises UserError if it lies too far off to be part of it."""
    row = work.row(key)
    others = [other for other in work.rows if other.object_id and other.key != key]
    if row is None or not others:
        raise UserError("There is no other node to merge with.")
    near = min(others, key=lambda other: _gap(work, row, other))
    if (gap := _gap(work, row, near)) > BESIDE_MM:
        raise UserError(
            f"The nearest node, {near.key}, lies {gap:.0f} mm off: choose both to merge them."
        )
    return near.key


def _gap(work: NodeWork, one: Row, other: Row) -> float:
    """Between two nodes, mm, as if they were balls of their long axes."""
    offset = np.subtract(one.node.centroid, other.node.centroid) * work.document.scale
    return float(np.linalg.norm(offset)) - (one.node.long_axis_mm + other.node.long_axis_mm) / 2


def add_at(work: NodeWork, seed: Sequence[int]) -> tuple[str, str]:
    """Outline the node at a voxel by one click; its name, and what to doubt about it or "".

    Raises UserError, and NoNodeError where the node may be drawn instead.
    """
    document = work.document
    if document.labels[tuple(seed)]:
        raise UserError("There is an object here already: click beside it, or edit it.")
    if (value := float(document.image[tuple(seed)])) < AIR_HU:
        raise UserError(f"This is no soft tissue ({value:.0f} HU): click in the node.")
    box, mask, whole = shaping.grown(
        document.image, document.probability, seed, document.scale, document.labels == 0
    )
    with document.history.group("Add a node"):
        return work.add(f"Node {work.next_number}", "", box, mask), "" if whole else PART


def begin(work: NodeWork) -> None:
    """A node of which nothing is drawn yet. Raises UserError."""
    number = work.next_number
    work.document.add_object(f"Node {number}", color_of(number))


def _item(work: NodeWork, key: str) -> SegmentObject:
    item = work.objects.get(key)
    if item is None:
        raise UserError(f"{key} was rejected: take it back first.")
    return item
