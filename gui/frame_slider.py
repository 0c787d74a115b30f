"""The slider over the frames of a run, with ticks that tell what is special about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSlider, QToolTip

from gui.theme import THEMES, Theme

if TYPE_CHECKING:
    from collections.abc import Collection

    from qtpy.QtCore import QPoint
    from qtpy.QtGui import QHelpEvent, QMouseEvent, QPaintEvent

DOUBTFUL = 0.5  # a confidence below this is drawn as an error
EDGE = 8  # px left free at both ends
HEIGHT = 30
LINE = 15  # where the groove lies
TICK = 9  # px, of a synthetic frame that can be trusted


@dataclass(frozen=True, slots=True)
class Ticks:
    """What is special about frames."""

    synthetic: Collection[int] = ()
    confidence: tuple[float, ...] = ()
    marked: Collection[int] = ()
    hidden: bool = False  # the synthetic frames are passed over

    def trust(self, frame: int) -> float:
        """0 to 1."""
        return self.confidence[frame] if frame < len(self.confidence) else 1.0

    def words(self, frame: int) -> str:
        """What a frame is, for a tool tip."""
        parts = [f"Frame {frame + 1}"]
        if frame in self.synthetic:
            parts.append("interpolated")
            if self.confidence:
                parts.append(f"confidence {100 * self.trust(frame):.0f} %")
        if frame in self.marked:
            parts.append("marked")
        return ", ".join(parts)


class FrameSlider(QSlider):
    """A press or drag goes to the frame under the mouse; marks above, interpolated ones below."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setAccessibleName("Frame")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.ticks = Ticks()
        self._theme = THEMES["dark"]

    def show_ticks(self, ticks: Ticks) -> None:
        """Draw these from now on."""
        if ticks != self.ticks:
            self.ticks = ticks
            self.update()

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        """As wide as there is room."""
        return QSize(160, HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """Narrow windows have it too."""
        return QSize(60, HEIGHT)

    def place_of(self, frame: int) -> float:
        """Where a frame lies, px from the left."""
        return EDGE + frame * self._step

    def frame_at(self, x: float) -> int:
        """The frame under a place."""
        return min(max(round((x - EDGE) / self._step), 0), self.maximum())

    @property
    def _step(self) -> float:
        return (self.width() - 2 * EDGE) / max(self.maximum(), 1)

    def event(self, event: QEvent) -> bool:
        """Tell what the frame under the mouse is."""
        if event.type() == QEvent.Type.ToolTip:
            self._explain(event)  # type: ignore[arg-type]
            return True
        return bool(super().event(event))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go there."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self.setValue(self.frame_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go along."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.setValue(self.frame_at(event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Stay there."""
        self.setSliderDown(False)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Groove, ticks, marks, and the handle on top."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_groove(painter)
        self._paint_synthetic(painter)
        self._paint_marks(painter)
        painter.setPen(QPen(QColor(self._theme.panel), 2))
        painter.setBrush(QColor(self._theme.text))
        painter.drawEllipse(QPointF(self.place_of(self.value()), LINE), 7, 7)

    def _paint_groove(self, painter: QPainter) -> None:
        here = self.place_of(self.value())
        ends = self.place_of(0), self.place_of(self.maximum())
        for start, end, color in ((*ends, self._theme.line), (ends[0], here, self._theme.accent)):
            painter.setPen(QPen(QColor(color), 4, c=Qt.PenCapStyle.RoundCap))
            painter.drawLine(QPointF(start, LINE), QPointF(end, LINE))

    def _paint_synthetic(self, painter: QPainter) -> None:
        """One tick below the groove each, short and red where the frame is not to be trusted."""
        theme, ticks = self._theme, self.ticks
        width = min(max(self._step - 1, 1.0), 5.0)
        painter.setPen(Qt.PenStyle.NoPen)
        for frame in ticks.synthetic:
            trust = ticks.trust(frame)
            color = QColor(theme.warning if trust >= DOUBTFUL else theme.error)
            color.setAlpha(90 if ticks.hidden else 255)
            height = max(TICK * trust, 3.0)
            left = self.place_of(frame) - width / 2
            painter.fillRect(QRectF(left, LINE + 4, width, height), color)

    def _paint_marks(self, painter: QPainter) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.text))
        for frame in self.ticks.marked:
            x = self.place_of(frame)
            corners = QPointF(x - 4, 1), QPointF(x + 4, 1), QPointF(x, 8)
            painter.drawPolygon(QPolygonF(corners))

    def _explain(self, event: QHelpEvent) -> None:
        at: QPoint = event.pos()
        QToolTip.showText(event.globalPos(), self.ticks.words(self.frame_at(at.x())), self)
