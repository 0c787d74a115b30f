"""Mouse and keys of one 2D view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent

from gui.tool import HoverTool, KeyTool

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QMouseEvent, QWheelEvent
    from qtpy.QtWidgets import QWidget

    from gui.slice_view import SliceView
    from gui.views import Views

Button = Qt.MouseButton
COMMAND = (
    Qt.KeyboardModifier.ControlModifier
    | Qt.KeyboardModifier.AltModifier
    | Qt.KeyboardModifier.MetaModifier
)
WHEEL_STEP = 120  # Qt's units of one notch


class SliceInput(QObject):
    """Receives the events of a glass and tells the view, the tool in use, or the gestures."""

    def __init__(self, view: SliceView, views: Views, glass: QWidget) -> None:
        super().__init__(view)
        self._view, self._views = view, views
        self._drag: Callable[[QMouseEvent], None] | None = None
        self._wheel = 0
        glass.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Every event of the glass."""
        if self._view.document is None:
            return False
        if isinstance(event, QKeyEvent):
            return self._key(event)
        handler = _HANDLERS.get(event.type())
        if handler is not None:
            handler(self, event)
        return handler is not None

    def _pressed(self, event: QMouseEvent) -> None:
        self._view.activated.emit(self._view)
        self._drag = self._views.gestures.begin(self._view, event)
        self._view.redraw()

    def _moved(self, event: QMouseEvent) -> None:
        place = event.position().x(), event.position().y()
        if self._drag is not None:
            self._drag(event)
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier and self._views.tool is None:
            self._views.look_at(self._view.position_at(place))
        self._view.hover = place
        if self._drag is None and isinstance(self._views.tool, HoverTool):
            self._views.tool.hover(self._view.pointer(event))
        self._view.redraw()

    def _released(self, event: QMouseEvent) -> None:
        if self._drag is not None and event.buttons() == Button.NoButton:
            self._drag(event)
            self._drag = None
        self._view.redraw()

    def _double_clicked(self, event: QMouseEvent) -> None:
        """The second press of two quick ones: a press, but it maximises where nothing is drawn."""
        left = event.button() == Button.LeftButton
        if left and self._views.tool is None and not self._views.gestures.space_held:
            self._drag = None
            self._view.maximise_asked.emit(self._view)
        else:
            self._pressed(event)

    def _key(self, event: QKeyEvent) -> bool:
        """Keys for the tool come before the commands; Space held down moves the picture."""
        tool = self._views.tool
        plain = not event.modifiers() & COMMAND
        wanted = plain and isinstance(tool, KeyTool) and tool.takes(event.key())
        if event.type() == QEvent.Type.ShortcutOverride:
            event.setAccepted(wanted)
            return wanted
        if wanted and isinstance(tool, KeyTool):
            if event.type() == QEvent.Type.KeyPress:
                shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
                tool.key(event.key(), shift)
            return True
        if event.key() != Qt.Key.Key_Space or event.isAutoRepeat():
            return event.key() == Qt.Key.Key_Space
        self._views.gestures.space_held = event.type() == QEvent.Type.KeyPress
        self._views.show_cursor()
        return True

    def _wheeled(self, event: QWheelEvent) -> None:
        view = self._view
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if control or (view.plane and view.plane.slicing is None):
            view.magnify(1.2 ** (event.angleDelta().y() / WHEEL_STEP), event.position())
            return
        self._wheel += event.angleDelta().y()
        notches = int(self._wheel / WHEEL_STEP)
        self._wheel -= notches * WHEEL_STEP
        if notches:
            view.step(-notches)

    def _left(self, event: QEvent) -> None:
        self._view.hover = None
        if isinstance(self._views.tool, HoverTool):
            self._views.tool.hover(None)
        self._view.redraw()


_HANDLERS: dict[QEvent.Type, Callable[[SliceInput, Any], None]] = {
    QEvent.Type.MouseButtonPress: SliceInput._pressed,
    QEvent.Type.MouseMove: SliceInput._moved,
    QEvent.Type.MouseButtonRelease: SliceInput._released,
    QEvent.Type.MouseButtonDblClick: SliceInput._double_clicked,
    QEvent.Type.Wheel: SliceInput._wheeled,
    QEvent.Type.Leave: SliceInput._left,
}
