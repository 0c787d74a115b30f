"""Opens files and folders; another process reads, so no decoder blocks or ends the window."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from gui.studies import path_title, without_path
from inference.attempts import READ, Attempt
from inference.errors import UserError
from inference.resources import data_folder, resource_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gui.jobs import Jobs
    from gui.notices import Notices
    from gui.settings import SettingsFile
    from gui.studies import Studies
    from inference.series import Series

SAMPLES = resource_path("samples")
FILTERS = (
    "Images (*.dcm *.dicom *.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd *.png *.jpg *.jpeg *.tif "
    "*.tiff *.bmp);;All files (*)"
)


class Opening(QObject):
    """Reads paths one job each and adds what they hold to the open studies."""

    opened = Signal(list)  # of Document

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

    def open(self, paths: Iterable[Path]) -> None:
        """Start to read; each failure becomes one notice."""
        for number, path in enumerate(paths):
            whole = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 (links stay links)
            self._read(Attempt(whole), number == 0)

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

    def _read(self, attempt: Attempt, first: bool) -> None:
        self._reader.submit(
            READ,
            title=f"Opening {path_title(attempt.path, self._nameless(attempt.path))}",
            partial=attempt.heard,
            done=partial(self._opened, attempt.path, first),
            failed=partial(self._failed, attempt, first),
            **attempt.params,
        )

    def _opened(self, path: Path, first: bool, found: list[Series]) -> None:
        documents = [self._studies.add(series) for series in found]
        for document in documents:
            document.root = path
        if documents and (first or self._studies.selected is None):
            self._studies.select(documents[0])
        self._warn(path, found)
        if not {SAMPLES, data_folder()} & set(path.parents):
            self._settings.remember(path)
        self.opened.emit(documents)

    def _failed(self, attempt: Attempt, first: bool, error: BaseException) -> None:
        if again := attempt.again(error):
            self._read(again, first)
            return
        if isinstance(error, UserError):
            error = UserError(without_path(str(error), attempt.path, self._nameless(attempt.path)))
        self._notices.failed(error)

    def _nameless(self, path: Path) -> bool:
        """Whether to speak of "the file": its name is hidden, or Limn made it up."""
        return self._settings.now.hide_patient_names or data_folder() in path.parents

    def _warn(self, path: Path, found: Iterable[Series]) -> None:
        warnings = list(dict.fromkeys(line for series in found for line in series.warnings))
        nameless = self._nameless(path)
        warnings = [without_path(line, path, nameless) for line in warnings]
        name = path_title(path, nameless)
        if len(warnings) == 1:
            self._notices.tell(f"{name}: {warnings[0]}", level="warning")
        elif warnings:
            sentence = f"{name} was opened with {len(warnings)} warnings."
            self._notices.tell(sentence, "\n\n".join(warnings), "warning")

    def _last_folder(self) -> str:
        recent = self._settings.now.recent
        return str(recent[0].parent) if recent else str(Path.home())


def _is_study(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() not in {".md", ".json", ".txt"}
