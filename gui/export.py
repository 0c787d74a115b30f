"""Saves what was found and drawn: each task's files, the objects, a JSON on how they arose."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from gui.background import Background
from gui.export_content import Snapshot, write
from gui.export_dialog import ExportDialog
from gui.view_picture import image_of, picture_of
from inference.errors import UserError
from inference.object_files import header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.document import Document
    from gui.export_content import Begun
    from gui.jobs import Jobs
    from gui.notices import Notices
    from gui.settings import SettingsFile
    from gui.studies import Studies
    from gui.views import Views


WRITE_OBJECTS = "inference.object_files:write_job"


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
        if document.objects:
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
        if "capture" in self._settings.now.export_formats and document is self._views.document:
            picture = picture_of(self._views)
            named = self._views.annotated and not self._views.names_hidden
            snapshot = replace(snapshot, picture=picture, shows_name=named)
        self._changed.discard(document)
        self._background.run(
            partial(write, snapshot, folder, self._settings.now.hide_patient_names),
            partial(self._write_objects, document, snapshot),
            partial(self._failed, document),
        )

    def _write_objects(self, document: Document, snapshot: Snapshot, begun: Begun) -> None:
        """What takes long, and does not let other threads work, in the other process."""
        formats = self._settings.now.export_formats
        if not (snapshot.objects and formats):
            return self._saved(document, begun.paths)
        arrays = {
            "labels": snapshot.labels, "ai_labels": snapshot.ai_labels, "picture": snapshot.picture,
        }  # fmt: skip
        try:
            self._writer.submit(
                WRITE_OBJECTS,
                {name: array for name, array in arrays.items() if array is not None},
                title="Saving the objects",
                done=lambda paths: self._saved(document, [*begun.paths, *map(Path, paths)]),
                failed=partial(self._failed, document),
                series=header(snapshot.series),
                segments=begun.findings.segments,
                figures=begun.figures,
                stem=str(begun.stem),
                formats=formats,
                measured=begun.findings.measured,
                shows_name=snapshot.shows_name,
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
            done = image_of(self._views).save(str(path))
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
