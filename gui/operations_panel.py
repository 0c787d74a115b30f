"""Operations on the whole active object: a button each, with its amount beside it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from gui.operations import OPERATIONS, Operation, first_amount, offered, unit
from gui.theme import GRID, THEMES, Theme, icon

if TYPE_CHECKING:
    from gui.correct import Correction
    from gui.document import Document

AMOUNT_WIDTH = "min-width: 4.5em; max-width: 4.5em"


class OperationsPanel(QWidget):
    """Buttons that are greyed while an operation is computed."""

    def __init__(self, correction: Correction) -> None:
        super().__init__()
        self._correction = correction
        self.buttons: dict[str, QPushButton] = {}
        self.amounts: dict[str, QDoubleSpinBox] = {}
        self._build()
        self.apply_theme(THEMES["dark"])
        correction.views.shown.connect(self._follow)
        correction.background.busy_changed.connect(lambda busy: self.setEnabled(not busy))
        self._follow(correction.document)

    def apply_theme(self, theme: Theme) -> None:
        """Draw the icons in the colours of the theme."""
        for operation in OPERATIONS:
            self.buttons[operation.id].setIcon(icon(operation.icon, theme))

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        self.here = QCheckBox("In the shown slice alone")
        self.here.toggled.connect(lambda: self._set_amounts(self._correction.document))
        column.addWidget(self.here)
        grid = QGridLayout()
        grid.setSpacing(GRID // 2)
        for row, operation in enumerate(OPERATIONS):
            self._add_row(grid, row, operation)
        grid.setColumnStretch(0, 1)
        column.addLayout(grid)

    def _add_row(self, grid: QGridLayout, row: int, operation: Operation) -> None:
        button = self.buttons[operation.id] = QPushButton(self)
        button.setObjectName(operation.id)
        button.setText(operation.title)
        button.setToolTip(operation.tip)
        button.setStyleSheet("text-align: left")
        button.clicked.connect(partial(self._run, operation))
        grid.addWidget(button, row, 0, 1, 1 if operation.measure else 2)
        if operation.measure:
            amount = self.amounts[operation.id] = QDoubleSpinBox(self)
            amount.setRange(0, 1e6)
            amount.setStyleSheet(AMOUNT_WIDTH)
            amount.setAccessibleName(f"{operation.title}: amount")
            amount.setToolTip(operation.tip)
            grid.addWidget(amount, row, 1)

    def _follow(self, document: Document | None) -> None:
        """Offer what suits the document, with amounts to begin with."""
        self.setEnabled(document is not None and not self._correction.background.busy)
        if document is None:
            return
        suited = offered(document.series)
        for operation in OPERATIONS:
            self.buttons[operation.id].setVisible(operation in suited)
        self.here.setVisible(document.series.kind != "image")
        self._set_amounts(document)

    def _set_amounts(self, document: Document | None) -> None:
        if document is None:
            return
        only = self._correction.shown_slice() if self._only_here() else None
        across = only.axis if only else None
        for operation in OPERATIONS:
            if operation.measure:
                first = first_amount(operation, document.series, across)
                spin = self.amounts[operation.id]
                spin.setDecimals(3 if first < 0.1 else 2 if first < 1 else 1 if first < 10 else 0)
                spin.setSingleStep(first / 2)
                spin.setSuffix(f" {unit(operation, document.series, across)}")
                spin.setValue(first)

    def _only_here(self) -> bool:
        return self.here.isVisibleTo(self) and self.here.isChecked()

    def _run(self, operation: Operation) -> None:
        spin = self.amounts.get(operation.id)
        amount = spin.value() if spin else 0.0
        self._correction.operate(operation, amount, self._only_here())
