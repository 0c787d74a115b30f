"""One slice of a document as napari layers: image, corrected mask, the AI's outline, a heat map."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from gui.difference_layer import DifferenceLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari.layers import Image, Labels
    from numpy.typing import NDArray

    from gui.display import Display
    from gui.document import Document
    from gui.layer_shelf import LayerShelf
    from gui.planes import Plane
    from gui.segment_object import SegmentObject
    from inference.box import Box

MOST_VOXELS = 20_000  # changed in place; more are replaced as a whole, which is quicker
AI_COLOR = "#ffffff"


class SliceLayers:
    """Keeps a viewer at one slice of a document, redrawing only what changed."""

    def __init__(
        self, shelf: LayerShelf, document: Document, display: Display, plane: Plane
    ) -> None:
        self.document, self.display, self.plane = document, display, plane
        self.index = self._wanted_index()
        self._shelf, self._scale = shelf, (document.scale[plane.down], document.scale[plane.right])
        self._mask: Labels | None = None
        self._ai: Labels | None = None
        self._difference: DifferenceLayer | None = None
        self._heat_data: NDArray[Any] | None = None
        self._image: Image | None = None
        self._show_picture()
        self._links: list[tuple[Any, Callable[..., Any]]] = []
        self._restyle()
        self._compare()
        self._follow()

    def close(self) -> None:
        """Stop following the document."""
        for signal, slot in self._links:
            signal.disconnect(slot)
        self._drop_difference()
        self._shelf.park()

    def cut(self, array: NDArray[Any]) -> NDArray[Any]:
        """This slice of an array over the document's axes, a view."""
        if self.plane.slicing is None:
            return array
        return array[(slice(None),) * self.plane.slicing + (self.index,)]

    def show_heat(self, heat: NDArray[Any] | None, opacity: float) -> None:
        """Lay an array (over the spatial axes, 0 to 1) over the image; None takes it away."""
        if heat is not None:
            self._put(self._shelf.heat(), heat)
            self._shelf.heat().opacity = opacity
        if heat is not None or self._heat_data is not None:
            self._shelf.heat().visible = heat is not None
        self._heat_data = heat

    def _follow(self) -> None:
        document, events = self.document, self.display.events
        self._links = [
            (document.labels_changed, self._labels_changed),
            (document.ai_changed, self._ai_changed),
            (document.objects_changed, self._restyle),
            (events.position, self._moved),
            (events.picture, self._show_picture),
            (events.window, self._level),
            (events.inverted, self._level),
            (events.opacity, self._restyle),
            (events.outlined, self._restyle),
            (events.mask_shown, self._restyle),
            (events.ai_shown, self._restyle),
            (events.difference_shown, self._compare),
        ]
        for signal, slot in self._links:
            signal.connect(slot)

    def _wanted_index(self) -> int:
        return 0 if self.plane.slicing is None else round(self.display.position[self.plane.slicing])

    def _moved(self) -> None:
        if self.index == (index := self._wanted_index()):
            return
        self.index = index
        if self._image is not None:
            self._image.data = self._pixels()
        if self._mask is not None:
            self._mask.data = self.cut(self.document.labels).copy()
        if self._ai is not None and self.document.ai_labels is not None:
            self._ai.data = self.cut(self.document.ai_labels).copy()
        if self._heat_data is not None:
            self._shelf.heat().data = self.cut(self._heat_data)
        if self._difference is not None:
            self._difference.fill()

    def _pixels(self) -> NDArray[Any]:
        """What is to be seen: the picture made for this frame, else the stored slice."""
        picture = self.display.picture
        return self.cut(self.document.image) if picture is None else picture.frame(self.index)

    def _show_picture(self) -> None:
        """Show another kind of pixels, in the layer that such pixels take."""
        pixels = self._pixels()
        layer = self._shelf.image(pixels.dtype, pixels.ndim == 3)
        if layer is not self._image and self._image is not None:
            self._image.visible = False
        self._image, layer.scale, layer.data = layer, self._scale, pixels
        self._level()
        _set(layer, "visible", True)

    def _level(self) -> None:
        if self._image is not None and not self._image.rgb:
            low, high = self.display.limits
            self._image.contrast_limits = (low, max(high, low + 1e-6))
            self._image.colormap = "gray_r" if self.display.inverted else "gray"

    def _restyle(self) -> None:
        """Show the mask and the AI's outline as the user wants them, if there is any."""
        display, objects = self.display, self.document.objects.values()
        labels = self.document.labels if display.mask_shown and objects else None
        self._mask = self._shown("mask", self._mask, labels, objects)
        if self._mask is not None:
            _set(self._mask, "opacity", 1.0 if display.outlined else display.opacity)
            _set(self._mask, "contour", int(display.outlined))
            recolor(self._mask, objects)
        white = [replace(item, color=AI_COLOR) for item in objects]
        ai = self.document.ai_labels if display.ai_shown else None
        self._ai = self._shown("ai", self._ai, ai, white)
        if self._ai is not None:
            _set(self._ai, "contour", 1)
            recolor(self._ai, white)

    def _shown(
        self,
        place: str,
        now: Labels | None,
        labels: NDArray[np.uint8] | None,
        colored: Iterable[SegmentObject],
    ) -> Labels | None:
        """The layer for these labels, filled when it appears; None while there are none."""
        if labels is not None:
            if now is None:
                now = self._shelf.labels(place)
                recolor(now, colored)
                self._put(now, labels)
                now.visible = True
            return now
        if now is not None:
            now.visible = False
        return None

    def _compare(self) -> None:
        if not self.display.difference_shown:
            self._drop_difference()
        elif self._difference is None:
            layer = self._shelf.labels("difference")
            layer.scale = self._scale
            self._difference = DifferenceLayer(layer, self.document, self.cut, self._flat)

    def _drop_difference(self) -> None:
        if self._difference is not None:
            self._difference.close()
            self._difference = None

    def _labels_changed(self, box: Box) -> None:
        if self._mask is not None:
            _update(self._mask, self.cut(self.document.labels), self._flat(box))

    def _ai_changed(self, box: Box) -> None:
        if self.document.ai_labels is None:
            return
        if self._ai is None:
            self._restyle()
        elif self._flat(box) is not None:
            self._ai.data = self.cut(self.document.ai_labels).copy()

    def _put(self, layer: Any, array: NDArray[Any]) -> None:
        """Show this slice of an array, a copy of its own, to be changed in parts."""
        layer.scale = self._scale
        layer.data = self.cut(array).copy()

    def _flat(self, box: Box) -> tuple[slice, slice] | None:
        """The part of a box in this slice, None if there is none."""
        axis = self.plane.slicing
        if axis is not None and not box.start[axis] <= self.index < box.stop[axis]:
            return None
        return box.slices[self.plane.down], box.slices[self.plane.right]


def recolor(layer: Labels, objects: Iterable[SegmentObject]) -> None:
    """Draw objects in their colours; hidden ones and what is none of them not at all."""
    colors: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    colors |= {item.id: item.color for item in objects if item.visible}
    if layer.metadata.get("colors") != colors:  # napari's colormaps cannot be compared
        layer.metadata["colors"] = colors
        layer.colormap = DirectLabelColormap(color_dict=colors)


def _set(layer: Labels, name: str, value: Any) -> None:
    """Set a property if it differs, as napari draws anew even where nothing changed."""
    if getattr(layer, name) != value:
        setattr(layer, name, value)


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
