"""Brings questions to the worker and its answers back; previews what a click would do."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from psygnal import Signal

from gui.tool import Outline
from inference.box import Box
from inference.errors import UserError
from inference.job import WorkerCrashed
from inference.messages import Priority
from plugins.click_segmentation.widget_board import color_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gui.document import Document
    from gui.planes import Position
    from gui.session import Session
    from inference.job import Job
    from plugins.click_segmentation.prompts import Prompt
    from plugins.click_segmentation.session import ClickSession
    from plugins.click_segmentation.slices import Mask, Place, Question
    from plugins.click_segmentation.widget_board import Board

SEGMENT = "plugins.click_segmentation.task:segment"
TITLE = "Click"
QUICK = 0.25
"""Seconds: where the last answer took longer, nothing is previewed."""
SEED = 128
"""Height and width of the blank image on which the network tries itself, px."""


class Asking:
    """One question a document is with the worker at a time; the newest counts."""

    timed = Signal(float)  # seconds from the question to the answer

    def __init__(self, session: Session) -> None:
        self._session = session
        self.entry = SEGMENT  # what the worker calls
        self.model = "fast"
        self.seconds: float | None = None  # that the last answer took
        self._jobs: dict[Document, tuple[Job, ClickSession, Question]] = {}
        session.jobs.job_finished.connect(self._finished)

    def follow(self, clicks: ClickSession) -> None:
        """Answer the questions of a session from now on."""
        clicks.asked.connect(partial(self._ask, clicks))
        clicks.withdrawn.connect(partial(self._withdraw, clicks.document))

    def warm_up(self) -> None:
        """Have the network loaded before the first click."""
        blank = np.zeros((SEED, SEED), np.uint8)
        seed = {"kind": "click", "position": [SEED / 2, SEED / 2], "positive": True, "axis": None}
        self._session.jobs.submit(
            self.entry, {"image": blank}, failed=lambda error: None, priority=Priority.CLICK,
            device=self._session.settings.now.device, title="Preparing clicks", prompts=[seed],
            model=self.model,
        )  # fmt: skip

    def submit(
        self,
        document: Document,
        question: Question,
        done: Callable[[Any], None],
        failed: Callable[[BaseException], None],
        name: str,
    ) -> Job:
        """Ask the worker; raises UserError if there is too little shared memory."""
        place = question.place
        arrays = {"image": np.ascontiguousarray(place.cut(document.image))}
        if question.previous.any():
            arrays["previous"] = question.previous.astype(np.uint8)
        if question.beside is not None:
            arrays["beside"] = question.beside.astype(np.uint8)
        if question.locked.any():
            arrays["locked"] = question.locked.astype(np.uint8)
        steps = [mm for axis, mm in enumerate(document.scale) if axis != place.axis]
        return self._session.jobs.submit(
            self.entry,
            arrays,
            done=done,
            failed=failed,
            priority=Priority.CLICK,
            replaces=f"{name} {id(document)}",
            device=self._session.settings.now.device,
            title=name,
            prompts=[prompt.to_json() for prompt in question.prompts],
            spacing=tuple(float(mm) for mm in steps),
            fresh=question.fresh,
            model=self.model,
        )

    def _ask(self, clicks: ClickSession, question: Question) -> None:
        document, started = clicks.document, perf_counter()
        done = partial(self._done, clicks, question, started)
        failed = partial(self._failed, clicks, question)
        try:
            job = self.submit(document, question, done, failed, TITLE)
        except UserError as error:
            failed(error)
        else:
            self._jobs[document] = job, clicks, question

    def _withdraw(self, document: Document) -> None:
        if asked := self._jobs.pop(document, None):
            asked[0].cancel()

    def _done(
        self, clicks: ClickSession, question: Question, started: float, answer: dict[str, Any]
    ) -> None:
        self._jobs.pop(clicks.document, None)
        self.seconds = perf_counter() - started
        clicks.accept(question, answer)
        self.timed.emit(self.seconds)

    def _failed(self, clicks: ClickSession, question: Question, error: BaseException) -> None:
        self._jobs.pop(clicks.document, None)
        self._session.notices.failed(error)
        clicks.fail(question, again=isinstance(error, WorkerCrashed))

    def _finished(self, job: Job) -> None:
        """Somebody cancelled it, such as in the status bar."""
        for document, (asked, clicks, question) in list(self._jobs.items()):
            if asked is job:
                del self._jobs[document]
                clicks.fail(question)


class Preview:
    """Shows what a click would bring, one question at a time, where answers are quick."""

    def __init__(self, asking: Asking, board: Board) -> None:
        self._asking, self._board = asking, board
        self.wanted = True
        self._prompt: Prompt | None = None  # where the mouse is now
        self._job: Job | None = None
        board.hovered.connect(self._hovered)
        board.changed.connect(self._outdate)

    @property
    def quick(self) -> bool:
        """Whether the last answer came soon enough."""
        return self._asking.seconds is not None and self._asking.seconds <= QUICK

    def stop(self) -> None:
        """Show nothing, expect nothing."""
        self._prompt = None
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self._board.show_preview(())

    def _hovered(self, prompt: Prompt | None) -> None:
        if prompt is None or not (self.wanted and self.quick):
            self.stop()
        else:
            self._prompt = prompt
            self._ask()

    def _outdate(self) -> None:
        """A click goes before a preview."""
        if self._board.session is not None and self._board.session.waiting is not None:
            self.stop()

    def _ask(self) -> None:
        clicks, prompt = self._board.session, self._prompt
        if self._job is not None or clicks is None or prompt is None or clicks.waiting:
            return
        question = clicks.preview(prompt)
        seed = tuple(round(value) for value in prompt.points[0])
        active = clicks.document.active
        said = active > 0 and (clicks.document.labels[seed] == active) == prompt.positive
        if question is None or said or (not prompt.positive and not question.previous.any()):
            self._board.show_preview(())
            return
        done = partial(self._done, clicks, question, prompt)
        try:
            self._job = self._asking.submit(
                clicks.document, question, done, self._failed, "Preview"
            )
        except UserError:
            self._job = None

    def _done(
        self, clicks: ClickSession, question: Question, prompt: Prompt, answer: dict[str, Any]
    ) -> None:
        self._job = None
        if clicks is self._board.session and self._prompt is not None:
            mask = question.found(answer)
            self._board.show_preview(contours(question.place, mask, prompt.positive))
            if self._prompt != prompt:
                self._ask()

    def _failed(self, error: BaseException) -> None:
        """A click will tell what is wrong."""
        self._job = None


def contours(place: Place, mask: Mask, positive: bool) -> list[Outline]:
    """The outlines of a mask (down, right) in its slice, dashed."""
    box = Box.of(mask)
    if box is None:
        return []
    part = np.pad(mask[box.slices], 1).astype(np.uint8)
    fine = part.repeat(2, 0).repeat(2, 1)  # so that outlines run between pixels
    found, _ = cv2.findContours(fine, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    corner = np.array(box.start) - 1.25
    lines = [corner + line[:, 0, ::-1] / 2 for line in found if len(line) > 2]
    color = color_of(positive)
    return [Outline(_placed(place, line), color, axis=place.axis, dashed=True) for line in lines]


def _placed(place: Place, line: Sequence[Sequence[float]] | Any) -> tuple[Position, ...]:
    points = (tuple(float(value) for value in point) for point in line)
    if place.axis is None:
        return tuple(points)
    axis, index = place.axis, float(place.index)
    return tuple((*point[:axis], index, *point[axis:]) for point in points)
