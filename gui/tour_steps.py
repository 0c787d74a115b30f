"""What the tour says, and at which parts of the window it points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from gui.window import LimnWindow


@dataclass(frozen=True, slots=True)
class Step:
    """One bubble. `target` brings its part of the window into sight and gives it."""

    title: str
    text: str
    target: Callable[[LimnWindow], QWidget]


def _part(name: str) -> Callable[[LimnWindow], QWidget]:
    """A part of the window that is always in sight."""
    return lambda window: getattr(window, name)


def _tool(name: str) -> Callable[[LimnWindow], QWidget]:
    """The button of an action in the toolbar."""

    def find(window: LimnWindow) -> QWidget:
        bar = window.commands.toolbar
        found: QWidget | None = bar.widgetForAction(window.commands.actions[name])
        return found if found is not None and found.isVisible() else bar

    return find


def _tab(name: str) -> Callable[[LimnWindow], QWidget]:
    """A panel on the right, brought to the front."""

    def find(window: LimnWindow) -> QWidget:
        part: QWidget = getattr(window, name)
        window.tabs.setCurrentWidget(part)
        return part

    return find


STEPS = (
    Step("Open", "Open images with Ctrl+O or whole folders with Ctrl+Shift+O, or drop them "
         "anywhere on the window. A sample CT opens now.", _tool("open")),
    Step("Studies", "Everything that is open, by patient and study. Choose a series here to see "
         "it; its cross closes it.", _part("study_panel")),
    Step("Views", "The wheel goes through the slices, Ctrl + wheel zooms, Shift + move takes the "
         "crosshair along. F4 shows one view alone, F5 the volume in 3D.",
         _part("views")),
    Step("Window and level", "With W the left mouse button changes brightness and contrast; with N "
         "it moves through the volume again. Keys 1 to 8 are windows for CT.", _tool("window")),
    Step("Tasks", "The models that suit the shown image. Choose one: it works in a process of its "
         "own, while you go on looking.", _tab("task_panel")),
    Step("Correct", "No model is always right. Brush, erase, fill and smooth what it found; Ctrl+Z "
         "takes back every step, and the model's own version is kept beside yours.",
         _tab("correct_panel")),
    Step("Progress", "What runs is shown down here, with the time that is left and Cancel. Beside "
         "it you read where the models run.", lambda window: window.statusBar()),
    Step("Keep and export", "Ctrl+S saves a project to go on with elsewhere; Ctrl+E exports masks, "
         "measurements and reports. After a crash your work is offered again.", _tool("export")),
    Step("Help", "F1 shows all keys. In the Help menu are this tour, a check of this computer and "
         "its models, and a support bundle without patient data.",
         lambda window: window.menuBar()),
)  # fmt: skip
