"""Every command of the window in one table; menus, toolbar, keys and cheat sheet come from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gui.window import LimnWindow

Where = Literal["window", "views"]


@dataclass(frozen=True, slots=True)
class Action:
    """One command. `slot` is the path from the window to what it calls, such as "views.fit"."""

    id: str
    title: str
    menu: str  # "File", or "View/Window" for a submenu
    slot: str
    shortcut: str = ""
    icon: str = ""
    enabled: Callable[[LimnWindow], bool] = lambda window: True
    checked: Callable[[LimnWindow], bool] | None = None  # makes it a switch
    argument: object = None  # given to the slot, if not None
    toolbar: str = ""  # short caption in the toolbar
    where: Where = "window"  # "views": the key works only while an image has the focus
    group: int = 0  # a line is drawn in the menu where it changes
    tip: str = ""


def has_document(window: LimnWindow) -> bool:
    """Something is shown."""
    return window.studies.selected is not None


def has_volume(window: LimnWindow) -> bool:
    """A volume is shown."""
    document = window.studies.selected
    return document is not None and document.series.kind == "volume"


def has_stack(window: LimnWindow) -> bool:
    """There is more than one slice or frame."""
    document = window.studies.selected
    return document is not None and document.series.kind != "image"


def has_run(window: LimnWindow) -> bool:
    """A run over time is shown."""
    document = window.studies.selected
    return document is not None and document.series.kind == "run"


def has_marks(window: LimnWindow) -> bool:
    """Frames were marked in the shown run."""
    return has_run(window) and bool(window.views.display and window.views.display.marked)


def has_synthetic(window: LimnWindow) -> bool:
    """The shown run has frames that a model made."""
    document = window.studies.selected
    return document is not None and any(document.series.synthetic or ())


def has_grey(window: LimnWindow) -> bool:
    """There are grey levels to choose."""
    document = window.studies.selected
    return document is not None and not document.series.rgb


def has_ai(window: LimnWindow) -> bool:
    """A model has given its version."""
    document = window.studies.selected
    return document is not None and document.ai_labels is not None


def has_dicom(window: LimnWindow) -> bool:
    """What is shown came from DICOM files."""
    document = window.studies.selected
    return document is not None and bool(document.series.identity.series_uid)


def has_result(window: LimnWindow) -> bool:
    """There is something to export."""
    document = window.studies.selected
    return document is not None and bool(document.results or document.objects)


def can_recover(window: LimnWindow) -> bool:
    """A window that ended without warning has left something."""
    return bool(window.projects.recovering.left)


def can_undo(window: LimnWindow) -> bool:
    """There is something to take back."""
    document = window.studies.selected
    return document is not None and bool(document.history.undo_title)


def can_redo(window: LimnWindow) -> bool:
    """There is something to do again."""
    document = window.studies.selected
    return document is not None and bool(document.history.redo_title)


def sequences(action: Action, chosen: Mapping[str, str]) -> list[str]:
    """The keys of an action: the user's, else its own; several are separated by a bar."""
    keys = chosen.get(action.id, action.shortcut)
    return [key.strip() for key in keys.split(" | ") if key.strip()]


def conflicts(actions: Iterable[Action], chosen: Mapping[str, str]) -> dict[str, list[Action]]:
    """Keys that more than one action claims."""
    users: dict[str, list[Action]] = {}
    for action in actions:
        for key in sequences(action, chosen):
            users.setdefault(key.casefold(), []).append(action)
    return {key: claims for key, claims in users.items() if len(claims) > 1}
