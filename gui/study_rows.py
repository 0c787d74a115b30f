"""How the rows of the list of what is open are painted: series, and patients with their studies."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from qtpy.QtGui import QColor, QFont, QPainter
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from gui.theme import GRID, THEMES, Theme
from gui.thumbnail import THUMB

DOCUMENT, PICTURE, FACTS, WARNINGS, EXPECTED = (Qt.ItemDataRole.UserRole + n for n in range(5))
"""What a row holds besides its title."""
Index = QModelIndex | QPersistentModelIndex


class SeriesDelegate(QStyledItemDelegate):
    """Paints a series as thumbnail, title and facts, and a group as two lines."""

    theme: Theme = THEMES["dark"]

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Room for a thumbnail and two lines, or for two lines of a group."""
        lines = 2 * option.fontMetrics.height()
        if _is_series(index):
            return QSize(100, max(THUMB + GRID, lines + 2 * GRID))
        return QSize(100, max(5 * GRID, lines + GRID))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint one row."""
        painter.save()
        if not _is_series(index):
            self._paint_group(painter, option.rect, index)
        else:
            self._paint_series(painter, option, index)
        painter.restore()

    def _paint_group(self, painter: QPainter, rect: QRect, index: Index) -> None:
        patient, _, study = str(index.data()).partition("\n")
        area = rect.adjusted(2, 4, -GRID, -2)
        painter.setPen(QColor(self.theme.text))
        painter.setFont(_bold(painter.font()))
        _line(painter, area, Qt.AlignmentFlag.AlignTop, patient)
        painter.setPen(QColor(self.theme.quiet))
        font = painter.font()
        font.setBold(False)
        painter.setFont(font)
        _line(painter, area, Qt.AlignmentFlag.AlignBottom, study)

    def _paint_series(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        rect = option.rect.adjusted(0, 1, -GRID // 2, -1)
        state = option.state
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        if chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self.theme.selected if chosen else self.theme.raised))
            painter.drawRoundedRect(rect, 4, 4)
        if chosen:
            painter.fillRect(QRect(rect.left(), rect.top() + 4, 3, rect.height() - 8),
                             QColor(self.theme.accent))  # fmt: skip
        picture = index.data(PICTURE)
        frame = QRect(rect.left() + GRID, rect.top() + 3, THUMB, THUMB)
        painter.fillRect(frame, QColor("black"))
        if picture is not None:
            inside = QRect(0, 0, picture.width(), picture.height())
            inside.moveCenter(frame.center())
            painter.drawImage(inside, picture)
        area = QRect(frame.right() + GRID, rect.top() + GRID, 0, rect.height() - 2 * GRID)
        area.setRight(rect.right() - GRID // 2)
        waits = index.data(EXPECTED) is not None
        painter.setPen(QColor(self.theme.quiet if waits else self.theme.text))
        _line(painter, area, Qt.AlignmentFlag.AlignTop, str(index.data()))
        painter.setPen(QColor(self.theme.quiet))
        facts = str(index.data(FACTS))  # half a number would be another one
        _line(painter, area, Qt.AlignmentFlag.AlignBottom, facts, Qt.TextElideMode.ElideRight)
        if index.data(WARNINGS):
            painter.setPen(QColor(self.theme.warning))
            painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, "⚠")


def _is_series(index: Index) -> bool:
    return index.parent().isValid()


def _line(
    painter: QPainter,
    area: QRect,
    where: Qt.AlignmentFlag,
    text: str,
    cut: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
) -> None:
    short = painter.fontMetrics().elidedText(text, cut, area.width())
    painter.drawText(area, where | Qt.AlignmentFlag.AlignLeft, short)


def _bold(font: QFont) -> QFont:
    font = QFont(font)
    font.setBold(True)
    return font
