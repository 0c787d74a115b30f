"""The dock of clicks: how to point at an object, the objects, the slice."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from gui.learning_section import LearningSection
from gui.sections import stacked
from gui.tool import NEXT, PREVIOUS
from inference.errors import UserError
from plugins.click_segmentation import keeping
from plugins.click_segmentation.prompts import KINDS
from plugins.click_segmentation.session import ClickSession
from plugins.click_segmentation.task import TASK
from plugins.click_segmentation.tools import PromptTool
from plugins.click_segmentation.widget_asking import Asking, Preview
from plugins.click_segmentation.widget_board import Board
from plugins.click_segmentation.widget_follow import FollowSection
from plugins.click_segmentation.widget_sections import (
    ModelSection,
    ObjectSection,
    SliceSection,
    ToolSection,
    theme_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QHideEvent

    from gui.document import Document
    from gui.project import Kept
    from gui.session import Session
    from gui.settings import Settings
    from gui.tool import Tool
    from plugins.click_segmentation.prompts import Kind

LEARN = "Once the outlines of all objects are right: the model can learn from them"


class ClicksWidget(QWidget):
    """Works on the selected document; keeps the prompts of every open one."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._sessions: dict[Document, ClickSession] = {}
        self.clicks: ClickSession | None = None
        self.asking = Asking(session)
        self.board = Board(session.views, session.notices)
        self.preview = Preview(self.asking, self.board)
        self.tool = ToolSection(session, self.board, self.use)
        self.objects = ObjectSection(session, self.begin_object)
        self.slice = SliceSection(session, self.board, self.asking, self.preview)
        self.third = FollowSection(session, settings=lambda: {"model": self.asking.model})
        self.model = ModelSection(self.asking)
        self.learning = LearningSection(session, TASK, LEARN)
        self.learning.changed.connect(self.model.offer)
        stacked(self, (self.tool, self.objects, self.slice, self.third, self.model, self.learning))
        session.studies.selected_changed.connect(self._select)
        session.studies.removed.connect(self._forget)
        session.settings.changed.connect(self._dress)
        session.views.tool_changed.connect(self._tool_changed)
        self.board.changed.connect(self._refresh)
        self.asking.warm_up()
        self._select(session.studies.selected)
        self._dress(session.settings.now)

    # --- commands ----------------------------------------------------------------------------

    def command(self, what: str) -> None:
        """Do what the table of actions calls so."""
        commands: dict[str, Callable[[], object]] = {
            **{kind: partial(self.use, kind) for kind in KINDS}, "follow": self.third.toggle,
        }  # fmt: skip
        commands[what]()

    def use(self, kind: Kind) -> None:
        """Take a tool, or put it away if it is in use."""
        views = self._session.views
        again = self.used == kind or self.clicks is None
        views.tool = None if again else PromptTool(self.board, kind, self.keys)
        if not again:
            views.active.take_focus()

    @property
    def keys(self) -> dict[int, Callable[[bool], object]]:
        """What keys do while such a tool is in use; told whether Shift is held."""
        keys: dict[int, Callable[[bool], object]] = {
            int(Qt.Key.Key_N): lambda shift: self.begin_object(),
            int(Qt.Key.Key_X): lambda shift: self.board.set_negative(not self.board.negative),
        }
        if self.clicks is not None:
            step = self.clicks.step_object
            keys |= {NEXT: lambda shift: step(-1 if shift else 1), PREVIOUS: lambda _: step(-1)}
        return keys

    @property
    def used(self) -> Kind | None:
        """The kind of tool in use."""
        tool = self._session.views.tool
        return tool.kind if isinstance(tool, PromptTool) else None

    def begin_object(self) -> None:
        """Begin another object; the one before is locked, if the user wants that."""
        if self.clicks is None:
            return
        try:
            self.clicks.new_object(self._session.settings.now.lock_finished)
        except UserError as error:
            self._session.notices.failed(error)

    # --- the project ---------------------------------------------------------------------------

    def keep(self, document: Document) -> Kept | None:
        """Prompts, and what following knows."""
        clicks = self._sessions.get(document)
        said = clicks.said if clicks is not None else {}
        return keeping.kept(said, self.third.following.tracks.of(document))

    def restore(self, document: Document, kept: Kept) -> None:
        """Go on from prompts of before."""
        said, tracks = keeping.restored(kept, document.shape)
        clicks = self._sessions.get(document) or self._begin(document)
        self.third.following.tracks.restore(document, tracks)
        clicks.restore(said)

    # --- following ---------------------------------------------------------------------------

    def hideEvent(self, event: QHideEvent) -> None:
        """The mouse goes back to the views."""
        if self.used:
            self._session.views.tool = None
        super().hideEvent(event)

    def _select(self, document: Document | None) -> None:
        self.clicks = None
        if document is not None and TASK.suits(document.series):
            self.clicks = self._sessions.get(document) or self._begin(document)
        self.board.show(self.clicks)
        self.learning.show_work(self.clicks)

    def _begin(self, document: Document) -> ClickSession:
        clicks = self._sessions[document] = ClickSession(document)
        self.asking.follow(clicks)
        display = self._session.views.display_for(document)
        display.events.position.connect(self._refresh)
        return clicks

    def _forget(self, document: Document) -> None:
        if clicks := self._sessions.pop(document, None):
            clicks.close()

    def _tool_changed(self, tool: Tool | None) -> None:
        if not isinstance(tool, PromptTool):
            self.preview.stop()
        self._refresh()

    def _refresh(self) -> None:
        self.tool.show_tool(self.used)
        self.slice.refresh()

    def _dress(self, now: Settings, old: Settings | None = None) -> None:
        if old is None or now.theme != old.theme:
            self.tool.apply_theme(theme_of(now))
            self.objects.apply_theme(theme_of(now))
