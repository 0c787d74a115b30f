"""The figures of the chosen object, below the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from gui.parts import label
from gui.theme import GRID

if TYPE_CHECKING:
    from gui.facts import Facts
    from inference.series import Kind

NARROW = "\u202f"  # a space that never breaks


class ObjectDetails(QWidget):
    """A line each for size, level and slices; a line without a figure is left out."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(GRID // 2, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * GRID)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)
        self.lines: dict[str, tuple[QLabel, QLabel]] = {}
        for number, caption in enumerate(("Volume", "Mean", "Slices")):
            pair = label(caption, "quiet"), label()
            self.lines[caption] = pair
            for column, part in enumerate(pair):
                self._grid.addWidget(part, number, column)
        self.show_facts(None, "volume")

    def show_facts(self, facts: Facts | None, kind: Kind) -> None:
        """Show the figures of an object, or nothing."""
        texts = lines_of(facts, kind) if facts is not None and facts.size else {}
        self.setVisible(bool(texts))
        for caption, found in zip(self.lines.values(), _padded(texts), strict=True):
            for part, text in zip(caption, found, strict=True):
                part.setText(text)
                part.setVisible(bool(text))


def lines_of(facts: Facts, kind: Kind) -> dict[str, str]:
    """Caption and figure of every line that an object of a series has."""
    size = "Volume" if facts.unit in ("ml", "voxels") else "Area"
    lines = {size: f"{readable(facts.size)} {facts.unit}"}
    if facts.mean is not None and facts.deviation is not None:
        unit = f" {facts.level_unit}" if facts.level_unit else ""
        level = "Mean" if unit else "Mean grey value"
        lines[level] = f"{_level(facts.mean)} ± {_level(facts.deviation)}{unit}"
    if facts.slices is not None:
        lines["Frames" if kind == "run" else "Slices"] = _slices(facts)
    return lines


def readable(size: float) -> str:
    """A number with three figures, or whole with its thousands apart."""
    return f"{size:,.0f}".replace(",", NARROW) if size >= 100 else f"{size:.3g}"


def _slices(facts: Facts) -> str:
    first, last = facts.slices or (0, 0)
    text = f"{first}\N{EN DASH}{last} of {facts.count}" if last > first else f"{first}"
    return text if facts.extent is None else f"{text}, {readable(facts.extent)} mm"


def _level(value: float) -> str:
    return f"{value:.1f}".replace("-", "\N{MINUS SIGN}") if abs(value) < 1e5 else f"{value:.4g}"


def _padded(texts: dict[str, str]) -> list[tuple[str, str]]:
    found = list(texts.items())
    return found + [("", "")] * (3 - len(found))
