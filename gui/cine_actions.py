"""The commands of the cine, for the table of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gui.actions import Action, has_marks, has_run, has_synthetic
from gui.cine import EVERY, SPEEDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from gui.window import LimnWindow

ORDINALS = {1: "Every frame", 2: "Every second frame", 3: "Every third frame"}


def _speed_is(speed: float) -> Callable[[LimnWindow], bool]:
    return lambda window: window.cine.speed == speed


def _every_is(every: int) -> Callable[[LimnWindow], bool]:
    return lambda window: window.cine.every == every


CINE = "View/Cine"
CINE_ACTIONS = (
    Action("play", "Play or pause", CINE, "cine.toggle", "Space", "mdi6.play-pause", has_run,
           where="views"),
    Action("swing", "Forth and back", CINE, "cine.toggle_swing", "S", "mdi6.swap-horizontal",
           has_run, lambda w: w.cine.swings, tip="Play forth and back instead of in a loop"),
    Action("faster", "Faster", CINE, "cine.change_speed", "+", "", has_run, argument=1,
           where="views", group=1),
    Action("slower", "Slower", CINE, "cine.change_speed", "-", "", has_run, argument=-1,
           where="views", group=1),
    *(
        Action(f"speed_{speed:g}", f"{speed:g} ×", f"{CINE}/Speed", "cine.set_speed", "", "",
               has_run, _speed_is(speed), speed)
        for speed in SPEEDS
    ),
    *(
        Action(f"every_{every}", ORDINALS.get(every, f"Every {every}th frame"),
               f"{CINE}/Play", "cine.set_every", "", "", has_run, _every_is(every), every)
        for every in EVERY
    ),
    Action("mark_frame", "Mark this frame", CINE, "cine.toggle_mark", "K",
           "mdi6.bookmark-outline", has_run, lambda w: w.cine.on_mark, group=2),
    Action("next_mark", "Next marked frame", CINE, "cine.step_mark", ".", "", has_marks,
           argument=1, where="views", group=2),
    Action("previous_mark", "Previous marked frame", CINE, "cine.step_mark", ",", "", has_marks,
           argument=-1, where="views", group=2),
    Action("skip_marks", "Leave marked frames out", CINE, "cine.toggle_marks_skipped", "", "",
           has_run, lambda w: w.cine.marks_skipped, group=2,
           tip="Pass over the marked frames while playing"),
    Action("hide_synthetic", "Hide interpolated frames", CINE, "cine.toggle_hidden", "Shift+I",
           "mdi6.eye-off-outline", has_synthetic,
           lambda w: w.cine.hides, group=3,
           tip="Show only the frames that were taken"),
)  # fmt: skip

CINE_SWITCHES = ("swing", "mark_frame", "hide_synthetic")  # on the cine bar
