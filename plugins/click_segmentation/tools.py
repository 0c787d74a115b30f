"""The mouse tool of prompts: click, box, scribble and lasso; dots are dragged and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gui.tool import DELETE, ESCAPE
from plugins.click_segmentation.prompts import FEWEST, Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gui.planes import Position
    from gui.tool import Pointer
    from plugins.click_segmentation.prompts import Kind
    from plugins.click_segmentation.widget_board import Board

NEAR = 1.0
"""Points of a line that are closer to the last one are left out, voxels."""


class PromptTool:
    """Says of the object what the mouse does; the right button, Shift or Alt: of the background."""

    radius = 0.0

    def __init__(
        self, board: Board, kind: Kind, keys: Mapping[int, Callable[[bool], object]]
    ) -> None:
        self._board, self.kind, self._keys = board, kind, keys
        self._path: list[Position] = []
        self._first: Pointer | None = None  # while a dot is held or a line is drawn

    @property
    def right_button(self) -> Literal["click", "drag"]:
        """Lines are drawn with it; beside clicks, dragging it still changes grey levels."""
        return "click" if self.kind == "click" else "drag"

    @property
    def path(self) -> Sequence[Position]:
        """The line so far."""
        if self.kind == "box" and self._first is not None and self._path:
            return rectangle(self._path[0], self._path[-1], self._first.plane.right)
        return (*self._path, self._path[0]) if self.kind == "lasso" and self._path else self._path

    def press(self, pointer: Pointer) -> None:
        """Click, begin a line, or take hold of a dot; the right button deletes a dot."""
        self.clear()
        if not self._board.inside(pointer.position):
            return
        dot = self._board.dot_at(pointer)
        if dot is not None and pointer.right:
            self._board.delete(dot)
        elif dot is not None:
            self._first = pointer
            self._board.take(dot)
        elif pointer.control:
            self._board.pick(pointer.position)
        elif self.kind == "click":
            self._say(pointer, (pointer.position,))
        else:
            self._first, self._path = pointer, [pointer.position]

    def drag(self, pointer: Pointer) -> None:
        """Move the dot, or draw on."""
        if self._first is None:
            return
        place = self._board.clipped(pointer.position)
        if not self._path:
            self._board.drag(_offset(self._first.position, place))
        elif self.kind == "box":
            self._path[1:] = [place]
        elif max(map(abs, _offset(self._path[-1], place))) >= NEAR:
            self._path.append(place)
        self._board.redraw()

    def release(self, pointer: Pointer) -> None:
        """Let go of the dot, or say what was drawn."""
        self.drag(pointer)
        first, points = self._first, tuple(self._path)
        self.clear()
        if first is None:
            return
        if not points:
            self._board.drop()
        elif self._drawn(points, first):
            self._say(first, points)

    def double_click(self, pointer: Pointer) -> None:
        """The second click of two."""
        self.press(pointer)

    def hover(self, pointer: Pointer | None) -> None:
        """Show the dot under the mouse, or what a click would do."""
        seen = pointer is not None and self._board.inside(pointer.position)
        prompt = None
        if seen and pointer is not None and self.kind == "click":
            prompt = self._prompt(pointer, (pointer.position,))
        self._board.hover(pointer if seen else None, prompt)

    def takes(self, key: int) -> bool:
        """Esc, Delete while a dot is chosen, and the keys of the dock."""
        deletes = key in DELETE and self._board.touched is not None
        return key == ESCAPE or key in self._keys or deletes

    def key(self, key: int, shift: bool) -> None:
        """Esc drops what was begun, else the chosen dot, else the tool."""
        if key in DELETE and self._board.touched is not None:
            self._board.delete(self._board.touched)
        elif key == ESCAPE and self._first is not None:
            self.clear()
            self._board.let_go()
        elif key == ESCAPE:
            self._board.leave()
        else:
            self._keys[key](shift)

    def clear(self) -> None:
        """Forget a line that was begun."""
        self._first, self._path = None, []
        self._board.redraw()

    def _drawn(self, points: tuple[Position, ...], first: Pointer) -> bool:
        """Whether a line is more than the slip of a hand."""
        if self.kind == "box":
            size, plane = _offset(points[0], points[-1]), first.plane
            return min(abs(size[plane.down]), abs(size[plane.right])) >= NEAR
        return len(points) >= FEWEST[self.kind]

    def _say(self, pointer: Pointer, points: tuple[Position, ...]) -> None:
        self._board.add(self._prompt(pointer, points))

    def _prompt(self, pointer: Pointer, points: tuple[Position, ...]) -> Prompt:
        other = pointer.opposite != pointer.right
        return Prompt(self.kind, points, other == self._board.negative, pointer.plane.slicing)


def rectangle(first: Position, last: Position, right: int) -> tuple[Position, ...]:
    """The closed outline of a box by two opposite corners; `right` is an axis of its plane."""
    beside = tuple(last[i] if i == right else value for i, value in enumerate(first))
    below = tuple(first[i] if i == right else value for i, value in enumerate(last))
    return first, beside, last, below, first


def _offset(start: Position, end: Position) -> tuple[float, ...]:
    return tuple(b - a for a, b in zip(start, end, strict=True))
