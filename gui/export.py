"""Saves what was found and drawn: each task's files, the objects, a JSON on how they arose."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from gui.ai_result import named
from gui.background import Background
from gui.export_dialog import ExportDialog
from gui.facts import slices_of, table
from inference.errors import UserError
from inference.object_files import header, offered
from inference.writing import Algorithm, Segment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gui.comparison import Comparison
    from gui.document import Document, SegmentObject
    from gui.jobs import Jobs
    from gui.notices import Notices
    from gui.settings import SettingsFile
    from gui.studies import Studies
    from gui.views import Views
    from inference.series import Array, Series


WRITE_OBJECTS = "inference.object_files:write_job"


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


class Export(QObject):
    """Asks where to and saves in the background; objects of volumes by another process."""

    saved = Signal(object, list)  # Document, paths

    def __init__(
        self,
        host: QWidget,
        studies: Studies,
        views: Views,
        settings: SettingsFile,
        notices: Notices,
        writer: Jobs,
    ) -> None:
        super().__init__(host)
        self._host, self._studies, self._views = host, studies, views
        self._settings, self._notices, self._writer = settings, notices, writer
        self._background = Background(self)
        self._changed: WeakSet[Document] = WeakSet()

    def follow(self, document: Document) -> None:
        """Notice what is drawn on a document from now on."""
        changed = self._changed
        document.history_changed.connect(lambda: changed.add(document))

    def unsaved(self, document: Document) -> bool:
        """Whether something was drawn since it was saved."""
        return document in self._changed and bool(document.history.undo_title)

    def ask(self) -> None:
        """Let the user choose a folder, of a volume's objects also the kinds of files, and save."""
        document, now = self._studies.selected, self._settings.now
        start = now.export_folder or Path.home()
        if document is None:
            return
        if document.objects and offered(document.series):
            dialog = ExportDialog(document.series, start, now.export_formats, self._host)
            dialog.chosen.connect(partial(self._chosen, document))
            dialog.open()
        elif chosen := QFileDialog.getExistingDirectory(
            self._host, "Export results to", str(start)
        ):
            self._chosen(document, Path(chosen), now.export_formats)

    def _chosen(self, document: Document, folder: Path, formats: Sequence[str]) -> None:
        self._settings.change(export_folder=folder, export_formats=tuple(formats))
        self.save(document, folder)

    def save(self, document: Document, folder: Path) -> None:
        """Write everything of a document into a folder; tells the user when it is done."""
        snapshot = Snapshot.of(document)
        self._changed.discard(document)
        self._background.run(
            partial(write, snapshot, folder),
            partial(self._write_objects, document, snapshot),
            partial(self._failed, document),
        )

    def _write_objects(self, document: Document, snapshot: Snapshot, begun: Begun) -> None:
        """What takes long, and does not let other threads work, in the other process."""
        if not (snapshot.objects and offered(snapshot.series)):
            return self._saved(document, begun.paths)
        arrays = {"labels": snapshot.labels, "ai_labels": snapshot.ai_labels}
        try:
            self._writer.submit(
                WRITE_OBJECTS,
                {name: labels for name, labels in arrays.items() if labels is not None},
                title="Saving the objects",
                done=lambda paths: self._saved(document, [*begun.paths, *map(Path, paths)]),
                failed=partial(self._failed, document),
                series=header(snapshot.series),
                segments=segments(snapshot),
                figures=begun.figures,
                stem=str(begun.stem),
                formats=self._settings.now.export_formats,
            )
        except UserError as error:
            self._failed(document, error)
        return None

    def ask_picture(self) -> None:
        """Save what the views show as a PNG."""
        start = self._settings.now.export_folder or Path.home()
        chosen, _ = QFileDialog.getSaveFileName(
            self._host, "Save picture", str(start / "view.png"), "PNG (*.png)"
        )
        if chosen:
            path = Path(chosen).with_suffix(".png")
            done = self._views.grab().save(str(path))
            sentence = f"Saved {path.name}." if done else f"{path} could not be written."
            self._notices.tell(sentence, level="info" if done else "error")
            if done and self._studies.selected is not None:
                self.saved.emit(self._studies.selected, [path])

    def _saved(self, document: Document, paths: list[Path]) -> None:
        count, folder = len(paths), paths[0].parent
        self._notices.tell(f"Saved {count} file{'s' if count != 1 else ''} to {folder}.",
                           "\n".join(path.name for path in paths))  # fmt: skip
        self.saved.emit(document, paths)

    def _failed(self, document: Document, error: BaseException) -> None:
        self._changed.add(document)
        self._notices.failed(error, "The results could not be saved.")


def write(snapshot: Snapshot, folder: Path) -> Begun:
    """Write the files of tasks, the labels of a picture, and the JSON; raises UserError."""
    from inference import headless, registry
    from inference.version import VERSION
    from inference.writing import NOTICE, write_json

    series = snapshot.series
    stem = folder / free_stem(folder, series)
    before = {path: path.stat().st_mtime_ns for path in folder.glob(f"{stem.name}*")}
    figures = _figures(snapshot)
    record: dict[str, Any] = {
        "program": f"Limn {VERSION}",
        "input": headless.describe_input(series),
        "notice": NOTICE,
    }
    for name, result in snapshot.results.items():
        task = registry.tasks()[name]
        measured = task.write(series, _corrected(snapshot, result), stem)
        about = headless.provenance(task, result.get("settings", {}), series, result, measured)
        record |= about if len(snapshot.results) == 1 else {name: about}
    if snapshot.objects:
        _write_picture(snapshot, stem)
        rows = zip(snapshot.objects, figures, strict=True)
        record["objects"] = [asdict(item) | row for item, row in rows]
    if snapshot.comparison is not None:
        record["ai_and_corrected"] = asdict(snapshot.comparison)
    write_json(stem.with_name(f"{stem.name}.json"), record)
    found = sorted(folder.glob(f"{stem.name}*"))
    paths = [path for path in found if before.get(path) != path.stat().st_mtime_ns]
    return Begun(paths, stem, figures)


def segments(snapshot: Snapshot) -> tuple[Segment, ...]:
    """What each label stands for, and which model made it."""
    return tuple(
        Segment(item.id, item.name, item.color, _algorithm(snapshot, item))
        for item in snapshot.objects
    )


def _algorithm(snapshot: Snapshot, item: SegmentObject) -> Algorithm | None:
    """The model that made an object, None for one that was drawn by hand."""
    from inference import headless, registry

    for name, result in snapshot.results.items():
        if item in [named(snapshot.objects, made) for made in result.get("names", {}).values()]:
            task = registry.tasks()[name]
            model = headless.model_of(task, result.get("settings", {})) or {}
            title = " ".join(filter(None, (task.title, model.get("name"))))
            version = model.get("version") or task.version
            return Algorithm(title, version, by_itself=item.id not in snapshot.corrected)
    return None


def _figures(snapshot: Snapshot) -> list[dict[str, Any]]:
    series = snapshot.series
    levels = None if series.rgb else slices_of(series.canonical())
    return table(snapshot.objects, series, slices_of(snapshot.labels), levels)


def free_stem(folder: Path, series: Series) -> str:
    """The file name without endings, numbered where another image already has it."""
    import json

    from inference.writing import stem

    wish = stem(series.path)
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
    names: Mapping[int, str] = result.get("names", {})
    if not names:
        return dict(result)
    labels = np.zeros_like(snapshot.labels)
    for value, name in names.items():
        item = named(snapshot.objects, name)
        if item is not None:
            labels[snapshot.labels == item.id] = value
    return dict(result) | {"labels": labels}


def _write_picture(snapshot: Snapshot, stem: Path) -> None:
    """The labels of a picture are a picture as well."""
    from inference.writing import write_png

    versions = {"labels": snapshot.labels, "ai_labels": snapshot.ai_labels}
    for name, labels in versions.items():
        if labels is not None and snapshot.series.kind == "image":
            stored = snapshot.series.from_canonical(labels)
            write_png(stem.with_name(f"{stem.name}_{name}.png"), stored)
