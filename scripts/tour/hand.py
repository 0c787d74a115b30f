"""What a hand does at a mouse and a keyboard, and what an eye waits for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QPushButton

from gui.glass import Glass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtWidgets import QTreeWidget, QWidget

    from gui.slice_view import SliceView

LEFT = Qt.MouseButton.LeftButton


def pause(seconds: float) -> None:
    """Let the program work; QTest.qWait would keep Python's other threads from working."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def wait_for(reached: Callable[[], object], what: str, seconds: float = 600) -> None:
    """Let the program work until something is so; raises TimeoutError."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what} in vain")
        pause(0.05)


def click(widget: QWidget) -> None:
    """Press the middle of a widget."""
    QTest.mouseClick(widget, LEFT)


def click_row(tree: QTreeWidget, text: str) -> None:
    """Press the row of a list that shows this text."""
    [row] = tree.findItems(text, Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive)
    QTest.mouseClick(tree.viewport(), LEFT, pos=tree.visualItemRect(row).center())


def drag(view: SliceView, *voxels: Sequence[float]) -> None:
    """Press at the first position (spatial axes, voxels), go through all, let go at the last."""
    points = [QPoint(*map(round, view.pixel_of(voxel))) for voxel in voxels]
    [glass] = view.findChildren(Glass)
    QTest.mousePress(glass, LEFT, pos=points[0])
    for point in points:
        QTest.mouseMove(glass, point)
        pause(0.02)
    QTest.mouseRelease(glass, LEFT, pos=points[-1])


def button(inside: QWidget, text: str) -> QPushButton:
    """The button with this text."""
    return next(b for b in inside.findChildren(QPushButton) if b.text().startswith(text))
