"""The probability that a search gave, cut into nodes at a threshold that can be moved."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gui.ai_result import AiResult, plan
from gui.segment_object import SegmentObject, color_of
from inference.box import Box
from plugins.lymph_nodes import recut
from plugins.lymph_nodes.review import number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gui.ai_result import Takeover
    from gui.background import Background
    from inference.series import Array
    from plugins.lymph_nodes.review import Rejected
    from plugins.lymph_nodes.work import NodeWork

CUT = "Threshold of nodes"
MOST_OBJECTS = 255


class Cutting:
    """Keeps the probability of one document's search; what it cuts becomes the document's."""

    def __init__(self, work: NodeWork) -> None:
        self._work, self._document = work, work.document
        self.part: Array | None = None  # probability over the box of the search
        self.box: Box | None = None
        self.wanted: float | None = None  # threshold that is waited for

    def accept(
        self,
        background: Background,
        result: Mapping[str, Any],
        threshold: float,
        then: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Take over what a search gave; corrections and decisions made before stay."""
        kept = ("warning", "models", "device", "seconds", "settings")
        self._work.found = {name: result[name] for name in kept if name in result}
        self._work.landmarks = result["landmarks"]
        self.box, self.part = Box(*result["box"]), np.asarray(result["probability"])
        whole = np.zeros(self._document.shape, np.float16)
        whole[self.box.slices] = self.part

        def finish() -> None:
            self._work.tell(None)
            then()

        self._cut(background, threshold, "Find lymph nodes", whole, finish, failed)

    def set_threshold(
        self, background: Background, threshold: float, failed: Callable[[Exception], None]
    ) -> None:
        """Cut the kept probability anew; all moves of the slider in a row are one step."""
        if self.part is None:
            return
        busy, self.wanted = self.wanted is not None, threshold
        if not busy:
            self._next_cut(background, failed)

    def _next_cut(self, background: Background, failed: Callable[[Exception], None]) -> None:
        """The newest threshold; those that came while the last was worked on are passed over."""
        threshold = self.wanted
        if threshold is None or threshold == self._work.choices.threshold:
            self.wanted = None
            return
        then = partial(self._next_cut, background, failed)
        self._cut(background, threshold, CUT, None, then, failed)

    def _cut(
        self,
        background: Background,
        threshold: float,
        title: str,
        whole: Array | None,
        then: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Work out in the background what a threshold gives, take it over between strokes."""

        def take(planned: tuple[Takeover, tuple[str, ...]]) -> None:
            history = self._document.history
            if history.grouping or planned[0].version != self._document.version:
                return self._cut(background, threshold, title, whole, then, failed)
            together = history.amend if history.undo_title == title == CUT else history.group
            with together(title):
                self._document.take(planned[0])
                self._work.drop_empty(planned[1])
                self._work.choose(replace(self._work.choices, threshold=threshold))
            return then()

        background.run(partial(self._planned, threshold, title, whole), take, failed)

    def _planned(
        self, threshold: float, title: str, whole: Array | None
    ) -> tuple[Takeover, tuple[str, ...]]:
        """What changes, and the names of nodes that the threshold no longer gives.

        An accepted node stays the network's, whether the threshold still gives it or not.
        """
        box, part = self.box, self.part
        if box is None or part is None:
            raise RuntimeError("nothing was searched")
        work, ai = self._work, self._document.ai_labels
        made = {key: item for key, item in work.objects.items() if work.by_ai(item)}
        ours = {item.id: key for key, item in made.items()}
        found = recut.cut(
            part, self._document.scale, threshold, None if ai is None else ai[box.slices], ours,
            [_within(out, box) for out in work.choices.rejected.values()], work.next_number,
            MOST_OBJECTS - len(self._document.objects),
        )  # fmt: skip
        labels = np.zeros(self._document.shape, np.uint8)
        labels[box.slices] = found.labels
        lost = tuple(
            key for key, item in made.items() if key not in found.names and not item.locked
        )
        names = (*found.names, *lost)[:MOST_OBJECTS]
        items = tuple(
            SegmentObject(i, name, color_of(number_of(name)))
            for i, name in enumerate(names, start=1)
        )
        return plan(self._document, AiResult(labels, items, title, whole)), lost


def _within(out: Rejected, box: Box) -> tuple[Box, Array]:
    """A rejected mask in the axes of a box."""
    moved = out.box.shifted([-first for first in box.start])
    inside = moved.clipped(box.shape)
    cut = inside.shifted([-first for first in moved.start])
    return inside, out.mask[cut.slices]
