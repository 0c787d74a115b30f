"""The commands of lymph nodes in the window's menus: forty nodes are read without a mouse."""

from __future__ import annotations

from gui.actions import Action, has_volume

TASK = "lymph_nodes"


def _do(name: str, title: str, key: str, tip: str = "", group: int = 0) -> Action:
    return Action(f"node_{name}", title, "Nodes", "command_task", key, "", has_volume,
                  argument=(TASK, name), group=group, tip=tip)  # fmt: skip


ACTIONS = (
    _do("find", "Find lymph nodes", "Shift+F"),
    _do("next", "Next node", "J", group=1),
    _do("previous", "Previous node", "U", group=1),
    _do("accept", "Accept, and go on", "Y", "Again: leave open", group=2),
    _do("reject", "Reject, and go on", "X", "Again: leave open", group=2),
    _do("target", "Target node", "Shift+T", "Follow this node as a target, or no longer", group=2),
    _do("station", "Choose station", "Shift+N", "Then type it, such as 4R", group=2),
    _do("edit", "Edit with the brush", "Shift+B", "Unlocks an accepted node", group=3),
    _do("add", "Add by a click", "Shift+A", "Click in a node that was missed", group=3),
    _do("add_here", "Add at the crosshair", "Shift+C", group=3),
    _do("split", "Split", "Shift+S", "At its waist, else in halves", group=3),
    _do("merge", "Merge", "Shift+M", "The chosen nodes, or one with its neighbour", group=3),
)
