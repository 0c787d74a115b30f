"""Mouse tools of the DSA dock: draw a region, move the mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gui.tool import ARROWS, CONFIRM, ESCAPE
from plugins.dsa_interpolation.regions import SMALLEST, area, ellipse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gui.planes import Position
    from gui.tool import Pointer
    from plugins.dsa_interpolation.regions import Point

NEAR = 1.0
"""Corners closer than this to the last one are left out, px."""
CLOSED = 3.0
"""A click closer than this to the first corner closes a polygon, px."""
STEP, LARGE_STEP = 0.1, 1.0
"""Px that an arrow key moves the mask, and with Shift."""


class RegionTool:
    """Gathers corners and gives a closed outline; `redraw` is asked for while it grows."""

    radius = 0.0

    def __init__(
        self,
        drawn: Callable[[tuple[Point, ...]], None],
        redraw: Callable[[], None],
        leave: Callable[[], None],
    ) -> None:
        self._drawn, self._redraw, self._leave = drawn, redraw, leave
        self._corners: list[Point] = []
        self._frame = 0.0

    @property
    def path(self) -> Sequence[Position]:
        """The outline so far."""
        return [(self._frame, *corner) for corner in self._outline()]

    def press(self, pointer: Pointer) -> None:
        """Begin."""
        self._corners = [self._place(pointer)]
        self._redraw()

    def drag(self, pointer: Pointer) -> None:
        """Go on."""
        self._corners.append(self._place(pointer))
        self._redraw()

    def release(self, pointer: Pointer) -> None:
        """Finish."""
        self.drag(pointer)
        self._finish()

    def double_click(self, pointer: Pointer) -> None:
        """Nothing more than a press."""
        self.press(pointer)

    def takes(self, key: int) -> bool:
        """Esc."""
        return key == ESCAPE

    def key(self, key: int, shift: bool) -> None:
        """Drop what was begun, else put the tool away."""
        if self._corners:
            self._corners = []
            self._redraw()
        else:
            self._leave()

    def _outline(self) -> Sequence[Point]:
        return self._corners

    def _finish(self) -> None:
        outline = tuple(self._outline())
        self._corners = []
        if area(outline) >= SMALLEST:
            self._drawn(outline)
        self._redraw()

    def _place(self, pointer: Pointer) -> Point:
        self._frame, y, x = pointer.position
        return y, x


class EllipseTool(RegionTool):
    """Drag from corner to corner of its box."""

    def _outline(self) -> Sequence[Point]:
        return ellipse(self._corners[0], self._corners[-1]) if len(self._corners) > 1 else ()


class FreehandTool(RegionTool):
    """Draw round it with the button held down."""

    def drag(self, pointer: Pointer) -> None:
        """Go on where the mouse has moved."""
        y, x = self._place(pointer)
        if max(abs(y - self._corners[-1][0]), abs(x - self._corners[-1][1])) >= NEAR:
            super().drag(pointer)


class PolygonTool(RegionTool):
    """Click its corners; a double click, Enter, or a click on the first corner closes it."""

    def press(self, pointer: Pointer) -> None:
        """Set a corner."""
        place = self._place(pointer)
        if len(self._corners) > 2 and _distance(place, self._corners[0]) < CLOSED:
            self._finish()
        else:
            self._corners.append(place)
            self._redraw()

    def drag(self, pointer: Pointer) -> None:
        """The corner goes along until the button is up."""
        if self._corners:
            self._corners[-1] = self._place(pointer)
            self._redraw()

    def release(self, pointer: Pointer) -> None:
        """The corner stays."""

    def double_click(self, pointer: Pointer) -> None:
        """Close it; the first of the two clicks has set the last corner."""
        self._finish()

    def takes(self, key: int) -> bool:
        """Enter as well, while there is something to close."""
        return super().takes(key) or (key in CONFIRM and bool(self._corners))

    def key(self, key: int, shift: bool) -> None:
        """Enter closes it."""
        if key in CONFIRM:
            self._finish()
        else:
            super().key(key, shift)


class MaskTool:
    """Moves the mask with the mouse, or with the arrow keys by parts of a pixel."""

    radius = 0.0
    path: Sequence[Position] = ()

    def __init__(self, move: Callable[[float, float], None], leave: Callable[[], None]) -> None:
        self._move, self._leave = move, leave
        self._last: Position = ()

    def press(self, pointer: Pointer) -> None:
        """Take hold."""
        self._last = pointer.position

    def drag(self, pointer: Pointer) -> None:
        """Take the mask along."""
        y, x = pointer.position[-2:]
        self._move(y - self._last[-2], x - self._last[-1])
        self._last = pointer.position

    def release(self, pointer: Pointer) -> None:
        """Let go."""

    def double_click(self, pointer: Pointer) -> None:
        """Nothing more than a press."""
        self.press(pointer)

    def takes(self, key: int) -> bool:
        """The arrows, and Esc."""
        return key in ARROWS or key == ESCAPE

    def key(self, key: int, shift: bool) -> None:
        """A small step, with Shift a large one; Esc puts the tool away."""
        if key == ESCAPE:
            return self._leave()
        down, right = ARROWS[key]
        step = LARGE_STEP if shift else STEP
        return self._move(step * down, step * right)


def _distance(a: Point, b: Point) -> float:
    return max(abs(a[0] - b[0]), abs(a[1] - b[1]))
