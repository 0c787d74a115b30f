"""Writes into the audit trail what is done in the window, beside the Qt thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject

from inference.audit import Notebook, place

if TYPE_CHECKING:
    from pathlib import Path

    from gui.document import Document
    from gui.jobs import Jobs
    from gui.notices import Notices
    from gui.settings import SettingsFile
    from gui.studies import Studies
    from inference.job import Job

WARM_UP = "Preparing"  # how the titles of jobs begin that only make a model ready


class AuditTrail(QObject):
    """Records what was opened, which models ran on it, that it was edited, and what went where."""

    def __init__(
        self, parent: QObject, studies: Studies, settings: SettingsFile, notices: Notices
    ) -> None:
        super().__init__(parent)
        self._studies, self._settings = studies, settings
        self.notebook = Notebook(partial(notices.tell, level="warning"))
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._running: dict[Job, Document] = {}
        self._told: WeakKeyDictionary[Document, set[str]] = WeakKeyDictionary()
        studies.added.connect(self._opened)

    def follow(self, jobs: Jobs) -> None:
        """Record the models that run as jobs of this worker, each once for a series and a save."""
        jobs.job_started.connect(self._started)
        jobs.job_finished.connect(self._finished)

    def exported(self, document: Document, paths: list[Path]) -> None:
        """Files were written; what is drawn or run from now on is told again."""
        self._told.pop(document, None)
        hidden = self._settings.now.hide_patient_names
        where = place(paths[0].parent, hidden) if paths else ""
        kinds = sorted({"".join(path.suffixes[-2:]) for path in paths})
        self.note("exported", document, files=len(paths), kinds=kinds, to=where)

    def note(self, event: str, document: Document | None = None, **facts: Any) -> None:
        """Write a record soon."""
        series = document.series if document is not None else None
        self._writer.submit(self.notebook.note, event, series, **facts)

    def close(self) -> None:
        """Write what is still to be written."""
        self._writer.shutdown(wait=True)

    def _opened(self, document: Document) -> None:
        document.history_changed.connect(partial(self._edited, document))
        self.note("opened", document)

    def _edited(self, document: Document) -> None:
        if document.history.undo_title and self._first(document, "edited"):
            self.note("edited", document)

    def _started(self, job: Job) -> None:
        shown = self._studies.selected
        if shown is not None and "model" in job.request.params:
            self._running[job] = shown

    def _finished(self, job: Job) -> None:
        document = self._running.pop(job, None)
        failed = job.withdrawn or job.cancelled() or job.exception() is not None
        if document is None or failed or job.title.startswith(WARM_UP):
            return
        plugin, model = job.request.task.split(".")[1], str(job.request.params["model"])
        if self._first(document, f"{plugin} {model}"):
            self._writer.submit(self._note_run, document, plugin, model)

    def _note_run(self, document: Document, plugin: str, model: str) -> None:
        from inference import headless, registry

        task = registry.tasks().get(plugin)
        if task is not None:
            facts = headless.audit_facts(task, {"model": model})
            self.notebook.note("ran", document.series, **facts)

    def _first(self, document: Document, what: str) -> bool:
        """Whether this is new since the series was opened or saved."""
        told = self._told.setdefault(document, set())
        new = what not in told
        told.add(what)
        return new
