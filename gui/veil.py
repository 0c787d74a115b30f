"""Hides who the patients are in sentences, while the user wants names hidden."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSettings

from gui.studies import without_path
from inference.names import names_of, without

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gui.settings import SettingsFile
    from gui.studies import Studies
    from inference.series import Series

PARENTS = 3  # folders above a file whose names may be the patient's
DIALOGS = ("FileDialog/lastVisited", "FileDialog/history")  # what Qt keeps in QtProject.conf


class Veil:
    """Knows the names of what is open and where the user was."""

    def __init__(self, studies: Studies, settings: SettingsFile) -> None:
        self._studies, self._settings = studies, settings

    def over(self, text: str) -> str:
        """A text without names, as long as they are hidden."""
        hidden = text and self._settings.now.hide_patient_names
        return without(text, self._words()) if hidden else text

    def _words(self) -> Iterator[str]:
        now = self._settings.now
        for document in self._studies.open:
            yield from words_of(document.series)
        for path in (*now.recent, *([now.export_folder] if now.export_folder else [])):
            yield from _path_words(path)


def words_of(series: Series) -> Iterator[str]:
    """The patient's names and number, and the names of the files and their folders."""
    yield from names_of(series.identity)
    yield from (path.name for path in series.paths)
    yield from _path_words(series.path)


def nameless(text: str, path: Path) -> str:
    """A sentence about a file or a folder, without its name and those of the files in it."""
    return without(without_path(text, path, hidden=True), _names_below(path), "a file")


def forget_file_dialogs() -> None:
    """Qt's file dialogs remember the folders that were visited, for all programs of the user."""
    kept = QSettings("QtProject")
    for key in DIALOGS:
        kept.remove(key)


def _names_below(path: Path) -> set[str]:
    if path.is_dir():
        return {file.name for file in path.rglob("*")}
    try:
        with zipfile.ZipFile(path) as archive:
            return {Path(name).name for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile):
        return set()


def _path_words(path: Path) -> Iterator[str]:
    home = set(Path.home().parts)
    yield str(path)
    yield from (part for part in path.parts[-PARENTS:] if part not in home)
    yield path.stem
