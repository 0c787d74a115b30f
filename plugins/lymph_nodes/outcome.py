"""What of the nodes leaves a document: for the project, for what is exported, to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gui.project import Kept
from inference.box import Box
from inference.errors import UserError
from plugins.lymph_nodes import keeping, learning
from plugins.lymph_nodes.measure import MOST
from plugins.lymph_nodes.prepare import known_anatomy
from plugins.lymph_nodes.task import NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.learning_section import Taught
    from inference.series import Array
    from plugins.lymph_nodes.review import Row
    from plugins.lymph_nodes.work import NodeWork


def kept(work: NodeWork) -> Kept | None:
    """What was found and decided, for the project."""
    if not (work.found or work.choices.reviews):
        return None
    choices, arrays = keeping.choices_kept(work.choices)
    box = work.cutting.box
    if work.cutting.part is not None:
        arrays["probability"] = work.cutting.part
    values = {
        "choices": choices,
        "found": work.found,
        "box": [list(box.start), list(box.stop)] if box else None,
        "landmarks": keeping.landmarks_kept(work.landmarks),
        "compared": keeping.comparison_kept(work.compared_with, work.earlier, work.gone),
    }
    return Kept(values, arrays)


def restore(work: NodeWork, before: Kept) -> None:
    """Go on with it; KeyError, TypeError or ValueError if it makes no sense."""
    values = before.values
    choices = keeping.choices_restored(values["choices"], before.arrays)
    part, box = before.arrays.get("probability"), values["box"]
    if part is not None:
        work.cutting.box = Box(*(tuple(int(place) for place in end) for end in box))
        if work.cutting.box.clipped(work.document.shape).shape != part.shape:
            raise ValueError("a search of another volume")
        work.cutting.part = part
    work.choices, work.found = choices, dict(values["found"])
    work.sizes.threshold = choices.threshold
    work.landmarks = keeping.landmarks_restored(values["landmarks"])
    work.compare(*keeping.comparison_restored(values["compared"]))


def lesson(work: NodeWork) -> Taught:
    """The decided nodes, to learn from; raises UserError if nothing was decided."""
    document, decided = work.document, np.zeros(work.document.shape, np.uint8)
    for number, out in enumerate(work.choices.rejected.values(), start=1):
        decided[out.box.slices][out.mask] = number
    first = len(work.choices.rejected) + 1
    rows = [row for row in work.rows if row.review.state == "accepted"]
    accepted = range(first, min(first + len(rows), MOST + 1))
    for number, row in zip(accepted, rows, strict=False):
        decided[document.labels == row.object_id] = number
    if not decided.any():
        raise UserError("Nothing is decided yet: accept or reject nodes first.")
    still_open = [row.object_id for row in work.rows if row.review.state == "open"]
    return learning.arrays(
        document.image, decided, accepted, document.probability, document.scale,
        np.isin(document.labels, still_open), anatomy_of(work)[0],
    )  # fmt: skip


def anatomy_of(work: NodeWork) -> tuple[Array | None, dict[int, str]]:
    """Labelled structures of the scene that are no nodes, and their names."""
    items = work.document.objects.values()
    nodes = {item.id for item in work.objects.values()}
    names = {item.id: item.name for item in items if item.id not in nodes}
    labels = work.document.labels
    known = known_anatomy(labels, names)
    return (None, {}) if known is None else (labels * known, names)


def publish(work: NodeWork) -> None:
    """Leave with the document what an export writes, as `export.write` expects it."""
    rows = work.rows
    if not rows and not work.found:
        work.document.results.pop(NAME, None)
        return
    settings = {**work.found.get("settings", {}), "threshold": work.choices.threshold}
    values = _values(rows)
    work.document.results[NAME] = work.found | {
        "names": {values[row.key]: row.key for row in rows if row.object_id},
        "labels": work.document.labels,
        "nodes": [row.plain() | {"id": values[row.key]} for row in rows],
        "models": work.found.get("models", []),
        "settings": settings if work.found else {},
        "reviewed": True,
    }


def _values(rows: Sequence[Row]) -> dict[str, int]:
    """What each node is in a label file: its number, if that is free and fits."""
    values: dict[str, int] = {}
    free = (value for value in range(1, MOST + 1) if value not in values.values())
    for row in rows:
        fits = 0 < row.number <= MOST and row.number not in values.values()
        values[row.key] = row.number if fits else next(free, 0)
    return values
