"""What of a node is drawn over the image, and the tool that adds one by a click."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gui.tool import ESCAPE, Mark, Outline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gui.planes import Position
    from gui.tool import Pointer
    from gui.views import Views
    from plugins.lymph_nodes.measure import Line, Node
    from plugins.lymph_nodes.review import Row

OWNER = "lymph_nodes"
LONG, SHORT, EARLY = "#ffe14d", "#5cf2ff", "#ffe14d"
CLOSE_MM = 150.0
"""What a view shows of a node and its surroundings."""


def axes_of(row: Row) -> list[Outline]:
    """Both axes with their lengths in the axial slice in which they were measured.

    In the other two planes through the node they are seen from the side, one upon the other.
    """
    node = row.node
    lines = [(node.long_ends, LONG), (node.short_ends, SHORT)]
    texts = ["", ""]
    upper = min((0, 1), key=lambda which: min(y for y, _ in lines[which][0]))
    texts[upper] = f"{node.short_axis_mm:.1f} × {node.long_axis_mm:.1f} mm"  # not over the node
    drawn = [
        Outline(tuple((float(node.slice), y, x) for y, x in ends), color, text, 0, closed=False)
        for (ends, color), text in zip(lines, texts, strict=True)
    ]
    return drawn + [side for axis in (1, 2) for side in _from_the_side(node, axis, lines)]


def _from_the_side(node: Node, axis: int, lines: list[tuple[Line, str]]) -> list[Outline]:
    """Lines of the axial slice in the coronal (1) or sagittal (2) plane, the shorter on top."""
    other = 3 - axis
    made = []
    for ends, color in lines:
        points = np.array([(node.slice, *end) for end in ends], float)
        points[:, axis] = round(node.centroid[axis])
        made.append((float(abs(np.diff(points[:, other])[0])), points, color))
    made.sort(key=lambda one: -one[0])
    return [
        Outline(tuple(map(tuple, points.tolist())), color, axis=axis, closed=False)
        for _, points, color in made
    ]


def show(views: Views, row: Row | None, early: Iterable[Row]) -> None:
    """Draw the axes of the chosen node, and dots where a search has told of nodes."""
    views.set_outlines(axes_of(row) if row else (), OWNER)
    views.set_marks([Mark(one.node.centroid, EARLY) for one in early], OWNER)


def jump(views: Views, row: Row, close: bool) -> None:
    """Bring a node into the middle of all views, in the slice in which it is measured."""
    _, y, x = row.node.centroid
    place = (float(row.node.slice), y, x)
    views.look_at(place)
    for view in views.slices:
        plane, document = view.shown()
        camera, scale = view.camera, document.scale
        least = min(camera.size) / CLOSE_MM if close else 0.0
        centre = place[plane.down] * scale[plane.down], place[plane.right] * scale[plane.right]
        if close:
            view.look(centre, max(camera.zoom, least))
        elif not _inside(view.pixel_of(place), camera.size):
            view.look(centre, camera.zoom)


def _inside(pixel: tuple[float, float], size: tuple[float, float]) -> bool:
    return all(0.1 * n < place < 0.9 * n for place, n in zip(pixel, size, strict=True))


class AddTool:
    """Gives the voxel of each click; Esc puts it away."""

    radius = 0.0
    path: Sequence[Position] = ()

    def __init__(
        self, clicked: Callable[[tuple[int, ...]], object], leave: Callable[[], object]
    ) -> None:
        self._clicked, self._leave = clicked, leave

    def press(self, pointer: Pointer) -> None:
        """Give the voxel."""
        self._clicked(tuple(round(place) for place in pointer.position))

    def drag(self, pointer: Pointer) -> None:
        """Nothing."""

    def release(self, pointer: Pointer) -> None:
        """Nothing."""

    def double_click(self, pointer: Pointer) -> None:
        """Nothing: the first of both clicks has added the node."""

    def takes(self, key: int) -> bool:
        """Esc."""
        return key == ESCAPE

    def key(self, key: int, shift: bool) -> None:
        """Put the tool away."""
        self._leave()
