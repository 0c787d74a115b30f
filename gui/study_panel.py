"""The list of what is open: patient and study, then each series with a thumbnail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from qtpy.QtGui import QAction, QColor, QFont, QImage, QPainter, QPen
from qtpy.QtWidgets import (
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gui.painting import SYNTHETIC, image_of
from gui.parts import label
from gui.studies import (
    expected_facts,
    patient_title,
    series_facts,
    series_title,
    study_title,
)
from gui.theme import GRID, THEMES, Theme
from gui.veil import words_of
from inference.names import without
from inference.windowing import first_window, windowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.document import Document
    from gui.studies import Expected, Named, Studies
    from inference.series import Series

THUMB = 48  # px
RIM = 4  # px, of which half lies outside
DOCUMENT, PICTURE, FACTS, WARNINGS, EXPECTED = (Qt.ItemDataRole.UserRole + n for n in range(5))
Index = QModelIndex | QPersistentModelIndex


class StudyPanel(QWidget):
    """Follows `studies`; choosing a row selects its document."""

    close_asked = Signal(object)  # Document
    open_asked = Signal(object)  # Expected
    _pictured = Signal(object, QImage)

    def __init__(self, studies: Studies, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._studies = studies
        self._hidden = False
        self._items: dict[Document, QTreeWidgetItem] = {}
        self._expected: list[QTreeWidgetItem] = []
        self._painter = ThreadPoolExecutor(1, thread_name_prefix="thumbnails")
        self._build()
        self._pictured.connect(self._show_picture)
        studies.added.connect(self._added)
        studies.removed.connect(self._removed)
        studies.selected_changed.connect(self._selected)
        studies.expected_changed.connect(self._list_expected)

    def items(self) -> list[QTreeWidgetItem]:
        """The rows of the open series, in the order of opening."""
        return list(self._items.values())

    def hide_names(self, hidden: bool) -> None:
        """Show or hide who the patients are."""
        self._hidden = hidden
        self._regroup()

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self._delegate.theme = theme
        self.tree.viewport().update()

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID, 0, GRID)
        column.addWidget(label("STUDIES", "section"))
        self.tree = QTreeWidget()
        self.tree.setHeaderHidden(True)
        self.tree.setIndentation(0)
        self.tree.setRootIsDecorated(False)
        self.tree.setAccessibleName("Open studies")
        self._delegate = SeriesDelegate(self.tree)
        self.tree.setItemDelegate(self._delegate)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.tree.currentItemChanged.connect(self._chosen)
        self.tree.itemActivated.connect(self._ask)
        close = QAction("Close series", self.tree)
        close.setShortcut("Delete")
        close.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        close.triggered.connect(lambda: self.close_asked.emit(self._studies.selected))
        self.tree.addAction(close)
        column.addWidget(self.tree)

    def _added(self, document: Document) -> None:
        item = QTreeWidgetItem()
        self._items[document] = item
        series = document.series
        item.setData(0, DOCUMENT, document)
        item.setData(0, FACTS, series_facts(series))
        item.setData(0, WARNINGS, "\n\n".join(series.warnings))
        self._name(item, series, self._warnings(series))
        self._group(series).addChild(item)
        self.tree.expandAll()
        self._painter.submit(self._paint, document)

    def _warnings(self, series: Series) -> Sequence[str]:
        """Its warnings, without names where these are hidden."""
        if not self._hidden:
            return series.warnings
        return [without(line, words_of(series)) for line in series.warnings]

    def _name(self, item: QTreeWidgetItem, series: Named, warnings: Sequence[str] = ()) -> None:
        """Call a series by names that may be shown."""
        item.setText(0, series_title(series, self._hidden))
        names = [] if self._hidden else [series.path.name]
        item.setToolTip(0, "\n\n".join((*names, *warnings)))

    def _list_expected(self) -> None:
        """The series that are not read yet, after those that are."""
        for item in self._expected:
            self._leave(item)
        self._expected = [self._expect(found) for found in self._studies.expected.values()]
        self.tree.expandAll()

    def _expect(self, expected: Expected) -> QTreeWidgetItem:
        item = QTreeWidgetItem()
        item.setData(0, EXPECTED, expected)
        item.setData(0, FACTS, expected_facts(expected))
        self._name(item, expected.entry)
        self._group(expected.entry).addChild(item)
        return item

    def _ask(self, item: QTreeWidgetItem) -> None:
        if (expected := item.data(0, EXPECTED)) is not None:
            self.open_asked.emit(expected)

    def _leave(self, item: QTreeWidgetItem) -> None:
        group = _detach(item)
        if group is not None and not group.childCount():
            self.tree.takeTopLevelItem(self.tree.indexOfTopLevelItem(group))

    def _group(self, series: Named) -> QTreeWidgetItem:
        title = f"{patient_title(series, self._hidden)}\n{study_title(series, self._hidden)}"
        identity = series.identity  # files of one study may lie in several folders
        key = f"{identity.patient_id}\n{identity.patient_name}\n{identity.study_uid or title}"
        for number in range(self.tree.topLevelItemCount()):
            group = self.tree.topLevelItem(number)
            if group is not None and group.data(0, FACTS) == key:
                return group
        group = QTreeWidgetItem([title])
        group.setFlags(Qt.ItemFlag.ItemIsEnabled)
        group.setData(0, FACTS, key)
        self.tree.addTopLevelItem(group)
        return group

    def _regroup(self) -> None:
        self.tree.blockSignals(True)
        for item in (*self._items.values(), *self._expected):
            _detach(item)
        self._expected = []
        self.tree.clear()
        for document, item in self._items.items():
            self._name(item, document.series, self._warnings(document.series))
            self._group(document.series).addChild(item)
        self._list_expected()
        self.tree.blockSignals(False)
        self._selected(self._studies.selected)

    def _removed(self, document: Document) -> None:
        self._leave(self._items.pop(document))

    def _selected(self, document: Document | None) -> None:
        if document is not None:
            self.tree.setCurrentItem(self._items[document])

    def _chosen(self, item: QTreeWidgetItem | None) -> None:
        if item is not None and (document := item.data(0, DOCUMENT)) is not None:
            self._studies.select(document)

    def _paint(self, document: Document) -> None:
        self._pictured.emit(document, thumbnail(document.series))

    def _show_picture(self, document: Document, picture: QImage) -> None:
        if document in self._items:
            self._items[document].setData(0, PICTURE, picture)


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
        _line(painter, area, Qt.AlignmentFlag.AlignBottom, str(index.data(FACTS)))
        if index.data(WARNINGS):
            painter.setPen(QColor(self.theme.warning))
            painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, "⚠")


def _is_series(index: Index) -> bool:
    return index.parent().isValid()


def thumbnail(series: Series) -> QImage:
    """A small picture of the middle of a series, in its proportions; any thread may ask.

    A run with frames that a model made has a rim in their colour.
    """
    image = series.canonical()
    flat = image if series.kind == "image" else image[image.shape[0] // 2]
    height, width = (
        flat.shape[0] * series.scale[-2],
        flat.shape[1] * series.scale[-1],
    )
    size = THUMB / max(height, width)
    rows = np.linspace(0, flat.shape[0] - 1, max(1, round(height * size))).astype(int)
    columns = np.linspace(0, flat.shape[1] - 1, max(1, round(width * size))).astype(int)
    made = image_of(windowed(flat[np.ix_(rows, columns)], first_window(series)))
    return _rimmed(made) if any(series.synthetic or ()) else made


def _rimmed(picture: QImage) -> QImage:
    rimmed = picture.convertToFormat(QImage.Format.Format_RGB888)
    painter = QPainter(rimmed)
    painter.setPen(QPen(SYNTHETIC, RIM))
    painter.drawRect(rimmed.rect().adjusted(0, 0, -1, -1))
    painter.end()
    return rimmed


def _line(painter: QPainter, area: QRect, where: Qt.AlignmentFlag, text: str) -> None:
    short = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, area.width())
    painter.drawText(area, where | Qt.AlignmentFlag.AlignLeft, short)


def _bold(font: QFont) -> QFont:
    font = QFont(font)
    font.setBold(True)
    return font


def _detach(item: QTreeWidgetItem) -> QTreeWidgetItem | None:
    group = item.parent()
    if group is not None:
        group.removeChild(item)
    return group
