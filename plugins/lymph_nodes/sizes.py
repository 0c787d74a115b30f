"""Keeps the measurements of a document's nodes up to date: after an edit, only what it touched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal
from scipy import ndimage

from inference.box import Box
from plugins.lymph_nodes import landmarks, measure
from plugins.lymph_nodes.prepare import THRESHOLD
from plugins.lymph_nodes.review import is_node

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gui.background import Background
    from gui.document import Document
    from inference.series import Array
    from plugins.lymph_nodes.measure import Node

    Structures = Mapping[str, Mapping[int, landmarks.Cut]]


@dataclass(frozen=True)
class _Asked:
    """What is measured: arrays as they are now, the part that changed, and the boxes known."""

    document: Document
    dirty: Box
    boxes: Mapping[int, Box]
    nodes: frozenset[int]
    others: Mapping[int, str]  # names of objects that are no nodes
    threshold: float


class Sizes:
    """Measurements by object; follows the labels of one document."""

    outdated = Signal()
    measured = Signal()

    def __init__(self, document: Document) -> None:
        self._document = document
        self.nodes: dict[int, Node] = {}
        self.boxes: dict[int, Box] = {}
        self.threshold = THRESHOLD  # at which the probability was cut
        self.structures: Structures = {}
        self._dirty: Box | None = Box.whole(document.shape) if document.labels.any() else None
        self._others: Mapping[int, str] = {}
        self._busy = False
        document.labels_changed.connect(self._edited)
        document.objects_changed.connect(self._renamed)

    def close(self) -> None:
        """Follow no longer."""
        self._document.labels_changed.disconnect(self._edited)
        self._document.objects_changed.disconnect(self._renamed)

    @property
    def current(self) -> bool:
        """Whether everything is measured as it is."""
        return self._dirty is None and not self._busy

    def measure(self, background: Background, failed: Callable[[Exception], None]) -> None:
        """Measure what was touched; nothing while that is done already: asked again after it."""
        if self._dirty is None or self._busy:
            return
        asked = _Asked(
            self._document, self._dirty, dict(self.boxes), self._node_ids(), self._names(),
            self.threshold,
        )  # fmt: skip
        self._dirty, self._busy = None, True

        def stop(error: Exception) -> None:
            self._busy = False
            failed(error)

        background.run(partial(_measured, asked), self._take, stop)

    def _take(
        self, found: tuple[dict[int, Node], dict[int, Box], set[int], Structures | None]
    ) -> None:
        nodes, boxes, gone, structures = found
        self._busy = False
        self.nodes = {i: node for i, node in self.nodes.items() if i not in gone} | nodes
        self.boxes = {i: box for i, box in self.boxes.items() if i not in gone} | boxes
        if structures is not None:
            self.structures = structures
        self.measured.emit()
        if self._dirty is not None:
            self.outdated.emit()

    def _edited(self, box: Box) -> None:
        self._dirty = box if self._dirty is None else self._dirty.union(box)
        self.outdated.emit()

    def _renamed(self) -> None:
        """An object may have become a node, or a structure that settles stations."""
        names = self._names()
        if names != self._others:
            self._others = names
            self._edited(Box.whole(self._document.shape))

    def _names(self) -> dict[int, str]:
        nodes, items = self._node_ids(), self._document.objects.values()
        return {item.id: item.name for item in items if item.id not in nodes}

    def _node_ids(self) -> frozenset[int]:
        items = self._document.objects.values()
        return frozenset(item.id for item in items if is_node(item.name, item.origin))


def _measured(
    asked: _Asked,
) -> tuple[dict[int, Node], dict[int, Box], set[int], Structures | None]:
    """Nodes and boxes of what lies in the dirty part, what is gone, and named structures."""
    labels, image = asked.document.labels, asked.document.image
    probability, scale = asked.document.probability, asked.document.scale
    near = {i for i, box in asked.boxes.items() if _meet(box, asked.dirty)}
    present = np.bincount(labels[asked.dirty.slices].ravel(), minlength=256)
    wanted = (near | set(np.flatnonzero(present).tolist())) & asked.nodes
    region = asked.dirty
    for number in wanted | near:
        region = region.union(asked.boxes.get(number, region))
    part = labels[region.slices]
    boxes = ndimage.find_objects(part)
    nodes, places = {}, {}
    for number in sorted(wanted):
        box = boxes[number - 1] if number <= len(boxes) else None
        if box is not None:
            seen = None if probability is None else probability[region.slices]
            nodes[number] = measure.one(
                number, part, box, scale, image[region.slices], seen, region.start, asked.threshold
            )
            places[number] = _box_of(box).shifted(region.start)
    changed = any(present[number] for number in asked.others)
    gone = near - set(nodes)
    return nodes, places, gone, _structures(labels, asked.others) if changed else None


def _structures(labels: Array, names: Mapping[int, str]) -> Structures:
    return landmarks.labelled(labels, names)


def _meet(one: Box, other: Box) -> bool:
    low = tuple(map(max, one.start, other.start))
    return not Box(low, tuple(map(min, one.stop, other.stop))).empty


def _box_of(slices: tuple[slice, ...]) -> Box:
    return Box(tuple(s.start for s in slices), tuple(s.stop for s in slices))
