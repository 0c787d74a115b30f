"""One open series and everything drawn on it; knows no Qt."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from gui.ai_result import AiResult, Takeover, plan
from gui.comparison import Comparison, Counts, voxel_size
from gui.history import History, Step
from gui.segment_object import SegmentObject, color_of, free_label
from gui.strokes import VoxelStep, merge_strokes
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from inference.series import Series

    Labels = NDArray[np.uint8]

STEPS = 1000
"""That can be undone: prompts come fast, and take little memory."""


class Document:
    """A series, its labels, the AI's version of them, and the history of both."""

    labels_changed = Signal(Box)
    ai_changed = Signal(Box)
    objects_changed = Signal()
    active_changed = Signal()
    probability_changed = Signal()
    history_changed = Signal()
    state_changed = Signal()  # something that a project keeps, but the history does not
    written = Signal(str, VoxelEdit)  # "labels" or "ai_labels", and every change of their voxels

    def __init__(self, series: Series) -> None:
        self.series = series
        self.root: Path | None = None  # what was opened; None: no file is known to hold it
        self.image: NDArray[Any] = series.canonical()
        self.scale: tuple[float, ...] = series.scale
        self.shape: tuple[int, ...] = self.image.shape[: self.image.ndim - series.rgb]
        self.labels: Labels = np.zeros(self.shape, np.uint8)
        self.objects: dict[int, SegmentObject] = {}
        self.ai_labels: Labels | None = None
        self.probability: NDArray[np.floating[Any]] | None = None
        self.results: dict[str, dict[str, Any]] = {}
        self.history = History(limit=STEPS, compact=merge_strokes)
        self.history.changed.connect(self.history_changed.emit)
        self.version = 0  # another one after every change of labels or objects
        self.counts = Counts()
        self._active = 0

    # --- labels -----------------------------------------------------------------------------

    def apply(self, edit: VoxelEdit) -> bool:
        """Change labels, the only way they change; whether anything was left to change.

        Voxels of locked objects stay as they are, nothing is added to a locked object, and a
        voxel that changed after the edit was computed keeps its newer label.
        """
        edit = edit.onto(self.labels, self.protected)
        if edit.empty:
            return False
        self.history.run(VoxelStep(self, edit))
        return True

    @property
    def protected(self) -> NDArray[np.bool_]:
        """Of each label, whether its object is locked."""
        locked = [item.id for item in tuple(self.objects.values()) if item.locked]
        return np.isin(np.arange(256), locked)

    def write(self, edit: VoxelEdit) -> None:
        """For the history alone: change the voxels as told."""
        self.version += 1
        for piece in edit.pieces():
            index = piece.index()
            self.labels.reshape(-1)[index] = np.repeat(piece.after, piece.lengths)
            self.counts.changed(piece, index, self.ai_labels)
        self.written.emit("labels", edit)
        self.labels_changed.emit(edit.box)

    def _write_ai(self, edit: VoxelEdit, forget: bool = False) -> None:
        self.version += 1
        if self.ai_labels is None:
            self.ai_labels = np.zeros(self.shape, np.uint8)
        for piece in edit.pieces():
            index = piece.index()
            self.ai_labels.reshape(-1)[index] = np.repeat(piece.after, piece.lengths)
            self.counts.ai_changed(piece, index, self.labels)
        if forget:
            self.ai_labels = None
        self.written.emit("ai_labels", edit)
        self.ai_changed.emit(edit.box)

    # --- objects ----------------------------------------------------------------------------

    @property
    def active(self) -> int:
        """The object that tools draw, 0 if there is none."""
        return self._active

    @active.setter
    def active(self, value: int) -> None:
        if value != self._active and (value == 0 or value in self.objects):
            self._active = value
            self.active_changed.emit()

    @property
    def active_object(self) -> SegmentObject | None:
        """The object that tools draw."""
        return self.objects.get(self._active)

    def add_object(self, name: str = "", color: str = "") -> SegmentObject:
        """A new object, made active; UserError if all 255 labels are taken."""
        free = free_label(self.objects)
        added = SegmentObject(free, name or f"Object {free}", color or color_of(free))
        self._edit_objects(f"Add {added.name}", {free: added})
        self.active = free
        return added

    def rename(self, object_id: int, name: str) -> None:
        """Give an object another name; a model's results still find it by its origin."""
        item = self.objects[object_id]
        if name and name != item.name:
            renamed = replace(item, name=name, origin=item.origin or item.name)
            self._edit_objects(f"Rename {item.name}", {object_id: renamed})

    def recolor(self, object_id: int, color: str) -> None:
        """Give an object another colour, "#rrggbb"."""
        item = self.objects[object_id]
        if color != item.color:
            self._edit_objects(f"Colour of {item.name}", {object_id: replace(item, color=color)})

    def credit(self, object_id: int, maker: tuple[str, str], as_made: str = "") -> None:
        """Note which model, of which version, outlines an object where the user points.

        `as_made` is the fingerprint of what it made without the user.
        """
        item = self.objects.get(object_id)
        if item is not None and (item.maker, item.as_made) != (maker, as_made):
            credited = replace(item, maker=maker, as_made=as_made)
            self._edit_objects("", {object_id: credited})

    def set_locked(self, object_id: int, locked: bool) -> None:
        """Lock or unlock; a step of the history, as undo must meet the state it left."""
        item = self.objects[object_id]
        if locked != item.locked:
            title = f"{'Lock' if locked else 'Unlock'} {item.name}"
            self._edit_objects(title, {object_id: replace(item, locked=locked)})

    def set_visible(self, object_id: int, visible: bool) -> None:
        """Show or hide; a matter of looking, so not in the history."""
        self.objects[object_id] = replace(self.objects[object_id], visible=visible)
        self.objects_changed.emit()

    def remove_object(self, object_id: int) -> None:
        """Delete an object and its voxels; UserError if it is locked."""
        item = self._unlocked(object_id)
        with self.history.group(f"Delete {item.name}"):
            self._relabel(object_id, 0)
            self._edit_objects("", {object_id: None})

    def drop_empty(self, ids: Iterable[int]) -> None:
        """Delete those of these objects of which nothing is left."""
        empty = {i: None for i in ids if i in self.objects and not self.counts.now[i]}
        if empty:
            self._edit_objects("Delete empty objects", empty)

    def merge_objects(self, source: int, target: int) -> None:
        """Give the voxels of `source` to `target` and delete `source`; UserError if locked."""
        item, into = self._unlocked(source), self._unlocked(target)
        with self.history.group(f"Merge {item.name} into {into.name}"):
            self._relabel(source, target)
            self._edit_objects("", {source: None})

    def _relabel(self, old: int, new: int) -> None:
        box = Box.of(self.labels == old)
        if box is not None:
            mask = self.labels[box.slices] == old
            self.apply(VoxelEdit.painted(self.labels, box, mask, new, ""))

    def _unlocked(self, object_id: int) -> SegmentObject:
        item = self.objects[object_id]
        if item.locked:
            raise UserError(f"{item.name} is locked: unlock it first.")
        return item

    def _edit_objects(self, title: str, after: Mapping[int, SegmentObject | None]) -> None:
        before = {i: self.objects.get(i) for i in after}
        undo, redo = partial(self._put_objects, before), partial(self._put_objects, after)
        self.history.run(Step(title, undo, redo, nbytes=200 * len(after)))

    def _put_objects(self, changes: Mapping[int, SegmentObject | None]) -> None:
        self.version += 1
        known = set(self.objects)
        for i, item in changes.items():
            shown = self.objects.pop(i, item)
            if item is not None and shown is not None:
                self.objects[i] = replace(item, visible=shown.visible)
        self.objects = dict(sorted(self.objects.items()))
        back = [i for i in changes if i in self.objects and i not in known]
        if back or self._active not in self.objects:
            self.active = max(back or self.objects, default=0)
        self.objects_changed.emit()

    # --- the AI's version -------------------------------------------------------------------

    def set_ai_result(
        self,
        labels: Labels,
        objects: Iterable[SegmentObject],
        title: str,
        probability: NDArray[np.floating[Any]] | None = None,
        *,
        key: str = "",
    ) -> None:
        """Take over a model's labels (canonical axes; ids as in `objects`), as one step.

        An object that a model found before, or with the name of one here, becomes that one;
        another gets a free label. Voxels that the user corrected stay: `reset_to_ai` gives them
        up. Steps of the same `key` in a row, such as of a threshold slider, are one step.
        """
        with self.history.group(title, key):
            self._take(plan(self, AiResult(labels, tuple(objects), title, probability)))

    def take(self, planned: Takeover) -> bool:
        """`set_ai_result`, worked out before; False if the document has changed since."""
        if planned.version != self.version:
            return False
        with self.history.group(planned.result.title):
            self._take(planned)
        return True

    def _take(self, planned: Takeover) -> None:
        """Exchange whole arrays: voxel by voxel, a large volume would take seconds."""
        new = [item.id for item in planned.objects if item.id not in self.objects]
        first = self.ai_labels is None
        self.ai_labels, self.labels = planned.ai, planned.labels  # views show them with the objects
        self.counts, self.version = planned.counts, self.version + 1
        if planned.objects:
            self._edit_objects("Add objects", {item.id: item for item in planned.objects})
        self.active = new[-1] if new else self.active
        self._set_probability(planned.result.probability)
        if first or not planned.ai_edit.empty:
            self._push_ai(planned.ai_edit, first)
        if not planned.edit.empty:
            self.history.push(VoxelStep(self, planned.edit))
            self.written.emit("labels", planned.edit)
            self.labels_changed.emit(planned.edit.box)

    def _push_ai(self, edit: VoxelEdit, first: bool) -> None:
        undo = partial(self._write_ai, edit.reversed(), forget=first)
        self.history.push(Step("", undo, partial(self._write_ai, edit), edit.nbytes))
        self.written.emit("ai_labels", edit)
        self.ai_changed.emit(edit.box)

    def reset_to_ai(self, object_id: int) -> None:
        """Give up the corrections of an object; UserError if it is locked."""
        item = self._unlocked(object_id)
        if self.ai_labels is None:
            return
        now, ai = self.labels, self.ai_labels
        result = np.where(ai == object_id, ai, np.where(now == object_id, np.uint8(0), now))
        title = f"Reset {item.name} to the AI"
        self.apply(VoxelEdit.of(now, Box.whole(self.shape), result, title))

    def _set_probability(self, after: NDArray[np.floating[Any]] | None) -> None:
        before = self.probability
        if after is before or after is None:
            return
        undo, redo = partial(self._put_probability, before), partial(self._put_probability, after)
        self.history.run(Step("", undo, redo, 0 if before is None else before.nbytes))

    def _put_probability(self, probability: NDArray[np.floating[Any]] | None) -> None:
        self.probability = probability
        self.probability_changed.emit()

    # --- AI and corrected, side by side -------------------------------------------------------

    def compare(self, object_id: int | None = None) -> Comparison | None:
        """The AI's version against the corrected one, of one object or of all; None without AI."""
        if self.ai_labels is None:
            return None
        ids = list(self.objects) if object_id is None else [object_id]
        return self.counts.compare(ids, self.series)

    def size(self, object_id: int) -> tuple[float, str]:
        """How large an object is: ml, mm², voxels or px."""
        size, unit = voxel_size(self.series)
        return float(self.counts.now[object_id]) * size, unit
