"""What the glass over a 2D view shows, gathered from document, display, tool and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gui.glass import Scene
from gui.slice_texts import banner, caption, facts, levels, value_text

if TYPE_CHECKING:
    from gui.display import Display
    from gui.document import Document
    from gui.planes import Plane, Position
    from gui.slice_view import SliceView
    from gui.views import Views


def scene_of(view: SliceView, views: Views) -> Scene:
    """All that is painted over what a view shows now, in screen pixels."""
    plane, document = view.shown()
    display = views.display_for(document)
    volume = document.series.kind == "volume"
    camera, tool, hover = view.camera, views.tool, view.hover
    scene = _texts(view, views, plane, document, display)
    scene.zoom = camera.zoom
    if volume and views.cross_shown:
        scene.cross = view.pixel_of(display.position)
    if tool is not None:
        if views.active is view:  # elsewhere it would be seen from its edge
            scene.path = [view.pixel_of(place) for place in tool.path]
        if hover is not None and tool.radius > 0:
            scene.ring = hover, tool.radius * camera.zoom
    scene.framed = len(views.slices_shown) > 1 and views.active is view
    scene.marks = [
        (view.pixel_of(mark.position), mark)
        for mark in views.marks
        if _in_slice(mark.position, plane, display)
    ]
    scene.outlines = [
        ([view.pixel_of(place) for place in outline.positions], outline)
        for outline in views.outlines
        if outline.axis is None
        or (outline.axis == plane.slicing and _in_slice(outline.positions[0], plane, display))
    ]
    return scene


def _texts(
    view: SliceView, views: Views, plane: Plane, document: Document, display: Display
) -> Scene:
    series, picture = document.series, display.picture
    known = series.geometry.known
    where = view.position_at(view.hover) if view.hover else None
    run = series.kind == "run"
    return Scene(
        top_left=caption(series, views.names_hidden) if views.is_main(view) else (),
        top_right=facts(series, plane, display),
        bottom_left=levels(document, display, view.camera.zoom),
        bottom_right=value_text(document, where, picture),
        letters=plane.letters if series.kind == "volume" and known else None,
        unit="mm" if known else "px",
        banner=banner(series, round(display.position[0])) if run else "",
        legend=picture.legend if picture else None,
    )


def _in_slice(position: Position, plane: Plane, display: Display) -> bool:
    axis = plane.slicing
    return axis is None or abs(position[axis] - round(display.position[axis])) < 0.5
