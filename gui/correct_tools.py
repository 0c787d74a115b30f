"""The correction tools of the mouse: brush, eraser, threshold brush, fill and outline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from qtpy.QtCore import Qt

from gui.correction_ops import between_levels, enclosed, erase, outlined, paint, stroke
from inference.box import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gui.correct import Correction
    from gui.document import Document
    from gui.planes import Plane, Position
    from gui.segment_object import SegmentObject
    from gui.tool import Pointer

    Mask = NDArray[np.bool_]

Title = Literal["Brush", "Eraser", "Threshold brush"]
DRAWN_BY_HAND = 8  # points of a drag that make it an outline of its own


class Brush:
    """Draws along the mouse; a stroke is one step of the history. Shift: the opposite."""

    path: Sequence[Position] = ()

    def __init__(self, correction: Correction, title: Title) -> None:
        self._correction, self._title = correction, title
        self._document: Document | None = None  # while a stroke is drawn
        self._last: Position = ()
        self._erasing = False

    @property
    def radius(self) -> float:
        """Of the ring round the pointer, mm."""
        settings = self._correction.settings
        return settings.radius if settings else 0.0

    def press(self, pointer: Pointer) -> None:
        """Begin a stroke."""
        self.stop()
        document = self._correction.document
        if document is None:
            return
        self._erasing = (self._title == "Eraser") != _shift(pointer)
        document.history.begin("Eraser" if self._erasing else self._title)
        self._document, self._last = document, pointer.position
        if self._item() is None:
            self.stop()
        self.drag(pointer)

    def drag(self, pointer: Pointer) -> None:
        """Draw from the last place to this one."""
        document = self._document
        if document is None or not document.history.grouping:  # undone while drawing
            self._document = None
            return
        self._stamp(document, pointer)
        self._last = pointer.position

    def release(self, pointer: Pointer) -> None:
        """End the stroke."""
        self.drag(pointer)
        self.stop()

    def double_click(self, pointer: Pointer) -> None:
        """A quick second stroke."""
        self.press(pointer)

    def stop(self) -> None:
        """End the stroke as it is."""
        if self._document is not None:
            self._document.history.end()
            self._document = None

    def _item(self) -> SegmentObject | None:
        return self._correction.drawable() if self._erasing else self._correction.to_draw()

    def _stamp(self, document: Document, pointer: Pointer) -> None:
        settings = self._correction.settings
        if settings is None:
            return
        ball = settings.ball and document.series.kind == "volume"
        flat = None if ball else pointer.plane.slicing
        box, mask = stroke(
            self._last, pointer.position, settings.radius, document.scale, document.shape, flat
        )
        if box.empty:
            return
        if self._erasing:
            document.apply(erase(document.labels, box, mask, document.active, "Eraser"))
            return
        if self._title == "Threshold brush":
            values = self._correction.levels_image(document)[box.slices]
            mask = mask & between_levels(values, settings.lower, settings.upper)
        edit = paint(
            document.labels, box, mask, document.active, over=settings.over, title=self._title
        )
        document.apply(edit)


class Fill:
    """Gives the clicked closed region to the object. Shift: deletes the clicked part of it."""

    radius = 0.0
    path: Sequence[Position] = ()

    def __init__(self, correction: Correction) -> None:
        self._correction = correction

    def press(self, pointer: Pointer) -> None:
        """Fill the region under the pointer."""
        document = self._correction.document
        seed = tuple(round(place) for place in pointer.position)
        if document is None or not _inside(seed, document.shape):
            return
        plane = pointer.plane
        flat = _cut(document.labels, plane, seed)
        region = enclosed(flat, (seed[plane.down], seed[plane.right]))
        if _shift(pointer):
            self._delete(document, pointer, region)
        elif region is None:
            self._correction.tell(
                "This region is not closed: draw its outline all round, then fill."
            )
        else:
            self._fill(document, pointer, region)

    def drag(self, pointer: Pointer) -> None:
        """Nothing: one click fills."""

    def release(self, pointer: Pointer) -> None:
        """Nothing."""

    def double_click(self, pointer: Pointer) -> None:
        """As one click."""

    def _fill(self, document: Document, pointer: Pointer, region: Mask) -> None:
        settings = self._correction.settings
        with document.history.group("Fill"):
            item = self._correction.to_draw()
            if item is None or settings is None:
                return
            box, mask = _lifted(Box.whole(region.shape), region, pointer)
            document.apply(
                paint(document.labels, box, mask, item.id, over=settings.over, title="Fill")
            )

    def _delete(self, document: Document, pointer: Pointer, region: Mask | None) -> None:
        item = self._correction.drawable()
        if item is not None and region is not None:
            box, mask = _lifted(Box.whole(region.shape), region, pointer)
            document.apply(erase(document.labels, box, mask, item.id, "Delete part"))


class Outline:
    """Fills what is outlined by clicks or by hand. Shift: takes it away from the object."""

    radius = 0.0

    def __init__(self, correction: Correction) -> None:
        self._correction = correction
        self._points: list[Position] = []
        self._first: Pointer | None = None
        self._by_hand = 0

    @property
    def path(self) -> Sequence[Position]:
        """The outline so far, back to where it began."""
        return (*self._points, self._points[0]) if len(self._points) > 2 else self._points

    def press(self, pointer: Pointer) -> None:
        """Add a corner."""
        if self._first is None or _place(self._first) != _place(pointer):
            self.clear()
            self._first = pointer
        self._by_hand = 0
        self._points.append(pointer.position)

    def drag(self, pointer: Pointer) -> None:
        """Follow the hand."""
        if self._points and _far(self._points[-1], pointer.position):
            self._points.append(pointer.position)
            self._by_hand += 1

    def release(self, pointer: Pointer) -> None:
        """An outline drawn by hand in one go is closed."""
        if self._by_hand >= DRAWN_BY_HAND and self._by_hand == len(self._points) - 1:
            self.finish()

    def double_click(self, pointer: Pointer) -> None:
        """Close and fill the outline."""
        self.finish()

    def finish(self) -> None:
        """Close the outline and fill it, or take its inside away."""
        first, points, document = self._first, self._points, self._correction.document
        self.clear()
        if document is None or first is None or len(points) < 3:
            return
        plane = first.plane
        shape = document.shape[plane.down], document.shape[plane.right]
        corners = [(point[plane.down], point[plane.right]) for point in points]
        box, mask = _lifted(*outlined(corners, shape), first)
        if _shift(first):
            self._take_away(document, box, mask)
        else:
            self._fill(document, box, mask)

    def clear(self) -> None:
        """Forget the outline."""
        self._points, self._first = [], None
        self._correction.views.redraw()

    def stop(self) -> None:
        """Forget the outline, as another tool was taken."""
        if self._points:
            self.clear()

    def _fill(self, document: Document, box: Box, mask: Mask) -> None:
        settings = self._correction.settings
        with document.history.group("Outline"):
            item = self._correction.to_draw()
            if item is not None and settings is not None:
                document.apply(
                    paint(document.labels, box, mask, item.id, over=settings.over, title="Outline")
                )

    def _take_away(self, document: Document, box: Box, mask: Mask) -> None:
        item = self._correction.drawable()
        if item is not None:
            document.apply(erase(document.labels, box, mask, item.id, "Erase outline"))


def _shift(pointer: Pointer) -> bool:
    return bool(pointer.modifiers & Qt.KeyboardModifier.ShiftModifier)


def _inside(seed: Sequence[int], shape: Sequence[int]) -> bool:
    return all(0 <= place < size for place, size in zip(seed, shape, strict=True))


def _place(pointer: Pointer) -> tuple[Plane, float]:
    """The plane and the slice that it shows."""
    axis = pointer.plane.slicing
    return pointer.plane, 0.0 if axis is None else pointer.position[axis]


def _far(a: Position, b: Position) -> bool:
    return bool(np.linalg.norm(np.subtract(a, b)) >= 1)


def _cut(labels: NDArray[np.uint8], plane: Plane, seed: Sequence[int]) -> NDArray[np.uint8]:
    """The slice through a voxel, (down, right)."""
    if plane.slicing is None:
        return labels
    return np.asarray(labels.take(seed[plane.slicing], plane.slicing))


def _lifted(box: Box, mask: Mask, pointer: Pointer) -> tuple[Box, Mask]:
    """From (down, right) of a slice to the axes of the document."""
    axis = pointer.plane.slicing
    if axis is None:
        return box, mask
    index = round(pointer.position[axis])
    start = (*box.start[:axis], index, *box.start[axis:])
    stop = (*box.stop[:axis], index + 1, *box.stop[axis:])
    return Box(start, stop), np.expand_dims(mask, axis)
