"""Colours over a slice: what the user added to the AI's version, and what was removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from gui.comparison import difference

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels
    from numpy.typing import NDArray

    from gui.document import Document
    from inference.box import Box

COLORS = {1: "#2ee66b", 2: "#ff3b30", 3: "#ffd60a"}  # added, removed, given to another object


class DifferenceLayer:
    """Lets a napari layer follow a document until it is closed."""

    def __init__(
        self,
        layer: Labels,
        document: Document,
        cut: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
        part: Callable[[Box], tuple[slice, slice] | None],
    ) -> None:
        self.layer, self._document, self._cut, self._part = layer, document, cut, part
        hidden: dict[int | None, str] = {None: "transparent", 0: "transparent"}
        layer.colormap = DirectLabelColormap(color_dict=hidden | COLORS)
        layer.opacity = 0.85
        document.labels_changed.connect(self._changed)
        document.ai_changed.connect(self._changed)
        self.fill()

    def close(self) -> None:
        """Stop following, and hide the layer."""
        self._document.labels_changed.disconnect(self._changed)
        self._document.ai_changed.disconnect(self._changed)
        self.layer.visible = False

    def fill(self) -> None:
        """Compare the whole slice."""
        ai = self._document.ai_labels
        if ai is not None:
            self.layer.data = difference(self._cut(self._document.labels), self._cut(ai))
        if self.layer.visible != (ai is not None):  # napari draws anew even where nothing changed
            self.layer.visible = ai is not None

    def _changed(self, box: Box) -> None:
        """Compare a part of the slice."""
        ai, place = self._document.ai_labels, self._part(box)
        if ai is None or not self.layer.visible:
            self.fill()
        elif place is not None:
            code = difference(self._cut(self._document.labels)[place], self._cut(ai)[place])
            where = np.nonzero(code != self.layer.data[place])
            at = where[0] + place[0].start, where[1] + place[1].start
            self.layer.data_setitem(at, code[where])
