"""Parts of the dock: the warning, a section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from gui.parts import label
from gui.sections import heading
from gui.theme import GRID

if TYPE_CHECKING:
    from gui.session import Session
    from plugins.lymph_nodes.work import NodeWork


class Banner(QFrame):
    """One warning, hidden while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self._label = label("", "warning", wrap=True)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID, GRID, GRID, GRID)
        row.addWidget(self._label)
        self.hide()

    @property
    def text(self) -> str:
        """What it says."""
        return str(self._label.text())

    def tell(self, sentence: str) -> None:
        """Show the sentence, or nothing."""
        self._label.setText(sentence)
        self.setVisible(bool(sentence))


class Section(QWidget):
    """A heading with widgets below it, for the nodes of one document at a time."""

    def __init__(self, session: Session, title: str) -> None:
        super().__init__()
        self.session = session
        self.work: NodeWork | None = None
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(GRID)
        self.column.addWidget(heading(title))

    def show_work(self, work: NodeWork | None) -> None:
        """Show another document's nodes, or none."""
        self.work = work
        self.setEnabled(work is not None)
        self.refresh()

    def refresh(self) -> None:
        """Show the work as it is now."""
