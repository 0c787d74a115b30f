"""Mouse tools of the task: a circle drawn across, and a click on a vessel."""

from __future__ import annotations

from math import cos, pi, sin
from typing import TYPE_CHECKING

from gui.tool import Outline
from inference.errors import UserError
from plugins.retinal_vessels.zones import ZONES, Disc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gui.planes import Position
    from gui.tool import Pointer

CORNERS = 90
"""Of the polygon that stands for a circle."""


class CircleTool:
    """Gives a circle: drag from edge to opposite edge, or click both."""

    radius = 0.0

    def __init__(self, drawn: Callable[[Disc], None], redraw: Callable[[], None]) -> None:
        self._drawn, self._redraw = drawn, redraw
        self._first: Position | None = None
        self._last: Position | None = None

    @property
    def path(self) -> Sequence[Position]:
        """The circle so far, (y, x) px."""
        disc = self._disc()
        return outline(disc) if disc else ()

    def press(self, pointer: Pointer) -> None:
        """Set the first edge; a second click sets the other."""
        if self._first is None:
            self._first = pointer.position
        self.drag(pointer)

    def drag(self, pointer: Pointer) -> None:
        """Show the circle."""
        self._last = pointer.position
        self._redraw()

    def release(self, pointer: Pointer) -> None:
        """Finish, if two edges are known."""
        self.drag(pointer)
        disc = self._disc()
        if disc is not None:
            self._first = None
            self._drawn(disc)

    def double_click(self, pointer: Pointer) -> None:
        """Nothing more than its clicks."""

    def _disc(self) -> Disc | None:
        if self._first is None or self._last is None:
            return None
        try:
            return Disc.across(self._first, self._last)
        except UserError:  # not far enough yet
            return None


class ClickTool:
    """Gives the place of each click."""

    radius = 0.0
    path: Sequence[Position] = ()

    def __init__(self, clicked: Callable[[Position], None]) -> None:
        self._clicked = clicked

    def press(self, pointer: Pointer) -> None:
        """Give the place."""
        self._clicked(pointer.position)

    def drag(self, pointer: Pointer) -> None:
        """Nothing."""

    def release(self, pointer: Pointer) -> None:
        """Nothing."""

    def double_click(self, pointer: Pointer) -> None:
        """The second click of two."""
        self.press(pointer)


def outline(disc: Disc, radii: float = 1.0) -> list[Position]:
    """A closed circle of so many disc radii, (y, x) px."""
    radius = radii * disc.radius
    angles = [2 * pi * i / CORNERS for i in range(CORNERS + 1)]
    return [(disc.y + radius * sin(a), disc.x + radius * cos(a)) for a in angles]


def zone_outlines(disc: Disc, color: str) -> list[Outline]:
    """The disc's margin, where zones B and C begin, and where each of them ends."""
    begin, end_b, end_c = ZONES["B"][0], ZONES["B"][1], ZONES["C"][1]
    texts = {1.0: "", begin: "Zones B, C", end_b: "Zone B", end_c: "Zone C"}
    return [Outline(tuple(outline(disc, radii)), color, text) for radii, text in texts.items()]
