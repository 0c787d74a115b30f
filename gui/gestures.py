"""What the mouse does in a 2D view: navigate, grey levels, pan, zoom, or the tool in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qtpy.QtCore import QEvent, Qt

from gui.display import dragged
from gui.tool import RightButtonTool

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QMouseEvent

    from gui.planes import Point
    from gui.slice_view import SliceView
    from gui.views import Views

Mode = Literal["navigate", "window", "pan", "zoom"]
Button = Qt.MouseButton
STILL = 3  # px that a hand may move in a click
CURSORS: dict[Mode, Qt.CursorShape] = {
    "navigate": Qt.CursorShape.ArrowCursor,
    "window": Qt.CursorShape.SizeAllCursor,
    "pan": Qt.CursorShape.OpenHandCursor,
    "zoom": Qt.CursorShape.SizeVerCursor,
}


class Gestures:
    """Chooses by button, mode and keys what a drag does."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self.mode: Mode = "navigate"
        self.space_held = False

    def cursor(self, tool: bool) -> Qt.CursorShape:
        """The mouse pointer for what the left button does now."""
        if self.space_held:
            return Qt.CursorShape.OpenHandCursor
        return Qt.CursorShape.CrossCursor if tool else CURSORS[self.mode]

    def begin(self, view: SliceView, event: QMouseEvent) -> Callable[[QMouseEvent], None]:
        """A button went down: what to do with every further event until it is up again."""
        if event.button() == Button.MiddleButton or self.space_held:
            return self._pan(view, event)
        if event.button() == Button.RightButton:
            return self._right(view, event)
        if self._views.tool is not None:
            return self._use_tool(view, event)
        plain = view.document is not None and view.document.series.kind != "volume"
        mode = "pan" if self.mode == "navigate" and plain else self.mode
        starts = {"pan": self._pan, "window": self._window, "zoom": self._zoom}
        return starts.get(mode, self._navigate)(view, event)

    def _navigate(self, view: SliceView, event: QMouseEvent) -> Callable[[QMouseEvent], None]:
        def drag(now: QMouseEvent) -> None:
            self._views.look_at(view.position_at(_pixel(now)))

        drag(event)
        return drag

    def _pan(self, view: SliceView, event: QMouseEvent) -> Callable[[QMouseEvent], None]:
        camera, start = view.camera, _pixel(event)
        return lambda now: view.look(camera.panned(start, _pixel(now)), camera.zoom)

    def _zoom(self, view: SliceView, event: QMouseEvent) -> Callable[[QMouseEvent], None]:
        camera, start = view.camera, _pixel(event)

        def drag(now: QMouseEvent) -> None:
            view.look(*camera.zoomed(1.01 ** (start[1] - _pixel(now)[1]), start))

        return drag

    def _window(self, view: SliceView, event: QMouseEvent) -> Callable[[QMouseEvent], None]:
        display, start = self._views.display_of(view), _pixel(event)
        window = display.window

        def drag(now: QMouseEvent) -> None:
            x, y = _pixel(now)
            display.window = dragged(window, x - start[0], y - start[1])

        return drag

    def _right(self, view: SliceView, event: QMouseEvent) -> Callable[[QMouseEvent], None]:
        """Grey levels, unless the tool wants the button; a click is a drag that went nowhere."""
        tool = self._views.tool
        if isinstance(tool, RightButtonTool) and tool.right_button == "drag":
            return self._use_tool(view, event)
        start, pointer, window = _pixel(event), view.pointer(event), self._window(view, event)
        far = False

        def drag(now: QMouseEvent) -> None:
            nonlocal far
            far = far or max(abs(a - b) for a, b in zip(_pixel(now), start, strict=True)) > STILL
            if far:
                window(now)
            elif isinstance(tool, RightButtonTool) and _released(now) and tool is self._views.tool:
                tool.press(pointer)
                tool.release(pointer)

        return drag

    def _use_tool(self, view: SliceView, event: QMouseEvent) -> Callable[[QMouseEvent], None]:
        tool = self._views.tool
        if tool is None or event.button() not in (Button.LeftButton, Button.RightButton):
            return lambda now: None
        again = event.type() == QEvent.Type.MouseButtonDblClick
        (tool.double_click if again else tool.press)(view.pointer(event))

        def drag(now: QMouseEvent) -> None:
            (tool.release if _released(now) else tool.drag)(view.pointer(now))

        return drag


def _released(event: QMouseEvent) -> bool:
    return event.type() == QEvent.Type.MouseButtonRelease


def _pixel(event: QMouseEvent) -> Point:
    return event.position().x(), event.position().y()
