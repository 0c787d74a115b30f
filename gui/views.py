"""The image area: one view or four linked ones, of the selected document."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QSizePolicy, QWidget

from gui.display import Display
from gui.gestures import Gestures, Mode
from gui.planes import planes
from gui.slice_view import SliceView
from gui.volume_view import VolumeView
from inference.windowing import auto_window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from gui.document import Document
    from gui.planes import Position
    from gui.theme import Theme
    from gui.tool import Mark, Outline, Tool
    from inference.windowing import Window


class Views(QWidget):
    """Shows documents; tools, marks and maps of the tasks appear in every 2D view."""

    tool_changed = Signal(object)  # Tool or None
    mode_changed = Signal(str)
    layout_changed = Signal()
    shown = Signal(object)  # Document or None, once it can be seen

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("canvas")
        self.document: Document | None = None
        self.gestures = Gestures(self)
        self._marks: dict[str, tuple[Mark, ...]] = {}
        self._outlines: dict[str, tuple[Outline, ...]] = {}
        self.names_hidden = False
        self.cross_shown = True
        self._tool: Tool | None = None
        self._displays: WeakKeyDictionary[Document, Display] = WeakKeyDictionary()
        self.annotated = True
        self._maximised: QWidget | None = None
        self._placed: list[QWidget] | None = None
        self._build()

    # --- documents ---------------------------------------------------------------------------

    def show_document(self, document: Document | None) -> None:
        """Show a document as it was left, or nothing."""
        self.document = document
        self.tool = None
        self._marks, self._outlines = {}, {}
        self._maximised = None
        self._arrange()
        self.show_cursor()
        self.shown.emit(document)

    def forget(self, document: Document) -> None:
        """Drop what is remembered of a closed document."""
        self._displays.pop(document, None)

    @property
    def display(self) -> Display | None:
        """How the current document is looked at; change its fields to change the views."""
        return self.display_for(self.document) if self.document else None

    def display_of(self, view: SliceView) -> Display:
        """How the document of a view is looked at."""
        if view.document is None:
            raise RuntimeError("the view shows nothing")
        return self.display_for(view.document)

    @property
    def slices(self) -> list[SliceView]:
        """The 2D views in use, the main one first."""
        return [view for view in self._slices if view.document is not None]

    @property
    def slices_shown(self) -> list[SliceView]:
        """The 2D views that can be seen."""
        return [view for view in self.slices if not view.isHidden()]

    def is_main(self, view: SliceView) -> bool:
        """Whether this view carries the name of the series."""
        return self.slices_shown[:1] == [view]

    @property
    def active(self) -> SliceView:
        """The view that keys act on."""
        return self._active if self._active in self.slices_shown else self._slices[0]

    # --- what tasks and tools use --------------------------------------------------------------

    @property
    def tool(self) -> Tool | None:
        """Who receives the left mouse button; None: the views themselves."""
        return self._tool

    @tool.setter
    def tool(self, tool: Tool | None) -> None:
        if tool is not self._tool:
            self._tool = tool
            self.tool_changed.emit(tool)
            self.show_cursor()
            self.redraw()

    def set_mode(self, mode: Mode) -> None:
        """Give the left mouse button back to the views: navigate, window, pan or zoom."""
        self.tool = None
        self.gestures.mode = mode
        self.mode_changed.emit(mode)
        self.show_cursor()

    def show_cursor(self) -> None:
        """The mouse pointer that says what the left button does."""
        cursor = self.gestures.cursor(self._tool is not None)
        for view in self._slices:
            view.show_cursor(cursor)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Dots over the image, of all owners."""
        return tuple(chain.from_iterable(self._marks.values()))

    @property
    def outlines(self) -> tuple[Outline, ...]:
        """Lines over the image, of all owners."""
        return tuple(chain.from_iterable(self._outlines.values()))

    def set_marks(self, marks: Sequence[Mark], owner: str = "") -> None:
        """Dots to show over the image, such as clicks; those of other owners stay."""
        self._marks[owner] = tuple(marks)
        self.redraw()

    def set_outlines(self, outlines: Sequence[Outline], owner: str = "") -> None:
        """Lines to show over the image, such as regions that are measured; of this owner."""
        self._outlines[owner] = tuple(outlines)
        self.redraw()

    def show_heat(self, heat: NDArray[Any] | None, opacity: float = 1.0) -> None:
        """Lay a map over the image (canonical spatial axes, 0 to 1); None takes it away."""
        for view in self.slices:
            view.show_heat(heat, opacity)

    def look_at(self, position: Position) -> None:
        """Move the crosshair, and with it all slices, to voxel coordinates."""
        if self.document and self.display:
            limits = zip(position, self.document.shape, strict=True)
            self.display.position = tuple(min(max(p, 0.0), n - 1.0) for p, n in limits)

    def redraw(self) -> None:
        """Paint texts, tool and marks again, such as after a tool's path grew."""
        for view in self.slices:
            view.redraw()

    def prepare(self) -> Iterator[None]:
        """Make canvases and layers ahead of their use, a step at a time."""
        for view in self._slices:
            view.prepare()
            yield
            view.prepare_layers()
            yield

    # --- commands --------------------------------------------------------------------------

    def fit(self) -> None:
        """Show everything, whole."""
        for view in self.slices:
            view.fit()

    def set_window(self, window: Window | None = None) -> None:
        """Grey levels; None finds them in the picture."""
        if self.document and self.display:
            picture = self.display.picture
            found = picture.window if picture else auto_window(self.document.series.voxels)
            self.display.window = window or found

    def toggle_maximised(self, view: QWidget) -> None:
        """Show one view alone, or all again."""
        self._maximised = None if self._maximised is view else view
        self._arrange()

    @property
    def all_shown(self) -> bool:
        """Whether all views of a volume are shown, not one alone."""
        return self._maximised is None

    @property
    def alone(self) -> str:
        """The one view that is shown of a volume: the name of its plane, or "3D"; "" for all."""
        return next((name for name, view in self._named.items() if view is self._maximised), "")

    def show_alone(self, name: str) -> None:
        """Show the view of this name alone, or all for ""."""
        self._maximised = self._named.get(name)
        self._arrange()

    @property
    def _named(self) -> dict[str, QWidget]:
        planes_shown = {view.plane.name: view for view in self.slices if view.plane}
        return {**planes_shown, "3D": self.volume}

    def toggle_layout(self) -> None:
        """All views, or the active one alone."""
        self.toggle_maximised(self._maximised or self.active)

    def start_3d(self) -> None:
        """Render the volume."""
        self.volume.start()

    def magnify(self, factor: float) -> None:
        """Zoom the active view about its middle."""
        self.active.magnify(factor)

    def step(self, count: int) -> None:
        """Go some slices or frames on in the active view."""
        self.active.step(count)

    def toggle_cross(self) -> None:
        """Show or hide the crosshair."""
        self.cross_shown = not self.cross_shown
        self.redraw()

    def toggle_annotated(self) -> None:
        """Show or hide corner texts, letters and scale bars."""
        self.annotated = not self.annotated
        for view in self._slices:
            view.set_annotated(self.annotated)

    def toggle_look(self, name: str) -> None:
        """Turn a switch of the display round, by the name of its field."""
        if self.display:
            setattr(self.display, name, not getattr(self.display, name))

    def hide_names(self, hidden: bool) -> None:
        """Show or hide who the patient is."""
        self.names_hidden = hidden
        self.redraw()

    def apply_theme(self, theme: Theme) -> None:
        """Follow the window's look."""
        for view in self._slices:
            view.set_background(theme.canvas)
        self.volume.set_background(theme.canvas)

    # --- inside ----------------------------------------------------------------------------

    def _build(self) -> None:
        self._slices = [SliceView(self) for _ in range(3)]
        self.volume = VolumeView(self)
        self._active = self._slices[0]
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2)
        for view in (*self._slices, self.volume):
            view.setMinimumSize(1, 1)  # or else the hints of canvases decide on their sizes
            view.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        for view in self._slices:
            view.activated.connect(self._activate)
            view.maximise_asked.connect(self.toggle_maximised)
        self.volume.maximise_asked.connect(self.toggle_maximised)
        self._arrange()

    def _activate(self, view: SliceView) -> None:
        previous, self._active = self._active, view
        view.take_focus()
        previous.redraw()

    def display_for(self, document: Document) -> Display:
        """How a document is looked at, or will be."""
        if document not in self._displays:
            self._displays[document] = Display.of(document)
        return self._displays[document]

    def _arrange(self) -> None:
        """Give each view its plane and place; views out of sight hold nothing."""
        wanted = self._wanted()
        if wanted != self._placed:
            self.setUpdatesEnabled(False)
            self._place(wanted)
            self.setUpdatesEnabled(True)
        self._fill()
        if self.document is not None:
            self.active.take_focus()
        self.layout_changed.emit()

    def _place(self, wanted: list[QWidget]) -> None:
        for view in (*self._slices, self.volume):
            self._grid.removeWidget(view)
            view.setVisible(view in wanted)
        for number, view in enumerate(wanted):
            self._grid.addWidget(view, number // 2, number % 2)
        for line in range(2):  # an empty line takes no room
            self._grid.setRowStretch(line, int(line == 0 or len(wanted) > 2))
            self._grid.setColumnStretch(line, int(line == 0 or len(wanted) > 1))
        self._placed = wanted
        self._grid.activate()

    def _wanted(self) -> list[QWidget]:
        if self.document is None:
            return []
        if self.document.series.kind != "volume":
            return [self._slices[0]]
        if self._maximised is not None:
            return [self._maximised]
        return [*self._slices, self.volume]

    def _fill(self) -> None:
        """Connect the views to the document, and those in no use to nothing."""
        document = self.document
        shown = planes(document.series.kind) if document else ()
        for view, plane in zip(self._slices, (*shown, None, None, None), strict=False):
            if document is None or plane is None:
                view.clear()
            elif view.document is not document:
                view.show_document(document, self.display_for(document), plane)
        volume = document if document and document.series.kind == "volume" else None
        self.volume.show_document(volume, self.display_for(volume) if volume else None)
