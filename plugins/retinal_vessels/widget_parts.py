"""Parts of the dock: the colour legend and the table of measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter
from qtpy.QtWidgets import QFrame, QHeaderView, QTreeWidget, QTreeWidgetItem

from gui.sections import offer_copy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtGui import QPaintEvent

    from plugins.retinal_vessels.quantities import Measurement

# napari's "inferno", perceptually uniform, at equal steps
INFERNO = ("#000004", "#280b53", "#65156e", "#9f2a63", "#d44842", "#f57d15", "#fac127", "#fcffa4")
ROW = 22  # px


class Legend(QFrame):
    """The colours of the explanation from little to much influence."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(34)
        self.setAccessibleName("Colours: dark is little influence, bright is much")

    def paintEvent(self, event: QPaintEvent) -> None:
        """A bar and its two ends."""
        painter = QPainter(self)
        gradient = QLinearGradient(0, 0, self.width(), 0)
        for i, color in enumerate(INFERNO):
            gradient.setColorAt(i / (len(INFERNO) - 1), QColor(color))
        painter.fillRect(QRectF(0, 0, self.width(), 12), gradient)
        painter.setPen(self.palette().color(self.foregroundRole()))
        words = QRectF(0, 14, self.width(), 18)
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft, "little influence")
        painter.drawText(words, Qt.AlignmentFlag.AlignRight, "much")


class MeasurementTable(QTreeWidget):
    """Measurements by region with their units, sources as tool tips; Ctrl+C copies all."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Measurements")
        self.setHeaderLabels(["Measurement", "Value"])
        self.setIndentation(10)
        self.setUniformRowHeights(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.rows: tuple[Measurement, ...] = ()
        self._items: dict[str, QTreeWidgetItem] = {}
        self.itemExpanded.connect(self._fit)
        self.itemCollapsed.connect(self._fit)
        offer_copy(self, self.as_text)
        self.show_rows(())

    def show_rows(self, rows: Iterable[Measurement]) -> None:
        """Show these rows; regions that were folded stay folded."""
        before, self.rows = self.rows, tuple(rows)
        if [row.key for row in before] != [row.key for row in self.rows] or not before:
            self._build()
        for row in self.rows:
            unit = row.unit if row.value is not None else ""
            self._items[row.key].setText(1, f"{number(row.value)} {unit}".rstrip())

    def as_text(self) -> str:
        """Region, title, value and unit, one line a row, for a spreadsheet."""
        return "\n".join(
            "\t".join((row.region, row.title, number(row.value), row.unit)) for row in self.rows
        )

    def _build(self) -> None:
        folded = {item.text(0) for item in self._groups() if not item.isExpanded()}
        self.clear()
        for region in dict.fromkeys(row.region for row in self.rows):
            group = QTreeWidgetItem(self, [region])
            group.setFirstColumnSpanned(True)
            for row in self.rows:
                if row.region == region:
                    item = self._items[row.key] = QTreeWidgetItem(group, [row.title])
                    item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight)
                    item.setToolTip(0, f"{row.title}: {row.source}")
            group.setExpanded(group.text(0) not in folded)
        self._fit()

    def _groups(self) -> list[QTreeWidgetItem]:
        return [item for i in range(self.topLevelItemCount()) if (item := self.topLevelItem(i))]

    def _fit(self) -> None:
        """As high as its rows, for the dock scrolls as a whole."""
        groups = self._groups()
        lines = len(groups) + sum(group.childCount() for group in groups if group.isExpanded())
        height = self.sizeHintForRow(0) if groups else ROW
        self.setFixedHeight(self.header().sizeHint().height() + max(lines, 1) * height + 4)


def number(value: float | None) -> str:
    """Four significant digits, whole numbers in full, a dash for nothing."""
    if value is None:
        return "\N{EN DASH}"
    whole = float(value).is_integer() or abs(value) >= 1000
    return f"{value:.0f}" if whole else f"{value:.4g}"
