"""A model's result, and what it will change of a document: worked out in any thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gui.segment_object import free_label, named
from gui.voxel_edit import VoxelEdit
from inference.box import Box

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from gui.comparison import Counts
    from gui.document import Document
    from gui.segment_object import SegmentObject

    Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class AiResult:
    """Labels over the canonical spatial axes, whose values are the ids of `objects`."""

    labels: Labels
    objects: tuple[SegmentObject, ...]
    title: str
    probability: NDArray[np.floating[Any]] | None = None


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a result changes of a document; void once the document has another `version`."""

    version: int
    result: AiResult
    objects: tuple[SegmentObject, ...]  # new ones, and those that the model speaks of from now on
    ai: Labels  # the AI's version from now on
    ai_edit: VoxelEdit
    labels: Labels  # the corrected version from now on
    edit: VoxelEdit
    counts: Counts


def plan(document: Document, result: AiResult) -> Takeover:
    """What taking over a result changes, without changing anything.

    UserError if there are too many objects, ValueError if the shapes differ.
    """
    if result.labels.shape != document.shape:
        raise ValueError(f"labels of shape {result.labels.shape} for an image of {document.shape}")
    version, now, before = document.version, document.labels, document.ai_labels
    if before is None:
        before = np.zeros(document.shape, np.uint8)
    objects, table = adopted(result.objects, dict(document.objects))
    counts = document.counts.copy()
    ai = _mapped(result.labels, table, before, set(document.objects))
    ai_edit = VoxelEdit.of(before, Box.whole(document.shape), ai, "")
    for piece in ai_edit.pieces():
        counts.ai_changed(piece, piece.index(), now)
    labels, edit = _followed(now, before, ai, ai_edit, document.protected)
    for piece in edit.pieces():
        counts.changed(piece, piece.index(), ai)
    return Takeover(version, result, objects, ai, ai_edit, labels, edit, counts)


def adopted(
    wanted: Iterable[SegmentObject], known: dict[int, SegmentObject]
) -> tuple[tuple[SegmentObject, ...], Labels]:
    """The objects of a result that are new or changed, and the table from its labels to ours."""
    table, changed = np.zeros(256, np.uint8), []
    for item in wanted:
        same = named(known.values(), item.name)
        number = same.id if same else free_label(known)
        if same is None or same.origin != item.name:
            known[number] = replace(same or item, id=number, origin=item.name)
            changed.append(known[number])
        table[item.id] = number
    return tuple(changed), table


def _mapped(labels: Labels, table: Labels, before: Labels, known: set[int]) -> Labels:
    """The AI's version: this result, and what it gave of other known objects before."""
    same = (table == np.arange(256)) | (table == 0)
    ai = np.array(labels, np.uint8, order="C") if same.all() else table[labels]
    others = np.ones(256, bool)
    others[table] = False
    kept = Box.of(before) if any(others[i] for i in known) else None
    if kept is not None:
        place = kept.slices
        stays = (ai[place] == 0) & others[before[place]]
        np.copyto(ai[place], before[place], where=stays)
    return ai


def _followed(
    now: Labels, before: Labels, ai: Labels, ai_edit: VoxelEdit, protected: NDArray[np.bool_]
) -> tuple[Labels, VoxelEdit]:
    """The labels once a change takes hold where they were still those of the AI."""
    labels, place = now.copy(), ai_edit.box.slices
    follows = now[place] == before[place]
    if protected.any():
        follows &= ~(protected[now[place]] | protected[ai[place]])
    np.copyto(labels[place], ai[place], where=follows)
    if follows.all():
        return labels, ai_edit
    return labels, VoxelEdit.of(now, ai_edit.box, labels[place], "")
