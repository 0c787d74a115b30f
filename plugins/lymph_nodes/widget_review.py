"""The section of the dock in which nodes are looked at and decided on, one after the other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QPushButton

from gui.parts import button
from gui.sections import Section, choice, quiet, row, silent, switch
from inference.errors import UserError
from plugins.lymph_nodes import edits, widget_look, wording
from plugins.lymph_nodes.review import STATES
from plugins.lymph_nodes.shaping import NoNodeError
from plugins.lymph_nodes.stations import STATIONS
from plugins.lymph_nodes.widget_look import AddTool
from plugins.lymph_nodes.widget_table import NodeTable
from plugins.lymph_nodes.work import NodeWork

if TYPE_CHECKING:
    from collections.abc import Callable

    from gui.session import Session
    from gui.theme import Theme
    from gui.tool import Tool
    from plugins.lymph_nodes.review import Row, State

SIZES = {"All sizes": 0.0, "≥ 10 mm": 10.0, "≥ 15 mm": 15.0}
UNKNOWN = "Not known"
ASKS = "Shift+A, then click a node that was missed: the outline is made by itself."


class ReviewSection(Section[NodeWork]):
    """Table, decisions, shapes, stations; every button has a key."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "Nodes")
        self.table = NodeTable()
        self.count = quiet()
        self.least = choice("Sizes shown", SIZES)
        self.state = choice("States shown", ["Every state", *(s.capitalize() for s in STATES)])
        self.close_up = QCheckBox("Close-up")
        self.close_up.setChecked(True)
        self.close_up.setToolTip("Bring 15 cm round a chosen node into the views")
        self.accept_button = _key("Accept (Y)", "Y", lambda: self.decide("accepted"))
        self.reject_button = _key("Reject (X)", "X", lambda: self.decide("rejected"))
        self.edit_button = _key("Edit", "Shift+B", self.edit)
        self.split_button = _key("Split", "Shift+S", self.split)
        self.merge_button = _key("Merge", "Shift+M", self.merge)
        self.add_button = switch("Add", self._add, ASKS)
        self.station = choice("Station", [wording.PROPOSED, UNKNOWN, *STATIONS], letters=12)
        self.target = QCheckBox("Target")
        self.target.setToolTip("Follow this node as a target  (Shift+T)")
        self.targets = quiet()
        self._tool: Tool | None = None
        self._awaited = ""  # a node that was just made
        self._build()
        self._settled = QTimer(self, singleShot=True, interval=0)
        self._settled.timeout.connect(self._show)

    def _build(self) -> None:
        for number, (name, full) in enumerate(STATIONS.items(), start=2):
            self.station.setItemText(number, f"{name}  {full}")
            self.station.setItemData(number, name)
        for part in (
            row(self.least, self.state),
            self.table,
            row(self.count, self.close_up),
            row(self.accept_button, self.reject_button, self.edit_button),
            row(self.split_button, self.merge_button, self.add_button),
            row(self.station, self.target),
            self.targets,
        ):
            self.column.addWidget(part)
        self.table.chosen.connect(self._jump)
        self.least.currentIndexChanged.connect(self._filter)
        self.state.currentIndexChanged.connect(self._filter)
        self.station.activated.connect(self._set_station)
        self.target.clicked.connect(self.toggle_target)
        self.session.views.tool_changed.connect(self._tool_changed)

    # --- following ---------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the nodes as they are now, once for all that changes together."""
        self._settled.start()

    def _show(self) -> None:
        rows = self.work.shown if self.work else []
        self.table.show_compared(bool(self.work and self.work.compared_with))
        self.table.show_rows(rows)
        self._show_awaited()
        self.count.setText(wording.counted(rows))
        self.targets.setText(wording.targets(rows))
        self._show_chosen()

    def _show_awaited(self) -> None:
        """Choose what was just made, whatever the filter says, in the slice of its axes."""
        made = self.work.row(self._awaited) if self.work and self._awaited else None
        if made is None:
            return
        self._awaited = ""
        if made.key not in self.table.keys:
            self.least.setCurrentIndex(0)
            self.state.setCurrentIndex(0)
        self.table.choose(made.key, quietly=True)
        widget_look.jump(self.session.views, made, close=False)

    def _show_chosen(self) -> None:
        chosen = self.row
        decided = chosen is not None and bool(chosen.number)
        for part in (self.accept_button, self.reject_button, self.edit_button, self.split_button,
                     self.merge_button, self.station, self.target):  # fmt: skip
            part.setEnabled(decided)
        with silent(self.station, self.target):
            self.target.setChecked(chosen is not None and chosen.review.target)
            self.station.setItemText(0, wording.proposal(chosen))
            self.station.setCurrentIndex(self._station_index(chosen))
        shown = self.work is not None and self.session.views.document is self.work.document
        if self.work is not None and shown and self.isVisible():
            widget_look.show(self.session.views, chosen, self.work.early)

    def _station_index(self, chosen: Row | None) -> int:
        if chosen is None or not chosen.review.chosen:
            return 0
        return self.station.findData(chosen.review.station) if chosen.review.station else 1

    def _filter(self) -> None:
        least = SIZES[self.least.currentText()]
        state = self.state.currentText().lower() if self.state.currentIndex() else ""
        self.table.filter.pass_only(least, state)
        self.refresh()

    def put_away(self) -> None:
        """Draw nothing over the image, and give the mouse back."""
        widget_look.show(self.session.views, None, ())
        if self._tool is not None and self.session.views.tool is self._tool:
            self.session.views.tool = None

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        self.table.apply_theme(theme)
        self.refresh()

    # --- choosing ----------------------------------------------------------------------------

    @property
    def row(self) -> Row | None:
        """The chosen node."""
        return self.work.row(self.table.current) if self.work and self.table.current else None

    def step(self, count: int) -> None:
        """Go some rows on."""
        self.table.step(count)

    def _jump(self, key: str) -> None:
        chosen = self.work.row(key) if self.work else None
        if chosen is None or self.work is None:
            return
        widget_look.jump(self.session.views, chosen, self.close_up.isChecked())
        if chosen.object_id:
            self.work.document.active = chosen.object_id
        self._show_chosen()

    def follow_active(self) -> None:
        """The node that was chosen among the objects is chosen here too."""
        if self.work is None:
            return
        active = self.work.document.active
        key = next((row.key for row in self.work.rows if active and row.object_id == active), "")
        if key and key != self.table.current:
            self.table.choose(key)

    # --- deciding ----------------------------------------------------------------------------

    def decide(self, state: State) -> None:
        """Accept or reject what is chosen, then go on to the next node that is still open.

        With nothing chosen go to the first: nobody decides on what was not looked at.
        """
        work, keys, listed = self.work, self.table.selected, self.table.keys
        if work is None:
            return
        place = listed.index(keys[-1]) if keys else -1
        following = listed[place + 1 :] + listed[: max(place, 0)]
        open_ones = [key for key in following if work.choices.of(key).state == "open"]
        if keys:
            self._do(lambda: work.decide(keys, state))
            self._show()
        if open_ones and (not keys or work.choices.of(keys[-1]).state == state):
            self.table.choose(open_ones[0])

    def toggle_target(self) -> None:
        """Follow what is chosen as targets, or no longer."""
        chosen = self.row
        if self.work is not None and chosen is not None:
            self.work.set_target(self.table.selected, not chosen.review.target)

    def choose_station(self) -> None:
        """Let the keyboard choose a station."""
        self.station.setFocus()
        self.station.showPopup()

    def _set_station(self, index: int) -> None:
        if self.work is not None:
            station = None if index == 0 else "" if index == 1 else self.station.itemData(index)
            self.work.set_station(self.table.selected, station)
            self.table.setFocus()

    # --- shaping -----------------------------------------------------------------------------

    def edit(self) -> None:
        """Take the brush for the chosen node."""
        work, chosen = self.work, self.row
        if work is None or chosen is None or not chosen.object_id:
            return
        if chosen.review.state == "accepted":
            work.decide([chosen.key], "open")
        work.document.active = chosen.object_id
        self._take_brush()

    def split(self) -> None:
        """Take the chosen node apart."""
        work, key = self.work, self.table.current
        if work is not None and key:
            self._do(lambda: edits.split(work, key))

    def merge(self) -> None:
        """Join the chosen nodes, or a single one with its neighbour."""
        work, keys = self.work, self.table.selected
        if work is None or not keys:
            return

        def merge() -> None:
            both = [*keys, edits.neighbour(work, keys[0])] if len(keys) == 1 else keys
            self._await(edits.merge(work, both))

        self._do(merge)

    def add(self) -> None:
        """Take the tool that adds nodes, or put it away."""
        self._add(self.session.views.tool is not self._tool or self._tool is None)

    def add_here(self) -> None:
        """Add the node at the crosshair."""
        display = self.session.views.display
        if display is not None:
            self._clicked(tuple(round(place) for place in display.position))

    def _add(self, wanted: bool) -> None:
        self._tool = AddTool(self._clicked, self.add) if wanted and self.work else None
        self.session.views.tool = self._tool
        self._tool_changed(self._tool)

    def _tool_changed(self, tool: Tool | None) -> None:
        self.add_button.setChecked(tool is not None and tool is self._tool)

    def _clicked(self, voxel: tuple[int, ...]) -> None:
        work = self.work
        if work is None:
            return None
        inside = all(0 <= place < n for place, n in zip(voxel, work.document.shape, strict=True))
        if not inside:
            return self.session.notices.tell("This is outside the image: click in the node.")
        try:
            key, doubt = edits.add_at(work, voxel)
        except NoNodeError as error:
            said = f"{error} No node was added."
            return self.session.notices.offer(said, "Draw it", partial(self._draw, work))
        except UserError as error:
            return self.session.notices.failed(error)
        self._await(key)
        return self.session.notices.tell(doubt, level="warning") if doubt else None

    def _draw(self, work: NodeWork) -> None:
        """Take the brush for a new node, if its document is still worked on."""
        if self.work is work:
            self._do(lambda: edits.begin(work))
            self._take_brush()

    def _take_brush(self) -> None:
        """Also if it is in use already, for another node."""
        self.session.views.tool = None
        self.session.correct("brush")

    def _await(self, key: str) -> None:
        """Choose a node once it is measured."""
        self._awaited = key

    def _do(self, what: Callable[[], object]) -> None:
        try:
            what()
        except UserError as error:
            self.session.notices.failed(error)


def _key(text: str, key: str, slot: Callable[[], object]) -> QPushButton:
    name = text.partition(" (")[0]
    return button(text, slot, name=name, tip=f"{name}  ({key})")
