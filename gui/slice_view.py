"""One 2D view: a napari canvas at one slice of a document, with its glass and mouse gestures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, QPointF, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QSlider, QWidget

from gui.glass import Glass, Scene
from gui.planes import AXIAL, Camera, Framing, Plane, Point, Position, fit
from gui.slice_input import SliceInput
from gui.slice_scene import scene_of
from gui.timeline import frames_shown, nearest, stepped
from gui.tool import Pointer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from qtpy.QtCore import QObject
    from qtpy.QtGui import QMouseEvent

    from gui.display import Display
    from gui.document import Document
    from gui.slice_layers import SliceLayers
    from gui.views import Views

REACH = 7.0  # px from its middle: a dot is touched


class SliceView(QWidget):
    """Shows `plane` of a document; created empty, its canvas is made when first shown."""

    activated = Signal(object)  # self: the user pressed in it
    maximise_asked = Signal(object)

    def __init__(self, views: Views) -> None:
        super().__init__(views)
        self.setObjectName("canvas")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._views = views
        self.plane: Plane | None = None
        self.document: Document | None = None
        self._layers: SliceLayers | None = None
        self._viewer: Any = None
        self.hover: Point | None = None  # where the mouse is, screen pixels
        self._background = "#000000"
        self._build()

    # --- what is shown -----------------------------------------------------------------------

    def show_document(self, document: Document, display: Display, plane: Plane) -> None:
        """Show this plane of a document as it was left; at first the whole of it."""
        from gui.slice_layers import SliceLayers

        self.clear()
        self.prepare()
        self.plane, self.document, self._display = plane, document, display
        self._layers = SliceLayers(self._shelf, document, display, plane)
        sign = "up" if plane.upward else "down"
        self._viewer.scene.camera.orientation2d = (sign, "right")
        self._glass.setAccessibleName(f"{plane.name} view".strip())
        display.events.connect(self._refresh)
        self._prepare_slider()
        self._frame()

    def clear(self) -> None:
        """Show nothing."""
        if self._layers is not None:
            self._layers.close()
            self._display.events.disconnect(self._refresh)
        self._layers = self.document = self.plane = None
        self._slider.hide()
        self._glass.show_scene(Scene())

    def prepare_layers(self) -> None:
        """Make the layers that most documents need."""
        self.prepare()
        self._shelf.image(np.dtype(np.uint8), True)
        self._shelf.image(np.dtype(np.int16), False)
        self._shelf.labels("mask")

    def show_heat(self, heat: NDArray[Any] | None, opacity: float) -> None:
        """Lay a map over the image, None takes it away."""
        if self._layers is not None:
            self._layers.show_heat(heat, opacity)

    @property
    def camera(self) -> Camera:
        """What the canvas shows."""
        model = self._viewer.scene.camera
        down, right = model.center[-2:]
        size = float(self._glass.width()), float(self._glass.height())
        return Camera((down, right), model.zoom, size, bool(self.plane and self.plane.upward))

    def fit(self) -> None:
        """Show the whole plane."""
        if self.document and self.plane:
            self._display.framings.pop(self.plane.name, None)
            self._frame()

    def look(self, centre: Point, zoom: float) -> None:
        """Move the camera: centre (down, right) mm, zoom px per mm."""
        plane, _ = self.shown()
        self._display.framings[plane.name] = Framing(centre, zoom / self._whole().zoom)
        self._frame()

    def _whole(self) -> Camera:
        """The camera that shows the whole plane."""
        plane, document = self.shown()
        size = float(self._glass.width()), float(self._glass.height())
        return fit(plane, document.shape, document.scale, size)

    def _frame(self) -> None:
        """Show the same part, whatever size the view has now."""
        plane, whole = self.shown()[0], self._whole()
        framing = self._display.framings.get(plane.name, Framing(whole.centre, 1.0))
        self._viewer.scene.camera.center = (0.0, *framing.centre)
        self._viewer.scene.camera.zoom = framing.magnification * whole.zoom
        self._refresh()

    def position_at(self, pixel: Point) -> Position:
        """Voxel coordinates under a screen pixel; on the slicing axis those of the slice."""
        plane, document = self.shown()
        down, right = self.camera.to_world(pixel)
        place = [float(value) for value in self._display.position]
        place[plane.down] = down / document.scale[plane.down]
        place[plane.right] = right / document.scale[plane.right]
        if plane.slicing is not None:
            place[plane.slicing] = float(round(place[plane.slicing]))
        return tuple(place)

    def pixel_of(self, position: Sequence[float]) -> Point:
        """The screen pixel of voxel coordinates."""
        plane, document = self.shown()
        return self.camera.to_screen(
            (
                position[plane.down] * document.scale[plane.down],
                position[plane.right] * document.scale[plane.right],
            )
        )

    def step(self, count: int) -> None:
        """Go some slices on, in the order in which such pictures are read."""
        if self.plane is None or self.document is None or self.plane.slicing is None:
            return
        place = round(self._display.position[self.plane.slicing])
        if self.document.series.kind == "run":
            frames = frames_shown(self.document.series, self._display)
            self.go(stepped(frames, place, count))
        else:
            self.go(place + (-count if self.plane is AXIAL else count))  # from head to feet

    def go(self, index: int) -> None:
        """Go to a slice or frame; beyond the ends to the last, from a hidden one to the next."""
        if self.plane is None or self.document is None or self.plane.slicing is None:
            return
        axis = self.plane.slicing
        place = list(self._display.position)
        if self.document.series.kind == "run":
            index = nearest(frames_shown(self.document.series, self._display), index)
        place[axis] = min(max(index, 0), self.document.shape[axis] - 1)
        self._display.position = tuple(place)

    def take_focus(self) -> None:
        """Let keys act on this view."""
        self._glass.setFocus(Qt.FocusReason.OtherFocusReason)

    def show_cursor(self, cursor: Qt.CursorShape) -> None:
        """The mouse pointer over this view."""
        self._glass.setCursor(cursor)

    def set_annotated(self, annotated: bool) -> None:
        """Show or hide texts, letters and scale bar."""
        self._glass.annotated = annotated
        self._glass.update()

    def set_background(self, color: str) -> None:
        """The colour behind the image."""
        self._background = color
        if self._viewer is not None:
            self._viewer.canvas.background_color_override = color

    def redraw(self) -> None:
        """Paint the texts and marks again."""
        self._refresh()

    def magnify(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom about a screen pixel, or the middle."""
        camera = self.camera
        pixel = (at.x(), at.y()) if at is not None else (camera.size[0] / 2, camera.size[1] / 2)
        centre, zoom = camera.zoomed(factor, pixel)
        if 0.005 < zoom < 2000:
            self.look(centre, zoom)

    def pointer(self, event: QMouseEvent) -> Pointer:
        """A mouse event in voxels."""
        plane, document = self.shown()
        place = self.position_at((event.position().x(), event.position().y()))
        reach = tuple(REACH / (self.camera.zoom * step) for step in document.scale)
        return Pointer(place, plane, event.button(), event.modifiers(), reach)

    # --- construction ------------------------------------------------------------------------

    def _build(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(1, 1, 1, 1)
        row.setSpacing(0)
        self._area = QWidget(self)
        row.addWidget(self._area, 1)
        self._slider = QSlider(Qt.Orientation.Vertical, self)
        self._slider.setAccessibleName("Slice")
        self._slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._slider.valueChanged.connect(self.go)
        kept = self._slider.sizePolicy()
        kept.setRetainSizeWhenHidden(True)  # so that the canvas keeps its size
        self._slider.setSizePolicy(kept)
        self._slider.hide()
        row.addWidget(self._slider)
        self._glass = Glass(self._area)
        self._glass.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        SliceInput(self, self._views, self._glass)
        self._area.installEventFilter(self)

    def prepare(self) -> None:
        """Make the canvas; takes 0.1 s or more, so best done before it is needed."""
        if self._viewer is not None:
            return
        from gui.canvas import make_canvas
        from gui.layer_shelf import LayerShelf

        self._viewer, self._canvas, _ = make_canvas(self._area)
        self._shelf = LayerShelf(self._viewer)
        self._canvas.setGeometry(self._area.rect())
        self._canvas.show()
        self._glass.raise_()
        self.set_background(self._background)

    def _prepare_slider(self) -> None:
        plane, document = self.shown()
        linked = plane.slicing is not None and document.series.kind == "volume"
        if linked and plane.slicing is not None:
            with QSignalBlocker(self._slider):
                self._slider.setRange(0, document.shape[plane.slicing] - 1)
        self._slider.setInvertedAppearance(plane.slicing != 0)  # superior, anterior, right on top
        self._slider.setVisible(linked)

    def shown(self) -> tuple[Plane, Document]:
        """The plane and the document; RuntimeError if there is none."""
        if self.plane is None or self.document is None:
            raise RuntimeError("the view shows nothing")
        return self.plane, self.document

    # --- following ---------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The canvas keeps the size of its area."""
        if watched is self._area and event.type() == QEvent.Type.Resize:
            self._resized()
        return super().eventFilter(watched, event)

    def _resized(self) -> None:
        self._glass.setGeometry(self._area.rect())
        if self._viewer is not None:
            self._canvas.setGeometry(self._area.rect())
        if self.document:
            self._frame()

    def _refresh(self, *_: object) -> None:
        if self.document is None or self.plane is None or self._viewer is None:
            return
        if self.plane.slicing is not None:
            with QSignalBlocker(self._slider):
                self._slider.setValue(round(self._display.position[self.plane.slicing]))
        self._glass.show_scene(scene_of(self, self._views))
