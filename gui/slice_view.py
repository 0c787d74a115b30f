"""One 2D view: a napari canvas at one slice of a document, with its glass and mouse gestures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, QPointF, QSignalBlocker, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QHBoxLayout, QSlider, QWidget

from gui.glass import Glass, Scene
from gui.planes import AXIAL, Camera, Plane, Point, Position, fit
from gui.slice_texts import caption, facts, value_text
from gui.tool import Mark, Pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from qtpy.QtCore import QObject
    from qtpy.QtGui import QMouseEvent, QWheelEvent

    from gui.display import Display
    from gui.document import Document
    from gui.slice_layers import SliceLayers
    from gui.views import Views

Button = Qt.MouseButton
WHEEL_STEP = 120  # Qt's units of one notch


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
        self._hover: Point | None = None
        self._drag: Callable[[QMouseEvent], None] | None = None
        self._wheel = 0
        self._background = "#000000"
        self._build()

    # --- what is shown -----------------------------------------------------------------------

    def show_document(self, document: Document, display: Display, plane: Plane) -> None:
        """Show this plane of a document, fitted to the view."""
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
        self.fit()

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
            size = float(self._glass.width()), float(self._glass.height())
            camera = fit(self.plane, self.document.shape, self.document.scale, size)
            self.look(camera.centre, camera.zoom)
        self._fitted = True

    def look(self, centre: Point, zoom: float) -> None:
        """Move the camera: centre (down, right) mm, zoom px per mm."""
        self._fitted = False
        self._viewer.scene.camera.center = (0.0, *centre)
        self._viewer.scene.camera.zoom = zoom
        self._refresh()

    def position_at(self, pixel: Point) -> Position:
        """Voxel coordinates under a screen pixel; on the slicing axis those of the slice."""
        plane, document = self._shown()
        down, right = self.camera.to_world(pixel)
        place = [float(value) for value in self._display.position]
        place[plane.down] = down / document.scale[plane.down]
        place[plane.right] = right / document.scale[plane.right]
        if plane.slicing is not None:
            place[plane.slicing] = float(round(place[plane.slicing]))
        return tuple(place)

    def pixel_of(self, position: Sequence[float]) -> Point:
        """The screen pixel of voxel coordinates."""
        plane, document = self._shown()
        return self.camera.to_screen(
            (
                position[plane.down] * document.scale[plane.down],
                position[plane.right] * document.scale[plane.right],
            )
        )

    def step(self, count: int) -> None:
        """Go some slices on, in the order in which such pictures are read."""
        if self.plane is not None and self.plane.slicing is not None:
            place = round(self._display.position[self.plane.slicing])
            self.go(place + (-count if self.plane is AXIAL else count))  # from head to feet

    def go(self, index: int) -> None:
        """Go to a slice; beyond the ends to the last one."""
        if self.plane is None or self.document is None or self.plane.slicing is None:
            return
        axis = self.plane.slicing
        place = list(self._display.position)
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
        self._glass.installEventFilter(self)
        self._area.installEventFilter(self)
        self._fitted = True

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
        plane, document = self._shown()
        linked = plane.slicing is not None and document.series.kind == "volume"
        if linked and plane.slicing is not None:
            with QSignalBlocker(self._slider):
                self._slider.setRange(0, document.shape[plane.slicing] - 1)
        self._slider.setInvertedAppearance(plane.slicing != 0)  # superior, anterior, right on top
        self._slider.setVisible(linked)

    def _shown(self) -> tuple[Plane, Document]:
        if self.plane is None or self.document is None:
            raise RuntimeError("the view shows nothing")
        return self.plane, self.document

    # --- events ------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Mouse events of the glass, size of the area."""
        if watched is self._area and event.type() == QEvent.Type.Resize:
            self._resized()
        elif watched is self._glass and self.document is not None:
            if isinstance(event, QKeyEvent):
                return event.type() != QEvent.Type.ShortcutOverride and self._key_pressed(event)
            handler = _HANDLERS.get(event.type())
            if handler is not None:
                handler(self, event)
                return True
        return super().eventFilter(watched, event)

    def _resized(self) -> None:
        self._glass.setGeometry(self._area.rect())
        if self._viewer is not None:
            self._canvas.setGeometry(self._area.rect())
        if self._fitted and self.document:
            self.fit()
        self._refresh()

    def _pressed(self, event: QMouseEvent) -> None:
        self.activated.emit(self)
        self._drag = self._views.gestures.begin(self, event)
        self._refresh()

    def _moved(self, event: QMouseEvent) -> None:
        self._hover = _pixel(event)
        if self._drag is not None:
            self._drag(event)
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier and self._views.tool is None:
            self._views.look_at(self.position_at(self._hover))
        self._refresh()

    def _released(self, event: QMouseEvent) -> None:
        if self._drag is not None and event.buttons() == Button.NoButton:
            self._drag(event)
            self._drag = None
        self._refresh()

    def _double_clicked(self, event: QMouseEvent) -> None:
        """The second press of two quick ones: a press, but it maximises where nothing is drawn."""
        left = event.button() == Button.LeftButton
        if left and self._views.tool is None and not self._views.gestures.space_held:
            self._drag = None
            self.maximise_asked.emit(self)
        else:
            self._pressed(event)

    def _key_pressed(self, event: QKeyEvent) -> bool:
        """Space held down makes the left button move the picture."""
        if event.key() != Qt.Key.Key_Space or event.isAutoRepeat():
            return event.key() == Qt.Key.Key_Space
        self._views.gestures.space_held = event.type() == QEvent.Type.KeyPress
        self._views.show_cursor()
        return True

    def _wheeled(self, event: QWheelEvent) -> None:
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if control or (self.plane and self.plane.slicing is None):
            self.magnify(1.2 ** (event.angleDelta().y() / WHEEL_STEP), event.position())
            return
        self._wheel += event.angleDelta().y()
        notches = int(self._wheel / WHEEL_STEP)
        self._wheel -= notches * WHEEL_STEP
        if notches:
            self.step(-notches)

    def _left(self, event: QEvent) -> None:
        self._hover = None
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
        plane, _ = self._shown()
        return Pointer(self.position_at(_pixel(event)), plane, event.button(), event.modifiers())

    # --- painting ----------------------------------------------------------------------------

    def _refresh(self, *_: object) -> None:
        if self.document is None or self.plane is None or self._viewer is None:
            return
        if self.plane.slicing is not None:
            with QSignalBlocker(self._slider):
                self._slider.setValue(round(self._display.position[self.plane.slicing]))
        self._glass.show_scene(self._scene(self.plane, self.document))

    def _scene(self, plane: Plane, document: Document) -> Scene:
        series, views = document.series, self._views
        volume = series.kind == "volume"
        known = volume and series.geometry.known
        where = self.position_at(self._hover) if self._hover else None
        tool = views.tool
        camera = self.camera
        ring = (self._hover, tool.radius * camera.zoom) if tool and self._hover else None
        return Scene(
            top_left=caption(series, views.names_hidden) if views.is_main(self) else (),
            top_right=facts(series, plane, self._display),
            bottom_left=_levels(document, self._display, camera.zoom),
            bottom_right=value_text(document, where),
            letters=plane.letters if known else None,
            zoom=camera.zoom,
            unit="mm" if series.geometry.known else "px",
            cross=self.pixel_of(self._display.position) if volume and views.cross_shown else None,
            ring=ring if ring and ring[1] > 0 else None,
            path=[self.pixel_of(p) for p in tool.path] if tool else (),
            framed=len(views.slices_shown) > 1 and views.active is self,
            marks=[(self.pixel_of(m.position), m.color, m.text) for m in self._marks(plane)],
        )

    def _marks(self, plane: Plane) -> list[Mark]:
        axis, place = plane.slicing, self._display.position
        return [
            mark
            for mark in self._views.marks
            if axis is None or abs(mark.position[axis] - round(place[axis])) < 0.5
        ]


def _levels(document: Document, display: Display, zoom: float) -> list[str]:
    percent = 100 * zoom * min(document.scale[-2:])
    if document.series.rgb:
        return [f"{percent:.0f} %"]
    return [f"W {display.window[1]:.4g}  L {display.window[0]:.4g}", f"{percent:.0f} %"]


def _pixel(event: QMouseEvent) -> Point:
    return event.position().x(), event.position().y()


_HANDLERS: dict[QEvent.Type, Callable[[SliceView, Any], None]] = {
    QEvent.Type.MouseButtonPress: SliceView._pressed,
    QEvent.Type.MouseMove: SliceView._moved,
    QEvent.Type.MouseButtonRelease: SliceView._released,
    QEvent.Type.MouseButtonDblClick: SliceView._double_clicked,
    QEvent.Type.Wheel: SliceView._wheeled,
    QEvent.Type.Leave: SliceView._left,
}
