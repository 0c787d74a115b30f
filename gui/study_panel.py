"""The list of what is open: patient and study, then each series with a thumbnail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction, QImage
from qtpy.QtWidgets import QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from gui.parts import label
from gui.studies import (
    expected_facts,
    patient_title,
    series_facts,
    series_title,
    study_title,
)
from gui.study_rows import DOCUMENT, EXPECTED, FACTS, PICTURE, WARNINGS, SeriesDelegate
from gui.theme import GRID, Theme
from gui.thumbnail import thumbnail
from gui.veil import words_of
from inference.names import without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.document import Document
    from gui.studies import Expected, Named, Studies
    from inference.series import Series


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


def _detach(item: QTreeWidgetItem) -> QTreeWidgetItem | None:
    group = item.parent()
    if group is not None:
        group.removeChild(item)
    return group
