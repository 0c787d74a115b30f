"""The small parts that panels are made of, in the window's style."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import QFrame, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from gui.theme import GRID

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject


def label(text: str = "", style: str = "", wrap: bool = False) -> QLabel:
    """A text; style: quiet, section, heading, big, title, warning or error."""
    made = QLabel(text)
    made.setObjectName(style)
    made.setWordWrap(wrap)
    return made


def button(
    text: str, slot: Callable[[], object], style: str = "", name: str = "", tip: str = ""
) -> QPushButton:
    """A button; style "primary" for the one that leads on; name: what a screen reader says."""
    made = QPushButton(text)
    made.setObjectName(style)
    made.setAccessibleName(name or text)
    made.setToolTip(tip)
    made.clicked.connect(lambda: slot())
    return made


def column(widget: QWidget, margins: tuple[int, int, int, int], gap: int) -> QVBoxLayout:
    """A vertical layout for a widget; margins left, top, right, bottom, px."""
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(*margins)
    layout.setSpacing(gap)
    return layout


NARROW = 320  # px; a dock below the image that gets no more is scrolled sideways


class Scrolled(QScrollArea):
    """Scrolls up and down only: it asks for the width that its content needs, up to `widest`."""

    WIDEST = 560  # px; what is wider still can be scrolled sideways

    def __init__(self, content: QWidget, widest: int = WIDEST) -> None:
        super().__init__()
        self._widest = widest
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # it scrolls to whatever has the keyboard
        self.setWidget(content)
        self._content = content

    def minimumSizeHint(self) -> QSize:
        """The content beside the scroll bar."""
        needed = self._content.minimumSizeHint().width()
        bar = self.verticalScrollBar().sizeHint().width()
        return QSize(min(needed + bar, self._widest), super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask anew when the content changes."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


def letter_width(widget: QWidget) -> int:
    """Of a usual letter, px: for what is to hold so many of them whatever the size of the text."""
    widget.ensurePolished()
    return int(widget.fontMetrics().averageCharWidth())


def row_height(view: QWidget) -> int:
    """Of one line in a table, px: as the size of its text needs it."""
    view.ensurePolished()
    return max(3 * GRID, view.fontMetrics().height() + GRID // 2)


def panel() -> QWidget:
    """An empty widget with the background of a panel."""
    made = QWidget()
    made.setObjectName("panel")
    made.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    return made
