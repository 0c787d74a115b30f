"""One window's unsaved work in an SQLite file, which it keeps locked for as long as it lives.

Changes are appended, so that keeping one costs what the change costs, however large the image is.
The state of labels is what all of them, in order, make of an empty image. The system takes the
lock away when the process ends, however it ends.
"""

from __future__ import annotations

import math
import sqlite3
import struct
import zlib
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gui.keeping import LABELS
from gui.project import damaged, from_json, to_json
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from gui.project import ArrayInfo, Project

    Array = NDArray[Any]

SUFFIX = ".limn-recovery"
PIECE = 4 << 20  # bytes of an array in one row
PART = 8 << 20  # voxels of labels in one row
NAME = "The recovered work"
PRAGMAS = ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL",
           "trusted_schema = OFF")  # fmt: skip
TABLES = (
    "CREATE TABLE IF NOT EXISTS project (id INTEGER PRIMARY KEY, text BLOB)",
    "CREATE TABLE IF NOT EXISTS edit "
    "(id INTEGER PRIMARY KEY, place INTEGER, document TEXT, layer TEXT, base INTEGER, data BLOB)",
    "CREATE TABLE IF NOT EXISTS piece (document TEXT, name TEXT, number INTEGER, data BLOB, "
    "PRIMARY KEY (document, name, number))",
    "CREATE TABLE IF NOT EXISTS owed (document TEXT, layer TEXT, PRIMARY KEY (document, layer))",
)
_HEAD = struct.Struct("<BQ")  # bytes of an index, number of runs


class RecoveryFile:
    """Open for one process at a time; its methods are called by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create it; sqlite3.Error, of which BlockingIOError says it is in use."""
        self.path = path
        self._base = sqlite3.connect(
            path, timeout=0.0, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in PRAGMAS:
                self._base.execute(f"PRAGMA {pragma}")
            with self.transaction():
                for table in TABLES:
                    self._base.execute(table)
        except BaseException:
            self._base.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written inside is there as a whole, and on the disk, or not at all."""
        self._base.execute("BEGIN EXCLUSIVE")
        try:
            yield
            self._base.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._base.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let it go; it stays for the next start."""
        self._base.close()

    def remove(self) -> None:
        """Close and delete it."""
        self._base.close()
        delete(self.path)

    # --- writing ------------------------------------------------------------------------------

    def put_project(self, project: Project) -> None:
        """What is open, but for the arrays."""
        self._base.execute("INSERT OR REPLACE INTO project VALUES (1, ?)", (to_json(project),))

    def put_edit(self, key: str, layer: str, place: int, edit: VoxelEdit, base: bool) -> None:
        """A change of labels; `base`: a part of all that was there at this place."""
        row = (place, key, layer, int(base), packed(edit))
        self._base.execute(
            "INSERT INTO edit (place, document, layer, base, data) VALUES (?, ?, ?, ?, ?)", row
        )

    def drop_edits(self, key: str, layer: str, place: int) -> None:
        """Forget the changes up to a place, which its base holds."""
        where = "document = ? AND layer = ? AND (place < ? OR (place = ? AND NOT base))"
        self._base.execute(f"DELETE FROM edit WHERE {where}", (key, layer, place, place))

    def owe(self, key: str, layer: str) -> None:
        """Labels were there before, and are still to be written."""
        self._base.execute("INSERT OR REPLACE INTO owed VALUES (?, ?)", (key, layer))

    def settle(self, key: str, layer: str) -> None:
        """The labels that were there before are written."""
        self._base.execute("DELETE FROM owed WHERE document = ? AND layer = ?", (key, layer))

    def begin_array(self, key: str, name: str) -> None:
        """Forget what an array was before."""
        self._base.execute("DELETE FROM piece WHERE document = ? AND name = ?", (key, name))

    def put_piece(self, key: str, name: str, number: int, data: bytes) -> None:
        """The next part of an array, in C order, little endian."""
        row = (key, name, number, zlib.compress(data, 1))
        self._base.execute("INSERT INTO piece VALUES (?, ?, ?, ?)", row)

    def drop_document(self, key: str) -> None:
        """Forget an image that was closed."""
        for table in ("edit", "piece", "owed"):
            self._base.execute(f"DELETE FROM {table} WHERE document = ?", (key,))

    def limit(self, pages: int) -> None:
        """Take up no more than this many pages, as if the disk were full then."""
        self._base.execute(f"PRAGMA max_page_count = {pages}")

    # --- reading ------------------------------------------------------------------------------

    @cached_property
    def project(self) -> Project:
        """What was open; raises UserError."""
        try:
            row = self._base.execute("SELECT text FROM project").fetchone()
        except sqlite3.Error as error:
            raise damaged(NAME) from error
        if row is None:
            raise UserError("Nothing was drawn yet in the window that ended.")
        if not isinstance(row[0], bytes):
            raise damaged(NAME)
        return from_json(row[0], NAME)

    def array(self, key: str, name: str, info: ArrayInfo) -> Array:
        """An array of a document; raises UserError."""
        try:
            found = self._labels if name in LABELS else self._pieces
            return found(key, name, info)
        except (sqlite3.Error, zlib.error, struct.error, ValueError, IndexError) as error:
            raise damaged(NAME) from error

    def has(self, key: str, name: str, info: ArrayInfo) -> bool:
        """Whether the array had been written whole before the window ended."""
        if name in LABELS:
            return True
        rows = self._base.execute(
            "SELECT data FROM piece WHERE document = ? AND name = ?", (key, name)
        )
        with suppress(zlib.error):
            return sum(len(zlib.decompress(data)) for (data,) in rows) == _bytes(info)
        return False

    def whole(self) -> Project:
        """The project without what was not written to its end; raises UserError."""
        kept = []
        owed = {key for (key,) in self._base.execute("SELECT document FROM owed")}
        for document in self.project.documents:
            arrays = {n: i for n, i in document.arrays.items() if self.has(document.key, n, i)}
            complete = document.made is None or "voxels" in arrays
            if complete and document.key not in owed:
                kept.append(replace(document, arrays=arrays))
        return replace(self.project, documents=tuple(kept))

    def _labels(self, key: str, layer: str, info: ArrayInfo) -> Array:
        labels = np.zeros(info.shape, np.uint8)
        rows = self._base.execute(
            "SELECT data FROM edit WHERE document = ? AND layer = ? ORDER BY place, id",
            (key, layer),
        )
        for (data,) in rows:
            replay(data, labels)
        return labels

    def _pieces(self, key: str, name: str, info: ArrayInfo) -> Array:
        rows = self._base.execute(
            "SELECT data FROM piece WHERE document = ? AND name = ? ORDER BY number", (key, name)
        )
        data = b"".join(zlib.decompress(piece) for (piece,) in rows)
        return np.frombuffer(data, info.dtype).reshape(info.shape).copy()


def packed(edit: VoxelEdit) -> bytes:
    """The new labels of an edit by runs of voxels."""
    starts, lengths = (np.ascontiguousarray(a) for a in (edit.starts, edit.lengths))
    wide = starts.dtype.itemsize
    head = _HEAD.pack(wide, len(starts))
    kind = f"<u{wide}"
    parts = starts.astype(kind), lengths.astype(kind), edit.after
    return zlib.compress(head + b"".join(part.tobytes() for part in parts), 1)


def replay(data: bytes, labels: NDArray[np.uint8]) -> None:
    """Make a change again; raises ValueError or IndexError where it does not fit."""
    raw = zlib.decompress(data)
    wide, count = _HEAD.unpack_from(raw)
    kind, at = np.dtype(f"<u{wide}"), _HEAD.size
    starts = np.frombuffer(raw, kind, count, at).astype(np.int64)
    lengths = np.frombuffer(raw, kind, count, at + count * wide).astype(np.int64)
    values = np.frombuffer(raw, np.uint8, count, at + 2 * count * wide)
    if count and (lengths.max() > labels.size or (starts + lengths).max() > labels.size):
        raise IndexError
    flat = labels.reshape(-1)
    for start, length, value in zip(
        starts.tolist(), lengths.tolist(), values.tolist(), strict=True
    ):
        flat[start : start + length] = value


def whole_edits(labels: NDArray[np.uint8]) -> Iterator[VoxelEdit]:
    """What makes labels of none, part by part; for any thread.

    What changes meanwhile may be half in it: made again afterwards, that change completes it.
    """
    nothing = np.broadcast_to(np.uint8(0), labels.shape)
    thick = max(1, PART // max(1, math.prod(labels.shape[1:])))
    for first in range(0, labels.shape[0], thick):
        last = min(first + thick, labels.shape[0])
        box = Box((first, *(0,) * (labels.ndim - 1)), (last, *labels.shape[1:]))
        edit = VoxelEdit.of(nothing, box, labels[first:last], "")
        if not edit.empty:
            yield edit


def delete(path: Path) -> None:
    """Delete a recovery file and what SQLite keeps beside it."""
    for ending in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            Path(f"{path}{ending}").unlink(missing_ok=True)


def in_use(error: sqlite3.Error) -> bool:
    """Whether a living window has the file."""
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _bytes(info: ArrayInfo) -> int:
    return int(np.prod(info.shape, dtype=object)) * np.dtype(info.dtype).itemsize
