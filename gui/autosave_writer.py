"""A thread that writes what changed into a recovery file, and goes on trying where it cannot."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gui.recovery_file import PIECE, RecoveryFile, delete, whole_edits
from inference import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from gui.document import Document
    from gui.project import Project
    from gui.voxel_edit import VoxelEdit

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0  # s until the next attempt after a failure
TURN = 0.2  # s of slow work before it goes to the disk, and a tick that waits has its turn
LOST = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY)


@dataclass(frozen=True, slots=True)
class Written:
    """A change of the labels of a document."""

    key: str
    layer: str
    place: int  # the order of all changes
    edit: VoxelEdit


@dataclass(frozen=True, slots=True)
class Base:
    """All labels of a document, as they are when they are written."""

    key: str
    layer: str
    place: int
    document: Document
    owed: bool  # without it, the changes that follow make no sense


@dataclass(frozen=True, slots=True)
class Tick:
    """What changed since the last one; written as a whole, then the bases and large arrays."""

    project: Project
    edits: tuple[Written, ...] = ()
    arrays: tuple[tuple[str, str, NDArray[Any]], ...] = ()  # key, name, array
    bases: tuple[Base, ...] = ()
    closed: tuple[str, ...] = ()


@dataclass
class AutosaveWriter:
    """Opens the file at the first tick. `troubled` and `healed` are called in its thread."""

    path: Path
    troubled: Callable[[BaseException, bool], None]  # the error; whether all must be written anew
    healed: Callable[[], None] = lambda: None
    _queue: deque[Tick] = field(default_factory=deque)
    _slow: deque[Callable[[RecoveryFile], Iterator[None]]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._file: RecoveryFile | None = None
        self._steps: Iterator[None] | None = None  # of the slow work that was begun
        self._wait = 0.0  # s; 0 while all goes well
        self._closing = self._removing = False
        self._busy = False
        self._thread = threading.Thread(target=self._run, name="autosave", daemon=True)
        self._thread.start()

    def put(self, tick: Tick) -> None:
        """Write this soon."""
        with self._changed:
            self._queue.append(tick)
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until all is on the disk; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._idle, seconds)

    def close(self, *, remove: bool, seconds: float = 5.0) -> None:
        """End; `remove` the file, else finish what is begun, for so long at most."""
        if not remove:
            self.flush(seconds)
        with self._changed:
            self._closing, self._removing = True, remove
            self._changed.notify_all()
        self._thread.join(seconds)

    @property
    def _idle(self) -> bool:
        return not (self._queue or self._slow or self._steps or self._busy)

    def _run(self) -> None:
        while self._await_work():
            try:
                self._work()
            except Exception as error:  # noqa: BLE001 (whatever it is, the user is told)
                self._fail(error)
            with self._changed:
                self._busy = False
                self._changed.notify_all()
        self._end()

    def _await_work(self) -> bool:
        with self._changed:
            if self._wait:
                self._changed.wait_for(lambda: self._closing, self._wait)
            self._changed.wait_for(lambda: self._closing or not self._idle)
            self._busy = not self._closing
            return not self._closing

    def _work(self) -> None:
        """One tick, or else a turn of what takes longer: so no tick waits for long."""
        file = self._file = self._file or self._opened()
        if self._queue:
            self._store(file, self._queue[0])
            tick = self._queue.popleft()
            self._slow += [_base(base) for base in tick.bases]
            self._slow += [_array(*array) for array in tick.arrays if array[2].nbytes > PIECE]
        else:
            self._go_on(file)
        if self._wait:
            self._wait = 0.0
            self.healed()

    def _opened(self) -> RecoveryFile:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return RecoveryFile(self.path)

    def _store(self, file: RecoveryFile, tick: Tick) -> None:
        with file.transaction():
            for key in tick.closed:
                file.drop_document(key)
            file.put_project(tick.project)
            for change in tick.edits:
                file.put_edit(change.key, change.layer, change.place, change.edit, base=False)
            for base in tick.bases:
                if base.owed:
                    file.owe(base.key, base.layer)
            for key, name, array in tick.arrays:
                file.begin_array(key, name)
                if array.nbytes <= PIECE:
                    file.put_piece(key, name, 0, _bytes(array))

    def _go_on(self, file: RecoveryFile) -> None:
        """Many steps in one transaction: each of these waits for the disk."""
        steps = self._steps = self._steps or self._slow[0](file)
        done = False
        with file.transaction():
            end = time.monotonic() + TURN
            while not done and time.monotonic() < end:
                done = next(steps, file) is file
        if done:
            self._steps = None
            self._slow.popleft()

    def _fail(self, error: Exception) -> None:
        log.warning("autosave failed: %s", logs.stack(error))
        first, self._steps = not self._wait, None
        self._wait = min(2 * self._wait or FIRST_WAIT, LONGEST_WAIT)
        lost = self._file is not None and (_lost(error) or not self.path.exists())
        if first or lost:
            self.troubled(error, lost)
        if self._file is not None and lost:
            self._file.close()
            self._file = None

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._removing:
            delete(self.path)


def _base(base: Base) -> Callable[[RecoveryFile], Iterator[None]]:
    def steps(file: RecoveryFile) -> Iterator[None]:
        labels = getattr(base.document, base.layer)
        for edit in () if labels is None else whole_edits(labels):
            file.put_edit(base.key, base.layer, base.place, edit, base=True)
            yield
        file.drop_edits(base.key, base.layer, base.place)
        file.settle(base.key, base.layer)

    return steps


def _array(key: str, name: str, array: NDArray[Any]) -> Callable[[RecoveryFile], Iterator[None]]:
    def steps(file: RecoveryFile) -> Iterator[None]:
        file.begin_array(key, name)
        flat = array.reshape(-1)
        size = max(1, PIECE // array.dtype.itemsize)
        for number, start in enumerate(range(0, flat.size, size)):
            file.put_piece(key, name, number, _bytes(flat[start : start + size]))
            yield

    return steps


def _bytes(array: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def _lost(error: BaseException) -> bool:
    """Whether the file cannot be written to any more."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in LOST
