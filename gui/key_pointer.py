"""The mouse by keys: a pointer that goes over an image, presses there and lets go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QCursor, QMouseEvent
from qtpy.QtWidgets import QApplication

from gui.glass import Glass

if TYPE_CHECKING:
    from gui.slice_view import SliceView
    from gui.views import Views

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton


class KeyPointer:
    """Goes over the view that keys act on; whatever the mouse does there, it does."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._held: SliceView | None = None  # where the button is down

    def move(self, way: tuple[int, int]) -> None:
        """Go on by so many pixels (right, down), with the button down if it is held."""
        view = self._held or self._views.active
        glass, place = _glass(view), _place(view)
        right, down = glass.width() - 1.0, glass.height() - 1.0
        there = QPointF(
            min(max(place.x() + way[0], 0.0), right), min(max(place.y() + way[1], 0.0), down)
        )
        _send(view, QEvent.Type.MouseMove, there, NONE, LEFT if self._held else NONE)
        QCursor.setPos(glass.mapToGlobal(there).toPoint())  # so that it is seen where it is

    def press(self) -> None:
        """Press the left button, or let it go if it is held."""
        view, held = self._held or self._views.active, self._held is not None
        kind = QEvent.Type.MouseButtonRelease if held else QEvent.Type.MouseButtonPress
        self._held = None if held else view
        _send(view, kind, _place(view), LEFT, NONE if held else LEFT)


def _glass(view: SliceView) -> Glass:
    [glass] = view.findChildren(Glass)
    return glass


def _place(view: SliceView) -> QPointF:
    """Where the pointer is in a view, its middle if it is elsewhere."""
    return QPointF(*view.hover) if view.hover else QPointF(_glass(view).rect().center())


def _send(
    view: SliceView,
    kind: QEvent.Type,
    place: QPointF,
    button: Qt.MouseButton,
    down: Qt.MouseButton,
) -> None:
    glass = _glass(view)
    plain = Qt.KeyboardModifier.NoModifier  # the keys that led here are no part of the gesture
    QApplication.sendEvent(
        glass, QMouseEvent(kind, place, glass.mapToGlobal(place), button, down, plain)
    )
