"""One slice of a document as napari layers: image, corrected mask, the AI's outline, a heat map."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap

from gui.difference_layer import DifferenceLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from gui.display import Display
    from gui.document import Document, SegmentObject
    from gui.planes import Plane
    from inference.box import Box

MOST_VOXELS = 20_000  # changed in place; more are replaced as a whole, which is quicker
AI_COLOR = "#ffffff"
HEAT_COLORS = "inferno"


class SliceLayers:
    """Keeps the layers of a 2D viewer at one slice of a document, redrawing only what changed."""

    def __init__(
        self, viewer: ViewerModel, document: Document, display: Display, plane: Plane
    ) -> None:
        self.document, self.display, self.plane = document, display, plane
        self.index = self._wanted_index()
        scale = (document.scale[plane.down], document.scale[plane.right])
        image, rgb = self.cut(document.image), document.series.rgb
        self._image = Image(
            image, rgb=rgb, scale=scale, contrast_limits=(0, 255), interpolation2d="linear"
        )
        self._heat = Image(
            np.zeros(image.shape[:2], np.float32), scale=scale, colormap=HEAT_COLORS,
            contrast_limits=(0, 1), blending="additive", visible=False,
        )  # fmt: skip
        self._heat_data: NDArray[Any] | None = None
        self._mask = Labels(self.cut(document.labels).copy(), scale=scale)
        self._ai = Labels(np.zeros(image.shape[:2], np.uint8), scale=scale, visible=False)
        self._ai.contour = 1
        self._difference = DifferenceLayer(document, display, self.cut, self._flat, scale)
        self._links: list[tuple[Any, Callable[..., Any]]] = []
        self._restyle()
        self._recolor()
        self._level()
        layers = self._image, self._heat, self._mask, self._difference.layer, self._ai
        for layer in layers:
            viewer.layers.append(layer)
        viewer.layers.selection.clear()
        self._follow()

    def close(self) -> None:
        """Stop following the document."""
        for signal, slot in self._links:
            signal.disconnect(slot)
        self._difference.close()

    def cut(self, array: NDArray[Any]) -> NDArray[Any]:
        """This slice of an array over the document's axes, a view."""
        if self.plane.slicing is None:
            return array
        return array[(slice(None),) * self.plane.slicing + (self.index,)]

    def show_heat(self, heat: NDArray[Any] | None) -> None:
        """Lay an array (over the spatial axes, 0 to 1) over the image; None takes it away."""
        self._heat_data = heat
        self._heat.visible = heat is not None
        if heat is not None:
            self._heat.data = self.cut(heat)

    def _follow(self) -> None:
        document, events = self.document, self.display.events
        self._links = [
            (document.labels_changed, self._labels_changed),
            (document.ai_changed, self._ai_changed),
            (document.objects_changed, self._recolor),
            (events.position, self._moved),
            (events.window, self._level),
            (events.inverted, self._level),
            (events.opacity, self._restyle),
            (events.outlined, self._restyle),
            (events.mask_shown, self._restyle),
            (events.ai_shown, self._restyle),
        ]
        for signal, slot in self._links:
            signal.connect(slot)

    def _wanted_index(self) -> int:
        return 0 if self.plane.slicing is None else round(self.display.position[self.plane.slicing])

    def _moved(self) -> None:
        if self.index != (index := self._wanted_index()):
            self.index = index
            self._image.data = self.cut(self.document.image)
            self._mask.data = self.cut(self.document.labels).copy()
            if self._heat_data is not None:
                self._heat.data = self.cut(self._heat_data)
            self._fill_ai()
            self._difference.fill()

    def _level(self) -> None:
        if not self.document.series.rgb:
            low, high = self.display.limits
            self._image.contrast_limits = (low, max(high, low + 1e-6))
            self._image.colormap = "gray_r" if self.display.inverted else "gray"

    def _restyle(self) -> None:
        display = self.display
        self._mask.opacity = 1.0 if display.outlined else display.opacity
        self._mask.contour = int(display.outlined)
        self._mask.visible = display.mask_shown
        if display.ai_shown != self._ai.visible:
            self._ai.visible = display.ai_shown
            self._fill_ai()

    def _recolor(self) -> None:
        objects = self.document.objects.values()
        self._mask.colormap = colormap(objects)
        self._ai.colormap = colormap(replace(item, color=AI_COLOR) for item in objects)

    def _labels_changed(self, box: Box) -> None:
        _update(self._mask, self.cut(self.document.labels), self._flat(box))

    def _ai_changed(self, box: Box) -> None:
        if self._ai.visible and self._flat(box) is not None:
            self._fill_ai()

    def _fill_ai(self) -> None:
        if self._ai.visible and self.document.ai_labels is not None:
            self._ai.data = self.cut(self.document.ai_labels).copy()

    def _flat(self, box: Box) -> tuple[slice, slice] | None:
        """The part of a box in this slice, None if there is none."""
        axis = self.plane.slicing
        if axis is not None and not box.start[axis] <= self.index < box.stop[axis]:
            return None
        return box.slices[self.plane.down], box.slices[self.plane.right]


def colormap(objects: Iterable[SegmentObject]) -> DirectLabelColormap:
    """The colours of objects; hidden ones and what is none of them are not drawn."""
    colors: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    colors |= {item.id: item.color for item in objects if item.visible}
    return DirectLabelColormap(color_dict=colors)


def _update(layer: Labels, labels: NDArray[np.uint8], where: tuple[slice, slice] | None) -> None:
    """Bring a layer's own copy up to date inside a rectangle."""
    if where is None:
        return
    rows, columns = np.nonzero(layer.data[where] != labels[where])
    if len(rows) > MOST_VOXELS:
        layer.data = labels.copy()
    elif len(rows):
        place = rows + where[0].start, columns + where[1].start
        layer.data_setitem(place, labels[place])
