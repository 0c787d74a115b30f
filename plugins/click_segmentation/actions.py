"""The commands of clicks in the window's menus."""

from __future__ import annotations

from gui.actions import Action, has_document, has_volume

TASK = "click_segmentation"


def _tool(name: str, title: str, key: str, icon: str, tip: str) -> Action:
    return Action(f"prompt_{name}", title, "Clicks", "command_task", key, icon, has_document,
                  argument=(TASK, name), tip=tip)  # fmt: skip


PROMPT_ACTIONS = (
    _tool("click", "Click", "Q", "mdi6.cursor-default-click-outline",
          "Click inside an organ to outline it; the right button takes away"),
    _tool("box", "Box", "V", "mdi6.vector-square",
          "Draw a box round an object; with the right button, round background"),
    _tool("scribble", "Scribble", "D", "mdi6.gesture",
          "Draw a line on the object; with the right button, on background"),
    _tool("lasso", "Lasso", "L", "mdi6.lasso",
          "Draw roughly round an object; with the right button, round background"),
)  # fmt: skip
ACTIONS = (
    *PROMPT_ACTIONS,
    Action("prompt_follow", "Follow through slices", "Clicks", "command_task", "Shift+Q",
           "mdi6.layers-triple-outline", has_volume, argument=(TASK, "follow"), group=1,
           tip="Continue the active object on both sides of this slice; again: stop"),
)  # fmt: skip
