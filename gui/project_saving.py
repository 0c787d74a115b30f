"""Writes a project beside the Qt thread, as it was at one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
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

TRIES = 3  # of copying labels beside the Qt thread, before it waits for a copy


@dataclass(frozen=True)
class Draft:
    """A project as of one moment; labels are copied as long as the versions are the same."""

    project: Project
    documents: tuple[tuple[str, Document, int], ...]  # key, document, its version
    arrays: tuple[tuple[str, str, Array], ...]  # that nobody changes
    carried: tuple[tuple[SavedDocument, Store], ...] = ()  # whose images were not found

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

    saved = Signal(object, object)  # path, Project
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
        self, path: Path, draft: Callable[[], Draft], tries: int, project: Project | None
    ) -> None:
        if project is None:
            self.save(path, draft, tries - 1)
        else:
            self.saved.emit(path, project)


def _written(path: Path, draft: Draft, copied: list[tuple[str, str, Array]] | None) -> Any:
    """The project that was written; None if it changed before it was copied."""
    labels = copied if copied is not None else draft.labels()
    if labels is None:
        return None
    documents = (*draft.project.documents, *(one for one, _ in draft.carried))
    project = replace(draft.project, documents=tuple(_placed(documents, path)))
    project_file.write(path, project, _members(draft, labels))
    return project


def _members(draft: Draft, labels: Sequence[tuple[str, str, Array]]) -> Iterable[Any]:
    yield from draft.arrays
    yield from labels
    for one, store in draft.carried:
        for name, info in one.arrays.items():
            yield one.key, name, store.array(one.key, name, info)


def _placed(documents: Iterable[SavedDocument], path: Path) -> Iterable[SavedDocument]:
    """With the way from the project's folder to each image."""
    for one in documents:
        way = beside(one.source.root, path.parent)
        yield replace(one, source=replace(one.source, beside=way))
