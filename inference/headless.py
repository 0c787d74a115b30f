"""Tasks without a window: one file or a cohort, each result with a JSON that says how it arose."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inference import audit, further_files, memory, registry, weights
from inference.attempts import READ, Attempt
from inference.client import WorkerClient, WorkerCrashed
from inference.errors import UserError
from inference.reading import accepts
from inference.shared import SharedArray
from inference.version import VERSION
from inference.writing import NOTICE, stem, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from inference.client import Job
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


@dataclass
class Stems:
    """File names for outputs: no two inputs write the same."""

    taken: set[str] = field(default_factory=set)

    def take(self, wish: str) -> str:
        """The wish, or the first of wish_2, wish_3 … that is free, also where case is ignored."""
        name, number = wish, 2
        while name.casefold() in self.taken:
            name, number = f"{wish}_{number}", number + 1
        self.taken.add(name.casefold())
        return name


class Reader:
    """Reads in a process of its own, so that an aborting decoder takes nothing else along."""

    def __init__(self) -> None:
        self._client = WorkerClient("reader", preload=())

    def read(self, path: Path) -> list[Series]:
        """`reading.read`; raises UserError."""
        return self._read(Attempt(path.absolute()))

    def _read(self, attempt: Attempt) -> list[Series]:
        job = self._client.submit(
            READ, on_partial=attempt.heard, title=attempt.path.name, **attempt.params
        )
        try:
            found: list[Series] = job.result()
        except WorkerCrashed as error:
            if again := attempt.again(error):
                return self._read(again)
            name = attempt.path.name
            raise UserError(f"{name} made its decoder fail: the file is damaged.") from error
        return found

    def close(self) -> None:
        """End the process."""
        self._client.close()


def name_inputs(inputs: Sequence[Path]) -> tuple[list[tuple[Path, str]], Stems]:
    """A stem for each input, in their order, and the book of the names taken."""
    stems = Stems()
    return [(path, stems.take(stem(path.absolute()))) for path in inputs], stems


def inputs_of(folder: Path) -> list[Path]:
    """The cases in a cohort's folder: its files and subfolders, or the folder if it is one case."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: give the folder that holds the cases.")
    if any(reader.whole(folder) for reader in registry.readers()):
        return [folder]
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    cases = [path for path in entries if accepts(path)]
    if not cases:
        raise UserError(f"{folder.name} holds nothing that Limn opens.")
    return cases


def process(
    request: Request,
    path: Path,
    names: Iterable[str],
    reader: Reader,
    client: WorkerClient,
    on_progress: OnProgress,
) -> list[str]:
    """Run the task on every series of one input that suits it; its warnings; raises UserError."""
    on_progress(0, 0, f"Reading {path.name}")
    task = request.task
    suited = [series for series in reader.read(path) if task.suits(series)]
    if not suited:
        raise UserError(f"{path.name} holds no image for {task.title.lower()}.")
    jobs = list(zip(suited, names, strict=False))
    # the first name comes last, for its JSON marks the whole input as finished
    found = [_run(request, path, *job, client, on_progress) for job in reversed(jobs)]
    return [warning for warning in reversed(found) if warning]


def is_finished(request: Request, path: Path, name: str) -> bool:
    """Whether an earlier run left this case's JSON, with the same task, model and settings."""
    try:
        found = json.loads((request.out / f"{name}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    recipe = _recipe(request.task, request.settings)
    return (
        isinstance(found, dict)
        and found.get("input", {}).get("name") == path.name
        and all(found.get(key) == value for key, value in recipe.items())
    )


def _run(
    request: Request,
    path: Path,
    series: Series,
    name: str,
    client: WorkerClient,
    on_progress: OnProgress,
) -> str:
    """What the task doubts about its result, or ""."""
    started = time.perf_counter()
    task = request.task
    arrays, params = task.request(series, request.settings)
    if note := memory.check(task.estimate_bytes(series, request.settings)):
        on_progress(0, 0, note)
    with ExitStack() as stack:
        blocks = {
            key: stack.enter_context(SharedArray.copy_of(array)) for key, array in arrays.items()
        }
        job = client.submit(
            task.entry,
            {key: block.ref for key, block in blocks.items()},
            on_progress,
            device=request.device,
            title=task.title,
            **params,
        )
        result = _result(job)
    measurements = task.write(series, result, request.out / name)
    model = model_of(task, request.settings)
    further_files.write(task, request.settings, model, series, result, request.out / name)
    record = request.out / f"{name}.json"
    device = result.get("device") or client.devices[0].name
    result = result | {"device": device, "seconds": time.perf_counter() - started}
    about = provenance(task, request.settings, series, result, measurements)
    write_json(record, about | {"input": about["input"] | {"name": path.name}})
    to = audit.place(request.out.absolute(), audit.names_hidden())
    about_run = audit_facts(task, request.settings)
    request.notebook.note("ran", series, **about_run, to=to)
    return result.get("warning") or ""


def provenance(
    task: Task,
    settings: Mapping[str, Any],
    series: Series,
    result: Mapping[str, Any],
    measurements: Mapping[str, Any],
) -> dict[str, Any]:
    """What stands in the JSON beside every output: whence, by what, how, and what came out."""
    doubt = result.get("warning")
    return _recipe(task, settings) | {
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


def _result(job: Job) -> Any:
    try:
        return job.result()
    except BaseException:  # Ctrl+C while waiting: the worker need not go on
        job.cancel()
        raise


def _recipe(task: Task, settings: Mapping[str, Any]) -> dict[str, Any]:
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
