"""Prompts on the glass: what is drawn of them, and the hand that touches them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal

from gui.tool import Mark, Outline
from inference.errors import UserError
from plugins.click_segmentation.tools import rectangle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gui.notices import Notices
    from gui.planes import Position
    from gui.tool import Pointer
    from gui.views import Views
    from plugins.click_segmentation.prompts import Prompt
    from plugins.click_segmentation.session import ClickSession
    from plugins.click_segmentation.slices import Place

    Dot = tuple[Place, int]

OWNER = "click_segmentation"
FOR, AGAINST = "#1fae5b", "#e5484d"


def color_of(positive: bool) -> str:
    """Green for the object, red for the background; the sign in the dot says the same."""
    return FOR if positive else AGAINST


class Board:
    """Works on the prompts of the active object of one document at a time."""

    changed = Signal()  # prompts, what is touched, which side is drawn
    hovered = Signal(object)  # the prompt that a click would be; None: no click here

    def __init__(self, views: Views, notices: Notices) -> None:
        self.views, self._notices = views, notices
        self.session: ClickSession | None = None
        self.negative = False  # plain clicks speak of the background
        self.preview: Sequence[Outline] = ()
        self._held: Dot | None = None
        self._over: Dot | None = None
        self._offset: tuple[float, ...] | None = None  # of the dot that is dragged

    def show(self, session: ClickSession | None) -> None:
        """Work on another document's prompts, or on none."""
        if self.session is not None:
            self.session.changed.disconnect(self.refresh)
            self.session.document.active_changed.disconnect(self.refresh)
        self.session = session
        self._held = self._over = self._offset = None
        self.preview = ()
        if session is not None:
            session.changed.connect(self.refresh)
            session.document.active_changed.connect(self.refresh)
        self.refresh()

    # --- what is drawn -----------------------------------------------------------------------

    def refresh(self) -> None:
        """Draw prompts and preview as they are now."""
        dots = dict(self._dots())
        self._held = self._held if self._held in dots else None
        self._over = self._over if self._over in dots else None
        shown = {dot: self._shown(dot, prompt) for dot, prompt in dots.items()}
        self.views.set_marks([self._mark(dot, p) for dot, p in shown.items()], OWNER)
        lines = [line_of(prompt) for prompt in shown.values() if prompt.kind != "click"]
        self.views.set_outlines([*self.preview, *lines], OWNER)
        self.changed.emit()

    def redraw(self) -> None:
        """Draw the line that the tool draws."""
        self.views.redraw()

    def show_preview(self, outlines: Sequence[Outline]) -> None:
        """What a click here would bring."""
        if outlines or self.preview:
            self.preview = outlines
            self.refresh()

    def _dots(self) -> Sequence[tuple[Dot, Prompt]]:
        if self.session is None:
            return ()
        active = self.session.document.active
        return [((place, n), prompt) for place, n, prompt in self.session.prompts(active)]

    def _shown(self, dot: Dot, prompt: Prompt) -> Prompt:
        dragged = dot == self._held and self._offset is not None
        return prompt.moved(self._offset or ()) if dragged else prompt

    def _mark(self, dot: Dot, prompt: Prompt) -> Mark:
        sign = "+" if prompt.positive else "-"
        chosen = dot in (self._held, self._over)
        return Mark(prompt.points[0], color_of(prompt.positive), sign=sign, chosen=chosen)

    # --- where the mouse is ------------------------------------------------------------------

    def inside(self, position: Position) -> bool:
        """Whether it lies in the image."""
        shape = self.session.document.shape if self.session else ()
        return len(shape) == len(position) and all(
            0 <= round(place) < n for place, n in zip(position, shape, strict=True)
        )

    def clipped(self, position: Position) -> Position:
        """The nearest place in the image."""
        shape = self.session.document.shape if self.session else ()
        return tuple(min(max(p, 0.0), n - 1.0) for p, n in zip(position, shape, strict=True))

    def dot_at(self, pointer: Pointer) -> Dot | None:
        """The dot that is touched, drawn in this slice of this plane."""
        near = [
            (distance, dot)
            for dot, prompt in self._dots()
            if prompt.axis == pointer.plane.slicing
            and (distance := _distance(prompt.points[0], pointer)) <= 1
        ]
        return min(near, key=lambda found: found[0])[1] if near else None

    def hover(self, pointer: Pointer | None, prompt: Prompt | None) -> None:
        """The mouse is over a dot, or over a place where a click would be this prompt."""
        over = self.dot_at(pointer) if pointer else None
        if over != self._over:
            self._over = over
            self.refresh()
        self.hovered.emit(None if over else prompt)

    @property
    def touched(self) -> Dot | None:
        """The dot under the mouse, else the one that was clicked last."""
        return self._over or self._held

    # --- what the hand does ------------------------------------------------------------------

    def add(self, prompt: Prompt) -> None:
        """Say something of the active object, which is shown."""
        session = self.session
        if session is not None and self._allowed(partial(session.add, prompt)):
            self._held = None
            self._reveal()

    def take(self, dot: Dot) -> None:
        """Choose a dot, to drag or to delete it."""
        self._held, self._offset = dot, None
        self.refresh()

    def drag(self, offset: tuple[float, ...]) -> None:
        """Show the dot that is held elsewhere; the slice stays."""
        if self._held is None:
            return
        axis = self._held[0].axis
        self._offset = tuple(0.0 if i == axis else step for i, step in enumerate(offset))
        self.refresh()

    def drop(self) -> None:
        """Leave the dot where it is now; a still hand has only chosen it."""
        held, offset, self._offset = self._held, self._offset, None
        prompt = dict(self._dots()).get(held) if held else None
        if held and prompt and offset and any(offset) and self.session:
            moved = prompt.moved(offset)
            if all(self.inside(point) for point in moved.points):
                self._allowed(partial(self.session.move, *held, moved))
        self.refresh()

    def let_go(self) -> None:
        """Leave a dot that was dragged where it was."""
        self._held = self._offset = None
        self.refresh()

    def delete(self, dot: Dot) -> None:
        """Take a prompt away."""
        if self.session is not None:
            self._allowed(partial(self.session.delete, *dot))

    def clear(self, place: Place) -> None:
        """Take all prompts of a slice away."""
        if self.session is not None:
            self._allowed(partial(self.session.clear, place))

    def pick(self, position: Position) -> None:
        """Go on with the object that lies here."""
        if self.session is not None:
            document = self.session.document
            document.active = int(document.labels[tuple(round(place) for place in position)])

    def leave(self) -> None:
        """Let go of the chosen dot; without one, put the tool away."""
        if self._held is not None:
            self.let_go()
        else:
            self.views.tool = None

    def set_negative(self, negative: bool) -> None:
        """Whether plain clicks speak of the background."""
        self.negative = negative
        self.changed.emit()

    def _allowed(self, deed: Callable[[], None]) -> bool:
        try:
            deed()
        except UserError as error:
            self._notices.tell(str(error))
            return False
        return True

    def _reveal(self) -> None:
        """What is drawn is seen."""
        if self.session is None or self.views.display is None:
            return
        self.views.display.mask_shown = True
        item = self.session.document.active_object
        if item is not None and not item.visible:
            self.session.document.set_visible(item.id, True)


def line_of(prompt: Prompt) -> Outline:
    """A box, scribble or lasso as a line in its slice."""
    points, closed = prompt.points, prompt.kind != "scribble"
    if prompt.kind == "box":
        axes = [axis for axis in range(len(points[0])) if axis != prompt.axis]
        points = rectangle(points[0], points[1], axes[1])
    color = color_of(prompt.positive)
    return Outline(points, color, axis=prompt.axis, closed=closed)


def _distance(place: Position, pointer: Pointer) -> float:
    """From the pointer, where 1 is as far as a hand reaches; more in another slice."""
    plane = pointer.plane
    axis = plane.slicing
    if axis is not None and round(place[axis]) != round(pointer.position[axis]):
        return float("inf")
    away = [(place[i] - pointer.position[i]) / pointer.reach[i] for i in (plane.down, plane.right)]
    return float(sum(step**2 for step in away))
