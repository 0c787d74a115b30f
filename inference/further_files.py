"""The files that the setting `files` asks for beside a task's own outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inference import object_files
from inference.errors import UserError
from inference.measured import Findings, row
from inference.object_files import Objects
from inference.tasks import FILES
from inference.writing import Algorithm, overlay

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from inference.series import Array, Series
    from inference.tasks import Task
    from inference.writing import Segment

OPACITY = 0.5  # of objects over a picture


def write(
    task: Task,
    settings: Mapping[str, Any],
    model: Mapping[str, str] | None,
    series: Series,
    result: Mapping[str, Any],
    stem: Path,
) -> None:
    """Write what was asked for, under names that begin with `stem`; raises UserError."""
    formats = object_files.named(settings.get(FILES.name, ""))
    if not formats or task.findings is None:
        return
    for entry in formats:
        if refusal := entry.refusal(series):
            raise UserError(f"{series.path.name} cannot be saved as {entry.title}. {refusal}")
    by = algorithm(task, model, by_itself=True)
    found = credited(task.findings(series, result), by)
    objects = Objects(
        object_files.header(series),
        series.from_canonical(result["labels"]),
        None,
        found.segments,
        tuple(row(thing) for thing in found.measured),
        found.measured,
        _picture(series, result["labels"], found.segments),
    )
    object_files.write(objects, stem, formats)


def algorithm(task: Task, model: Mapping[str, str] | None, *, by_itself: bool) -> Algorithm:
    """The task with its model, as other programs are told of it."""
    known = model or {}
    title = " ".join(filter(None, (task.title, known.get("name"))))
    return Algorithm(title, known.get("version") or task.version, by_itself)


def credited(found: Findings, by: Algorithm) -> Findings:
    """The same, each with the algorithm that found it."""
    return Findings(
        tuple(replace(item, algorithm=item.algorithm or by) for item in found.segments),
        tuple(replace(thing, algorithm=thing.algorithm or by) for thing in found.measured),
    )


def _picture(series: Series, labels: Array, segments: Sequence[Segment]) -> Array:
    """The objects over the picture, or over the slice or frame that shows the most of them."""
    image = series.canonical()
    if series.kind != "image":
        most = int(np.count_nonzero(labels, axis=(1, 2)).argmax())
        image, labels = image[most], labels[most]
    return overlay(image, labels, segments, OPACITY)
