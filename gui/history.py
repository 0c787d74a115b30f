"""One undo history for prompts, strokes, operations, objects and results; bounded in memory."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from psygnal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Edit(Protocol):
    """Something done that can be taken back and done again."""

    @property
    def title(self) -> str:
        """What was done, for "Undo …"."""

    @property
    def nbytes(self) -> int:
        """Memory it holds."""

    def undo(self) -> None:
        """Take it back; called only in the state that it left."""

    def redo(self) -> None:
        """Do it again; called only in the state that it found."""


@dataclass(frozen=True, slots=True)
class Step:
    """An edit made of two functions."""

    title: str
    undo: Callable[[], None]
    redo: Callable[[], None]
    nbytes: int = 0


@dataclass(slots=True)
class Group:
    """Edits that are taken back and done again together."""

    title: str
    key: str = ""
    edits: list[Edit] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        """Memory of all its edits."""
        return sum(edit.nbytes for edit in self.edits)

    def undo(self) -> None:
        """Take all back, the last first."""
        for edit in reversed(self.edits):
            edit.undo()

    def redo(self) -> None:
        """Do all again."""
        for edit in self.edits:
            edit.redo()


@dataclass(frozen=True, slots=True)
class TakenBack:
    """An edit the other way round."""

    edit: Edit
    title: str = ""
    nbytes: int = 0  # it holds nothing that the edit does not

    def undo(self) -> None:
        """Do the edit."""
        self.edit.redo()

    def redo(self) -> None:
        """Take the edit back."""
        self.edit.undo()


class History:
    """What was done and what was undone, newest last; the oldest falls out of a full history."""

    changed = Signal()

    def __init__(
        self,
        limit: int = 100,
        max_bytes: int = 256 << 20,
        compact: Callable[[list[Edit]], list[Edit]] = list,
    ) -> None:
        self._limit, self._max_bytes, self._compact = limit, max_bytes, compact
        self._done: list[Edit] = []
        self._undone: list[Edit] = []
        self._open: list[Group] = []
        self._replaced: Edit | None = None
        self.moving = False  # an edit is being taken back or done again

    def __len__(self) -> int:
        return len(self._done)

    @property
    def grouping(self) -> bool:
        """Whether a group is open."""
        return bool(self._open)

    @property
    def undo_title(self) -> str:
        """What undo would take back, "" if nothing: an unfinished group before anything else."""
        if self._open:
            return self._open[0].title
        return self._done[-1].title if self._done else ""

    @property
    def redo_title(self) -> str:
        """What redo would do again, "" if nothing."""
        return self._undone[-1].title if self._undone and not self._open else ""

    @property
    def nbytes(self) -> int:
        """Memory held by all edits."""
        return sum(edit.nbytes for edit in (*self._done, *self._undone))

    def push(self, edit: Edit) -> None:
        """Remember what was just done; part of the open group, if there is one."""
        if self._open:
            self._open[-1].edits.append(edit)
            return
        self._done.append(edit)
        self._undone.clear()
        self._drop_oldest()
        self.changed.emit()

    def run(self, edit: Edit) -> None:
        """Do it and remember it."""
        edit.redo()
        self.push(edit)

    def undo(self) -> str:
        """Take back the last edit, or the unfinished group; its title, "" if there was none."""
        if self._open:
            title = self._open[0].title
            self.cancel()
            return title
        return self._move(self._done, self._undone, lambda edit: edit.undo())

    def redo(self) -> str:
        """Do the last undone edit again; its title, "" if there was none."""
        if self._open:
            return ""
        return self._move(self._undone, self._done, lambda edit: edit.redo())

    def begin(self, title: str, key: str = "") -> None:
        """Open a group, such as a stroke; with the `key` of the last edit it replaces that edit."""
        if key and not self._open and not self._undone and self._last_key() == key:
            self._replaced = self._done.pop()
            self._replaced.undo()
        self._open.append(Group(title, key))
        if len(self._open) == 1:
            self.changed.emit()

    def end(self) -> None:
        """Close the innermost group as one edit; nothing if it is empty or was cancelled."""
        if not self._open:
            return
        group = self._open.pop()
        group.edits = self._compact(group.edits)
        if not self._open:
            self._replaced = None
        if group.edits:
            self.push(group)
        else:
            self.changed.emit()

    def cancel(self) -> None:
        """Take back and forget all open groups."""
        with self._moves():
            while self._open:
                self._open.pop().undo()
            if self._replaced is not None:
                self._replaced.redo()
                self._done.append(self._replaced)
                self._replaced = None
        self.changed.emit()

    @contextmanager
    def group(self, title: str, key: str = "") -> Iterator[None]:
        """`begin`, then `end`, or `cancel` if the body raises."""
        self.begin(title, key)
        try:
            yield
        except BaseException:
            self.cancel()
            raise
        self.end()

    @contextmanager
    def amend(self, title: str) -> Iterator[None]:
        """What is done inside becomes part of the last edit, such as an answer to a click.

        What was undone before can still be done again: that first takes the amendment back. The
        title serves where there is no edit to amend.
        """
        if self._open:
            with self.group(title):
                yield
            return
        self._open.append(Group(title))
        try:
            yield
        except BaseException:
            self.cancel()
            raise
        group = self._open.pop()
        group.edits = self._compact(group.edits)
        if group.edits:
            self._join(group)

    def _join(self, group: Group) -> None:
        if self._done:
            last = self._done.pop()
            self._done.append(Group(last.title, edits=[last, *group.edits]))
        else:
            self._done.append(group)
        if self._undone:
            first = self._undone.pop()
            self._undone.append(Group(first.title, edits=[TakenBack(group), first]))
        self._drop_oldest()
        self.changed.emit()

    def clear(self) -> None:
        """Forget everything."""
        self._done.clear()
        self._undone.clear()
        self.changed.emit()

    def _last_key(self) -> str:
        last = self._done[-1] if self._done else None
        return last.key if isinstance(last, Group) else ""

    def _move(self, source: list[Edit], target: list[Edit], act: Callable[[Edit], None]) -> str:
        if not source:
            return ""
        edit = source.pop()
        with self._moves():
            act(edit)
        target.append(edit)
        self.changed.emit()
        return edit.title

    @contextmanager
    def _moves(self) -> Iterator[None]:
        self.moving = True
        try:
            yield
        finally:
            self.moving = False

    def _drop_oldest(self) -> None:
        """The newest edit always stays, so that it can be taken back."""
        total = self.nbytes
        while len(self._done) > 1 and (len(self._done) > self._limit or total > self._max_bytes):
            total -= self._done.pop(0).nbytes
