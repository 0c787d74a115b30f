"""The tour: a bubble that goes from part to part of the window, and a frame round each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QPoint, QRect, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QFrame, QHBoxLayout, QWidget

from gui.parts import button, column, label, letter_width
from gui.theme import GRID, THEMES
from gui.tour_steps import STEPS

if TYPE_CHECKING:
    from qtpy.QtCore import QObject, QSize
    from qtpy.QtGui import QKeyEvent, QPaintEvent

    from gui.window import LimnWindow

LETTERS = 44  # in a line of the bubble


class Tour(QFrame):
    """Next, back and end by buttons or by the arrow keys and Escape."""

    ended = Signal()

    def __init__(self, window: LimnWindow) -> None:
        super().__init__(window)
        self._window, self._at = window, 0
        self.setObjectName("toast")
        self.setAccessibleName("Tour")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedWidth(LETTERS * letter_width(self))
        self._frame = Frame(window, THEMES[window.settings.now.theme].accent)
        self.title, self.text = label("", "big", wrap=True), label("", wrap=True)
        self.count = label("", "quiet")
        self.back = button("Back", lambda: self.go(-1))
        self.next = button("Next", lambda: self.go(1), "primary")
        self.stop = button("End tour", self.end)
        inside = column(self, (2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID), GRID)
        inside.addWidget(self.title)
        inside.addWidget(self.text)
        row = QHBoxLayout()
        row.addWidget(self.count, 1)
        for part in (self.stop, self.back, self.next):
            row.addWidget(part)
        inside.addLayout(row)
        window.installEventFilter(self)
        window.views.shown.connect(self.setFocus)  # a sample that opens would take the keys along
        self.go(0)

    def go(self, steps: int) -> None:
        """Show another step; after the last one the tour is over."""
        self._at = max(self._at + steps, 0)
        if self._at == len(STEPS):
            return self.end()
        step = STEPS[self._at]
        self.title.setText(step.title)
        self.text.setText(step.text)
        self.count.setText(f"{self._at + 1} of {len(STEPS)}")
        self.back.setEnabled(self._at > 0)
        last = self._at == len(STEPS) - 1
        self.next.setText("Done" if last else "Next")
        self.next.setAccessibleName(self.next.text())
        self._place()
        return None

    def end(self) -> None:
        """Leave the window as it is."""
        self._window.removeEventFilter(self)
        self._frame.deleteLater()
        self.hide()
        self.deleteLater()
        self.ended.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrow keys and Escape."""
        match event.key():
            case Qt.Key.Key_Escape:
                self.end()
            case Qt.Key.Key_Right | Qt.Key.Key_Return | Qt.Key.Key_Enter:
                self.go(1)
            case Qt.Key.Key_Left:
                self.go(-1)
            case _:
                super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay beside what is shown when the window changes its size."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        target = STEPS[self._at].target(self._window)
        around = QRect(target.mapTo(self._window, QPoint(0, 0)), target.size())
        self._frame.surround(around)
        self.resize(self.width(), self.heightForWidth(self.width()))
        self.move(beside(around, self.size(), self._window.rect()))
        self.show()
        self.raise_()
        self.setFocus()


class Frame(QWidget):
    """A line round a part of the window, through which the mouse goes."""

    def __init__(self, window: QWidget, color: str) -> None:
        super().__init__(window)
        self._color = QColor(color)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def surround(self, around: QRect) -> None:
        """Show the line just outside."""
        self.setGeometry(around.adjusted(-3, -3, 3, 3))
        self.show()
        self.raise_()

    def paintEvent(self, event: QPaintEvent) -> None:
        """A rounded line."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._color, 3))
        painter.drawRoundedRect(self.rect().adjusted(2, 2, -2, -2), 6, 6)


def beside(around: QRect, size: QSize, room: QRect) -> QPoint:
    """Where a bubble fits next to `around`: over or under what is low, else at a side or inside."""
    gap = 2 * GRID
    middle = around.center() - QPoint(size.width() // 2, size.height() // 2)
    sides = (
        QPoint(around.right() + gap, around.top()),
        QPoint(around.left() - gap - size.width(), around.top()),
    )
    ends = (
        QPoint(around.left(), around.bottom() + gap),
        QPoint(around.left(), around.top() - gap - size.height()),
    )
    places = (*ends, *sides) if around.height() < size.height() else (*sides, *ends)
    inside = room.adjusted(GRID, GRID, -GRID, -GRID)
    fitting = (_within(place, size, inside) for place in places)
    return next((place for place in fitting if not QRect(place, size).intersects(around)), middle)


def _within(place: QPoint, size: QSize, room: QRect) -> QPoint:
    """Moved so that as much as possible lies in the room."""
    x = max(min(place.x(), room.right() - size.width()), room.left())
    y = max(min(place.y(), room.bottom() - size.height()), room.top())
    return QPoint(x, y)
