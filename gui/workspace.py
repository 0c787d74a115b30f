"""What of the window belongs to a project: gathered to be saved, and put back."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from weakref import WeakKeyDictionary

from gui import keeping
from gui.project import Layout, Project
from inference.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gui.document import Document
    from gui.project import SavedDocument
    from gui.project_opening import Opened
    from gui.studies import Studies
    from gui.tasks import TaskPanel
    from gui.views import Views


class Workspace:
    """The open documents by keys that they have in the project."""

    def __init__(self, studies: Studies, views: Views, tasks: TaskPanel) -> None:
        self._studies, self._views, self._tasks = studies, views, tasks
        self._keys: WeakKeyDictionary[Document, str] = WeakKeyDictionary()

    def key(self, document: Document) -> str:
        """Of a document in the project; a free one if it has none yet."""
        if document not in self._keys:
            self._keys[document] = self._free()
        return self._keys[document]

    def take(self, key: str, document: Document) -> tuple[SavedDocument, dict[str, NDArray[Any]]]:
        """A document as it is now, without its labels, and its other arrays by name."""
        display = self._views.display_for(document)
        return keeping.saved(key, document, display, self._tasks.keep(document))

    def project(self, documents: Sequence[SavedDocument], **more: Any) -> Project:
        """A project of these documents, as of now."""
        now = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        program = f"Limn {VERSION}"
        return Project(tuple(documents), self.layout, program, now, uuid4().hex, **more)

    @property
    def layout(self) -> Layout:
        """How the window is arranged."""
        shown = self._studies.selected
        key = self.key(shown) if shown is not None else ""
        return Layout(key, self._views.alone, self._tasks.task)

    def put(self, opened: Sequence[Opened], layout: Layout) -> list[str]:
        """Open documents as they were left; the tasks that could not take their work again."""
        refused = []
        by_key = {one.saved.key: one.document for one in opened}
        for one in opened:
            key = one.saved.key
            self._keys[one.document] = self._free() if key in self._taken else key
            self._studies.take(one.document)
            display = self._views.display_for(one.document)
            keeping.show_as(display, one.saved.view, one.document.shape)
            refused += self._tasks.restore(one.document, one.tasks)
        if opened:
            self._studies.select(by_key.get(layout.selected, opened[0].document))
            self._views.show_alone(layout.alone)
            self._tasks.show_task(layout.task)
        return refused

    @property
    def _taken(self) -> set[str]:
        """Keys of what is open; of what was closed they are free again."""
        return {self._keys[document] for document in self._studies.open if document in self._keys}

    def _free(self) -> str:
        return next(key for number in count(1) if (key := str(number)) not in self._taken)
