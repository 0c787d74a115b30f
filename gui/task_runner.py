"""Runs a task on a document and gives the document its result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gui.document import PALETTE, SegmentObject
from inference import memory
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gui.document import Document
    from gui.session import Session
    from inference.client import Job
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
        accept(task, document, about | result)
        then()

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


def accept(task: Task, document: Document, result: dict[str, Any]) -> None:
    """Keep a result with its document; uint8 "labels" are shown, with "names" {value: name}."""
    labels = result.get("labels")
    if labels is not None:
        values = [int(value) for value in range(1, int(labels.max(initial=0)) + 1)]
        single = len(values) == 1
        names = {value: task.title if single else f"{task.title} {value}" for value in values}
        names |= result.get("names", {})
        result = result | {"names": names}
        objects = [
            SegmentObject(value, name, PALETTE[(value - 1) % len(PALETTE)])
            for value, name in names.items()
        ]
        document.set_ai_result(labels, objects, task.title, result.get("probability"))
    document.results[task.name] = result
