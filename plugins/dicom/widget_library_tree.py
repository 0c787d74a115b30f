"""The studies of the index, and the series of those that are unfolded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem

from gui.parts import letter_width
from gui.studies import person
from inference.names import names_of, without
from inference.series import Identity
from plugins.dicom.index import SeriesRow, StudyRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QKeyEvent

COLUMNS = ("Patient, series", "ID", "Date", "Description", "Modality", "Series", "Images")
LETTERS = (36, 22, 17, 40, 15, 10, 12)  # that a column has room for
HELD = Qt.ItemDataRole.UserRole
KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class LibraryTree(QTreeWidget):
    """Sorted by any column; Return or a double click opens."""

    unfolded = Signal(StudyRow)  # its series are wanted
    wanted = Signal(object)  # StudyRow or SeriesRow to open

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Studies on this computer")
        self.setColumnCount(len(COLUMNS))
        self.setHeaderLabels(list(COLUMNS))
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setSortingEnabled(True)
        self.sortByColumn(COLUMNS.index("Date"), Qt.SortOrder.DescendingOrder)
        self.setExpandsOnDoubleClick(False)
        self._hidden = False
        self._lay_out_columns()
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        self.itemExpanded.connect(self._unfold)
        self.itemDoubleClicked.connect(lambda item: self.wanted.emit(item.data(0, HELD)))

    @property
    def chosen(self) -> StudyRow | SeriesRow | None:
        """What is current."""
        item = self.currentItem()
        return None if item is None else item.data(0, HELD)

    def show_studies(self, studies: Sequence[StudyRow], *, hidden: bool) -> None:
        """Replace everything, but for what is current and unfolded; `hidden`: without names."""
        current, self._hidden = self.chosen, hidden
        open_keys = {item.data(0, HELD).key for item in self._studies() if item.isExpanded()}
        self.setSortingEnabled(False)
        self.clear()
        for study in studies:
            item = _Item(_study_texts(study, hidden), study)
            item.setChildIndicatorPolicy(item.ChildIndicatorPolicy.ShowIndicator)
            self.addTopLevelItem(item)
            item.setExpanded(study.key in open_keys)
            if current is not None and current.key == study.key:
                self.setCurrentItem(item)
        self.setSortingEnabled(True)
        first = self.topLevelItem(0)
        if self.currentItem() is None and first is not None:
            self.setCurrentItem(first)

    def show_series(self, study: str, series: Sequence[SeriesRow]) -> None:
        """Put the series below their study."""
        for item in self._studies():
            if item.data(0, HELD).key == study:
                item.takeChildren()
                words = _names(item.data(0, HELD)) if self._hidden else set[str]()
                item.addChildren([_Item(_series_texts(row, words), row) for row in series])

    def changeEvent(self, event: QEvent) -> None:
        """Columns follow the size of the text."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._lay_out_columns()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return opens what is current."""
        if event.key() in KEYS and self.chosen is not None:
            self.wanted.emit(self.chosen)
        else:
            super().keyPressEvent(event)

    def _lay_out_columns(self) -> None:
        for column, letters in enumerate(LETTERS):
            self.setColumnWidth(column, letters * letter_width(self))

    def _studies(self) -> list[QTreeWidgetItem]:
        found = (self.topLevelItem(row) for row in range(self.topLevelItemCount()))
        return [item for item in found if item is not None]

    def _unfold(self, item: QTreeWidgetItem) -> None:
        if item.parent() is None and not item.childCount():
            self.unfolded.emit(item.data(0, HELD))


class _Item(QTreeWidgetItem):
    """Sorts numbers as numbers."""

    def __init__(self, texts: Sequence[str], held: StudyRow | SeriesRow) -> None:
        super().__init__(list(texts))
        self.setData(0, HELD, held)
        for column in (COLUMNS.index("Series"), COLUMNS.index("Images")):
            self.setTextAlignment(column, Qt.AlignmentFlag.AlignRight)

    def __lt__(self, other: Any) -> bool:
        column = self.treeWidget().sortColumn()
        return _natural(self.text(column)) < _natural(other.text(column))


def _natural(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.isdecimal() else (1, 0, text.casefold())


def _study_texts(study: StudyRow, hidden: bool) -> tuple[str, ...]:
    name = "Patient" if hidden else person(study.name) or "Without name"
    number = "" if hidden else study.patient_id
    description = without(study.description, _names(study) if hidden else ())
    kinds = study.modalities.replace(",", ", ")
    count = str(study.series), str(study.images)
    return name, number, dashed(study.date), description, kinds, *count


def _names(study: StudyRow) -> set[str]:
    """What people write into descriptions, and is not to be read where names are hidden."""
    return names_of(Identity(study.name, study.patient_id))


def _series_texts(series: SeriesRow, hidden: set[str]) -> tuple[str, ...]:
    described = without(series.description, hidden)
    title = f"{series.number}  {described}".strip() or "Series"
    return title, "", "", "", series.modality, "", str(series.images)


def dashed(date: str) -> str:
    """20240131 as 2024-01-31."""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 else date
