"""Where the parts of the main window stand: pages in the middle, docks, tabs, status bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDockWidget,
    QMainWindow,
    QSpacerItem,
    QStackedWidget,
    QTabWidget,
    QWidget,
)

from gui.parts import column, label
from gui.theme import GRID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtWidgets import QStatusBar

DISCLAIMER = "Research use only. Not for diagnosis."
START, IMAGES, WAITING, PREVIEW = range(4)  # pages of the middle
SPARED = 760
"""px of the window that no dock takes unasked: images, and the other dock."""
NARROWEST = 340
"""px of the middle: both docks may be narrow before the picture is."""
Area = Qt.DockWidgetArea


def pages(start: QWidget, images: QWidget, preview: QWidget) -> QStackedWidget:
    """The middle: one page at a time, in the order of START, IMAGES, WAITING, PREVIEW."""
    made = QStackedWidget()
    waiting = label("Preparing the views…", "quiet")
    waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
    for page in (start, images, waiting, preview):
        made.addWidget(page)
    return made


def below(upper: QWidget, lower: QWidget) -> QWidget:
    """One part that takes all room, and another below it."""
    area = QWidget()
    inside = column(area, (0, 0, 0, 0), 0)
    inside.addWidget(upper, 1)
    inside.addWidget(lower)
    return area


def tabs(parts: Mapping[str, QWidget]) -> QTabWidget:
    """Panels by title, one shown at a time."""
    made = QTabWidget()
    made.setDocumentMode(True)
    made.tabBar().setDrawBase(False)
    made.tabBar().setAccessibleName("Panels")
    for title, part in parts.items():
        made.addTab(part, title)
    return made


def add_docks(window: QMainWindow, left: QWidget, right: QWidget) -> list[QDockWidget]:
    """Studies on the left, tools on the right, over the whole height."""
    window.setDockOptions(QMainWindow.DockOption.AnimatedDocks)
    window.setCorner(Qt.Corner.BottomLeftCorner, Area.LeftDockWidgetArea)
    window.setCorner(Qt.Corner.BottomRightCorner, Area.RightDockWidgetArea)
    return [
        _dock(window, "Studies", left, Area.LeftDockWidgetArea, 264, 140),
        _dock(window, "Tools", right, Area.RightDockWidgetArea, 320, 304),
    ]


def widen(window: QMainWindow, name: str, width: int) -> None:
    """Give a dock so much width, if enough is left for the images; never less than it has."""
    dock = window.findChild(QDockWidget, name)
    room = window.width() - SPARED
    if dock is not None and dock.width() < width <= room:
        window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)


def fill_status_bar(bar: QStatusBar, jobs: QWidget, worker: QWidget) -> None:
    """The disclaimer, what runs, and at the right end the state of the worker."""
    bar.setSizeGripEnabled(False)
    bar.setContentsMargins(GRID, 0, GRID, 0)
    bar.addWidget(label(DISCLAIMER, "warning"))
    bar.addWidget(jobs, 1)
    bar.addPermanentWidget(worker)


def _dock(
    window: QMainWindow, title: str, widget: QWidget, area: Area, width: int, least: int
) -> QDockWidget:
    dock = QDockWidget(title, window)
    dock.setObjectName(title.lower())
    dock.setFeatures(QDockWidget.DockWidgetFeature.DockWidgetClosable)
    dock.setTitleBarWidget(QWidget(dock))
    dock.setWidget(at_least(least, widget))
    window.addDockWidget(area, dock)
    window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
    return dock


def at_least(width: int, widget: QWidget) -> QWidget:
    """No narrower than `width`, nor than it needs: a minimum of its own would hide that."""
    holder = QWidget()
    inside = column(holder, (0, 0, 0, 0), 0)
    inside.addSpacerItem(QSpacerItem(width, 0))
    inside.addWidget(widget, 1)
    return holder
