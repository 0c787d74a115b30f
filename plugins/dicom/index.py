"""What DICOM studies the user's folders hold, kept across starts: texts of a list, never pixels."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from inference.errors import UserError
from inference.resources import data_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    P = ParamSpec("P")
    T = TypeVar("T")

VERSION = 1
WAIT = 5.0  # seconds for another window that writes
LOCKED = "The list of studies is in use by another program: try again in a moment."
BEGUN_ANEW = "The list of studies was damaged and is begun anew: scan your folders again."
NO_PLACE = "The list of studies cannot be kept in {folder}: give it room, and the right to write."
TABLES = """
CREATE TABLE folder (path TEXT PRIMARY KEY);
CREATE TABLE study (
    key TEXT PRIMARY KEY, name TEXT, patient_id TEXT, date TEXT, description TEXT
);
CREATE TABLE series (
    key TEXT PRIMARY KEY, study TEXT, number TEXT, description TEXT, modality TEXT
);
CREATE TABLE file (
    path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, series TEXT, images INTEGER
);
CREATE INDEX file_series ON file (series);
CREATE INDEX series_study ON series (study);
"""
SEARCH = """
SELECT study.key, name, patient_id, date, study.description,
    group_concat(DISTINCT modality), count(DISTINCT series.key), sum(images)
FROM study JOIN series ON series.study = study.key JOIN file ON file.series = series.key
WHERE {conditions}
GROUP BY study.key ORDER BY date DESC, name
"""
SERIES = """
SELECT series.key, number, description, modality, sum(images)
FROM series JOIN file ON file.series = series.key
WHERE study = ? GROUP BY series.key ORDER BY CAST(number AS INTEGER), series.key
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for; "" finds all."""

    words: str = ""  # each in the name, number, description or date
    modality: str = ""
    since: str = ""  # YYYYMMDD


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study in the list."""

    key: str
    name: str
    patient_id: str
    date: str  # YYYYMMDD
    description: str
    modalities: str
    series: int
    images: int


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A series in the list."""

    key: str
    number: str
    description: str
    modality: str
    images: int


@dataclass(frozen=True, slots=True)
class Record:
    """A file and what its header says; one without an image has no series."""

    path: str
    size: int
    changed: int  # ns
    study: tuple[str, str, str, str, str] = ("",) * 5  # as the columns of the table
    series: tuple[str, str, str, str, str] = ("",) * 5
    images: int = 0


def place() -> Path:
    """Where the index is."""
    return data_folder() / "studies.sqlite"


def _in_words(method: Callable[Concatenate[Index, P], T]) -> Callable[Concatenate[Index, P], T]:
    """Locked by another program: a sentence. Damaged: begun anew, as files can be scanned."""

    @wraps(method)
    def said(self: Index, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                raise UserError(LOCKED) from error
            if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
                raise UserError(NO_PLACE.format(folder=self.path.parent)) from error
            self.begin_anew()
            raise UserError(BEGUN_ANEW) from error
        except OSError as error:
            raise UserError(NO_PLACE.format(folder=self.path.parent)) from error

    return said


class Index:
    """The list; each process, and each thread, has a connection of its own; raises UserError."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or place()

    @_in_words
    def folders(self) -> list[str]:
        """Those that the user gave, in order."""
        with self._open() as base:
            return [path for (path,) in base.execute("SELECT path FROM folder ORDER BY path")]

    @_in_words
    def image(self, series_uid: str) -> list[Path]:
        """The files of a series."""
        query = "SELECT path FROM file WHERE substr(series, ?) = ? ORDER BY path"
        end = f"\n{series_uid}"
        with self._open() as base:
            return [Path(path) for (path,) in base.execute(query, (-len(end), end))]

    @_in_words
    def add_folder(self, folder: Path) -> None:
        """Remember a folder to scan."""
        with self._open() as base:
            base.execute("INSERT OR IGNORE INTO folder VALUES (?)", (str(folder),))

    @_in_words
    def known(self, folder: Path) -> dict[str, tuple[int, int]]:
        """Size and time of change of every listed file below a folder."""
        with self._open() as base:
            rows = base.execute(
                "SELECT path, size, changed FROM file WHERE substr(path, 1, ?) = ?", _start(folder)
            )
            return {path: (size, changed) for path, size, changed in rows}

    @_in_words
    def put(self, records: Iterable[Record]) -> None:
        """List files, or list them again as they are now."""
        with self._open() as base:
            for record in records:
                if record.images:
                    base.execute("REPLACE INTO study VALUES (?, ?, ?, ?, ?)", record.study)
                    base.execute("REPLACE INTO series VALUES (?, ?, ?, ?, ?)", record.series)
                base.execute(
                    "REPLACE INTO file VALUES (?, ?, ?, ?, ?)",
                    (record.path, record.size, record.changed, record.series[0], record.images),
                )

    @_in_words
    def remove(self, paths: Iterable[str]) -> None:
        """Take files off the list, and the series and studies that have none left."""
        with self._open() as base:
            base.executemany("DELETE FROM file WHERE path = ?", ((path,) for path in paths))
            _tidy(base)

    @_in_words
    def studies(self, wanted: Wanted = Wanted()) -> list[StudyRow]:
        """The newest first."""
        conditions, values = _conditions(wanted)
        with self._open() as base:
            rows = base.execute(SEARCH.format(conditions=conditions), values)
            return [StudyRow(*row) for row in rows]

    @_in_words
    def series(self, study: str) -> list[SeriesRow]:
        """Of one study, by their numbers."""
        with self._open() as base:
            return [SeriesRow(*row) for row in base.execute(SERIES, (study,))]

    @_in_words
    def files(self, *, study: str = "", series: str = "") -> list[Path]:
        """Of one study or one series, in order."""
        with self._open() as base:
            rows = base.execute(
                "SELECT path FROM file JOIN series ON series.key = file.series "
                "WHERE series.key = ? OR series.study = ? ORDER BY path", (series, study),
            )  # fmt: skip
            return [Path(path) for (path,) in rows]

    @_in_words
    def modalities(self) -> list[str]:
        """Those that are listed."""
        with self._open() as base:
            return [m for (m,) in base.execute("SELECT DISTINCT modality FROM series ORDER BY 1")]

    @_in_words
    def empty(self) -> None:
        """Forget everything; nothing of it stays in the file."""
        with self._open() as base:
            for table in ("folder", "file", "series", "study"):
                base.execute(f"DELETE FROM {table}")
        base = sqlite3.connect(self.path, timeout=WAIT)
        base.execute("VACUUM")
        base.close()

    def begin_anew(self) -> None:
        """Delete the file; what it knew can be scanned again."""
        for ending in ("", "-journal", "-wal", "-shm"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection with the tables there, committed at the end."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))  # for its owner alone
        base = sqlite3.connect(self.path, timeout=WAIT)
        try:
            base.execute("PRAGMA secure_delete = ON")
            base.execute("PRAGMA temp_store = MEMORY")  # names are sorted in no file beside it
            base.create_function("folded", 1, str.casefold, deterministic=True)
            _prepare(base)
            with base:
                yield base
        finally:
            base.close()


def _prepare(base: sqlite3.Connection) -> None:
    (version,) = base.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    with base:
        base.execute("BEGIN IMMEDIATE")
        (version,) = base.execute("PRAGMA user_version").fetchone()
        if version == VERSION:  # another process was first
            return
        for (name,) in base.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall():
            base.execute(f'DROP TABLE "{name}"')
        for statement in filter(str.strip, TABLES.split(";")):
            base.execute(statement)
        base.execute(f"PRAGMA user_version = {VERSION}")


def _tidy(base: sqlite3.Connection) -> None:
    base.execute("DELETE FROM series WHERE key NOT IN (SELECT series FROM file)")
    base.execute("DELETE FROM study WHERE key NOT IN (SELECT study FROM series)")


def _start(folder: Path) -> tuple[int, str]:
    start = str(folder).rstrip(os.sep) + os.sep
    return len(start), start


def _conditions(wanted: Wanted) -> tuple[str, list[str]]:
    """SQL that finds all words, each anywhere, and its values."""
    conditions, values = ["images > 0"], list[str]()
    for word in wanted.words.casefold().replace("^", " ").split():
        fields = "folded(name || ' ' || patient_id || ' ' || study.description || ' ' || date)"
        conditions.append(f"(instr({fields}, ?) > 0 OR instr({fields}, ?) > 0)")
        values += [word, word.replace("-", "")]  # a date, as it is stored
    if wanted.modality:
        conditions.append("study.key IN (SELECT study FROM series WHERE modality = ?)")
        values.append(wanted.modality)
    if wanted.since:
        conditions.append("date >= ?")
        values.append(wanted.since)
    return " AND ".join(conditions), values
