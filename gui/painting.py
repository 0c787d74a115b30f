"""Pictures for Qt, and what is painted over them, on the screen and burned in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QImage, QLinearGradient, QPainter, QPen, QPolygonF

from inference import thumbnails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.display import Legend
    from gui.planes import Point
    from gui.tool import Mark, Outline
    from inference.series import Array

Align = Qt.AlignmentFlag
TEXT = QColor("#e8edf2")
SHADOW = QColor(0, 0, 0, 210)
SYNTHETIC = QColor(thumbnails.SYNTHETIC)
SIGN = QColor("#ffffff")
DOT = 5.0  # px, radius
SHIFTS = ((1, 1), (-1, 1), (1, -1), (-1, -1), (1.5, 0), (-1.5, 0), (0, 1.5), (0, -1.5))
"""Of the shadow, px: legible on white too."""


def image_of(pixels: Array) -> QImage:
    """A copy of uint8 grey (y, x) or colours (y, x, 3) that Qt can paint; any thread may ask."""
    packed = np.ascontiguousarray(pixels)
    kind = QImage.Format.Format_RGB888 if packed.ndim == 3 else QImage.Format.Format_Grayscale8
    height, width = packed.shape[:2]
    return QImage(packed.data, width, height, packed.strides[0], kind).copy()


def paint_text(
    painter: QPainter, area: QRectF, where: Align, text: str, color: QColor = TEXT
) -> None:
    """Text with a shadow, legible on any picture; what is larger than the area goes beyond it."""
    flags = int(where.value) | int(Qt.TextFlag.TextDontClip.value)
    painter.setPen(SHADOW)
    for dx, dy in SHIFTS:
        painter.drawText(area.translated(dx, dy), flags, text)
    painter.setPen(color)
    painter.drawText(area, flags, text)


def paint_banner(painter: QPainter, text: str, area: QRectF) -> None:
    """That a frame was made by a model, on a dark plate at the top."""
    if not text:
        return
    painter.save()
    font = QFont(painter.font())
    font.setBold(True)
    painter.setFont(font)
    metrics = painter.fontMetrics()
    size = metrics.horizontalAdvance(text) + 16.0, metrics.height() + 6.0
    plate = QRectF(area.center().x() - size[0] / 2, area.top() + 6, *size)
    painter.setPen(QPen(SYNTHETIC, 1.5))
    painter.setBrush(QColor(0, 0, 0, 190))
    painter.drawRoundedRect(plate, 4, 4)
    painter.setPen(SYNTHETIC)
    painter.drawText(plate, Align.AlignCenter, text)
    painter.restore()


def paint_legend(painter: QPainter, legend: Legend, area: QRectF) -> None:
    """An upright bar of colours at the left edge, the highest value on top."""
    line = float(painter.fontMetrics().height())
    height = min(200.0, max(area.height() / 3, 3 * line))
    top = area.center().y() - height / 2
    bar = QRectF(area.left() + 10, top, 14, height)
    colors = QLinearGradient(bar.bottomLeft(), bar.topLeft())
    for number, color in enumerate(legend.colors):
        colors.setColorAt(number / max(len(legend.colors) - 1, 1), QColor(color))
    painter.setPen(QPen(SHADOW, 1))
    painter.setBrush(colors)
    painter.drawRect(bar)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    beside = QRectF(bar.right() + 6, top, area.width() / 2, height)
    paint_text(painter, beside, Align.AlignTop | Align.AlignLeft, legend.highest)
    paint_text(painter, beside, Align.AlignBottom | Align.AlignLeft, legend.lowest)
    above = QRectF(bar.left(), top - line - 6, area.width() / 2, line + 2)
    paint_text(painter, above, Align.AlignBottom | Align.AlignLeft, legend.title)


def paint_mark(painter: QPainter, place: Point, mark: Mark) -> None:
    """A dot with its sign inside and its caption beside it."""
    x, y = place
    if mark.chosen:
        _ring(painter, place, DOT + 4, QPen(TEXT, 1.5))
    painter.setBrush(QColor(mark.color))
    _ring(painter, place, DOT + 1, QPen(SHADOW, 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if mark.sign:
        painter.setPen(QPen(SIGN, 1.8))
        painter.drawLine(QPointF(x - 3, y), QPointF(x + 3, y))
        if mark.sign == "+":
            painter.drawLine(QPointF(x, y - 3), QPointF(x, y + 3))
        _ring(painter, place, DOT, QPen(SIGN, 1))
    beside = QRectF(x + 8, y - 10, 200, 20)
    paint_text(painter, beside, Align.AlignVCenter, mark.text)


def _ring(painter: QPainter, place: Point, radius: float, pen: QPen) -> None:
    painter.setPen(pen)
    painter.drawEllipse(QPointF(*place), radius, radius)


def paint_outline(painter: QPainter, points: Sequence[Point], outline: Outline) -> None:
    """A line with its name above the topmost corner."""
    if not points:
        return
    corners = QPolygonF([QPointF(*point) for point in points])
    painter.setBrush(Qt.BrushStyle.NoBrush)
    color = QColor(outline.color)
    for shade, width in ((SHADOW, 3.5), (color, 1.8)):
        pen = QPen(shade, width)
        if outline.dashed and shade is color:
            pen.setDashPattern([3, 3])
        painter.setPen(pen)
        (painter.drawPolygon if outline.closed else painter.drawPolyline)(corners)
    x, y = min(points, key=lambda point: point[1])
    above = QRectF(x - 120, y - 21, 240, 20)
    paint_text(painter, above, Align.AlignBottom | Align.AlignHCenter, outline.text, color)
