"""About Limn: what it is, this computer, the models, and the licences of all its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QDialog, QGridLayout, QLabel, QTabWidget, QWidget

from gui.background import Background
from gui.layout import DISCLAIMER
from gui.licences_page import LicencesPage
from gui.parts import Scrolled, button, column, label, panel
from gui.theme import GRID
from inference import checkup
from inference.resources import resource_path
from inference.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inference.checkup import Finding

PAGES = ("About", "This computer", "Models", "Licences")
SAYS = (
    "A workstation for medical images: open, let a bundled model work, look, correct, measure, "
    "export. Nothing leaves this computer unless you send it."
)
MODELS_SAY = "They came with Limn and were compared with its list just now; none is downloaded."


class AboutDialog(QDialog):
    """Four pages; what takes a while to find out appears when it is known."""

    def __init__(self, parent: QWidget, page: str = PAGES[0]) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("About Limn")
        self.resize(720, 520)
        background = Background(self)
        self.computer = FindingsPage(background, checkup.computer)
        self.models = FindingsPage(background, checkup.models, MODELS_SAY)
        self.licences = LicencesPage(background)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        self.tabs.tabBar().setAccessibleName("Pages")
        parts = (_about_page(), self.computer, self.models, self.licences)
        for title, part in zip(PAGES, parts, strict=True):
            self.tabs.addTab(part, title)
        self.tabs.setCurrentIndex(PAGES.index(page))
        inside = column(self, (GRID, GRID, GRID, GRID), GRID)
        inside.addWidget(self.tabs)
        inside.addWidget(button("Close", self.close), 0, Qt.AlignmentFlag.AlignRight)


class FindingsPage(QWidget):
    """A check-up, one line a finding; what is wrong stands out and says what to do."""

    def __init__(
        self, background: Background, look: Callable[[], Sequence[Finding]], note: str = ""
    ) -> None:
        super().__init__()
        content = panel()
        inside = column(content, (2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID), 2 * GRID)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(2 * GRID)
        self._grid.setVerticalSpacing(GRID)
        self._grid.setColumnStretch(2, 1)
        self._waiting = label("Looking…", "quiet")
        inside.addWidget(self._waiting)
        inside.addLayout(self._grid)
        if note:
            inside.addWidget(label(note, "quiet", wrap=True))
        inside.addStretch()
        column(self, (0, 0, 0, 0), 0).addWidget(Scrolled(content))
        background.run(look, self.show_findings)

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """List them."""
        self._waiting.hide()
        for row, finding in enumerate(findings):
            said = finding.value if finding.good else f"{finding.value}\n{finding.advice}"
            value = label(said, "" if finding.good else "warning", wrap=True)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._grid.addWidget(_mark(finding.good), row, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(label(finding.title), row, 1, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(value, row, 2)


def _mark(good: bool) -> QLabel:
    made = label("✓" if good else "!", "heading" if good else "warning")
    made.setAccessibleName("Good" if good else "Needs attention")
    return made


def _about_page() -> QWidget:
    page = panel()
    inside = column(page, (3 * GRID, 3 * GRID, 3 * GRID, 3 * GRID), 2 * GRID)
    picture = QLabel()
    picture.setPixmap(QIcon(str(resource_path("icons", "limn.svg"))).pixmap(QSize(96, 96)))
    picture.setAccessibleName("The sign of Limn")
    inside.addWidget(picture)
    inside.addWidget(label(f"Limn {VERSION}", "title"))
    inside.addWidget(label(SAYS, wrap=True))
    inside.addWidget(label(DISCLAIMER, "warning"))
    inside.addWidget(label("Free software under the Apache License 2.0.", "quiet", wrap=True))
    inside.addStretch()
    return page
