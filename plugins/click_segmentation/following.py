"""An object followed from slice to slice: both directions at once, live, one step of the history.

The worker gets a few slices at a time and answers slice by slice. What the user draws meanwhile
ends it; what has landed stays.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.errors import UserError
from plugins.click_segmentation.fixed import across
from plugins.click_segmentation.lanes import Doubt, Landed, Lane, Run
from plugins.click_segmentation.stretches import (
    anchors,
    empty_ends,
    gaps,
    interpolated,
    plan,
    said_of,
    with_index,
)
from plugins.click_segmentation.tracks import Tracks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from gui.background import Background
    from gui.document import Document
    from gui.jobs import Jobs
    from inference.job import Job
    from plugins.click_segmentation.stretches import Stretch

    Mask = NDArray[np.bool_]

FOLLOW = "plugins.click_segmentation.task:follow"
TITLE = "Follow through slices"
NOTHING = "There is nothing to follow: outline the object in a slice first."
NOTHING_AGAIN = "{}: no slice was followed that this would change."


class Following:
    """Follows one object at a time; `tracks` is what it knows of each."""

    changed = Signal()  # begun, a slice landed, over
    finished = Signal(str)  # a sentence on how it went
    failed = Signal(object)  # the error; what has landed stays

    def __init__(self, jobs: Jobs, background: Background, entry: str = FOLLOW) -> None:
        self._jobs, self._background, self._entry = jobs, background, entry
        self.tracks = Tracks()
        self.run: Run | None = None
        self.doubt: Doubt | None = None  # after a run: where to look first
        self._ours = False  # the labels change by what lands
        jobs.job_finished.connect(self._job_finished)

    @property
    def landing(self) -> bool:
        """Whether the labels change by what a run found, and by nobody else."""
        return self._ours

    # --- what the user does ------------------------------------------------------------------

    def start(
        self,
        document: Document,
        object_id: int,
        axis: int,
        span: tuple[int, int] | None = None,
        settings: Mapping[str, Any] | None = None,
        again: bool = False,
    ) -> None:
        """Follow an object along an axis from its hand-made slices; `span`: only round these.

        `again`: only where something that following made is still there.
        """
        self.cancel()
        self.doubt = None
        track = self.tracks.track(document, object_id, axis)
        step = Landed(document, f"{TITLE}: {document.objects[object_id].name}")
        run = self.run = Run(document, object_id, track, step, span, settings or {})
        document.labels_changed.connect(self._edited)
        document.history_changed.connect(self._flush)
        labels = document.labels

        def survey() -> list[Stretch]:
            if again and not track.stands(labels, object_id):
                return []
            hand_made = anchors(labels, object_id, track)
            ends = empty_ends(labels, object_id, track)
            return plan(hand_made, ends, labels.shape[axis], span)

        self._background.run(survey, partial(self._begin, run))
        self.changed.emit()

    def cancel(self, why: str = "") -> None:
        """Follow no further; what has landed stays."""
        run = self.run
        if run is None:
            return
        self.run = None
        run.document.labels_changed.disconnect(self._edited)
        run.document.history_changed.disconnect(self._flush)
        for lane in run.lanes:
            if lane.job is not None and not lane.over:
                lane.job.cancel()
        self.changed.emit()
        if why:
            self.finished.emit(why)

    # --- a run -------------------------------------------------------------------------------

    def _begin(self, run: Run, stretches: list[Stretch]) -> None:
        if run is not self.run:
            return
        run.lanes = [Lane(stretch, stretch.seed) for stretch in stretches]
        if not run.lanes:
            name = run.document.objects[run.object_id].name
            self.cancel(NOTHING if run.span is None else NOTHING_AGAIN.format(name))
            return
        for lane in run.lanes:
            if run is self.run:
                self._go_on(run, lane)

    def _go_on(self, run: Run, lane: Lane) -> None:
        """Ask for the next slices of a lane, if there are any."""
        if not lane.left:
            self._end(run, lane)
            return
        try:
            lane.job = self._submit(run, lane)
        except UserError as error:
            self._fail(run, error)

    def _submit(self, run: Run, lane: Lane) -> Job:
        """Ask for the next few slices of a lane; UserError for want of shared memory."""
        document, axis, indices = run.document, run.track.along, lane.left
        image = np.moveaxis(document.image, axis, 0)
        spacing = [step for place, step in enumerate(document.scale) if place != axis]
        far = lane.stretch.far
        ends = {"previous": lane.at} if far is None else {"previous": lane.at, "far": far}
        arrays = {"slab": image[indices], "before": image[lane.at]}
        for place, index in ends.items():
            mask = across(document.labels, axis, index) == run.object_id
            arrays[place] = mask.view(np.uint8)
        name = document.objects[run.object_id].name
        return self._jobs.submit(
            self._entry,
            arrays,
            partial=lambda value: self._partial(run, lane, value),
            done=lambda value: self._slab_done(run, lane, value),
            failed=lambda error: self._fail(run, error),
            title=f"Following {name}",
            seed_index=lane.at,
            direction=lane.stretch.direction,
            far_index=far or 0,
            spacing=spacing,
            prompts=said_of(document.labels, run.object_id, run.track, indices),
            **run.settings,
        )

    def _partial(self, run: Run, lane: Lane, value: dict[str, Any]) -> None:
        if run is self.run:
            run.waiting.append((lane, value))
            self._flush()

    def _flush(self) -> None:
        """Let slices land, unless a stroke is being drawn."""
        run = self.run
        while run is not None and run is self.run and run.waiting:
            if run.document.history.grouping or self._ours:
                return
            lane, value = run.waiting.pop(0)
            self._land(run, lane, value)

    def _land(self, run: Run, lane: Lane, value: dict[str, Any]) -> None:
        item = run.document.objects.get(run.object_id)
        if item is None or item.locked:
            name = item.name if item else "The object"
            return self.cancel(f"{name} is locked or gone, and was followed no further.")
        index, labels = int(value["index"]), run.document.labels
        plane = across(labels, run.track.along, index)
        mask = np.zeros(plane.shape, bool)
        mask[Box(*map(tuple, value["box"])).slices] = value["mask"]
        self._write(run, index, mask)
        lane.scores.append(float(value["score"]))
        lane.at, run.slices = index, run.slices + 1
        return self.changed.emit()

    def _write(self, run: Run, index: int, mask: Mask) -> None:
        """Make these the object's voxels in a slice, but for what others have or was fixed."""
        document, axis = run.document, run.track.along
        plane, number = across(document.labels, axis, index), np.uint8(run.object_id)
        ours = plane == number
        values = np.where(ours & ~mask, np.uint8(0), plane)
        values[mask & (plane == 0)] = number
        for line in run.track.lines(document.labels, run.object_id, index):
            values[line] = plane[line]
        box = Box.of(values != plane)
        if box is not None:
            whole = with_index(box, axis, index)
            lifted = np.expand_dims(values[box.slices], axis)
            self._push(run, VoxelEdit.of(document.labels, whole, lifted, TITLE))
        run.track.note(index, across(document.labels, axis, index) == number)

    def _push(self, run: Run, edit: VoxelEdit) -> None:
        edit = edit.onto(run.document.labels, run.document.protected)
        if edit.empty:
            return
        self._ours = True
        try:
            run.document.write(edit)
            run.step.edits.append(edit)
            if len(run.step.edits) == 1:
                run.document.history.push(run.step)
        finally:
            self._ours = False

    def _slab_done(self, run: Run, lane: Lane, value: Mapping[str, Any]) -> None:
        if run is not self.run:
            return
        self._flush()
        if value["stopped"] == "slab":
            self._go_on(run, lane)
        else:
            self._end(run, lane)

    def _end(self, run: Run, lane: Lane) -> None:
        """Settle where the object ends in a lane; with the last one, the run is over."""
        lane.over = True
        lane.at = lane.stretch.reached(lane.scores)
        if not lane.stretch.closed:
            self._clear_beyond(run, lane)
        if all(other.over for other in run.lanes):
            self._close_gaps(run)

    def _clear_beyond(self, run: Run, lane: Lane) -> None:
        """What following found, now or earlier, where now is nothing any more."""
        way, rest = lane.stretch.direction, lane.stretch.rest
        for index in sorted(run.track.made):
            if 0 < (index - lane.at) * way <= (rest - lane.at) * way:
                mask = across(run.document.labels, run.track.along, index) == run.object_id
                if mask.any():
                    self._write(run, index, np.zeros(mask.shape, bool))

    def _close_gaps(self, run: Run) -> None:
        """Interpolate where two lanes did not meet: the object is in the slices on both sides."""
        missed = gaps((lane.stretch, lane.at) for lane in run.lanes)
        labels, axis = run.document.labels, run.track.along
        spacing = [step for place, step in enumerate(run.document.scale) if place != axis]
        ends = [[across(labels, axis, index) == run.object_id for index in gap] for gap in missed]

        def work() -> list[tuple[int, Mask]]:
            return [
                (low + 1 + place, mask)
                for (low, high), (first, last) in zip(missed, ends, strict=True)
                for place, mask in enumerate(interpolated(first, last, high - low, spacing))
            ]

        self._background.run(work, partial(self._finish, run))

    def _finish(self, run: Run, filled: list[tuple[int, Mask]]) -> None:
        if run is not self.run:
            return
        for index, mask in filled:
            self._write(run, index, mask)
        run.track.interrupted = None
        self.doubt = run.doubt
        name = run.document.objects[run.object_id].name
        count = len(filled) + sum(len(lane.kept) for lane in run.lanes)
        said = f"{name}: {count} slice{'s' if count > 1 else ''} followed."
        nothing = f"Nothing to follow: {name} ends here, or is in the slices beside already."
        self.cancel(said if count else nothing)

    # --- what ends it early --------------------------------------------------------------------

    def _edited(self, box: Box) -> None:
        run = self.run
        if run is not None and not self._ours:
            places = [lane.stretch for lane in run.lanes if not lane.over]
            reach = [end for stretch in places for end in (stretch.seed, stretch.last)]
            undone = run.document.history.moving
            run.track.interrupted = (min(reach), max(reach)) if reach and not undone else None
            self.cancel("Following ended at your change; what was found so far is kept.")

    def _fail(self, run: Run, error: BaseException) -> None:
        if run is self.run:
            self.cancel()
            self.failed.emit(error)

    def _job_finished(self, job: Job) -> None:
        """Cancelled in the bar of jobs, nothing else is called back."""
        run = self.run
        if run is not None and job.withdrawn and any(lane.job is job for lane in run.lanes):
            self.cancel("Following was cancelled; what was found so far is kept.")
