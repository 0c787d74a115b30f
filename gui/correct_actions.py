"""The commands of the correction tools, for the table of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gui.actions import Action, has_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from gui.correct import ToolName
    from gui.window import LimnWindow


def _using(name: ToolName) -> Callable[[LimnWindow], bool]:
    return lambda window: window.correction.tool == name


def _tool(name: ToolName, title: str, key: str, icon: str, tip: str) -> Action:
    return Action(f"correct_{name}", title, "Correct", "correction.use", key, icon, has_document,
                  _using(name), name, tip=tip)  # fmt: skip


CORRECT_TOOLS = (
    _tool("brush", "Brush", "B", "mdi6.brush", "Draw the object; Shift erases"),
    _tool("eraser", "Eraser", "E", "mdi6.eraser", "Erase the object; Shift draws"),
    _tool("levels", "Threshold brush", "G", "mdi6.brush-variant",
          "Draw only where the image lies between two levels; Shift erases"),
    _tool("fill", "Fill", "F", "mdi6.format-color-fill",
          "Click inside a closed outline to fill it; Shift + click deletes the clicked part"),
    _tool("outline", "Outline", "P", "mdi6.lasso",
          "Click corners, or draw round it by hand; double click or Enter fills; Shift erases"),
)  # fmt: skip

CORRECTION_ACTIONS = (
    *CORRECT_TOOLS,
    Action("correct_larger", "Larger brush", "Correct", "correction.resize", "]", "",
           has_document, argument=1.25, group=1),
    Action("correct_smaller", "Smaller brush", "Correct", "correction.resize", "[", "",
           has_document, argument=0.8, group=1),
    Action("correct_finish", "Fill the outline", "Correct", "correction.finish",
           "Return | Enter", "", has_document, where="views", group=1),
    Action("correct_cancel", "Put the tool away", "Correct", "correction.cancel", "Esc", "",
           has_document, where="views", group=1),
    Action("correct_new", "New object", "Correct", "correction.new_object", "Ctrl+N",
           "mdi6.plus", has_document, group=2),
)  # fmt: skip
