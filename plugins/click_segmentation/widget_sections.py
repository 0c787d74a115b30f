"""Sections of the dock: how to say something, the objects, and what was said of the slice."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QCheckBox, QGridLayout

from gui.actions import sequences
from gui.objects_panel import ObjectsPanel
from gui.parts import button
from gui.sections import Titled, choice, offer_models, quiet, row, switch
from gui.theme import GRID, THEMES, Theme, icon
from plugins.click_segmentation.actions import PROMPT_ACTIONS
from plugins.click_segmentation.prompts import KINDS
from plugins.click_segmentation.slices import Place
from plugins.click_segmentation.task import TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QPushButton

    from gui.session import Session
    from gui.settings import Settings
    from plugins.click_segmentation.prompts import Kind
    from plugins.click_segmentation.widget_asking import Asking, Preview
    from plugins.click_segmentation.widget_board import Board

ICON = QSize(20, 20)
HINTS: dict[str, str] = {
    "click": "Left: inside the object. Right: on background. Drag a dot to move it; right click "
    "on it, or Delete, takes it away.",
    "box": "Drag from corner to corner round the object; with the right button, round background.",
    "scribble": "Draw along the object; with the right button, along background.",
    "lasso": "Draw roughly round the object; with the right button, round background.",
    "": "Choose how to point at an object, or press its key over the image.",
}


class ToolSection(Titled):
    """The four ways to say something, and of which side plain clicks speak."""

    def __init__(self, session: Session, board: Board, use: Callable[[Kind], None]) -> None:
        super().__init__("Point at it")
        self._board = board
        self.buttons: dict[str, QPushButton] = {}
        grid = QGridLayout()
        grid.setSpacing(GRID // 2)
        for number, (kind, action) in enumerate(zip(KINDS, PROMPT_ACTIONS, strict=True)):
            made = self.buttons[kind] = switch(action.title, partial(_use, use, kind))
            made.setIconSize(ICON)
            made.setStyleSheet("text-align: left")
            grid.addWidget(made, number // 2, number % 2)
        self.column.addLayout(grid)
        self.add = switch("Object", lambda _: board.set_negative(False))
        self.take_away = switch("Background", lambda _: board.set_negative(True))
        for made, tip in ((self.add, "of the object"), (self.take_away, "of the background")):
            made.setToolTip(f"The left button speaks {tip}, the right one of the other  (X)")
        self.column.addWidget(row(self.add, self.take_away))
        self.hint = quiet(HINTS[""])
        self.column.addWidget(self.hint)
        session.settings.changed.connect(lambda now, _: self._name_keys(now))
        self._name_keys(session.settings.now)

    def apply_theme(self, theme: Theme) -> None:
        """Draw the icons in the colours of the theme."""
        for kind, action in zip(KINDS, PROMPT_ACTIONS, strict=True):
            self.buttons[kind].setIcon(icon(action.icon, theme))

    def show_tool(self, used: Kind | None) -> None:
        """Show which tool is in use, and what it does."""
        for kind, made in self.buttons.items():
            made.setChecked(kind == used)
        self.add.setChecked(not self._board.negative)
        self.take_away.setChecked(self._board.negative)
        self.hint.setText(HINTS[used or ""])

    def _name_keys(self, settings: Settings) -> None:
        for kind, action in zip(KINDS, PROMPT_ACTIONS, strict=True):
            keys = ", ".join(sequences(action, settings.shortcuts))
            self.buttons[kind].setToolTip(f"{action.tip}  ({keys})" if keys else action.tip)


class ObjectSection(Titled):
    """The list of objects, and whether those that are done are locked."""

    def __init__(self, session: Session, begin: Callable[[], None]) -> None:
        super().__init__("Objects")
        self.panel = ObjectsPanel(session.studies, begin)
        self.panel.add.setToolTip("Begin another object  (N)")
        self.lock = QCheckBox("Lock an object once the next is begun")
        self.lock.setToolTip("No click on another object takes anything from a locked one")
        self.lock.setChecked(session.settings.now.lock_finished)
        self.lock.toggled.connect(lambda on: session.settings.change(lock_finished=on))
        session.settings.changed.connect(lambda now, _: self.lock.setChecked(now.lock_finished))
        self.column.addWidget(self.panel)
        self.column.addWidget(self.lock)

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self.panel.apply_theme(theme)


class SliceSection(Titled):
    """How many prompts the slice has, how long an answer takes, and what may go."""

    def __init__(self, session: Session, board: Board, asking: Asking, preview: Preview) -> None:
        super().__init__("This slice")
        self._session, self._board, self._asking = session, board, asking
        self._preview = preview
        self.told = quiet()
        self.delete_button = button("Delete prompt", self._delete, tip="The chosen one  (Delete)")
        self.clear_button = button(
            "Clear slice", self._clear, tip="Delete all prompts of this object in this slice"
        )
        self.switch = QCheckBox("Show what a click would do")
        self.switch.setToolTip("A dashed outline under the mouse, where answers take little time")
        self.switch.setChecked(session.settings.now.preview_clicks)
        self.switch.toggled.connect(lambda on: session.settings.change(preview_clicks=on))
        session.settings.changed.connect(lambda now, _: self._switched(now))
        self.column.addWidget(self.told)
        self.column.addWidget(row(self.delete_button, self.clear_button))
        self.column.addWidget(self.switch)
        self._switched(session.settings.now)
        asking.timed.connect(lambda _: self.refresh())

    def refresh(self) -> None:
        """Show what was said of the slice in the view that is used."""
        clicks, place = self._board.session, self.place
        count = len(clicks.in_slice(place)) if clicks and place else 0
        said = f"{count} prompt{'' if count == 1 else 's'}" if count else "No prompts yet"
        seconds = self._asking.seconds
        waits = clicks is not None and clicks.waiting is not None
        took = "" if seconds is None else f" · last answer in {_spoken(seconds)}"
        slow = self.switch.isChecked() and seconds is not None and not self._preview.quick
        shown = "; too slow to show what a click would do" if slow else ""
        self.told.setText(f"{said} · asking…" if waits else f"{said}{took}{shown}")
        self.delete_button.setEnabled(self._board.touched is not None)
        self.clear_button.setEnabled(count > 0)

    @property
    def place(self) -> Place | None:
        """The slice of the active object in the view that is used."""
        views, clicks = self._session.views, self._board.session
        plane, display = views.active.plane, views.display
        shown = clicks is not None and views.active.document is clicks.document is views.document
        if not shown or clicks is None or plane is None or display is None:
            return None  # another document is about to be shown
        axis = plane.slicing
        index = 0 if axis is None else round(display.position[axis])
        return Place(clicks.document.active, axis, index)

    def _switched(self, now: Settings) -> None:
        self.switch.setChecked(now.preview_clicks)
        self._preview.wanted = now.preview_clicks
        if not now.preview_clicks:
            self._preview.stop()
        self.refresh()

    def _delete(self) -> None:
        if self._board.touched is not None:
            self._board.delete(self._board.touched)

    def _clear(self) -> None:
        if self.place is not None:
            self._board.clear(self.place)


class ModelSection(Titled):
    """Which network answers; hidden where there is no choice."""

    def __init__(self, asking: Asking) -> None:
        super().__init__("Model")
        self._asking = asking
        self.choice = choice("Model")
        self.offer()
        self.choice.currentIndexChanged.connect(self._choose)
        self.column.addWidget(self.choice)
        self.setVisible(self.choice.count() > 1)

    def offer(self) -> None:
        """Show the installed models in the versions that are in use."""
        offer_models(self.choice, TASK)

    def _choose(self) -> None:
        self._asking.model = self.choice.currentData()
        self._asking.seconds = None
        self._asking.warm_up()


def _spoken(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _use(use: Callable[[Kind], None], kind: Kind, wanted: bool) -> None:
    use(kind)


def theme_of(settings: Settings) -> Theme:
    """The window's look."""
    return THEMES[settings.theme]
