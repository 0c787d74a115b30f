"""What a search found: patients, their studies, and the series of these once they are opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QTreeWidget, QTreeWidgetItem

from gui.parts import letter_width
from inference.names import names_of, without
from inference.series import Identity
from plugins.dicom.network.archive import FoundSeries, Study

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QResizeEvent

COLUMNS = ("Patient, study, series", "Date", "Modality", "Images", "ID, accession")
LETTERS = (28, 23, 14, 11, 20)  # that a column has room for; the first takes what is left
TITLE, DATE, MODALITY, IMAGES, NUMBER = range(len(COLUMNS))
FOUND, ORDER = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
Found = Study | FoundSeries


class ResultsTree(QTreeWidget):
    """Sorted by any column; asks for the series of a study when it is opened."""

    opened = Signal(Study)  # its series are wanted
    chosen = Signal(object)  # the one FoundSeries or Study that is current, else None
    wanted = Signal()  # what is selected is to be fetched

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Studies that were found")
        self.setColumnCount(len(COLUMNS))
        self.setHeaderLabels(list(COLUMNS))
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setUniformRowHeights(True)
        self.setSortingEnabled(True)
        self.sortByColumn(DATE, Qt.SortOrder.DescendingOrder)
        self.header().setStretchLastSection(False)
        self._lay_out_columns()
        self._studies: dict[str, QTreeWidgetItem] = {}
        self._patients: dict[str, QTreeWidgetItem] = {}
        self._hidden = False
        self.itemExpanded.connect(self._expanded)
        self.itemSelectionChanged.connect(self._selected)
        self.itemDoubleClicked.connect(self._double_clicked)

    def show_studies(self, studies: Sequence[Study]) -> None:
        """Replace everything."""
        self.clear()
        self._studies, self._patients = {}, {}
        self.setSortingEnabled(False)
        for study in studies:
            self._add_study(study)
        self.setSortingEnabled(True)
        for patient in self._patients.values():
            patient.setExpanded(True)
        if len(studies) == 1:
            only = self._studies[studies[0].study_uid]
            only.setExpanded(True)
            self.setCurrentItem(only)

    def show_series(self, study_uid: str, series: Sequence[FoundSeries]) -> None:
        """Put the series below their study."""
        item = self._studies.get(study_uid)
        if item is None:
            return  # of a search before
        item.takeChildren()
        for entry in series:
            child = _Item(entry, _series_texts(entry), _natural(entry.number))
            child.setTextAlignment(IMAGES, Qt.AlignmentFlag.AlignRight)
            item.addChild(child)
            self._describe(child, item.data(TITLE, FOUND))
        if not series:
            item.setChildIndicatorPolicy(_Item.ChildIndicatorPolicy.DontShowIndicator)

    def hide_names(self, hidden: bool) -> None:
        """Show or hide who the patients are."""
        self._hidden = hidden
        self.setColumnHidden(NUMBER, hidden)
        for number, item in enumerate(self._patients.values(), 1):
            self._name(item, number)
        for study in self._studies.values():
            for item in (study, *_children(study)):
                self._describe(item, study.data(TITLE, FOUND))

    def selection(self) -> tuple[list[str], list[FoundSeries]]:
        """UIDs of whole studies, also of selected patients, and series that are selected alone."""
        found: list[Found] = []
        for item in self.selectedItems():
            parts = [item] if item.data(TITLE, FOUND) else _children(item)
            found += [part.data(TITLE, FOUND) for part in parts]
        studies = list(dict.fromkeys(e.study_uid for e in found if isinstance(e, Study)))
        return studies, [entry for entry in found if isinstance(entry, FoundSeries)]

    def changeEvent(self, event: QEvent) -> None:
        """Columns follow the size of the text."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._lay_out_columns()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """What is left over goes to the first column."""
        super().resizeEvent(event)
        self._lay_out_columns()

    def keyPressEvent(self, event: Any) -> None:
        """Return fetches."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.wanted.emit()
        else:
            super().keyPressEvent(event)

    def _lay_out_columns(self) -> None:
        widths = [letters * letter_width(self) for letters in LETTERS]
        widths[TITLE] = max(widths[TITLE], self.viewport().width() - sum(widths[1:]))
        for place, width in enumerate(widths):
            self.header().resizeSection(place, width)

    def _add_study(self, study: Study) -> None:
        item = _Item(study, _study_texts(study), study.date + study.time)
        item.setChildIndicatorPolicy(_Item.ChildIndicatorPolicy.ShowIndicator)
        item.setTextAlignment(IMAGES, Qt.AlignmentFlag.AlignRight)
        self._studies[study.study_uid] = item
        patient = self._patient(study)
        patient.addChild(item)
        self._describe(item, study)
        patient.setData(DATE, ORDER, max(patient.data(DATE, ORDER), study.date + study.time))

    def _patient(self, study: Study) -> QTreeWidgetItem:
        key = f"{study.patient_id}\n{study.patient_name}"
        if key not in self._patients:
            item = self._patients[key] = _Item(None, [""] * len(COLUMNS), "")
            name = study.patient_name.replace("^", " ").replace("=", " ").strip()
            born = f"  (born {_date(study.birth_date)})" if study.birth_date else ""
            item.setData(TITLE, ORDER, f"{name or 'Without name'}{born}")
            item.setText(NUMBER, study.patient_id)
            self._name(item, len(self._patients))
            self.addTopLevelItem(item)
        return self._patients[key]

    def _name(self, item: QTreeWidgetItem, number: int) -> None:
        item.setText(TITLE, f"Patient {number}" if self._hidden else item.data(TITLE, ORDER))

    def _describe(self, item: QTreeWidgetItem, study: Study) -> None:
        """What a study or series is called: people write names into descriptions."""
        found = item.data(TITLE, FOUND)
        title = _study_title(found) if isinstance(found, Study) else _series_title(found)
        words = names_of(Identity(study.patient_name, study.patient_id)) if self._hidden else ()
        item.setText(TITLE, without(title, words))

    def _expanded(self, item: QTreeWidgetItem) -> None:
        study = item.data(TITLE, FOUND)
        if isinstance(study, Study) and not item.childCount():
            self.opened.emit(study)

    def _selected(self) -> None:
        items = self.selectedItems()
        self.chosen.emit(items[0].data(TITLE, FOUND) if len(items) == 1 else None)

    def _double_clicked(self, item: QTreeWidgetItem) -> None:
        if isinstance(item.data(TITLE, FOUND), FoundSeries):
            self.wanted.emit()


class _Item(QTreeWidgetItem):
    """Sorted by what a column means rather than by its text."""

    def __init__(self, found: Found | None, texts: Sequence[str], date: str) -> None:
        super().__init__(list(texts))
        self.setData(TITLE, FOUND, found)
        self.setData(DATE, ORDER, date)

    def __lt__(self, other: QTreeWidgetItem) -> bool:
        tree = self.treeWidget()
        column = tree.sortColumn() if tree is not None else TITLE
        return _order(self, column) < _order(other, column)


def _order(item: QTreeWidgetItem, column: int) -> tuple[int, str]:
    text = item.text(column)
    if column == DATE:
        return 0, str(item.data(DATE, ORDER))
    return (int(text), "") if text.isdecimal() else (0, text.casefold())


def _children(item: QTreeWidgetItem) -> list[QTreeWidgetItem]:
    children = (item.child(number) for number in range(item.childCount()))
    return [child for child in children if child is not None]


def _study_texts(study: Study) -> list[str]:
    when = " ".join(filter(None, (_date(study.date), _time(study.time))))
    return [
        _study_title(study),
        when,
        ", ".join(study.modalities),
        str(study.instances or ""),
        study.accession,
    ]


def _series_texts(series: FoundSeries) -> list[str]:
    return [_series_title(series), "", series.modality, str(series.instances or ""), ""]


def _study_title(study: Study) -> str:
    return study.description or "Study"


def _series_title(series: FoundSeries) -> str:
    numbered = f"{series.number}  " if series.number else ""
    return numbered + (series.description or series.body_part.capitalize() or "Series")


def _date(text: str) -> str:
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 else text


def _time(text: str) -> str:
    return f"{text[:2]}:{text[2:4]}" if len(text) >= 4 else ""


def _natural(number: str) -> str:
    """Later numbers sort before, as newer studies do."""
    return f"{10**9 - int(number):010d}" if number.isdecimal() else ""
