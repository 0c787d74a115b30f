"""The tools of the mouse and how they draw."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QSize, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from gui.actions import sequences
from gui.correct_actions import CORRECT_TOOLS
from gui.sections import choice
from gui.theme import GRID, THEMES, Theme, icon

if TYPE_CHECKING:
    from gui.actions import Action
    from gui.correct import BrushSettings, Correction
    from gui.document import Document
    from gui.settings import Settings, SettingsFile

ICON = QSize(20, 20)
LEVEL_WIDTH = "min-width: 5em; max-width: 5em"
STEPS = 200  # of the size slider, which is logarithmic


class ToolsPanel(QWidget):
    """The tools of the mouse and how they draw."""

    def __init__(self, correction: Correction, settings: SettingsFile) -> None:
        super().__init__()
        self._correction = correction
        self.buttons: dict[str, QPushButton] = {}
        self._build()
        correction.changed.connect(self.refresh)
        settings.changed.connect(lambda now, _: self._name_keys(now))
        self._name_keys(settings.now)
        self.apply_theme(THEMES["dark"])
        self.refresh()

    def apply_theme(self, theme: Theme) -> None:
        """Draw the icons in the colours of the theme."""
        for action in CORRECT_TOOLS:
            self.buttons[str(action.argument)].setIcon(icon(action.icon, theme))

    def refresh(self) -> None:
        """Show the tool in use and its settings."""
        correction, settings = self._correction, self._correction.settings
        for name, button in self.buttons.items():
            button.setChecked(correction.tool == name)
        self._levels.setVisible(correction.tool == "levels")
        if settings is not None and correction.document is not None:
            blockers = [QSignalBlocker(widget) for widget in self._inputs]
            self._show_settings(correction.document, settings)
            del blockers

    def _show_settings(self, document: Document, settings: BrushSettings) -> None:
        self.diameter.setSuffix(" mm" if document.series.geometry.known else " px")
        self.diameter.setValue(2 * settings.radius)
        self.slider.setValue(self._place(settings.radius))
        self.ball.setChecked(settings.ball)
        self.ball.setVisible(document.series.kind == "volume")
        self.over.setChecked(settings.over)
        self.lowest.setValue(settings.lower)
        self.highest.setValue(settings.upper)
        self.source.setCurrentIndex(int(settings.by_probability))
        self.source.setVisible(document.probability is not None)

    @property
    def _inputs(self) -> tuple[QWidget, ...]:
        levels = self.source, self.lowest, self.highest
        return (self.diameter, self.slider, self.ball, self.over, *levels)

    # --- construction ------------------------------------------------------------------------

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        grid = QGridLayout()
        grid.setSpacing(GRID // 2)
        for number, action in enumerate(CORRECT_TOOLS):
            grid.addWidget(self._tool_button(action), number // 2, number % 2)
        column.addLayout(grid)
        column.addLayout(self._size_row())
        self.ball = QCheckBox("Ball: draw in the slices beside as well")
        self.ball.toggled.connect(lambda on: self._set(ball=on))
        self.over = QCheckBox("Draw over other objects")
        self.over.setToolTip("Locked objects are never drawn over")
        self.over.toggled.connect(lambda on: self._set(over=on))
        self._levels = self._levels_row()
        for widget in (self.ball, self.over, self._levels):
            column.addWidget(widget)

    def _tool_button(self, action: Action) -> QPushButton:
        button = QPushButton(self)
        button.setObjectName(action.id)
        button.setText(action.title)
        button.setCheckable(True)
        button.setIconSize(ICON)
        button.setStyleSheet("text-align: left")
        button.clicked.connect(partial(self._use, action))
        self.buttons[str(action.argument)] = button
        return button

    def _size_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(QLabel("Brush size"))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setAccessibleName("Size of the brush")
        self.slider.valueChanged.connect(self._slid)
        self.diameter = QDoubleSpinBox()
        self.diameter.setDecimals(1)
        self.diameter.setRange(0.1, 2000)
        self.diameter.setAccessibleName("Diameter of the brush")
        self.diameter.setToolTip("Diameter of the brush: [ smaller, ] larger")
        self.diameter.valueChanged.connect(lambda value: self._correction.set_radius(value / 2))
        row.addWidget(self.slider, 1)
        row.addWidget(self.diameter)
        return row

    def _levels_row(self) -> QWidget:
        box = QWidget(self)
        grid = QGridLayout(box)
        grid.setContentsMargins(0, 0, 0, 0)
        self.source = choice("Levels of", ["Levels of the image", "Levels of the AI's probability"])
        self.source.currentIndexChanged.connect(self._choose_source)
        grid.addWidget(self.source, 0, 0, 1, 4)
        self.lowest, self.highest = QDoubleSpinBox(), QDoubleSpinBox()
        for column, (text, spin) in enumerate((("From", self.lowest), ("to", self.highest))):
            spin.setRange(-1e6, 1e6)
            spin.setStyleSheet(LEVEL_WIDTH)
            spin.setAccessibleName(f"Levels {text.lower()}")
            grid.addWidget(QLabel(text), 1, 2 * column)
            grid.addWidget(spin, 1, 2 * column + 1)
        self.lowest.valueChanged.connect(lambda value: self._set(lower=value))
        self.highest.valueChanged.connect(lambda value: self._set(upper=value))
        return box

    # --- what the user does ------------------------------------------------------------------

    def _use(self, action: Action) -> None:
        self._correction.use(action.argument)  # type: ignore[arg-type]
        self.refresh()

    def _slid(self, place: int) -> None:
        low, high = self._correction.radii
        self._correction.set_radius(low * (high / low) ** (place / STEPS))

    def _place(self, radius: float) -> int:
        low, high = self._correction.radii
        return round(STEPS * math.log(radius / low) / max(math.log(high / low), 1e-9))

    def _choose_source(self, number: int) -> None:
        """Levels that suit the source, so that the first stroke draws something."""
        by_probability = bool(number)
        lower, upper = (0.5, 1.0) if by_probability else self._correction.shown_levels()
        self._set(by_probability=by_probability, lower=lower, upper=upper)
        self.refresh()

    def _set(self, **values: object) -> None:
        settings = self._correction.settings
        if settings is not None:
            for name, value in values.items():
                setattr(settings, name, value)

    def _name_keys(self, settings: Settings) -> None:
        for action in CORRECT_TOOLS:
            keys = ", ".join(sequences(action, settings.shortcuts))
            tip = f"{action.tip} ({keys})" if keys else action.tip
            self.buttons[str(action.argument)].setToolTip(tip)
