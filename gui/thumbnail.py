"""The small picture of a series in the list of what is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtGui import QImage, QPainter, QPen

from gui.painting import SYNTHETIC, image_of
from inference.thumbnails import shrunk
from inference.windowing import first_window, windowed

if TYPE_CHECKING:
    from inference.series import Series

THUMB = 48  # px, the longer side
RIM = 4  # px, of which half lies outside


def thumbnail(series: Series) -> QImage:
    """A small picture of the middle of a series, in its proportions; any thread may ask.

    A run with frames that a model made has a rim in their colour.
    """
    image = series.canonical()
    flat = image if series.kind == "image" else image[image.shape[0] // 2]
    small = shrunk(flat, series.scale[-2:], THUMB)
    made = image_of(windowed(small, first_window(series)))
    return _rimmed(made) if any(series.synthetic or ()) else made


def _rimmed(picture: QImage) -> QImage:
    rimmed = picture.convertToFormat(QImage.Format.Format_RGB888)
    painter = QPainter(rimmed)
    painter.setPen(QPen(SYNTHETIC, RIM))
    painter.drawRect(rimmed.rect().adjusted(0, 0, -1, -1))
    painter.end()
    return rimmed
