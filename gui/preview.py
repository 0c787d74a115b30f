"""The first picture of what is being read, shown until all of it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import QWidget

from gui.painting import image_of
from gui.theme import GRID, THEMES, Theme

if TYPE_CHECKING:
    from qtpy.QtGui import QImage, QPaintEvent

    from inference.arrivals import Glimpse

ON_CANVAS = "#d5dae0"  # of text over pictures, whose ground is dark in every theme
FOLLOWS = "First picture. The rest is being read…"


class Preview(QWidget):
    """One picture in its proportions, and what it is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(FOLLOWS)
        self._theme: Theme = THEMES["dark"]
        self.picture: QImage | None = None
        self._proportions = QSize(1, 1)

    def show_glimpse(self, glimpse: Glimpse) -> None:
        """Show another picture."""
        self.picture = image_of(glimpse.picture)
        height, width = glimpse.picture.shape[:2]
        down, across = glimpse.spacing
        self._proportions = QSize(round(1000 * width * across / down), 1000 * height)
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self._theme = theme
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """As large as fits, in the middle."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._theme.canvas))
        if self.picture is None:
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        size = self._proportions.scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRect(0, 0, size.width(), size.height())
        place.moveCenter(self.rect().center())
        painter.drawImage(place, self.picture)
        painter.setPen(QColor(ON_CANVAS))
        below = self.rect().adjusted(2 * GRID, 0, 0, -2 * GRID)
        painter.drawText(below, Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft, FOLLOWS)
