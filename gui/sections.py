"""What the docks of tasks are made of: sections under headings, rows, sliders, switches."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QGuiApplication, QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QWidget,
)

from gui.parts import button, column, label
from gui.theme import GRID
from inference import weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from qtpy.QtCore import QObject

    from gui.session import Session
    from inference.tasks import Task

Work = TypeVar("Work")


def heading(text: str) -> QLabel:
    """The small capitals above a section."""
    made = label(text.upper(), "section")
    made.setContentsMargins(0, GRID, 0, 0)
    return made


def quiet(text: str = "") -> QLabel:
    """A wrapped line of explanation."""
    return label(text, "quiet", wrap=True)


def switch(text: str, slot: Callable[[bool], object], tip: str = "") -> QPushButton:
    """A button that stays down; the slot is told whether it is."""
    made = button(text, lambda: slot(made.isChecked()), tip=tip)
    made.setCheckable(True)
    return made


def slider(name: str, lowest: int, highest: int, value: int) -> QSlider:
    """A horizontal slider; name: what a screen reader says."""
    made = QSlider(Qt.Orientation.Horizontal)
    made.setAccessibleName(name)
    made.setRange(lowest, highest)
    made.setValue(value)
    return made


def choice(name: str, texts: Iterable[str] = (), letters: int = 8) -> QComboBox:
    """A box to choose from, as wide as so many letters; name: what a screen reader says."""
    made = QComboBox()
    made.setAccessibleName(name)
    made.addItems(list(texts))
    made.setMinimumContentsLength(letters)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return made


def offer_models(box: QComboBox, task: Task) -> None:
    """Fill a box with the installed ones of the task's models; their names are its data.

    Filled again, as when another version is in use, it keeps what was chosen.
    """
    before = box.currentData()
    box.clear()
    installed = {info.name: info for info in weights.describe() if info.plugin == task.name}
    names = next(setting for setting in task.settings if setting.name == "model").choices
    for info in (installed[name] for name in names if name in installed):
        box.addItem(f"{info.name.capitalize()}, version {info.version}", info.name)
        box.setItemData(box.count() - 1, info.summary, Qt.ItemDataRole.ToolTipRole)
    if not box.count():
        box.addItem("No model is installed", None)
    box.setCurrentIndex(max(box.findData(before), 0))


def row(*parts: QWidget) -> QWidget:
    """Parts side by side."""
    holder = QWidget()
    line = QHBoxLayout(holder)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(GRID)
    for part in parts:
        line.addWidget(part)
    return holder


def offer_copy(widget: QWidget, text: Callable[[], str]) -> None:
    """Ctrl+C in a widget, such as a table, copies this text for a spreadsheet."""
    keys = QShortcut(QKeySequence.StandardKey.Copy, widget)
    keys.setContext(Qt.ShortcutContext.WidgetShortcut)
    keys.activated.connect(lambda: QGuiApplication.clipboard().setText(text()))


def stacked(widget: QWidget, sections: Iterable[QWidget]) -> None:
    """Lay a dock's sections out below each other."""
    inside = column(widget, (2 * GRID, GRID, 2 * GRID, 2 * GRID), GRID)
    for section in sections:
        inside.addWidget(section)
    inside.addStretch()


class Titled(QWidget):
    """A heading, and a `column` for the widgets below it."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.column = column(self, (0, 0, 0, 0), GRID)
        self.column.addWidget(heading(title))


class Section(Titled, Generic[Work]):
    """A section of a dock that works on one document at a time."""

    def __init__(self, session: Session, title: str) -> None:
        super().__init__(title)
        self.session = session
        self.work: Work | None = None

    def show_work(self, work: Work | None) -> None:
        """Show the work on another document, or on none."""
        self.work = work
        self.setEnabled(work is not None)
        self.refresh()

    def refresh(self) -> None:
        """Show the work as it is now."""


class Banner(QFrame):
    """One warning, hidden while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self._label = label("", "warning", wrap=True)
        column(self, (GRID, GRID, GRID, GRID), GRID).addWidget(self._label)
        self.hide()

    @property
    def text(self) -> str:
        """What it says."""
        return str(self._label.text())

    def tell(self, sentence: str) -> None:
        """Show the sentence, or nothing."""
        self._label.setText(sentence)
        self.setVisible(bool(sentence))


class Amount(QWidget):
    """A named slider from 0 to 100 % with its value at the right; 1.0 is 100 %."""

    def __init__(self, name: str, changed: Callable[[float], object], tip: str = "") -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(GRID // 2)
        self.slider = slider(name, 0, 100, 0)
        self._number = label("0 %", "quiet")
        self._number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._number.setStyleSheet("min-width: 3em")
        caption = label(name)
        caption.setStyleSheet("min-width: 7em")
        for place, part in enumerate((caption, self.slider, self._number)):
            part.setToolTip(tip)
            grid.addWidget(part, 0, place)
        self.slider.valueChanged.connect(lambda value: self._number.setText(f"{value} %"))
        self.slider.valueChanged.connect(lambda value: changed(value / 100))

    def show_value(self, value: float) -> None:
        """Show 0 to 1 without telling of a change."""
        with silent(self.slider):
            self.slider.setValue(round(100 * value))
        self._number.setText(f"{round(100 * value)} %")


@contextmanager
def silent(*parts: QObject) -> Iterator[None]:
    """While inside, these parts tell nobody of their changes."""
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(QSignalBlocker(part))
        yield
