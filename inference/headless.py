"""Tasks without a window: what is asked, reading, and the JSON that says how a result arose."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inference import audit, weights
from inference.arrivals import Arrived, Listed
from inference.attempts import READ, STREAM, Attempt
from inference.client import WorkerClient
from inference.errors import UserError
from inference.job import WorkerCrashed
from inference.version import VERSION
from inference.writing import NOTICE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from inference.series import Series
    from inference.tasks import Task

    OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Request:
    """What to do with every input."""

    task: Task
    settings: Mapping[str, Any]
    out: Path
    device: str = "auto"
    notebook: audit.Notebook = field(default_factory=audit.Notebook)
    pictures: bool = False  # whether a report will want a small one of each result


class Reader:
    """Reads in a process of its own, so that an aborting decoder takes nothing else along."""

    def __init__(self) -> None:
        self._client = WorkerClient("reader", preload=())

    def read(self, path: Path) -> list[Series]:
        """`reading.read`; raises UserError."""
        found: list[Series] = self._answer(READ, Attempt(path.absolute()))
        return found

    def each(self, path: Path, among: Sequence[Path] = ()) -> Iterator[Series]:
        """The same series; of a large folder only some are in memory at a time. UserError.

        `among`: the files of a folder to look into, () for all.
        """
        files = tuple(map(str, among))
        heard = _Heard()
        notes = self._answer(STREAM, Attempt(path.absolute()), heard, among=files)
        while heard.arrived:
            yield heard.arrived.pop(0).warned(*notes)
        for key in heard.later:
            part = _Heard()
            self._answer(STREAM, Attempt(path.absolute()), part, only=(key,), among=files)
            yield from (series.warned(*notes) for series in part.arrived)

    def close(self) -> None:
        """End the process."""
        self._client.close()

    def _answer(
        self, entry: str, attempt: Attempt, heard: _Heard | None = None, **params: Any
    ) -> Any:
        """Ask again without a file that ended the process; raises UserError."""

        def hear(arrival: object) -> None:
            attempt.heard(arrival)
            if heard is not None:
                heard.take(arrival)

        asked = {**attempt.params, **params}
        job = self._client.submit(entry, on_partial=hear, title=attempt.path.name, **asked)
        try:
            return job.result()
        except WorkerCrashed as error:
            if again := attempt.again(error):
                if heard is not None:
                    heard.clear()
                return self._answer(entry, again, heard, **params)
            name = attempt.path.name
            raise UserError(f"{name} made its decoder fail: the file is damaged.") from error


@dataclass
class _Heard:
    """What has come of a path, and the keys of what is left for later."""

    arrived: list[Series] = field(default_factory=list)
    later: tuple[str, ...] = ()

    def take(self, arrival: object) -> None:
        """Note it."""
        if isinstance(arrival, Arrived):
            self.arrived.append(arrival.series)
        elif isinstance(arrival, Listed):
            self.later = arrival.later

    def clear(self) -> None:
        """Begin anew."""
        self.arrived, self.later = [], ()


def provenance(
    task: Task,
    settings: Mapping[str, Any],
    series: Series,
    result: Mapping[str, Any],
    measurements: Mapping[str, Any],
) -> dict[str, Any]:
    """What stands in the JSON beside every output: whence, by what, how, and what came out."""
    doubt = result.get("warning")
    return recipe(task, settings) | {
        "input": describe_input(series),
        "device": result.get("device", ""),
        "seconds": round(result.get("seconds", 0.0), 3),
        "measurements": dict(measurements),
        "warnings": [*series.warnings, *([doubt] if doubt else [])],
        "notice": NOTICE,
    }


def describe_input(series: Series) -> dict[str, Any]:
    """Which data it was, without naming the patient: identifiers only as their SHA-256."""
    identity, geometry = series.identity, series.geometry
    hashes = {
        f"{key}_sha256": hashlib.sha256(value.encode()).hexdigest()
        for key in ("patient_id", "study_uid", "series_uid")
        if (value := getattr(identity, key))
    }
    return {
        "name": series.path.name,
        **hashes,
        "sha256": series.sha256,
        "files": len(series.paths),
        "modality": series.modality,
        "shape": list(series.voxels.shape),
        "spacing_mm": list(geometry.spacing) if geometry.known else None,
    }


def recipe(task: Task, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a result: the same recipe on the same input gives it again."""
    return {
        "program": f"Limn {VERSION}",
        "task": task.name,
        "task_version": task.version,
        "model": model_of(task, settings),
        "settings": {key: _plain(value) for key, value in settings.items()},
    }


def audit_facts(task: Task, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit trail says of a run: the task and its model, never the settings' texts."""
    return {
        "task": task.name,
        "task_version": task.version,
        "model": model_of(task, settings),
        "program": f"Limn {VERSION}",
    }


def model_of(task: Task, settings: Mapping[str, Any]) -> dict[str, str] | None:
    """The bundled model that the setting "model" names, or None for a task without one."""
    for info in weights.describe():
        if info.plugin == task.name and info.name == settings.get("model"):
            return info.identity
    return None


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | None) else str(value)
