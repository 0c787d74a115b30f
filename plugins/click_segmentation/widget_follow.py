"""The third dimension in the dock of clicks: follow, redo after corrections, fill between."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from gui.operations import OPERATIONS, compute
from gui.parts import button
from gui.sections import heading, quiet, row
from gui.studies import follow
from gui.theme import GRID
from inference.errors import UserError
from plugins.click_segmentation.fixed import across
from plugins.click_segmentation.following import FOLLOW, Following
from plugins.click_segmentation.stretches import plane_of
from plugins.click_segmentation.zoom import middle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gui.document import Document
    from gui.session import Session
    from gui.voxel_edit import VoxelEdit
    from inference.box import Box

SETTLED_MS = 400  # after the last change of a slice
HINT = (
    "Outline the object in one slice. Following continues it through the slices on both sides, "
    "until it ends."
)
INTERPOLATE = next(operation for operation in OPERATIONS if operation.id == "interpolate")


class FollowSection(QWidget):
    """Acts on the active object of the shown volume, along the axis of the view used last."""

    def __init__(
        self,
        session: Session,
        entry: str = FOLLOW,
        settings: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        super().__init__()
        self._session, self._settings = session, settings
        self.following = Following(session.jobs, session.background, entry)
        self._document: Document | None = None
        self._edits: list[tuple[int, Box]] = []
        self._settled = QTimer(self, singleShot=True, interval=SETTLED_MS)
        self._settled.timeout.connect(self._take_corrections)
        self._build()
        self.following.changed.connect(self.refresh)
        self.following.finished.connect(self._tell)
        self.following.failed.connect(self._failed)
        session.studies.selected_changed.connect(self._follow)
        session.studies.removed.connect(self._removed)
        self._follow(session.studies.selected)

    # --- commands ------------------------------------------------------------------------------

    def start(self) -> None:
        """Follow the active object from all slices that were made by hand."""
        document, axis = self._document, self._axis()
        if document is None or axis is None:
            return
        item = document.active_object
        if item is None or item.locked or not document.counts.now[item.id]:
            name = f"{item.name} is locked: unlock it" if item and item.locked else HINT
            self._tell(name)
            return
        self._note_edits(document)
        self.following.tracks.forget_ends(document, item.id, axis)
        self._begin(document, item.id, axis, None)

    def toggle(self) -> None:
        """Start, or stop what goes on."""
        if self.following.run is None:
            self.start()
        else:
            self.cancel()

    def cancel(self) -> None:
        """Follow no further; what was found stays."""
        self.following.cancel("Following was stopped; what was found so far is kept.")

    def fill_between(self) -> None:
        """Interpolate between the slices in which the active object was drawn."""
        document, axis = self._document, self._axis()
        if document is None or axis is None or not document.active:
            return
        work = partial(compute, INTERPOLATE, document, document.active, float(axis), None)
        self._session.background.run(work, partial(self._filled, document))

    def look(self) -> None:
        """Show the followed slice that the model was least certain of."""
        document, doubt = self._document, self.following.doubt
        if document is None or doubt is None:
            return
        mask = across(document.labels, doubt.axis, doubt.index) == doubt.object_id
        if not mask.any():  # undone since
            self.following.doubt = None
            self.refresh()
            return
        place = list(middle(mask).points[0])
        place.insert(doubt.axis, float(doubt.index))
        self._session.views.look_at(tuple(place))

    # --- construction ------------------------------------------------------------------------

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        self.go = button("Follow through slices", self.start, tip=HINT)
        self.stop = button("Stop", self.cancel, tip="What was found so far is kept")
        self.fill = button(
            "Fill between slices", self.fill_between,
            tip="Without a model: outline the object in some slices, and interpolate those between",
        )  # fmt: skip
        self.doubtful = button(
            "", self.look, tip="The model was least certain of this slice: correct it first"
        )
        self.by_itself = QCheckBox("In 3D: follow after each click")
        self.by_itself.setToolTip("A click in a slice is continued through the volume at once")
        self.redo = QCheckBox("Redo the slices round a correction")
        self.redo.setToolTip("Correct any slice, in any plane: up to the next slice that you drew "
                             "or corrected, it is followed anew")  # fmt: skip
        self.redo.setChecked(True)
        self.status = quiet(HINT)
        self.status.setAccessibleName("Following")
        for part in (heading("Third dimension"), row(self.go, self.stop), self.doubtful,
                     self.by_itself, self.redo, self.fill, self.status):  # fmt: skip
            column.addWidget(part)

    def refresh(self) -> None:
        """Show what can be done, and how far a run is."""
        run, document = self.following.run, self._document
        self.setVisible(document is not None and document.series.kind == "volume")
        drawn = document is not None and bool(document.counts.now[document.active])
        item = document.active_object if document else None
        self.go.setVisible(run is None)
        self.stop.setVisible(run is not None)
        free = drawn and item is not None and not item.locked
        self.go.setEnabled(free)
        self.fill.setEnabled(free and run is None)
        doubt = self.following.doubt
        active = document.active if document is not None else 0
        self.doubtful.setVisible(doubt is not None and doubt.object_id == active)
        if doubt is not None:
            self.doubtful.setText(f"Look at slice {doubt.index + 1}: least certain")
        if run is not None:
            name = run.document.objects[run.object_id].name
            self.status.setText(f"{name}: {run.slices} slices found…")

    # --- following the document ------------------------------------------------------------------

    def _follow(self, document: Document | None) -> None:
        self.following.cancel()
        self.following.doubt = None
        slots: dict[str, Callable[..., None]] = {
            "labels_changed": self._edited,
            "objects_changed": self.refresh,
            "active_changed": self.refresh,
        }
        follow(self._document, document, slots)
        self._document, self._edits = document, []
        self._tell(HINT)

    def _removed(self, document: Document) -> None:
        run = self.following.run
        if run is not None and run.document is document:
            self.following.cancel()

    def _edited(self, box: Box) -> None:
        """Somebody else than a run changed the labels; undo and redo are no corrections."""
        document = self._document
        if document is not None and document.history.moving:
            self._edits.clear()
        elif document is not None and not self.following.landing:
            self._edits.append((document.active, box))
            self._settled.start()
        self.refresh()

    def _take_corrections(self) -> None:
        """Follow again round what was corrected, once the stroke or click is over."""
        document = self._document
        if document is None or not self._edits:
            return
        if document.history.grouping:
            self._settled.start()
            return
        boxes, span = self._note_edits(document)
        item = document.active_object
        if item is None or item.locked or not boxes:
            return
        axis = self.following.tracks.axis_of(document, item.id)
        wanted = self.redo.isChecked() or self.by_itself.isChecked()
        if span is not None and axis is not None and wanted:
            self._begin(document, item.id, axis, span, again=not self.by_itself.isChecked())
        elif axis is None and self.by_itself.isChecked():
            plane = plane_of(boxes[-1], self._axis() or 0)
            if plane is not None:
                self._begin(document, item.id, plane[0], None)

    def _note_edits(self, document: Document) -> tuple[list[Box], tuple[int, int] | None]:
        """The edits of the active object since the last time, and which slices they ask to redo."""
        edits, self._edits = self._edits, []
        if document.history.redo_title:  # an undo is no correction
            return [], None
        boxes = [box for object_id, box in edits if object_id == document.active]
        if not boxes:
            return [], None
        axis = self._axis() or 0
        return boxes, self.following.tracks.corrected(document, document.active, boxes, axis)

    def _begin(
        self,
        document: Document,
        object_id: int,
        axis: int,
        span: tuple[int, int] | None,
        again: bool = False,
    ) -> None:
        try:
            self.following.start(document, object_id, axis, span, self._settings(), again)
        except UserError as error:
            self._failed(error)

    def _axis(self) -> int | None:
        """The axis across which the view that was used last shows slices."""
        plane = self._session.views.active.plane
        volume = self._document is not None and self._document.series.kind == "volume"
        return plane.slicing if plane is not None and volume else None

    def _filled(self, document: Document, edit: VoxelEdit) -> None:
        if not document.apply(edit):
            self._tell("There is nothing to fill: outline the object in two slices or more.")

    def _tell(self, sentence: str) -> None:
        self.refresh()
        self.status.setText(sentence)

    def _failed(self, error: BaseException) -> None:
        self._tell("Following ended early; what was found so far is kept.")
        self._session.notices.failed(error)
