"""What to look for in an archive: who, when, and what kind of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QDate, QSize, Qt, Signal
from qtpy.QtWidgets import QComboBox, QDateEdit, QGridLayout, QLineEdit, QWidget

from gui.parts import button, label
from gui.sections import row
from gui.theme import GRID
from plugins.dicom.network.archive import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QResizeEvent

ANY = "Any"
MODALITIES = (ANY, "CT", "MR", "XA", "RF", "US", "CR", "DX", "MG", "PT", "NM", "OP", "OPT", "SEG")
PERIODS = {"Any date": None, "Today": 0, "Since yesterday": 1, "Last 7 days": 7,
           "Last 30 days": 30, "Last year": 365}  # fmt: skip
BETWEEN = "Between…"
DATE = "yyyyMMdd"


class SearchForm(QWidget):
    """Return in any field searches."""

    asked = Signal(Query)

    def __init__(self) -> None:
        super().__init__()
        grid = self._grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(GRID // 2)
        self._fields: list[tuple[QWidget, QWidget, int]] = []  # caption, field, stretch
        self._in_a_row = 0
        self.name = self._line("Patient name", "Family name, given name", 3)
        self.patient_id = self._line("Patient ID", "", 2)
        self.accession = self._line("Accession", "", 2)
        self.modality = self._choice("Modality", MODALITIES)
        self.modality.setEditable(True)  # archives have others
        self.period = self._choice("Date", (*PERIODS, BETWEEN))
        self.search = button("Search", self._ask, "primary")
        self._fields.append((label("", "quiet"), self.search, 0))
        self.first, self.last = _date("From"), _date("To")
        self._dates_row = row(label("From", "quiet"), self.first, label("to", "quiet"), self.last)
        self._arrange(len(self._fields))
        self.period.currentTextChanged.connect(self._show_dates)
        self._show_dates(self.period.currentText())

    @property
    def query(self) -> Query:
        """What the fields say."""
        first, last = self._dates()
        modality = self.modality.currentText().strip().upper()
        return Query(
            self.name.text().strip(),
            self.patient_id.text().strip(),
            self.accession.text().strip(),
            first,
            last,
            "" if modality == ANY.upper() else modality,
        )

    def minimumSizeHint(self) -> QSize:
        """With the fields in two rows: a large text in a small window needs them."""
        half = self._half()
        width = max(self._needed(self._fields[:half]), self._needed(self._fields[half:]))
        return QSize(width, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """One row where there is room for it."""
        super().resizeEvent(event)
        room = event.size().width() >= self._needed(self._fields)
        self._arrange(len(self._fields) if room else self._half())

    def _half(self) -> int:
        return len(self._fields) // 2

    def _needed(self, fields: Sequence[tuple[QWidget, QWidget, int]]) -> int:
        widths = [max(part.minimumSizeHint().width() for part in each[:2]) for each in fields]
        return sum(widths) + GRID * (len(widths) - 1)

    def _arrange(self, in_a_row: int) -> None:
        if in_a_row == self._in_a_row:
            return
        self._in_a_row = in_a_row
        for column in range(self._grid.columnCount()):
            self._grid.setColumnStretch(column, 0)
        for number, (caption, field, stretch) in enumerate(self._fields):
            line, column = divmod(number, in_a_row)
            self._grid.addWidget(caption, 2 * line, column)
            self._grid.addWidget(field, 2 * line + 1, column)
            self._grid.setColumnStretch(column, max(stretch, self._grid.columnStretch(column)))
        right = Qt.AlignmentFlag.AlignRight
        self._grid.addWidget(self._dates_row, 4, 0, 1, in_a_row, right)

    def _ask(self) -> None:
        self.asked.emit(self.query)

    def _dates(self) -> tuple[str, str]:
        chosen = self.period.currentText()
        if chosen == BETWEEN:
            first, last = sorted(
                (self.first.date().toString(DATE), self.last.date().toString(DATE))
            )
            return first, last
        days = PERIODS[chosen]
        return ("", "") if days is None else (QDate.currentDate().addDays(-days).toString(DATE), "")

    def _line(self, title: str, hint: str, stretch: int) -> QLineEdit:
        made = QLineEdit()
        made.setPlaceholderText(hint)
        made.returnPressed.connect(self._ask)
        self._add(title, made, stretch)
        return made

    def _choice(self, title: str, entries: tuple[str, ...]) -> QComboBox:
        made = QComboBox()
        made.addItems(list(entries))
        self._add(title, made, 1)
        return made

    def _add(self, title: str, field: QWidget, stretch: int) -> None:
        field.setAccessibleName(title)
        self._fields.append((label(title, "quiet"), field, stretch))

    def _show_dates(self, chosen: str) -> None:
        self._dates_row.setVisible(chosen == BETWEEN)


def _date(name: str) -> QDateEdit:
    made = QDateEdit(QDate.currentDate())
    made.setAccessibleName(name)
    made.setToolTip(name)
    made.setCalendarPopup(True)
    made.setDisplayFormat("yyyy-MM-dd")
    return made
