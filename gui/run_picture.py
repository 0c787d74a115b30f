"""Frames of a run as the view shows them, 8 bit, with what must be said burned in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRectF
from qtpy.QtGui import QFont, QImage, QPainter

from gui.painting import paint_banner, paint_legend
from gui.slice_texts import banner
from inference.windowing import windowed

if TYPE_CHECKING:
    from gui.display import Display
    from gui.document import Document
    from inference.series import Array

LETTERS = 28  # lines of text that would fill a picture


class RunPicture:
    """Renders frames; safe to use from another thread, and unmoved by what the user does next."""

    def __init__(self, document: Document, display: Display) -> None:
        self._series, self._image = document.series, document.image
        self._picture, self._window = display.picture, display.window
        self._inverted = display.inverted

    def frame(self, index: int) -> Array:
        """uint8 (y, x, 3)."""
        pixels = self._image[index] if self._picture is None else self._picture.frame(index)
        if pixels.ndim == 2:
            grey = windowed(pixels, self._window)
            shown = np.invert(grey) if self._inverted else grey
            pixels = np.repeat(shown[:, :, None], 3, axis=2)
        return self._marked(np.ascontiguousarray(pixels), index)

    def _marked(self, pixels: Array, index: int) -> Array:
        """With the banner of a frame that a model made, and the meaning of colours."""
        words, legend = banner(self._series, index), self._picture and self._picture.legend
        if not words and not legend:
            return pixels
        marked = pixels.copy()
        height, width = marked.shape[:2]
        image = QImage(marked.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = QFont(painter.font())
        font.setPixelSize(max(11, height // LETTERS))
        painter.setFont(font)
        area = QRectF(0, 0, width, height)
        paint_banner(painter, words, area)
        if legend:
            paint_legend(painter, legend, area)
        painter.end()
        return marked
