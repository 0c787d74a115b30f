"""A picture of a series on which rectangles are drawn that will be black in every copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPoint, QRect, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen
from qtpy.QtWidgets import QLineEdit, QListWidget, QSlider, QWidget

from gui.painting import image_of
from gui.parts import button, column, label
from gui.sections import quiet, row
from gui.theme import GRID
from inference.errors import UserError
from inference.windowing import first_window, windowed
from plugins.dicom.masking import Mask

if TYPE_CHECKING:
    from qtpy.QtGui import QMouseEvent, QPaintEvent

    from inference.series import Array, Series

EDGE = "#ff8a80"  # of a mask, seen on black and on white
SMALLEST = 2  # pixels of a rectangle that was meant


class MaskPage(QWidget):
    """Draw with the mouse or type numbers; one list of masks for each series."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.masks: dict[str, list[Mask]] = {}  # by the UID of the series
        self._series: Series | None = None
        page = column(self, (GRID, GRID, GRID, GRID), GRID)
        page.addWidget(
            quiet("Drag over text in the picture. It will be black in every picture of the series.")
        )
        self.canvas = MaskCanvas()
        self.canvas.drawn.connect(self._add)
        self.place = QSlider(Qt.Orientation.Horizontal)
        self.place.setAccessibleName("Slice or frame")
        self.place.valueChanged.connect(self._show_picture)
        page.addWidget(self.canvas, 1)
        page.addWidget(self.place)
        page.addWidget(self._list())
        page.addWidget(self._typed())

    def show_series(self, series: Series) -> None:
        """Show another series with its masks."""
        self._series = series
        count = 1 if series.kind == "image" else len(series.voxels)
        self.place.setRange(0, count - 1)
        self.place.setVisible(count > 1)
        self.place.setValue(count // 2)
        self._show_picture()
        self._refresh()

    def _list(self) -> QWidget:
        self.list = QListWidget()
        self.list.setAccessibleName("Blacked-out parts")
        self.list.setFixedHeight(9 * GRID)
        self.remove = button("Remove", self._remove, "small")
        return row(self.list, self.remove)

    def _typed(self) -> QWidget:
        self.edit = QLineEdit()
        self.edit.setPlaceholderText("Top, left, bottom, right in pixels: 0,0,40,512")
        self.edit.setAccessibleName("Rectangle: top, left, bottom, right")
        self.edit.returnPressed.connect(self._type)
        self.problem = label("", "warning", wrap=True)
        self.problem.hide()
        holder = QWidget()
        lines = column(holder, (0, 0, 0, 0), GRID // 2)
        lines.addWidget(row(self.edit, button("Add", self._type, "small")))
        lines.addWidget(self.problem)
        return holder

    @property
    def _key(self) -> str:
        return self._series.identity.series_uid if self._series else ""

    def _add(self, mask: Mask) -> None:
        self.masks.setdefault(self._key, []).append(mask)
        self._refresh()
        self.changed.emit()

    def _type(self) -> None:
        try:
            self._add(Mask.parse(self.edit.text()))
            self.edit.clear()
            self.problem.hide()
        except UserError as error:
            self.problem.setText(str(error))
            self.problem.show()

    def _remove(self) -> None:
        masks, chosen = self.masks.get(self._key, []), self.list.currentRow()
        if 0 <= chosen < len(masks):
            del masks[chosen]
            if not masks:
                del self.masks[self._key]
            self._refresh()
            self.changed.emit()

    def _refresh(self) -> None:
        masks = self.masks.get(self._key, [])
        self.list.clear()
        self.list.addItems(
            [f"rows {m.top} to {m.bottom}, columns {m.left} to {m.right}" for m in masks]
        )
        self.list.setCurrentRow(len(masks) - 1)
        self.remove.setEnabled(bool(masks))
        self.canvas.show_masks(masks)

    def _show_picture(self) -> None:
        if self._series is not None:
            series = self._series
            whole = series.kind == "image"
            pixels = series.voxels if whole else series.voxels[self.place.value()]
            self.canvas.show_picture(grey_or_rgb(series, pixels))


class MaskCanvas(QWidget):
    """The picture with its masks; a drag draws another."""

    drawn = Signal(Mask)

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumSize(240, 200)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName("Picture with blacked-out parts")
        self._picture = QImage()
        self._masks: list[Mask] = []
        self._from: QPoint | None = None
        self._to = QPoint()

    def show_picture(self, pixels: Array) -> None:
        """8-bit grey or RGB."""
        self._picture = image_of(pixels)
        self.update()

    def show_masks(self, masks: list[Mask]) -> None:
        """Black these out from now on."""
        self._masks = list(masks)
        self.update()

    def frame(self) -> QRect:
        """Where the picture is, in the widget's pixels."""
        size = self._picture.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRect(QPoint(0, 0), size)
        place.moveCenter(self.rect().center())
        return place

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture, the masks, and the rectangle that is being drawn."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("black"))
        if self._picture.isNull():
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(self.frame(), self._picture)
        painter.setPen(QPen(QColor(EDGE), 1))
        painter.setBrush(QColor("black"))
        for mask in self._masks:
            painter.drawRect(self._shown(mask).intersected(self.frame()))
        if self._from is not None:
            painter.setBrush(QColor(0, 0, 0, 120))
            painter.drawRect(QRect(self._from, self._to).normalized())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a rectangle."""
        self._from = self._to = event.position().toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Make it larger."""
        self._to = event.position().toPoint()
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """It is drawn."""
        if self._from is None or self._picture.isNull():
            return
        drawn = QRect(self._from, event.position().toPoint()).normalized()
        self._from = None
        self.update()
        drawn = drawn.intersected(self.frame())
        mask = self._stored(drawn)
        if min(mask.bottom - mask.top, mask.right - mask.left) >= SMALLEST:
            self.drawn.emit(mask)

    def _shown(self, mask: Mask) -> QRect:
        frame, scale = self.frame(), self._scale()
        left, top = frame.left() + mask.left * scale, frame.top() + mask.top * scale
        width, height = (mask.right - mask.left) * scale, (mask.bottom - mask.top) * scale
        return QRect(round(left), round(top), round(width), round(height))

    def _stored(self, area: QRect) -> Mask:
        """The pixels that a part of the widget touches."""
        frame, scale = self.frame(), self._scale()
        left, top = (area.left() - frame.left()) / scale, (area.top() - frame.top()) / scale
        right = left + area.width() / scale
        bottom = top + area.height() / scale
        return Mask(
            max(0, int(top)), max(0, int(left)),
            min(self._picture.height(), int(np.ceil(bottom))),
            min(self._picture.width(), int(np.ceil(right))),
        )  # fmt: skip

    def _scale(self) -> float:
        return max(self.frame().width(), 1) / max(self._picture.width(), 1)


def grey_or_rgb(series: Series, pixels: Array) -> Array:
    """A stored picture as it is shown, in 8 bit."""
    if series.rgb and pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    return windowed(pixels, first_window(series))
