"""The small parts that panels are made of, in the window's style."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable


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


def scrolled(widget: QWidget) -> QScrollArea:
    """A widget that scrolls up and down where it is higher than its place."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # it scrolls to whatever has the keyboard in it
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(widget)
    return area


def panel() -> QWidget:
    """An empty widget with the background of a panel."""
    made = QWidget()
    made.setObjectName("panel")
    made.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    return made
