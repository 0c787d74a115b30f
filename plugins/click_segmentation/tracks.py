"""What is known of the objects that are followed: what following made, what was corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from inference.box import Box
from plugins.click_segmentation.fixed import Fixed, across
from plugins.click_segmentation.stretches import Track, plane_of, with_index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gui.document import Document
    from plugins.click_segmentation.fixed import Labels


class Tracks:
    """A `Track` for each object that was drawn, along the axis in which it was followed last."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Document, dict[int, Track]] = WeakKeyDictionary()

    def of(self, document: Document) -> Mapping[int, Track]:
        """By the number of the object."""
        return self._known.get(document, {})

    def restore(self, document: Document, tracks: Mapping[int, Track]) -> None:
        """Go on from what was known before."""
        self._known[document] = dict(tracks)

    def track(self, document: Document, object_id: int, axis: int) -> Track:
        """The one of an object; a new one if it was not followed along this axis before."""
        tracks = self._known.setdefault(document, {})
        known = tracks.setdefault(object_id, Track(axis))
        if known.axis is None:
            known.axis = axis
        elif known.axis != axis:
            tracks[object_id] = Track(axis)
        return tracks[object_id]

    def axis_of(self, document: Document, object_id: int) -> int | None:
        """Along which axis an object was followed."""
        track = self.of(document).get(object_id)
        return track.axis if track else None

    def forget_ends(self, document: Document, object_id: int, axis: int) -> None:
        """What was emptied may be found again, as the user asks for all anew."""
        self.track(document, object_id, axis).erased.clear()

    def corrected(
        self, document: Document, object_id: int, boxes: Sequence[Box], axis: int
    ) -> tuple[int, int] | None:
        """Take note of edits; between which slices to redo them, None if there is nothing to redo.

        `axis`: across which the slice lies that was edited, where an edit would fit two.
        """
        tracks = self._known.setdefault(document, {})
        track = tracks.setdefault(object_id, Track())
        labels = document.labels
        if track.axis is None:
            for box in boxes:
                _drawn(labels, object_id, track, box, axis)
            return None
        found = (_correct(labels, object_id, track, box) for box in boxes)
        spans = [span for span in found if span is not None]
        if not spans:
            return None
        if track.interrupted is not None:
            spans.append(track.interrupted)
        return min(low for low, _ in spans), max(high for _, high in spans)


def _drawn(labels: Labels, object_id: int, track: Track, box: Box, preferred: int) -> None:
    """All that an object has in a slice is drawn before it is followed for the first time."""
    plane = plane_of(box, preferred)
    if plane is None:
        return
    whole = _extent(labels, object_id, plane)
    if whole is not None:
        track.fixed.append(Fixed.of(labels, object_id, whole))


def _correct(labels: Labels, object_id: int, track: Track, box: Box) -> tuple[int, int] | None:
    """Take note of one edit; between which slices to redo, None if it was of no one slice."""
    plane = plane_of(box, track.along)
    if plane is None:
        return None  # a whole object was worked on: all of it is hand-made now
    axis, index = plane
    if axis == track.along:
        track.corrected.add(index)
        if not (across(labels, axis, index) == object_id).any():
            track.erased.add(index)
        return index - 1, index + 1
    track.fixed.append(Fixed.of(labels, object_id, _whole(labels, object_id, track, box, plane)))
    low, high = box.start[track.along], box.stop[track.along] - 1
    for touched in range(low, high + 1):
        if touched in track.made and touched not in track.corrected:
            track.note(touched, across(labels, track.along, touched) == object_id)
    return low - 1, high + 1


def _whole(labels: Labels, object_id: int, track: Track, box: Box, plane: tuple[int, int]) -> Box:
    """The box of an edit, as wide as the object is in its plane: all of that was looked at."""
    extent = _extent(labels, object_id, plane)
    if extent is None:
        return box
    both = box.union(extent)
    start, stop, along = list(both.start), list(both.stop), track.along
    start[along], stop[along] = box.start[along], box.stop[along]
    return Box(tuple(start), tuple(stop))


def _extent(labels: Labels, object_id: int, plane: tuple[int, int]) -> Box | None:
    """Where an object lies in a plane (axis, index)."""
    shown = Box.of(across(labels, *plane) == object_id)
    return with_index(shown, *plane) if shown is not None else None
