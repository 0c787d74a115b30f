"""What an export holds, as it stood when the user asked for it; knows no Qt."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gui import facts
from gui.comparison import fingerprints
from gui.segment_object import named
from inference.measured import Findings, Measured
from inference.writing import Algorithm, Segment

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from gui.comparison import Comparison
    from gui.document import Document
    from gui.facts import Facts
    from gui.segment_object import SegmentObject
    from inference.series import Array, Series


@dataclass(frozen=True)
class Snapshot:
    """A document as it stood when the user asked to save it."""

    series: Series
    labels: Array
    ai_labels: Array | None
    objects: tuple[SegmentObject, ...]
    results: Mapping[str, Mapping[str, Any]]
    comparison: Comparison | None
    corrected: frozenset[int]  # the objects that differ from what a model delivered
    picture: Array | None = None  # of the views, 8-bit RGB
    shows_name: bool = False  # whether the patient's name can be read in it

    @classmethod
    def of(cls, document: Document) -> Snapshot:
        """Copies what may change while it is written."""
        ai = None if document.ai_labels is None else document.ai_labels.copy()
        objects, results = tuple(document.objects.values()), dict(document.results)
        labels = document.labels.copy()
        each = {item.id: document.compare(item.id) for item in objects}
        corrected = frozenset(i for i, found in each.items() if found is None or found.dice < 1)
        return cls(document.series, labels, ai, objects, results, document.compare(), corrected)


@dataclass(frozen=True)
class Begun:
    """What was written first; how the objects' files begin, and the table of the objects."""

    paths: list[Path]
    stem: Path
    figures: list[dict[str, Any]]
    findings: Findings


def write(snapshot: Snapshot, folder: Path, hidden: bool = False) -> Begun:
    """Write the files of tasks, the labels of a picture, and the JSON; raises UserError.

    While names are hidden, no file is called after the one that the image came from.
    """
    from inference import headless, registry
    from inference.version import VERSION
    from inference.writing import NOTICE, write_json

    series = snapshot.series
    stem = folder / free_stem(folder, series, hidden)
    before = {path: path.stat().st_mtime_ns for path in folder.glob(f"{stem.name}*")}
    measured = _facts(snapshot)
    figures = facts.table(measured)
    record: dict[str, Any] = {
        "program": f"Limn {VERSION}",
        "input": headless.describe_input(series),
        "notice": NOTICE,
    }
    for name, result in snapshot.results.items():
        task = registry.tasks()[name]
        said = task.write(series, _corrected(snapshot, result), stem)
        about = headless.provenance(task, result.get("settings", {}), series, result, said)
        record |= about if len(snapshot.results) == 1 else {name: about}
    if snapshot.objects:
        rows = zip(snapshot.objects, figures, strict=True)
        record["objects"] = [asdict(item) | row for item, row in rows]
    if snapshot.comparison is not None:
        record["ai_and_corrected"] = asdict(snapshot.comparison)
    if hidden:
        _call(stem.name, record, *(record[name] for name in snapshot.results if name in record))
    write_json(stem.with_name(f"{stem.name}.json"), record)
    found = sorted(folder.glob(f"{stem.name}*"))
    paths = [path for path in found if before.get(path) != path.stat().st_mtime_ns]
    return Begun(paths, stem, figures, findings(snapshot, measured))


def findings(snapshot: Snapshot, measured: Mapping[SegmentObject, Facts]) -> Findings:
    """What each label stands for and which model made it, and all that was measured.

    What a task measured of an object stands in place of its general figures.
    """
    known = _of_tasks(snapshot)
    kinds = {segment.value: segment.kind or segment.name for segment in known.segments}
    untouched = _untouched(snapshot)
    makers = {item.id: _algorithm(snapshot, item, untouched) for item in snapshot.objects}
    told = {thing.label for thing in known.measured if thing.label}
    general = [
        replace(facts.measured(item, found, snapshot.series), algorithm=makers[item.id])
        for item, found in measured.items()
        if item.id not in told and found.size
    ]
    segments = [
        Segment(item.id, item.name, item.color, makers[item.id], kinds.get(item.id, ""))
        for item in snapshot.objects
    ]
    return Findings(tuple(segments), (*general, *known.measured))


def _of_tasks(snapshot: Snapshot) -> Findings:
    """What the tasks say of their results as the user left them, under the objects' labels."""
    from inference import registry

    segments: list[Segment] = []
    measured: list[Measured] = []
    for name, result in snapshot.results.items():
        task, objects = registry.tasks()[name], _labels(snapshot, result)
        if task.findings is None:
            continue
        found = task.findings(snapshot.series, _corrected(snapshot, result))
        by = _by(name, result, by_itself=not snapshot.corrected.intersection(objects.values()))
        segments += [
            replace(item, value=objects[item.value])
            for item in found.segments
            if item.value in objects
        ]
        measured += [
            replace(thing, label=objects.get(thing.label, 0), algorithm=thing.algorithm or by)
            for thing in found.measured
            if not thing.label or thing.label in objects
        ]
    return Findings(tuple(segments), tuple(measured))


def _labels(snapshot: Snapshot, result: Mapping[str, Any]) -> dict[int, int]:
    """The object's label for each value of a task's own labels, where there still is one."""
    found = {
        value: named(snapshot.objects, name) for value, name in result.get("names", {}).items()
    }
    return {value: item.id for value, item in found.items() if item is not None}


def _untouched(snapshot: Snapshot) -> set[int]:
    """The objects that are still as a model, which made them by itself, left them in a file."""
    made = {item.id: item.as_made for item in snapshot.objects if item.as_made}
    now = fingerprints(snapshot.labels, list(made))
    return {value for value, fingerprint in made.items() if now.get(value) == fingerprint}


def _algorithm(
    snapshot: Snapshot, item: SegmentObject, untouched: Collection[int]
) -> Algorithm | None:
    """The model that made an object, None for one that was drawn by hand."""
    for name, result in snapshot.results.items():
        if item.id in _labels(snapshot, result).values():
            return _by(name, result, by_itself=item.id not in snapshot.corrected)
    by_itself = item.id in untouched
    return Algorithm(*item.maker, by_itself) if len(item.maker) == 2 else None


def _by(name: str, result: Mapping[str, Any], *, by_itself: bool) -> Algorithm:
    from inference import headless, registry
    from inference.further_files import algorithm

    task = registry.tasks()[name]
    model = headless.model_of(task, result.get("settings", {}))
    return algorithm(task, model, by_itself=by_itself)


def _facts(snapshot: Snapshot) -> dict[SegmentObject, Facts]:
    series = snapshot.series
    levels = None if series.rgb else facts.slices_of(series.canonical())
    return facts.facts_of(snapshot.objects, series, facts.slices_of(snapshot.labels), levels)


def _call(name: str, *records: dict[str, Any]) -> None:
    """Let records speak of the image by another name than that of its file."""
    for record in records:
        if "input" in record:
            record["input"] = record["input"] | {"name": name}


def free_stem(folder: Path, series: Series, hidden: bool = False) -> str:
    """The name of the file, or of the folder of files, numbered where another image has it.

    Where names are hidden, which it may tell, the modality and a hash stand for it.
    """
    import json

    from inference.writing import stem

    wish = f"{series.modality}_{series.sha256[:8]}" if hidden else stem(series.source)
    for number in range(1, 10_000):
        name = wish if number == 1 else f"{wish}_{number}"
        try:
            found = json.loads((folder / f"{name}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return name
        if isinstance(found, dict) and found.get("input", {}).get("sha256") == series.sha256:
            return name
    return wish


def _corrected(snapshot: Snapshot, result: Mapping[str, Any]) -> dict[str, Any]:
    """A task's result with the labels as the user left them, under the task's own numbers."""
    if not result.get("names"):
        return dict(result)
    table = np.zeros(256, np.uint8)
    for value, label in _labels(snapshot, result).items():
        table[label] = value
    return dict(result) | {"labels": table[snapshot.labels]}
