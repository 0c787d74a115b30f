"""One slice of one object: what was said of it, what the model answered, what a hand changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.box import Box

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from plugins.click_segmentation.prompts import Prompt

    Mask = NDArray[np.bool_]
    Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Place:
    """Where: `axis` is the one that is sliced, None for a plain image."""

    object_id: int  # 0: one that is still to be made
    axis: int | None
    index: int

    def voxels(self, labels: Labels) -> Mask:
        """The object in this slice of labels, (down, right)."""
        found: Mask = (labels == self.object_id) & (labels > 0)
        return found

    def cut(self, array: NDArray[Any]) -> NDArray[Any]:
        """This slice (down, right) of an array over the document's axes, a view."""
        return array if self.axis is None else array[(slice(None),) * self.axis + (self.index,)]

    def lift(self, box: Box) -> Box:
        """A box of this slice over the document's axes."""
        if self.axis is None:
            return box
        start = (*box.start[: self.axis], self.index, *box.start[self.axis :])
        return Box(start, (*box.stop[: self.axis], self.index + 1, *box.stop[self.axis :]))

    def lifted(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of this slice over the document's axes."""
        return values if self.axis is None else np.expand_dims(values, self.axis)


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A mask (down, right) at a bit a pixel."""

    bits: NDArray[np.uint8]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, mask: Mask) -> Packed:
        """Pack."""
        return cls(np.packbits(mask), mask.shape)

    @property
    def mask(self) -> Mask:
        """Unpack."""
        count = int(np.prod(self.shape))
        return np.unpackbits(self.bits, count=count).reshape(self.shape).astype(bool)


@dataclass(frozen=True, slots=True)
class Masks:
    """What the voxels of a slice arose from, so that it can be made anew from other prompts."""

    base: Packed  # the object before the first prompt
    answer: Packed  # as it was after the last answer
    drawn: Packed  # by hand since the first prompt, and not taken back by the model
    erased: Packed

    @classmethod
    def first(cls, base: Mask) -> Masks:
        """Before anything was said of the slice."""
        nothing = Packed.of(np.zeros_like(base))
        return cls(Packed.of(base), Packed.of(base), nothing, nothing)

    def corrected(self, now: Mask) -> tuple[Mask, Mask]:
        """What a hand has drawn and erased, given the voxels as they are now."""
        answer = self.answer.mask
        drawn = (self.drawn.mask & now) | (now & ~answer)
        return drawn, (self.erased.mask & ~now) | (answer & ~now)

    def merged(self, found: Mask, now: Mask) -> Mask:
        """What the model found from the base, with the corrections of the hand."""
        drawn, erased = self.corrected(now)
        merged: Mask = (found | drawn) & ~erased
        return merged

    def after(self, now: Mask, result: Mask) -> Masks:
        """Once the voxels have become `result`."""
        drawn, erased = self.corrected(now)
        return Masks(
            self.base, Packed.of(result), Packed.of(drawn & result), Packed.of(erased & ~result)
        )

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return sum(one.bits.nbytes for one in (self.base, self.answer, self.drawn, self.erased))


@dataclass(frozen=True, slots=True)
class Said:
    """The prompts of a slice, and those of them that its voxels answer already."""

    prompts: tuple[Prompt, ...] = ()
    answered: tuple[Prompt, ...] = ()
    masks: Masks | None = None

    @property
    def open(self) -> bool:
        """Whether an answer is missing."""
        return self.prompts != self.answered

    @property
    def grown(self) -> bool:
        """Whether prompts were only added since the last answer, which then goes on from there."""
        return self.prompts[: len(self.answered)] == self.answered

    @property
    def nbytes(self) -> int:
        """Memory it holds, about."""
        points = sum(len(prompt.points) for prompt in self.prompts)
        return 200 + 100 * points + (self.masks.nbytes if self.masks else 0)

    def asking(self, prompts: tuple[Prompt, ...], now: Mask) -> Said:
        """With other prompts; `now` are the object's voxels."""
        return replace(self, prompts=prompts, masks=self.masks or Masks.first(now))


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What the model is asked of a slice; its answer is void once anything of it has changed."""

    place: Place
    said: Said
    prompts: tuple[Prompt, ...]  # all that lie in the slice, in its pixels, the newest last
    labels: Labels  # the slice as it is
    protected: Mask  # of each label, whether its object is locked
    previous: Mask  # the object that the answer goes on from
    fresh: int  # how many of the newest prompts `previous` does not answer yet
    beside: Mask | None = None  # the object in the nearest slice, where this one is begun
    crossed: Mask | None = None  # the object in slices of other planes that cross this one: stays

    @property
    def locked(self) -> Mask:
        """Pixels of locked objects."""
        locked: Mask = self.protected[self.labels]
        return locked

    def found(self, answer: Mapping[str, Any]) -> Mask:
        """The object (down, right) that the model saw, in pixels that are free."""
        box = Box(*(tuple(int(n) for n in corner) for corner in answer["box"]))
        found = self.previous.copy()
        found[box.slices] = np.asarray(answer["mask"]) > 0
        return found & ~self.locked

    def result(self, answer: Mapping[str, Any]) -> Mask:
        """The object as it is to be, with what was corrected by hand."""
        found = self.found(answer)
        if self.crossed is not None and not self.previous.any():
            found |= self.crossed
        if self.said.grown or self.said.masks is None:
            return found
        return self.said.masks.merged(found, self.now) & ~self.locked

    @property
    def now(self) -> Mask:
        """The object's voxels as they are."""
        return self.place.voxels(self.labels)

    def settled(self, result: Mask) -> Said:
        """What is known once the voxels have become `result`."""
        masks = self.said.masks or Masks.first(self.now)
        return Said(self.said.prompts, self.said.prompts, masks.after(self.now, result))
