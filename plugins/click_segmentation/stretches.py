"""Which slices are to be followed, from where and how far: pure functions."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.box import Box
from plugins.click_segmentation.fixed import Fixed, across

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from plugins.click_segmentation.fixed import Labels, Lines, Mask


NEAR = 10.0
"""mm: in slices so far apart an object has about the same outline."""

CERTAIN = 0.9
"""Where the network expects such a Dice everywhere, nothing tells where an object ends."""


DOUBT = 4
"""That an object ended at a slice is as likely as this power of what is missing to Dice 1."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Slices to follow: from beside `seed`, in a direction (1 or -1), to `last`, included."""

    seed: int
    last: int
    direction: int
    far: int | None  # the hand-made slice from which another one comes to meet it
    rest: int  # beyond `last` up to here the user said that it has ended

    @property
    def count(self) -> int:
        """How many slices."""
        return abs(self.last - self.seed)

    @property
    def closed(self) -> bool:
        """Whether the object must not end within it."""
        return self.far is not None

    @property
    def ended(self) -> bool:
        """Whether the user said that the object ends within it."""
        return self.rest != self.last

    def ahead(self, planes: NDArray[Any]) -> NDArray[Any]:
        """A view of its slices, which are along the first axis, as they are visited."""
        low = self.seed + 1 if self.direction > 0 else self.last
        return planes[low : low + self.count][:: self.direction]

    def reached(self, scores: Sequence[float]) -> int:
        """The slice where the object ends, given what the network expects of those followed.

        Following that the user must stop has gone on into something else at an unknown slice: one
        where the network is in doubt more likely than another. The object ends at the median.
        """
        count = len(scores)
        if self.ended and count == self.count and min(scores, default=1.0) < CERTAIN:
            doubt = np.cumsum((1 - np.asarray(scores)) ** DOUBT)
            count = int(np.argmax(doubt > doubt[-1] / 2))
        return self.seed + self.direction * count


@dataclass(slots=True)
class Track:
    """What is known of an object that is followed along an axis, or (None) not yet.

    A slice is hand-made, and so the start of stretches, if it has voxels of the object that are
    neither what following made of it nor lines of other planes. That holds through undo and redo.
    """

    axis: int | None = None
    made: dict[int, set[int]] = field(default_factory=dict)  # content of each slice when it landed
    fixed: list[Fixed] = field(default_factory=list)
    erased: set[int] = field(default_factory=set)  # the user emptied these: the object ends there
    corrected: set[int] = field(default_factory=set)  # of what following made
    interrupted: tuple[int, int] | None = None  # slices that a run did not get to

    def note(self, index: int, mask: Mask) -> None:
        """This is what following made of a slice."""
        self.made.setdefault(index, set()).add(content(mask))
        self.corrected.discard(index)

    def stands(self, labels: Labels, object_id: int) -> bool:
        """Whether a slice is as following made it."""
        masks = ((across(labels, self.along, i) == object_id, self.made[i]) for i in self.made)
        return any(mask.any() and content(mask) in contents for mask, contents in masks)

    def hand_made(self, labels: Labels, object_id: int, index: int) -> bool:
        """Whether a slice was drawn, clicked or corrected."""
        mask = across(labels, self.along, index) == object_id
        if not mask.any() or content(mask) in self.made.get(index, ()):
            return False
        for line in self.lines(labels, object_id, index):
            mask[line] = False
        return bool(mask.any())

    def lines(self, labels: Labels, object_id: int, index: int) -> list[Lines]:
        """The parts (down, right) of a slice that were drawn in other planes, and still stand."""
        boxes = [one.box for one in self.fixed]
        found = (
            one.line(labels, object_id, self.along, index, boxes[number:])
            for number, one in enumerate(self.fixed, start=1)
        )
        return [line for line in found if line is not None]

    @property
    def along(self) -> int:
        """The axis of an object that is followed."""
        if self.axis is None:
            raise ValueError("not followed yet")
        return self.axis


def content(mask: Mask) -> int:
    """A number that tells masks apart."""
    return zlib.crc32(np.packbits(mask).tobytes())


def anchors(labels: Labels, object_id: int, track: Track) -> list[int]:
    """The hand-made slices of an object, rising."""
    slices = range(labels.shape[track.along])
    return [index for index in slices if track.hand_made(labels, object_id, index)]


def empty_ends(labels: Labels, object_id: int, track: Track) -> list[int]:
    """The slices that the user emptied and that still are empty."""
    return [
        index
        for index in sorted(track.erased)
        if not (across(labels, track.along, index) == object_id).any()
    ]


def plan(
    hand_made: Sequence[int],
    ends: Sequence[int],
    count: int,
    span: tuple[int, int] | None = None,
) -> list[Stretch]:
    """The stretches between and beyond hand-made slices, of `count` slices in all.

    Between two, each goes half the way. `ends` are slices beyond which nothing is to be found.
    `span`: only the stretches that have slices between these two.
    """
    found: list[Stretch] = []
    for low, high in pairwise(hand_made):
        if not _reaches(low, high, span):
            continue
        barriers = [end for end in ends if low < end < high]
        if barriers:
            first, last = barriers[0], barriers[-1]
            found += [_beyond(low, first - 1, last), _beyond(high, last + 1, first)]
        else:
            middle = (low + high) // 2
            found += [
                Stretch(low, middle, 1, high, middle),
                Stretch(high, middle + 1, -1, low, middle + 1),
            ]
    if hand_made:
        below = max((end for end in ends if end < hand_made[0]), default=-1)
        above = min((end for end in ends if end > hand_made[-1]), default=count)
        outer = (
            _beyond(hand_made[0], below + 1, 0),
            _beyond(hand_made[-1], above - 1, count - 1),
        )
        found += [
            one for one in outer if _reaches(min(one.seed, one.rest), max(one.seed, one.rest), span)
        ]
    return [stretch for stretch in found if stretch.count or stretch.ended]


def _beyond(seed: int, last: int, rest: int) -> Stretch:
    return Stretch(seed, last, 1 if rest > seed else -1, None, rest)


def nearest(planes: NDArray[Any], value: int, index: int, millimetres: float) -> Mask | None:
    """Where the nearest slice within NEAR of one has a value; `millimetres` from slice to slice."""
    reach = int(NEAR / millimetres)
    low = max(0, index - reach)
    shown: Mask = planes[low : index + reach + 1] == value
    places = np.flatnonzero(shown.any((1, 2)))
    if not places.size:
        return None
    return np.asarray(shown[places[np.abs(places + low - index).argmin()]])


def _reaches(low: int, high: int, span: tuple[int, int] | None) -> bool:
    return span is None or (low < span[1] and span[0] < high)


def gaps(reached: Iterable[tuple[Stretch, int]]) -> list[tuple[int, int]]:
    """Between which slices two stretches that come to meet each other did not."""
    ends = {(one.seed, one.far): at for one, at in reached if one.far is not None}
    pairs = [(at, ends[far, seed]) for (seed, far), at in ends.items() if (far, seed) in ends]
    return [(low, high) for low, high in pairs if high - low > 1]


def interpolated(first: Mask, last: Mask, steps: int, spacing: Sequence[float]) -> Iterator[Mask]:
    """The masks between two slices, computed in the box that holds both; none if one is empty."""
    from inference.morphology import between

    box = Box.of(first | last)
    if box is None or not (first.any() and last.any()):
        return
    box = box.grown((2, 2), first.shape)
    for part in between(first[box.slices], last[box.slices], steps, spacing):
        mask = np.zeros(first.shape, bool)
        mask[box.slices] = part
        yield mask


def plane_of(box: Box, preferred: int) -> tuple[int, int] | None:
    """Axis and index of the slice to which an edit kept; None if it was thicker than one."""
    thin = [axis for axis, size in enumerate(box.shape) if size == 1]
    axis = preferred if preferred in thin else next(iter(thin), None)
    return None if axis is None else (axis, box.start[axis])


def with_index(box: Box, axis: int, index: int) -> Box:
    """A box of a slice (down, right) in the volume."""
    start, stop = list(box.start), list(box.stop)
    start.insert(axis, index)
    stop.insert(axis, index + 1)
    return Box(tuple(start), tuple(stop))


def said_of(
    labels: Labels, object_id: int, track: Track, indices: Sequence[int]
) -> list[dict[str, Any]]:
    """Clicks (down, right) that tell the model of what was drawn in other planes."""
    return [
        click
        for index in indices
        for line in track.lines(labels, object_id, index)
        for click in _clicks(across(labels, track.along, index) == object_id, index, line)
    ]


def _clicks(mask: Mask, index: int, part: Lines) -> list[dict[str, Any]]:
    """A click in the middle of the longest run of the object in a line, and one beside it."""
    line = mask[part]
    along = int(line.shape[1] > line.shape[0])
    said = []
    for positive in (True, False):
        place = _middle(line.reshape(-1) == positive)
        if place is not None:
            position = [float(one.start) for one in part]
            position[along] += place
            said.append(
                {"kind": "click", "position": position, "positive": positive, "index": index}
            )
    return said


def _middle(wanted: Mask) -> int | None:
    """The middle of the longest run."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], wanted.view(np.uint8), [0]))))
    if not len(edges):
        return None
    starts, stops = edges[::2], edges[1::2]
    longest = int(np.argmax(stops - starts))
    return int(starts[longest] + stops[longest] - 1) // 2
