"""Keeps the figures of all objects up to date, off the Qt thread."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, QTimer, Signal

from gui.background import Background
from gui.facts import Facts, Moments, stacked
from gui.studies import follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from gui.document import Document
    from inference.box import Box

SETTLED_MS = 150  # figures follow a stroke this much later


class Measuring(QObject):
    """Follows one document: after an edit, only the slices that it touched are counted again."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.facts: dict[int, Facts] = {}
        self._document: Document | None = None
        self._counted: WeakKeyDictionary[Document, tuple[int, Moments]] = WeakKeyDictionary()
        self._touched: set[int] = set()
        self._background = Background(self)
        self._settled = QTimer(self, singleShot=True, interval=SETTLED_MS)
        self._settled.timeout.connect(self._measure)

    def follow(self, document: Document | None) -> None:
        """Measure this document from now on."""
        slots: dict[str, Callable[..., None]] = {
            "labels_changed": self._edited,
            "objects_changed": self._settle,
        }
        follow(self._document, document, slots)
        self._document, self.facts = document, {}
        self._touched.clear()
        if document is not None and self._is_outdated(document):
            self._touched.update(range(len(stacked(document)[0])))
        self._measure()

    def _is_outdated(self, document: Document) -> bool:
        counted = self._counted.get(document)
        return bool(document.labels.any()) if counted is None else counted[0] != document.version

    def _edited(self, box: Box) -> None:
        flat = len(box.start) == 2
        self._touched.update(range(1) if flat else range(box.start[0], box.stop[0]))
        self._settle()

    def _settle(self) -> None:
        if not self._settled.isActive():
            self._settled.start()

    def _measure(self) -> None:
        document = self._document
        if document is None:
            return self.changed.emit()
        if self._background.busy:  # the counts are changed by one at a time
            return self._settle()
        touched, self._touched = sorted(self._touched), set()
        labels, image = stacked(document)
        version, ids = document.version, tuple(document.objects)
        _, moments = self._counted.get(document, (0, Moments(len(labels))))

        def work() -> dict[int, Facts]:
            moments.renew(labels, image, touched)
            return {number: moments.facts(number, document.series) for number in ids}

        def take(facts: dict[int, Facts]) -> None:
            self._counted[document] = version, moments
            if document is self._document:
                self.facts = facts
                self.changed.emit()

        return self._background.run(work, take)
