"""Saves what was found and drawn: each task's files, the labels, a JSON on how they arose."""

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

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gui.comparison import Comparison
    from gui.document import Document, SegmentObject
    from gui.notices import Notices
    from gui.settings import SettingsFile
    from gui.studies import Studies
    from gui.views import Views
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

    @classmethod
    def of(cls, document: Document) -> Snapshot:
        """Copies what may change while it is written."""
        ai = None if document.ai_labels is None else document.ai_labels.copy()
        objects, results = tuple(document.objects.values()), dict(document.results)
        labels = document.labels.copy()
        return cls(document.series, labels, ai, objects, results, document.compare())


class Export(QObject):
    """Asks where to and saves in the background."""

    saved = Signal(object, list)  # Document, paths

    def __init__(
        self,
        host: QWidget,
        studies: Studies,
        views: Views,
        settings: SettingsFile,
        notices: Notices,
    ) -> None:
        super().__init__(host)
        self._host, self._studies, self._views = host, studies, views
        self._settings, self._notices = settings, notices
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
        """Let the user choose a folder, and save there what is shown."""
        document = self._studies.selected
        start = self._settings.now.export_folder or Path.home()
        chosen = QFileDialog.getExistingDirectory(self._host, "Export results to", str(start))
        if chosen and document is not None:
            self._settings.change(export_folder=Path(chosen))
            self.save(document, Path(chosen))

    def save(self, document: Document, folder: Path) -> None:
        """Write everything of a document into a folder; tells the user when it is done."""
        snapshot = Snapshot.of(document)
        self._changed.discard(document)
        self._background.run(
            partial(write, snapshot, folder),
            partial(self._saved, document, folder),
            partial(self._failed, document),
        )

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

    def _saved(self, document: Document, folder: Path, paths: list[Path]) -> None:
        count = len(paths)
        self._notices.tell(f"Saved {count} file{'s' if count != 1 else ''} to {folder}.",
                           "\n".join(path.name for path in paths))  # fmt: skip
        self.saved.emit(document, paths)

    def _failed(self, document: Document, error: Exception) -> None:
        self._changed.add(document)
        self._notices.failed(error, "The results could not be saved.")


def write(snapshot: Snapshot, folder: Path) -> list[Path]:
    """Write all files of a document; those that were written; raises UserError."""
    from inference import headless, registry
    from inference.version import VERSION
    from inference.writing import NOTICE, write_json

    series = snapshot.series
    stem = folder / free_stem(folder, series)
    before = {path: path.stat().st_mtime_ns for path in folder.glob(f"{stem.name}*")}
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
        _write_labels(snapshot, stem)
        record["objects"] = [asdict(item) for item in snapshot.objects]
    if snapshot.comparison is not None:
        record["ai_and_corrected"] = asdict(snapshot.comparison)
    write_json(stem.with_name(f"{stem.name}.json"), record)
    found = sorted(folder.glob(f"{stem.name}*"))
    return [path for path in found if before.get(path) != path.stat().st_mtime_ns]


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


def _write_labels(snapshot: Snapshot, stem: Path) -> None:
    from inference.writing import Segment, write_labels, write_png

    series = snapshot.series
    segments = [Segment(item.id, item.name, item.color) for item in snapshot.objects]
    versions = {"labels": snapshot.labels, "ai_labels": snapshot.ai_labels}
    for name, labels in versions.items():
        if labels is None:
            continue
        stored = series.from_canonical(labels)
        if series.kind == "image":
            write_png(stem.with_name(f"{stem.name}_{name}.png"), stored)
        else:
            write_labels(stem.with_name(f"{stem.name}_{name}.nii.gz"), stored, series, segments)
