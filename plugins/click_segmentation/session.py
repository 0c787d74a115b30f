"""The prompts of one document: what they ask of the model, and its answers, in one history.

Every prompt is a step of the history at once. Its answer comes later, and is added to the step
that is the last one then. So each state of the history has prompts and voxels of its own; where
these do not fit together, as after fast clicks were undone one by one, the model is asked again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from gui.history import Step
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.errors import UserError
from plugins.click_segmentation import learning
from plugins.click_segmentation.prompts import flat
from plugins.click_segmentation.slices import Place, Question, Said
from plugins.click_segmentation.stretches import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gui.document import Document
    from gui.learning_section import Taught
    from gui.segment_object import SegmentObject
    from plugins.click_segmentation.prompts import Prompt
    from plugins.click_segmentation.slices import Mask

    Prompts = tuple[Prompt, ...]

NOTHING = Said()


class ClickSession:
    """Keeps prompts by object and slice; asks one question at a time, the newest first."""

    changed = Signal()  # prompts
    asked = Signal(Question)
    withdrawn = Signal()  # nobody waits for the answer any more
    answered = Signal(Place)  # its voxels are those of its prompts now

    def __init__(self, document: Document) -> None:
        self.document = document
        self._said: dict[Place, Said] = {}  # the latest changed last
        self._question: Question | None = None
        self._refused: dict[Place, Prompts] = {}  # what the model could not answer
        self._tried: set[tuple[Place, Prompts]] = set()
        self._finished: set[int] = set()  # objects to be locked once they are answered
        document.history_changed.connect(self._settle)
        document.objects_changed.connect(self._drop_orphans)

    def close(self) -> None:
        """Follow the document no more."""
        self.document.history_changed.disconnect(self._settle)
        self.document.objects_changed.disconnect(self._drop_orphans)
        self._question = None
        self.withdrawn.emit()

    def lesson(self) -> Taught:
        """Slices of the objects, to learn from; raises UserError if there are none."""
        document = self.document
        found, figures = learning.arrays(
            document.image, document.labels, list(document.objects), document.scale
        )
        if not found:
            raise UserError("There are no objects to learn from: outline one first.")
        return found, figures

    # --- what is there -----------------------------------------------------------------------

    @property
    def waiting(self) -> Question | None:
        """The question that has no answer yet."""
        return self._question

    def prompts(self, object_id: int) -> Iterator[tuple[Place, int, Prompt]]:
        """The prompts of an object: slice, number in it, and the prompt."""
        for place, said in self._said.items():
            if place.object_id == object_id:
                for number, prompt in enumerate(said.prompts):
                    yield place, number, prompt

    def in_slice(self, place: Place) -> Prompts:
        """What was said of a slice."""
        return self._said.get(place, NOTHING).prompts

    def to_json(self) -> list[dict[str, Any]]:
        """All prompts with the object that each is about."""
        return [
            {"object": place.object_id, **prompt.to_json()}
            for place, said in self._said.items()
            for prompt in said.prompts
        ]

    @property
    def said(self) -> Mapping[Place, Said]:
        """All that was said, the latest changed last."""
        return self._said

    def restore(self, said: Mapping[Place, Said]) -> None:
        """Go on with what was said before; what is unanswered is asked."""
        known = self.document.objects
        self._said = {place: one for place, one in said.items() if place.object_id in known}
        self.changed.emit()
        self._settle()

    # --- what the user does ------------------------------------------------------------------

    def add(self, prompt: Prompt) -> None:
        """Say something of the active object, the first of which is made; raises UserError."""
        history = self.document.history
        if history.grouping:
            return  # a stroke is being drawn
        with history.group(prompt.title):
            item = self.document.active_object or self.document.add_object()
            place = Place(item.id, prompt.axis, prompt.index)
            self._check(item, prompt)
            self._say(place, (*self.in_slice(place), prompt))

    def move(self, place: Place, number: int, prompt: Prompt) -> None:
        """Put a prompt elsewhere in its slice; raises UserError."""
        prompts = list(self.in_slice(place))
        item = self.document.objects[place.object_id]
        self._check(item, prompt)
        if prompts[number] != prompt:
            prompts[number] = prompt
            with self.document.history.group(f"Move {prompt.kind}"):
                self._say(place, tuple(prompts))

    def delete(self, place: Place, number: int) -> None:
        """Take a prompt away, and what followed from it; raises UserError."""
        prompts = list(self.in_slice(place))
        self._unlocked(self.document.objects[place.object_id])
        gone = prompts.pop(number)
        with self.document.history.group(f"Delete {gone.kind}"):
            self._say(place, tuple(prompts))

    def clear(self, place: Place) -> None:
        """Take away all prompts of a slice; raises UserError."""
        if self.in_slice(place):
            self._unlocked(self.document.objects[place.object_id])
            with self.document.history.group("Delete prompts of the slice"):
                self._say(place, ())

    def new_object(self, lock: bool) -> None:
        """Begin another object; `lock` those before. An empty one is gone on with instead."""
        document, active = self.document, self.document.active_object
        if active is not None and self._empty(active.id):
            return
        done = [one for one in document.objects if lock and not self._empty(one)]
        with document.history.group("New object"):
            document.add_object()
            for one in done:
                if not self._lock_later(one):
                    document.set_locked(one, True)

    def step_object(self, count: int) -> None:
        """Go to the next object, or the one before; round at the ends."""
        ids = list(self.document.objects)
        if ids:
            active = self.document.active
            here = ids.index(active) if active in ids else 0
            self.document.active = ids[(here + count) % len(ids)]

    # --- questions and answers ---------------------------------------------------------------

    def preview(self, prompt: Prompt) -> Question | None:
        """What would be asked if this were said too; None where it cannot be said."""
        item = self.document.active_object
        place = Place(item.id if item else 0, prompt.axis, prompt.index)
        seed = tuple(round(value) for value in prompt.points[0])
        taken = self.document.protected[self.document.labels[seed]]
        if taken or (item is not None and item.locked):
            return None
        said, now = self._said.get(place, NOTHING), place.voxels(place.cut(self.document.labels))
        return self._ask(place, said.asking((*said.prompts, prompt), now))

    def accept(self, question: Question, answer: Mapping[str, Any]) -> None:
        """Take over an answer, unless it is no longer the one that is waited for."""
        if question is not self._question:
            return
        self._question = None
        if self.document.history.grouping or not self._stands(question):
            self._settle()
            return
        result = question.result(answer)
        with self.document.history.amend("Click"):
            self._paint(question.place, result)
            self._put(question.place, question.settled(result))
            self._credit(question.place.object_id, answer.get("model", {}))
            self._lock_finished(question.place.object_id)
        self.answered.emit(question.place)

    def _credit(self, object_id: int, model: Mapping[str, str]) -> None:
        if model:
            self.document.credit(object_id, (f"Clicks {model['name']}", model["version"]))

    def fail(self, question: Question, again: bool = False) -> None:
        """There is no answer: the prompts stay; `again`: ask once more, for it is worth it."""
        if question is not self._question:
            return
        self._question = None
        attempt = question.place, question.said.prompts
        if not again or attempt in self._tried:
            self._refused[question.place] = question.said.prompts
        self._tried.add(attempt)
        self._settle()

    def _settle(self) -> None:
        """Ask what is open now; a question that stands is left alone."""
        if self.document.history.grouping:
            return
        waiting = self._question
        if waiting is not None and self._stands(waiting):
            return
        place = next((place for place in reversed(self._said) if self._is_open(place)), None)
        self._question = None if place is None else self._ask(place, self._said[place])
        if self._question is not None:
            self.asked.emit(self._question)
        elif waiting is not None:
            self.withdrawn.emit()

    def _is_open(self, place: Place) -> bool:
        said, item = self._said[place], self.document.objects.get(place.object_id)
        refused = self._refused.get(place) == said.prompts
        return said.open and not refused and item is not None and not item.locked

    def _ask(self, place: Place, said: Said) -> Question:
        labels = place.cut(self.document.labels).copy()
        previous = place.voxels(labels)
        if not said.grown and said.masks is not None:
            previous = said.masks.base.mask
        fresh = len(said.prompts) - (len(said.answered) if said.grown else 0)
        others = [p for at, _, p in self.prompts(place.object_id) if at != place]
        prompts = flat((*others, *said.prompts), place.axis, place.index)
        protected = self.document.protected
        beside = self._beside(place) if said.grown and not previous.any() else None
        crossed = previous & self._crossings(place)
        if crossed.any() and (crossed == previous).all():  # no outline to go on from
            previous, fresh = np.zeros_like(previous), len(prompts)
        return Question(place, said, prompts, labels, protected, previous, fresh, beside, crossed)

    def _crossings(self, place: Place) -> Mask:
        """Where slices of other planes that have prompts cross this one: lines."""
        lines = np.zeros(place.cut(self.document.labels).shape, bool)
        for at in self._said:
            if at.object_id == place.object_id and None not in (at.axis, place.axis):
                axes = [axis for axis in range(self.document.labels.ndim) if axis != place.axis]
                if at.axis in axes:
                    np.moveaxis(lines, axes.index(at.axis), 0)[at.index] = True
        return lines

    def _beside(self, place: Place) -> Mask | None:
        """The object in the nearest slice."""
        document, axis = self.document, place.axis
        if axis is None or not place.object_id:
            return None
        planes = np.moveaxis(document.labels, axis, 0)
        return nearest(planes, place.object_id, place.index, document.scale[axis])

    def _stands(self, question: Question) -> bool:
        place = question.place
        return (
            self._said.get(place) is question.said
            and np.array_equal(question.labels, place.cut(self.document.labels))
            and np.array_equal(question.protected, self.document.protected)
        )

    # --- inside ------------------------------------------------------------------------------

    def _say(self, place: Place, prompts: Prompts) -> None:
        """Other prompts for a slice; without any, it is as it was before the first."""
        said = self._said.get(place, NOTHING)
        now = place.voxels(place.cut(self.document.labels))
        if prompts:
            self._put(place, said.asking(prompts, now))
        elif said.masks is not None:
            self._paint(place, said.masks.merged(said.masks.base.mask, now))
            self._put(place, NOTHING)

    def _put(self, place: Place, after: Said) -> None:
        before = self._said.get(place, NOTHING)
        undo, redo = partial(self._write, place, before), partial(self._write, place, after)
        self.document.history.run(Step("", undo, redo, after.nbytes))

    def _write(self, place: Place, said: Said) -> None:
        self._said.pop(place, None)
        if said.prompts:
            self._said[place] = said
        self.changed.emit()

    def _paint(self, place: Place, mask: Mask) -> None:
        """Make these the object's voxels in a slice."""
        labels = place.cut(self.document.labels)
        rest = np.where(labels == place.object_id, np.uint8(0), labels)
        values = np.where(mask, np.uint8(place.object_id), rest)
        box = Box.of(values != labels)
        if box is not None:
            lifted = place.lifted(values[box.slices])
            self.document.apply(
                VoxelEdit.of(self.document.labels, place.lift(box), lifted, "Click")
            )

    def _check(self, item: SegmentObject, prompt: Prompt) -> None:
        """Raises UserError if nothing may be said: locked objects are never eaten."""
        self._unlocked(item)
        if not prompt.positive or prompt.kind != "click":
            return
        seed = tuple(round(value) for value in prompt.points[0])
        other = self.document.objects.get(int(self.document.labels[seed]))
        if other is not None and other.locked:
            raise UserError(f"This belongs to {other.name}, which is locked.")

    def _unlocked(self, item: SegmentObject) -> None:
        if item.locked:
            raise UserError(f"{item.name} is locked: unlock it, or press N for a new object.")

    def _empty(self, object_id: int) -> bool:
        said = any(place.object_id == object_id for place in self._said)
        return not said and not self.document.counts.now[object_id]

    def _lock_later(self, object_id: int) -> bool:
        """Whether an answer is still to come, after which the object is locked."""
        open_ones = {place.object_id for place in self._said if self._is_open(place)}
        if object_id in open_ones:
            self._finished.add(object_id)
        return object_id in open_ones

    def _lock_finished(self, object_id: int) -> None:
        if object_id not in self._finished:
            return
        self._finished.discard(object_id)
        if object_id != self.document.active and not self._lock_later(object_id):
            self.document.set_locked(object_id, True)

    def _drop_orphans(self) -> None:
        """An object was deleted, in a step that these become part of."""
        for place in [at for at in self._said if at.object_id not in self.document.objects]:
            self._put(place, NOTHING)
