"""Runs a task on a document and gives the document its result."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from gui.ai_result import AiResult, Takeover, plan
from gui.segment_object import SegmentObject, color_of
from inference import memory
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gui.background import Background
    from gui.document import Document
    from gui.session import Session
    from inference.job import Job
    from inference.tasks import Task


def run_task(
    session: Session,
    task: Task,
    document: Document,
    settings: Mapping[str, Any],
    then: Callable[[], None] = lambda: None,
) -> Job | None:
    """Start a task, None if it cannot; its labels become the AI's version of the document."""
    device, started = session.settings.now.device, time.perf_counter()

    def take(result: dict[str, Any]) -> None:
        seconds = time.perf_counter() - started
        about = {"settings": dict(settings), "device": device, "seconds": seconds}
        accept(session.background, task, document, about | result, then, fail)

    def fail(error: BaseException) -> None:
        session.notices.failed(error)
        then()

    try:
        if note := memory.check(task.estimate_bytes(document.series, settings)):
            session.notices.tell(note, level="warning")
        arrays, params = task.request(document.series, settings)
        return session.jobs.submit(
            task.entry, arrays, done=take, failed=fail, device=device, title=task.title,
            replaces=f"{task.name} {id(document)}", **params,
        )  # fmt: skip
    except UserError as error:
        session.notices.failed(error)
        return None


def accept(
    background: Background,
    task: Task,
    document: Document,
    result: dict[str, Any],
    then: Callable[[], None],
    failed: Callable[[Exception], None],
) -> None:
    """Keep a result with its document; uint8 "labels" are shown, with "names" {value: name}."""

    def work() -> dict[str, Any]:
        return result if result.get("labels") is None else result | {"names": _names(task, result)}

    def take(result: dict[str, Any]) -> None:
        document.results[task.name] = result
        if "names" in result:
            deliver(background, document, _shown(task, result), then, failed)
        else:
            then()

    background.run(work, take, failed)


def deliver(
    background: Background,
    document: Document,
    result: AiResult,
    then: Callable[[], None],
    failed: Callable[[Exception], None],
) -> None:
    """Make a result the AI's version: worked out off the Qt thread, taken over between strokes."""

    def take(planned: Takeover) -> None:
        if document.history.grouping or not document.take(planned):
            deliver(background, document, result, then, failed)
        else:
            then()

    background.run(partial(plan, document, result), take, failed)


def _names(task: Task, result: Mapping[str, Any]) -> dict[int, str]:
    """What the labels of a result stand for."""
    highest = int(result["labels"].max(initial=0))
    numbered = {value: f"{task.title} {value}" for value in range(1, highest + 1)}
    names: dict[int, str] = {1: task.title} if highest == 1 else numbered
    given: Mapping[int, str] = result.get("names", {})
    return names | dict(given)


def _shown(task: Task, result: Mapping[str, Any]) -> AiResult:
    objects = tuple(
        SegmentObject(value, name, color_of(value)) for value, name in result["names"].items()
    )
    return AiResult(result["labels"], objects, task.title, result.get("probability"))
