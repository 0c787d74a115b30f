"""Writes a project beside the Qt thread, as it was at one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from gui import project_file
from gui.background import Background
from gui.keeping import LABELS
from gui.project import beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from qtpy.QtWidgets import QWidget

    from gui.document import Document
    from gui.keeping import Store
    from gui.project import Project, SavedDocument

    Array = NDArray[Any]
    Carried = tuple[SavedDocument, Store]  # an image that was not found, and where its arrays are

TRIES = 3  # of copying labels beside the Qt thread, before it waits for a copy


@dataclass(frozen=True)
class Draft:
    """A project as of one moment; labels are copied as long as the versions are the same."""

    project: Project
    documents: tuple[tuple[str, Document, int], ...]  # key, document, its version
    arrays: tuple[tuple[str, str, Array], ...]  # that nobody changes
    carried: tuple[Carried, ...] = ()

    def labels(self) -> list[tuple[str, str, Array]] | None:
        """Copies of the labels; None if they have changed meanwhile."""
        copies = [
            (key, name, layer.copy())
            for key, document, _ in self.documents
            for name in LABELS
            if (layer := getattr(document, name)) is not None
        ]
        unchanged = all(document.version == version for _, document, version in self.documents)
        return copies if unchanged else None


class ProjectSaving(QObject):
    """One saving after the other."""

    saved = Signal(object, object, tuple)  # path, Project, those of its documents that were carried
    failed = Signal(object)  # error

    def __init__(self, host: QWidget) -> None:
        super().__init__(host)
        self._background = Background(self)

    @property
    def busy(self) -> bool:
        """Whether something is being saved."""
        return self._background.busy

    def save(self, path: Path, draft: Callable[[], Draft], tries: int = TRIES) -> None:
        """Write what `draft` gives; drawn on meanwhile, it is asked for again."""
        now = draft()
        copied = now.labels() if tries == 0 else None
        self._background.run(
            partial(_written, path, now, copied),
            partial(self._done, path, draft, tries),
            self.failed.emit,
        )

    def _done(
        self,
        path: Path,
        draft: Callable[[], Draft],
        tries: int,
        written: tuple[Project, tuple[SavedDocument, ...]] | None,
    ) -> None:
        if written is None:
            self.save(path, draft, tries - 1)
        else:
            self.saved.emit(path, *written)


def _written(
    path: Path, draft: Draft, copied: list[tuple[str, str, Array]] | None
) -> tuple[Project, tuple[SavedDocument, ...]] | None:
    """The project that was written, and what it carries; None if it changed meanwhile."""
    labels = copied if copied is not None else draft.labels()
    if labels is None:
        return None
    carried = _with_keys(draft)
    documents = (*draft.project.documents, *carried)
    project = replace(draft.project, documents=tuple(_placed(documents, path)))
    project_file.write(path, project, _members(draft, labels, carried))
    return project, project.documents[len(draft.documents) :]


def _with_keys(draft: Draft) -> tuple[SavedDocument, ...]:
    """What is carried, under keys that no other image of the project has."""
    taken = [key for key, _, _ in draft.documents]
    for one, _ in draft.carried:
        free = (str(number) for number in count(1) if str(number) not in taken)
        taken.append(next(free) if one.key in taken else one.key)
    keys = taken[len(draft.documents) :]
    return tuple(replace(one, key=key) for (one, _), key in zip(draft.carried, keys, strict=True))


def _members(
    draft: Draft, labels: Sequence[tuple[str, str, Array]], carried: Sequence[SavedDocument]
) -> Iterable[tuple[str, str, Array]]:
    yield from draft.arrays
    yield from labels
    for (one, store), renamed in zip(draft.carried, carried, strict=True):
        for name, info in one.arrays.items():
            yield renamed.key, name, store.array(one.key, name, info)


def _placed(documents: Iterable[SavedDocument], path: Path) -> Iterable[SavedDocument]:
    """With the way from the project's folder to each image."""
    for one in documents:
        way = beside(one.source.root, path.parent)
        yield replace(one, source=replace(one.source, beside=way))
