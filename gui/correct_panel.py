"""The dock of correction: objects, tools, operations on a whole object, AI against corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QScrollArea, QVBoxLayout, QWidget

from gui.compare_panel import ComparePanel
from gui.objects_panel import ObjectsPanel
from gui.operations_panel import OperationsPanel
from gui.theme import GRID
from gui.tools_panel import ToolsPanel

if TYPE_CHECKING:
    from gui.correct import Correction
    from gui.settings import SettingsFile
    from gui.studies import Studies
    from gui.theme import Theme


class CorrectPanel(QScrollArea):
    """All that changes labels by hand."""

    def __init__(self, correction: Correction, studies: Studies, settings: SettingsFile) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # its parts have the keyboard
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.objects = ObjectsPanel(studies)
        self.tools = ToolsPanel(correction, settings)
        self.operations = OperationsPanel(correction)
        self.compare = ComparePanel(correction.views)
        self._build()
        correction.views.shown.connect(lambda document: self.tools.setEnabled(bool(document)))
        self.tools.setEnabled(correction.document is not None)

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        for part in (self.objects, self.tools, self.operations):
            part.apply_theme(theme)

    def _build(self) -> None:
        inside = QWidget()
        inside.setObjectName("panel")
        column = QVBoxLayout(inside)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.setSpacing(GRID)
        for title, part in (
            ("OBJECTS", self.objects),
            ("TOOLS", self.tools),
            ("WHOLE OBJECT", self.operations),
        ):
            caption = QLabel(title)
            caption.setObjectName("section")
            column.addWidget(caption)
            column.addWidget(part)
        column.addWidget(self.compare)
        column.addStretch()
        self.setWidget(inside)
