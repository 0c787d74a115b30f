"""The AI's version against the corrected one, in figures that follow every stroke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from gui.object_details import readable
from gui.studies import follow
from gui.theme import GRID

if TYPE_CHECKING:
    from gui.document import Document
    from gui.views import Views

SETTLED_MS = 80
FIGURES = ("Dice", "AI", "Corrected", "Added", "Removed")


class ComparePanel(QWidget):
    """Figures of the active object, or of all; switches for what is drawn of the AI's version."""

    def __init__(self, views: Views) -> None:
        super().__init__()
        self._views = views
        self._document: Document | None = None
        self._settled = QTimer(self, singleShot=True, interval=SETTLED_MS)
        self._settled.timeout.connect(self.show_figures)
        self._build()
        views.shown.connect(self._follow)
        self._follow(views.document)

    def show_figures(self) -> None:
        """Bring the figures up to date."""
        document = self._document
        compared = document.compare(document.active or None) if document else None
        self.setVisible(compared is not None)
        if document is None or compared is None:
            return
        item = document.active_object
        name = item.name if item else "All objects"
        known = compared.ai > 0
        self._about.setText(name if known else f"The AI gave no version of {name}.")
        self._grid.setVisible(known)
        texts = [f"{compared.dice:.4f}"]
        for size in (compared.ai, compared.corrected, compared.added, compared.removed):
            texts.append(f"{readable(size)} {compared.unit}")
        for figure, text in zip(FIGURES, texts, strict=True):
            self.figures[figure].setText(text)

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        caption = QLabel("AI AND CORRECTED")
        caption.setObjectName("section")
        self._about = QLabel()
        self._about.setWordWrap(True)
        self._grid = QWidget()
        for part in (caption, self._about, self._grid):
            column.addWidget(part)
        grid = QGridLayout(self._grid)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(2 * GRID)
        self.figures = {figure: QLabel() for figure in FIGURES}
        for number, (figure, label) in enumerate(self.figures.items()):
            quiet = QLabel(figure)
            quiet.setObjectName("quiet")
            grid.addWidget(quiet, number, 0)
            grid.addWidget(label, number, 1)
        grid.setColumnStretch(1, 1)
        self.outline = self._switch("Outline of the AI's version", "ai_shown")
        self.differences = self._switch("Differences: added green, removed red", "difference_shown")
        column.addWidget(self.outline)
        column.addWidget(self.differences)

    def _switch(self, title: str, name: str) -> QCheckBox:
        box = QCheckBox(title)

        def switch(on: bool) -> None:
            if self._views.display is not None:
                setattr(self._views.display, name, on)

        box.toggled.connect(switch)
        return box

    def _follow(self, document: Document | None) -> None:
        signals = ("labels_changed", "ai_changed", "objects_changed", "active_changed")
        follow(self._document, document, dict.fromkeys(signals, self._changed))
        self._document = document
        if display := self._views.display:
            display.events.ai_shown.connect(self._show_switches, unique=True)
        self._show_switches()
        self.show_figures()

    def _show_switches(self) -> None:
        display = self._views.display
        for box, name in ((self.outline, "ai_shown"), (self.differences, "difference_shown")):
            with QSignalBlocker(box):
                box.setChecked(bool(display and getattr(display, name)))

    def _changed(self) -> None:
        if not self._settled.isActive():
            self._settled.start()
