"""What stays is spared by the garbage collector, but for the images among it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from qtpy.QtCore import QObject, QTimer

from inference import memory

if TYPE_CHECKING:
    from gui.document import Document
    from gui.studies import Studies

CLOSED_MS = 500
"""After an image was closed: by then, nothing that was under way with it still holds it."""


class Settling(QObject):
    """Lets a round of the collector skip what was loaded; what is skipped is never freed.

    So an image that was open then has its round once it is closed.
    """

    def __init__(self, host: QObject, studies: Studies) -> None:
        super().__init__(host)
        self._studies = studies
        self._skipped: WeakSet[Document] = WeakSet()
        self._again = QTimer(self, singleShot=True, interval=CLOSED_MS)
        self._again.timeout.connect(self._search)
        studies.removed.connect(self._removed)

    def settle(self) -> None:
        """Skip all that there is from now on."""
        memory.settle()
        self._skipped.update(self._studies.open)

    def _removed(self, document: Document) -> None:
        if document in self._skipped:
            self._again.start()

    def _search(self) -> None:
        memory.unsettle()
        self.settle()
