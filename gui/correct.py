"""Correction: the tools and operations that every task shares, on the document that is shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from psygnal import Signal

from gui.background import Background
from gui.correct_tools import Brush, Fill, Outline
from gui.correction_ops import Slice
from gui.operations import compute

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gui.document import Document
    from gui.notices import Notices
    from gui.operations import Operation
    from gui.segment_object import SegmentObject
    from gui.tool import Tool
    from gui.views import Views
    from gui.voxel_edit import VoxelEdit

ToolName = Literal["brush", "eraser", "levels", "fill", "outline"]
SMALLEST, LARGEST = 0.25, 0.25  # of the brush: voxels, and part of the picture's height


@dataclass(slots=True)
class BrushSettings:
    """How the tools draw in one document."""

    radius: float  # mm (pixels if spacing is unknown)
    lower: float  # levels between which the threshold brush draws
    upper: float
    ball: bool = False  # in all slices that it reaches, not in one alone
    over: bool = True  # also where other unlocked objects are
    by_probability: bool = False  # levels are those of the AI's probability, not the image's


class Correction:
    """Chooses tools, keeps their settings by document, runs operations in the background."""

    changed = Signal()  # the tool in use or its settings

    def __init__(self, views: Views, notices: Notices) -> None:
        self.views, self._notices = views, notices
        self.background = Background()
        self._settings: WeakKeyDictionary[Document, BrushSettings] = WeakKeyDictionary()
        self._tools: dict[ToolName, Tool] = {
            "brush": Brush(self, "Brush"),
            "eraser": Brush(self, "Eraser"),
            "levels": Brush(self, "Threshold brush"),
            "fill": Fill(self),
            "outline": Outline(self),
        }
        views.tool_changed.connect(self._tool_changed)
        views.shown.connect(lambda _: self.changed.emit())

    # --- state ---------------------------------------------------------------------------------

    @property
    def document(self) -> Document | None:
        """What is shown."""
        return self.views.document

    @property
    def tool(self) -> ToolName | None:
        """The tool in use."""
        now = self.views.tool
        return next((name for name, tool in self._tools.items() if tool is now), None)

    @property
    def settings(self) -> BrushSettings | None:
        """How the tools draw in the shown document; None if nothing is shown."""
        document = self.document
        if document is not None and document not in self._settings:
            self._settings[document] = self._first_settings(document)
        return None if document is None else self._settings[document]

    def _first_settings(self, document: Document) -> BrushSettings:
        return BrushSettings(0.01 * _height(document), *self.shown_levels())

    def shown_levels(self) -> tuple[float, float]:
        """The grey levels between which the picture is shown."""
        display = self.views.display
        return display.limits if display else (0.0, 255.0)

    # --- commands ------------------------------------------------------------------------------

    def use(self, name: ToolName) -> None:
        """Take a tool, or put it away if it is in use."""
        away = self.tool == name or self.document is None
        self.views.tool = None if away else self._tools[name]

    @property
    def radii(self) -> tuple[float, float]:
        """The smallest and the largest radius of the brush, mm."""
        if self.document is None:
            return 1.0, 1.0
        smallest = SMALLEST * min(self.document.scale[-2:])
        return smallest, max(LARGEST * _height(self.document), 10 * smallest)

    def resize(self, factor: float) -> None:
        """Make the brush larger or smaller."""
        if self.settings:
            self.set_radius(self.settings.radius * factor)

    def set_radius(self, radius: float) -> None:
        """Set the size of the brush, mm."""
        if self.settings:
            smallest, largest = self.radii
            self.settings.radius = min(max(radius, smallest), largest)
            self.changed.emit()
            self.views.redraw()

    def finish(self) -> None:
        """Close and fill the outline that is being drawn."""
        outline = self._tools["outline"]
        if isinstance(outline, Outline):
            outline.finish()

    def cancel(self) -> None:
        """Drop an unfinished outline; without one, put the tool away."""
        outline = self._tools["outline"]
        if isinstance(outline, Outline) and outline.path:
            outline.clear()
        elif self.tool:
            self.views.tool = None

    def new_object(self) -> None:
        """Start another object."""
        if self.document:
            self.document.add_object()

    def operate(self, operation: Operation, amount: float, here: bool) -> None:
        """Run an operation on the active object; `here`: in the shown slice alone."""
        item = self.drawable()
        document, here_only = self.document, self.shown_slice()
        if document is None or item is None:
            return
        if operation.across:
            amount, here = float(here_only.axis if here_only else 0), False
        only = here_only if here else None
        work = partial(compute, operation, document, item.id, amount, only)
        self.background.run(work, partial(self._apply, document))

    def _apply(self, document: Document, edit: VoxelEdit) -> None:
        if not document.apply(edit):
            self.tell(f"{edit.title}: nothing had to be changed.")

    # --- for the tools ---------------------------------------------------------------------------

    def drawable(self) -> SegmentObject | None:
        """The active object if it may be changed, else None, and the user is told why."""
        item = self.document.active_object if self.document else None
        if item is None:
            self.tell("There is no object yet: draw one, or run a task.")
        elif item.locked:
            self.tell(f"{item.name} is locked: unlock it in the list of objects to change it.")
        return None if item is None or item.locked else item

    def to_draw(self) -> SegmentObject | None:
        """The object that a tool draws, shown and unlocked; a first one is made."""
        document, display = self.document, self.views.display
        if document is None or display is None:
            return None
        if document.active_object is None:
            document.add_object()
        item = self.drawable()
        if item is not None:
            display.mask_shown = True
            if not item.visible:
                document.set_visible(item.id, True)
        return item

    def levels_image(self, document: Document) -> NDArray[Any]:
        """What the threshold brush looks at: probability, grey levels, or the green channel.

        Green shows most of what a colour photograph of the retina shows.
        """
        settings = self._settings.get(document)
        if settings and settings.by_probability and document.probability is not None:
            return document.probability
        return document.image[..., 1] if document.series.rgb else document.image

    def shown_slice(self) -> Slice | None:
        """The slice in the view that was used last; None for a plain image."""
        plane, display = self.views.active.plane, self.views.display
        if plane is None or plane.slicing is None or display is None:
            return None
        return Slice(plane.slicing, round(display.position[plane.slicing]))

    def tell(self, sentence: str) -> None:
        """Tell the user."""
        self._notices.tell(sentence)

    def _tool_changed(self, tool: object) -> None:
        for mine in self._tools.values():
            if mine is not tool and isinstance(mine, (Brush, Outline)):
                mine.stop()
        self.changed.emit()


def _height(document: Document) -> float:
    return document.shape[-2] * document.scale[-2]
