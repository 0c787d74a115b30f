"""A picture of what the views show, with the line that every result carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QImage, QPainter

from inference.writing import NOTICE

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qtpy.QtWidgets import QWidget

STRIP = 24  # px below the views
TEXT, GROUND = QColor("#d8d8d8"), QColor("#000000")


def image_of(views: QWidget) -> QImage:
    """The views with their overlays, above a strip with the notice."""
    shown = views.grab().toImage()
    ratio = shown.devicePixelRatio()
    image = QImage(
        shown.width(), shown.height() + round(STRIP * ratio), QImage.Format.Format_RGB888
    )
    image.setDevicePixelRatio(ratio)
    image.fill(GROUND)
    painter = QPainter(image)
    painter.drawImage(0, 0, shown)
    painter.setPen(TEXT)
    strip = QRectF(0, shown.height() / ratio, shown.width() / ratio, STRIP)
    painter.drawText(strip, Qt.AlignmentFlag.AlignCenter, NOTICE)
    painter.end()
    image.setText("Comment", NOTICE)
    return image


def picture_of(views: QWidget) -> NDArray[np.uint8]:
    """The same as 8-bit RGB (y, x, 3)."""
    image = image_of(views)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()
