"""What was drawn in one plane, as it is met in the slices that cross it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from inference.box import Box

    Labels = NDArray[np.uint8]
    Mask = NDArray[np.bool_]
    Lines = tuple[slice, ...]


def across(array: NDArray[Any], axis: int, index: int) -> NDArray[Any]:
    """A view of one slice (down, right) across an axis."""
    taken: NDArray[Any] = np.moveaxis(array, axis, 0)[index]
    return taken


@dataclass(frozen=True, slots=True, eq=False)
class Fixed:
    """What was drawn in a plane: slices that cross it keep the line that it left in them.

    A line counts no more once something else is there, as after an undo.
    """

    box: Box
    mask: Mask  # the object in the box

    @classmethod
    def of(cls, labels: Labels, object_id: int, box: Box) -> Fixed:
        """What an object has in a box now."""
        return cls(box, labels[box.slices] == object_id)

    def line(
        self, labels: Labels, object_id: int, axis: int, index: int, later: Iterable[Box] = ()
    ) -> Lines | None:
        """Where (down, right) it crosses a slice and still stands; None for its own plane.

        It also stands where something was drawn over it in one of the boxes `later`.
        """
        at = index - self.box.start[axis]
        if self.box.shape[axis] == 1 or not 0 <= at < self.box.shape[axis]:
            return None
        part = _without(self.box, axis)
        same = (across(labels, axis, index)[part] == object_id) == across(self.mask, axis, at)
        for box in later:
            if box.start[axis] <= index < box.stop[axis]:
                pairs = zip(_without(box, axis), part, strict=True)
                same[tuple(_inside(other, own) for other, own in pairs)] = True
        return part if same.all() else None


def _without(box: Box, axis: int) -> Lines:
    return tuple(one for place, one in enumerate(box.slices) if place != axis)


def _inside(other: slice, own: slice) -> slice:
    """Places of another slice, counted from the start of one's own."""
    return slice(max(other.start - own.start, 0), max(other.stop - own.start, 0))
