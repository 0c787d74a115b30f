"""What is painted over a canvas: letters, scale bar, corner texts, crosshair, tool and marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

from gui.painting import (
    SHADOW,
    TEXT,
    paint_banner,
    paint_legend,
    paint_mark,
    paint_outline,
    paint_text,
)
from gui.planes import scale_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QPaintEvent

    from gui.display import Legend
    from gui.planes import Point
    from gui.tool import Mark, Outline

LETTER = QColor("#ffcf5c")
CROSS = QColor(110, 205, 220, 190)
MARGIN = 8
SCALE_HEIGHT = 20
GAP = 10  # px left free in the middle of the crosshair
Corner = Qt.AlignmentFlag


@dataclass(slots=True)
class Scene:
    """All that a glass shows, in screen pixels."""

    top_left: Sequence[str] = ()
    top_right: Sequence[str] = ()
    bottom_left: Sequence[str] = ()
    bottom_right: Sequence[str] = ()
    letters: tuple[str, str, str, str] | None = None  # left, right, top, bottom
    zoom: float = 1.0  # px per unit
    unit: str = "px"  # "mm" where spacing is known
    cross: Point | None = None
    ring: tuple[Point, float] | None = None  # centre, radius
    path: Sequence[Point] = ()
    marks: Sequence[tuple[Point, Mark]] = ()
    outlines: Sequence[tuple[Sequence[Point], Outline]] = ()
    banner: str = ""  # said even where texts are hidden, as the picture would mislead without it
    legend: Legend | None = None
    framed: bool = False  # this view is the one that keys act on


class Glass(QWidget):
    """A transparent sheet over a canvas, which takes the mouse and the keys in its place."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.scene = Scene()
        self.annotated = True
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)

    def show_scene(self, scene: Scene) -> None:
        """Paint this from now on."""
        self.scene = scene
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the scene."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_cross(painter)
        for points, outline in self.scene.outlines:
            paint_outline(painter, points, outline)
        self._paint_path(painter)
        for place, mark in self.scene.marks:
            paint_mark(painter, place, mark)
        paint_banner(painter, self.scene.banner, QRectF(self.rect()))
        if self.scene.legend is not None:
            paint_legend(painter, self.scene.legend, QRectF(self.rect()))
        if self.scene.framed or self.hasFocus():
            painter.setPen(QPen(CROSS, 1))
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        if self.annotated:
            self._paint_texts(painter)
            self._paint_letters(painter)
            self._paint_scale(painter)

    def _paint_cross(self, painter: QPainter) -> None:
        if self.scene.cross is None:
            return
        x, y = self.scene.cross
        painter.setPen(QPen(CROSS, 1))
        for a, b in ((0.0, x - GAP), (x + GAP, float(self.width()))):
            painter.drawLine(QPointF(a, y), QPointF(b, y))
        for a, b in ((0.0, y - GAP), (y + GAP, float(self.height()))):
            painter.drawLine(QPointF(x, a), QPointF(x, b))

    def _paint_path(self, painter: QPainter) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        points = QPolygonF([QPointF(*point) for point in self.scene.path])
        for color, width in ((SHADOW, 3.0), (TEXT, 1.2)):
            painter.setPen(QPen(color, width))
            painter.drawPolyline(points)
            if self.scene.ring:
                centre, radius = self.scene.ring
                painter.drawEllipse(QPointF(*centre), radius, radius)

    def _paint_texts(self, painter: QPainter) -> None:
        scene, area = self.scene, QRectF(self.rect()).adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
        for lines, where in (
            (scene.top_left, Corner.AlignTop | Corner.AlignLeft),
            (scene.top_right, Corner.AlignTop | Corner.AlignRight),
            (scene.bottom_left, Corner.AlignBottom | Corner.AlignLeft),
            (scene.bottom_right, Corner.AlignBottom | Corner.AlignRight),
        ):
            if scene.top_left is lines:
                lines = self._beside_the_middle(painter, lines)
            above_scale = scene.bottom_right is lines
            room = area.adjusted(0, 0, 0, -SCALE_HEIGHT) if above_scale else area
            paint_text(painter, room, where, "\n".join(lines))

    def _beside_the_middle(self, painter: QPainter, lines: Sequence[str]) -> list[str]:
        """Names shortened so far that they do not run into what stands beside them."""
        metrics = painter.fontMetrics()
        right = max(map(metrics.horizontalAdvance, self.scene.top_right), default=0)
        if self.scene.letters is not None:
            right = max(right, self.width() // 2)
        room = self.width() - right - 3 * MARGIN
        return [metrics.elidedText(line, Qt.TextElideMode.ElideRight, room) for line in lines]

    def _paint_letters(self, painter: QPainter) -> None:
        if self.scene.letters is None:
            return
        font = QFont(self.font())
        font.setPointSizeF(font.pointSizeF() + 2)
        font.setBold(True)
        painter.save()
        painter.setFont(font)
        area = QRectF(self.rect()).adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
        middle = Corner.AlignVCenter, Corner.AlignVCenter, Corner.AlignHCenter, Corner.AlignHCenter
        edges = Corner.AlignLeft, Corner.AlignRight, Corner.AlignTop, Corner.AlignBottom
        for letter, along, edge in zip(self.scene.letters, middle, edges, strict=True):
            paint_text(painter, area, along | edge, letter, LETTER)
        painter.restore()

    def _paint_scale(self, painter: QPainter) -> None:
        length = scale_bar(self.scene.zoom, self.width() / 4)
        pixels, y = length * self.scene.zoom, self.height() - 1.5 * MARGIN
        right = float(self.width() - MARGIN)
        left = right - pixels
        caption = f"{length / 10:g} cm" if self.scene.unit == "mm" and length >= 10 else (
            f"{length:g} {self.scene.unit}"
        )  # fmt: skip
        for color, width in ((SHADOW, 3.0), (TEXT, 1.4)):
            painter.setPen(QPen(color, width))
            painter.drawPolyline(
                QPolygonF(
                    [
                        QPointF(left, y - 4),
                        QPointF(left, y),
                        QPointF(left + pixels, y),
                        QPointF(left + pixels, y - 4),
                    ]
                )
            )
        beside = QRectF(left - 90, y - 14, 84, 20)
        paint_text(painter, beside, Corner.AlignVCenter | Corner.AlignRight, caption)
