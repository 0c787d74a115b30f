"""The 3D view; without a graphics card only on request and coarse, as that is so much slower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, Qt, QTimer, Signal
from qtpy.QtWidgets import QComboBox, QStackedWidget, QVBoxLayout, QWidget

from gui.parts import button, label
from gui.planes import Orbit

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from qtpy.QtCore import QObject
    from qtpy.QtGui import QShowEvent

    from gui.display import Display
    from gui.document import Document

SOFTWARE_VOXELS, HARDWARE_VOXELS = 96, 384  # per axis at most
REFRESH_MS = 400  # the mask in 3D follows the pen at this pace
BRIGHT = 99.9  # percentile of the voxels that is drawn white
RENDERINGS = {"Projection": "mip", "Soft projection": "attenuated_mip", "Surface": "iso"}
FRONT = {"view_direction": (0, 1, 0), "up_direction": (1, 0, 0)}  # (z, y, x): from the front


class VolumeView(QWidget):
    """A projection or surface of a volume together with its mask."""

    maximise_asked = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("canvas")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._document: Document | None = None
        self._display: Display | None = None
        self._viewer: Any = None
        self._image: Image | None = None
        self._mask: Labels | None = None
        self._software: bool | None = None
        self._wanted = False
        self._whole = 0.0  # the zoom that shows the whole volume; 0 before it is shown
        self._background = "#000000"
        self._late = QTimer(self)
        self._late.setInterval(REFRESH_MS)
        self._late.setSingleShot(True)
        self._late.timeout.connect(self._update_mask)
        self._build()

    def show_document(self, document: Document | None, display: Display | None) -> None:
        """Show a volume, or nothing; costs nothing while it is hidden or not asked for."""
        if document is self._document:
            return
        self._clear()
        self._document, self._display = document, display
        self._offer()

    def start(self) -> None:
        """Render from now on."""
        self._wanted = True
        self._offer()

    def set_background(self, color: str) -> None:
        """The colour behind the volume."""
        self._background = color
        if self._viewer is not None:
            self._viewer.canvas.background_color_override = color

    def showEvent(self, event: QShowEvent) -> None:
        """Render what was put off while hidden."""
        super().showEvent(event)
        self._offer()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A double click shows this view alone."""
        if event.type() == QEvent.Type.MouseButtonDblClick:
            self.maximise_asked.emit(self)
            return True
        return super().eventFilter(watched, event)

    def _build(self) -> None:
        self._pages = QStackedWidget(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._pages)
        offer = QWidget()
        inside = QVBoxLayout(offer)
        inside.setAlignment(Qt.AlignmentFlag.AlignCenter)
        note = label("Slow here: no graphics card was found.", "quiet", wrap=True)
        note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inside.addWidget(button("Show in 3D", self.start), 0, Qt.AlignmentFlag.AlignCenter)
        inside.addWidget(note)
        self._pages.addWidget(offer)
        self._choice = QComboBox(self)
        self._choice.setAccessibleName("3D rendering")
        self._choice.addItems(list(RENDERINGS))
        self._choice.currentTextChanged.connect(self._render_as)
        self._choice.move(8, 8)
        self._choice.hide()

    def _offer(self) -> None:
        """Show the volume if it is wanted and can be seen, else the button that asks for it."""
        if self._document is None or not self.isVisible():
            return
        if self._software is None:
            from gui.canvas import renders_in_software

            self._software = renders_in_software()
        if self._software and not self._wanted:
            self._pages.setCurrentIndex(0)
            self._choice.hide()
        elif self._image is None:
            self._make_canvas()
            self._fill(self._document)

    def _make_canvas(self) -> None:
        if self._viewer is None:
            from gui.canvas import make_canvas

            self._viewer, widget, native = make_canvas(self)
            self._viewer.dims.ndisplay = 3
            # LPS is right handed in (x, y, z), so z must point away for x right and y down.
            self._viewer.scene.camera.orientation = ("away", "down", "right")
            self._viewer.scene.camera.events.connect(lambda _: self._turned())
            native.installEventFilter(self)
            self._pages.addWidget(widget)
            self.set_background(self._background)
        self._pages.setCurrentIndex(1)
        self._choice.show()
        self._choice.raise_()

    def _fill(self, document: Document) -> None:
        from napari.layers import Image, Labels

        if self._display is not None and self._display.orbit is not None:
            self._choice.setCurrentText(self._display.orbit.rendering)
        limit = SOFTWARE_VOXELS if self._software else HARDWARE_VOXELS
        steps = [max(1, -(-n // limit)) for n in document.shape]
        self._steps = tuple(slice(None, None, step) for step in steps)
        scale = [mm * step for mm, step in zip(document.scale, steps, strict=True)]
        coarse = document.image[self._steps]
        self._brightest = float(np.percentile(coarse, BRIGHT))
        self._image = Image(
            coarse, scale=scale, rgb=document.series.rgb,
            rendering=RENDERINGS[self._choice.currentText()], contrast_limits=(0, 255),
        )  # fmt: skip
        self._mask = Labels(document.labels[self._steps].copy(), scale=scale)
        self._level()
        self._recolor()
        self._viewer.layers.extend([self._image, self._mask])
        self._viewer.layers.selection.clear()
        self._viewer.scene.camera.set_view_direction(**FRONT)
        QTimer.singleShot(0, self, self._fit)  # once the canvas has its size
        document.labels_changed.connect(self._soon)
        document.objects_changed.connect(self._recolor)
        if self._display is not None:
            self._display.events.window.connect(self._level)

    def _clear(self) -> None:
        self._whole = 0.0  # the camera moves when the layers go
        if self._document is not None and self._image is not None:
            self._document.labels_changed.disconnect(self._soon)
            self._document.objects_changed.disconnect(self._recolor)
            if self._display is not None:
                self._display.events.window.disconnect(self._level)
            self._viewer.layers.clear()
        self._image = self._mask = self._document = None
        self._late.stop()

    def _fit(self) -> None:
        """Show the whole volume, and then what was looked at before."""
        if self._image is None or self._display is None:
            return
        orbit, self._whole, camera = self._display.orbit, 0.0, self._viewer.scene.camera
        self._viewer.reset_view(reset_camera_angle=False)
        self._whole = camera.zoom
        if orbit is not None:
            camera.angles, camera.center = orbit.angles, orbit.centre
            camera.zoom = orbit.magnification * self._whole

    def _turned(self) -> None:
        """Remember from where the volume is looked at."""
        if self._image is None or self._display is None or not self._whole:
            return
        camera = self._viewer.scene.camera
        self._display.orbit = Orbit(
            camera.angles, camera.center, camera.zoom / self._whole, self._choice.currentText()
        )

    def _soon(self) -> None:
        if not self._late.isActive():
            self._late.start()

    def _update_mask(self) -> None:
        if self._mask is not None and self._document is not None:
            self._mask.data = self._document.labels[self._steps].copy()

    def _recolor(self) -> None:
        from gui.slice_layers import recolor

        if self._mask is not None and self._document is not None:
            recolor(self._mask, self._document.objects.values())

    def _level(self) -> None:
        if self._image is None or self._display is None or self._image.rgb:
            return
        low, high = self._display.limits
        brightest = max(high, self._brightest, low + 1e-6)  # bright voxels fill a projection
        self._image.contrast_limits = (low, brightest)
        self._image.iso_threshold = min(high, (low + brightest) / 2)

    def _render_as(self, title: str) -> None:
        if self._image is not None:
            self._image.rendering = RENDERINGS[title]
            self._turned()
