"""What is known of the objects that are followed: what following made, what was corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from plugins.click_segmentation.stretches import Fixed, Track, across, content, plane_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gui.document import Document
    from inference.box import Box
    from plugins.click_segmentation.stretches import Labels


class Tracks:
    """A `Track` for each object that was followed, along the axis of the last time."""

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
        if object_id not in tracks or tracks[object_id].axis != axis:
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
        self, document: Document, object_id: int, boxes: Sequence[Box]
    ) -> tuple[int, int] | None:
        """Between which slices to redo after edits; None if the object is not followed."""
        track = self.of(document).get(object_id)
        if track is None:
            return None
        found = (_correct(document.labels, object_id, track, box) for box in boxes)
        spans = [span for span in found if span is not None]
        if not spans:
            return None
        if track.interrupted is not None:
            spans.append(track.interrupted)
        return min(low for low, _ in spans), max(high for _, high in spans)


def _correct(labels: Labels, object_id: int, track: Track, box: Box) -> tuple[int, int] | None:
    """Take note of one edit; between which slices to redo, None if it was of no one slice."""
    plane = plane_of(box, track.axis)
    if plane is None:
        return None  # a whole object was worked on: all of it is hand-made now
    axis, index = plane
    if axis == track.axis:
        if not (across(labels, axis, index) == object_id).any():
            track.erased.add(index)
        return index - 1, index + 1
    track.fixed.append(Fixed(box, content(labels[box.slices] == object_id)))
    low, high = box.start[track.axis], box.stop[track.axis] - 1
    for touched in range(low, high + 1):
        if touched in track.made:
            track.note(touched, across(labels, track.axis, touched) == object_id)
    return low - 1, high + 1
