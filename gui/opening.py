"""Opens files and folders; another process reads, so no decoder blocks or ends the window."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from gui.project_file import SUFFIX as PROJECT
from gui.studies import Expected, path_title, without_path
from gui.veil import nameless
from inference.arrivals import Arrived, Drawn, Glimpse, Listed
from inference.attempts import STREAM, Attempt
from inference.errors import UserError
from inference.resources import data_folder, resource_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gui.document import Document
    from gui.jobs import Jobs
    from gui.notices import Notices
    from gui.settings import SettingsFile
    from gui.studies import Studies
    from inference.job import Job

SAMPLES = resource_path("samples")
FILTERS = (
    "Images (*.dcm *.dicom *.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd *.png *.jpg *.jpeg *.tif "
    "*.tiff *.bmp);;Limn projects (*.limn);;All files (*)"
)


@dataclass(eq=False)
class Request:
    """One path to read, and what has come of it."""

    attempt: Attempt
    shown: bool  # whether its first series is selected
    only: tuple[str, ...] = ()  # keys of listed entries; (): all
    among: tuple[Path, ...] = ()  # files of the folder; (): all
    documents: list[Document] = field(default_factory=list)
    drawn: list[Drawn] = field(default_factory=list)  # files of objects, to go on their images
    listed: tuple[str, ...] = ()  # keys of entries that this reading will bring
    before: Document | None = None  # what was shown before the glimpse

    @property
    def path(self) -> Path:
        """What is read."""
        return self.attempt.path

    @property
    def params(self) -> dict[str, Any]:
        """What the job `STREAM` is asked."""
        among = tuple(str(file) for file in self.among)
        return {**self.attempt.params, "only": self.only, "among": among}


class Opening(QObject):
    """Reads paths one job each and adds what they hold to the open studies, as it comes."""

    opened = Signal(list)  # of Document, once a path is read
    glimpsed = Signal(object)  # Glimpse: a first picture of what will be selected
    ended = Signal()  # a path was read, refused or cancelled
    project_asked = Signal(Path)
    drawn = Signal(Path, object)  # a file of objects, and the Document that they lie on

    def __init__(
        self,
        host: QWidget,
        reader: Jobs,
        studies: Studies,
        settings: SettingsFile,
        notices: Notices,
    ) -> None:
        super().__init__(host)
        self._host, self._reader, self._studies = host, reader, studies
        self._settings, self._notices = settings, notices
        self._requests: dict[Job, Request] = {}
        self._waiting: dict[Path, Drawn] = {}  # files of objects whose image was not to be found
        reader.job_finished.connect(self._finished)

    def open(self, paths: Iterable[Path]) -> None:
        """Start to read; each failure becomes one notice."""
        for number, path in enumerate(paths):
            whole = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 (links stay links)
            if whole.suffix == PROJECT:
                self.project_asked.emit(whole)
                continue
            self._read(Request(Attempt(whole), shown=number == 0))

    def open_files(self, folder: Path, files: Sequence[Path]) -> None:
        """Start to read these files of a folder, such as one series of many."""
        self._read(Request(Attempt(folder), shown=True, among=tuple(files)))

    def open_expected(self, expected: Expected) -> None:
        """Start to read a series that is only listed so far."""
        if not expected.coming:
            key, attempt = (expected.entry.key,), Attempt(expected.root)
            self._studies.expect([replace(expected, coming=True)])
            self._read(Request(attempt, True, only=key, among=expected.among, listed=key))

    def ask_files(self) -> None:
        """Let the user choose files."""
        chosen, _ = QFileDialog.getOpenFileNames(
            self._host, "Open images", self._last_folder(), FILTERS
        )
        self.open(map(Path, chosen))

    def ask_folder(self) -> None:
        """Let the user choose a folder."""
        chosen = QFileDialog.getExistingDirectory(self._host, "Open folder", self._last_folder())
        if chosen:
            self.open([Path(chosen)])

    def open_samples(self) -> None:
        """Open what ships with Limn."""
        samples = [path for path in sorted(SAMPLES.glob("*")) if _is_study(path)]
        if not samples:
            self._notices.tell("No sample studies were installed.", level="warning")
        self.open(samples)

    def _read(self, request: Request) -> None:
        job = self._reader.submit(
            STREAM,
            title=f"Opening {path_title(request.path, self._nameless(request.path))}",
            partial=partial(self._heard, request),
            done=partial(self._done, request),
            failed=partial(self._failed, request),
            images=tuple({document.series.identity.series_uid for document in self._studies.open}),
            **request.params,
        )
        self._requests[job] = request

    def _heard(self, request: Request, arrival: object) -> None:
        request.attempt.heard(arrival)
        if isinstance(arrival, Listed) and not request.only:
            self._list(request, arrival)
        elif isinstance(arrival, Glimpse) and request.shown and not request.documents:
            request.before = self._studies.selected
            self._studies.select(None)
            self.glimpsed.emit(arrival)
        elif isinstance(arrival, Arrived):
            self._add(request, arrival)
        elif isinstance(arrival, Drawn) and arrival not in request.drawn:
            request.drawn.append(arrival)

    def _list(self, request: Request, listed: Listed) -> None:
        coming = {entry.key: entry.key not in listed.later for entry in listed.entries}
        self._studies.expect_no_more(set(request.listed) - set(coming))  # of an earlier list
        request.listed = tuple(key for key, comes in coming.items() if comes)
        self._studies.expect(
            Expected(entry, request.path, coming[entry.key], request.among)
            for entry in listed.entries
        )

    def _add(self, request: Request, arrived: Arrived) -> None:
        document = self._studies.add(arrived.series)
        document.root = request.path
        self._studies.expect_no_more([arrived.key])
        if not request.documents and (request.shown or self._studies.selected is None):
            self._studies.select(document)
        request.documents.append(document)

    def _done(self, request: Request, notes: Sequence[str]) -> None:
        warnings = [line for document in request.documents for line in document.series.warnings]
        self._warn(request.path, [*warnings, *notes])
        if not {SAMPLES, data_folder()} & set(request.path.parents) and not request.among:
            self._settings.remember(request.path)
        self.opened.emit(request.documents)
        for drawn in [*request.drawn, *self._now_possible(request)]:
            self._put_on_image(request, drawn)

    def _now_possible(self, request: Request) -> list[Drawn]:
        """The files that waited for what has been read now."""
        came = {document.series.identity.series_uid for document in request.documents}
        found = [drawn for drawn in self._waiting.values() if came & set(drawn.series)]
        return [self._waiting.pop(drawn.path) for drawn in found]

    def _put_on_image(self, request: Request, drawn: Drawn) -> None:
        """Let a file's objects be edited on their image, which may have to be read before."""
        document = self._image(drawn)
        if document is not None:
            self._waiting.pop(drawn.path, None)
            self._studies.select(document)
            self.drawn.emit(drawn.path, document)
        elif drawn.files:
            folder = Path(os.path.commonpath([file.parent for file in drawn.files]))
            alone = replace(drawn, files=())  # so that it ends, whatever is read
            self._read(Request(Attempt(folder), shown=True, among=drawn.files, drawn=[alone]))
        else:
            self._wait_for_images([drawn])

    def _wait_for_images(self, drawings: Iterable[Drawn]) -> None:
        self._waiting |= {drawn.path: drawn for drawn in drawings if not drawn.files}

    def _image(self, drawn: Drawn) -> Document | None:
        """The open series that objects were drawn on, of its parts theirs, or their own grid."""
        fitting = [
            document
            for document in self._studies.open
            if document.series.identity.series_uid in drawn.series
            or (document.series.path == drawn.path and document.series.kind == "volume")
        ]
        return max(fitting, key=lambda document: _fit(document, drawn), default=None)

    def _failed(self, request: Request, error: BaseException) -> None:
        if again := request.attempt.again(error):
            request.attempt = again
            self._read(request)
            return
        self._wait_for_images(request.drawn)
        if isinstance(error, UserError):
            error = UserError(self._plain(str(error), request.path))
        self._notices.failed(error)

    def _finished(self, job: Job) -> None:
        """However it ended: nothing more of it comes, unless it is read again."""
        request = self._requests.pop(job, None)
        if request is None or request in self._requests.values():
            return
        self._studies.expect_no_more(request.listed)
        if self._studies.selected is None and request.before in self._studies.open:
            self._studies.select(request.before)
        self.ended.emit()

    def _nameless(self, path: Path) -> bool:
        """Whether to speak of "the file": its name is hidden, or Limn made it up."""
        return self._settings.now.hide_patient_names or data_folder() in path.parents

    def _plain(self, sentence: str, path: Path) -> str:
        """A sentence about a path, without names where they are hidden."""
        if self._settings.now.hide_patient_names:
            return nameless(sentence, path)
        return without_path(sentence, path, self._nameless(path))

    def _warn(self, path: Path, sentences: Iterable[str]) -> None:
        warnings = [self._plain(line, path) for line in dict.fromkeys(sentences)]
        name = path_title(path, self._nameless(path))
        if len(warnings) == 1:
            self._notices.tell(f"{name}: {warnings[0]}", level="warning")
        elif warnings:
            sentence = f"{name} was opened with {len(warnings)} warnings."
            self._notices.tell(sentence, "\n\n".join(warnings), "warning")

    def _last_folder(self) -> str:
        now = self._settings.now
        hidden = now.hide_patient_names or not now.recent
        return str(Path.home() if hidden else now.recent[0].parent)


def _fit(document: Document, drawn: Drawn) -> tuple[int, bool]:
    """How well a file's objects fit an image; larger is better."""
    return drawn.share(document.series), document.series.kind == "volume"


def _is_study(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() not in {".md", ".json", ".txt"}
