"""What a mouse tool is to the views: correction, clicks and measurements implement it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from qtpy.QtCore import Qt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.planes import Plane, Position


ARROWS = {
    int(Qt.Key.Key_Up): (-1, 0),
    int(Qt.Key.Key_Down): (1, 0),
    int(Qt.Key.Key_Left): (0, -1),
    int(Qt.Key.Key_Right): (0, 1),
}  # (down, right)
CONFIRM = {int(Qt.Key.Key_Return), int(Qt.Key.Key_Enter)}
ESCAPE = int(Qt.Key.Key_Escape)
DELETE = {int(Qt.Key.Key_Delete), int(Qt.Key.Key_Backspace)}
NEXT, PREVIOUS = int(Qt.Key.Key_Tab), int(Qt.Key.Key_Backtab)
OPPOSITE = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where the mouse is: voxel coordinates over the canonical spatial axes, as floats."""

    position: Position
    plane: Plane  # `plane.slicing` is the axis that the view steps through, None for an image
    button: Qt.MouseButton = Qt.MouseButton.NoButton
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    reach: tuple[float, ...] = ()  # how far from a dot one still touches it, voxels per axis

    @property
    def right(self) -> bool:
        """Whether the right button was pressed."""
        return self.button == Qt.MouseButton.RightButton

    @property
    def opposite(self) -> bool:
        """Whether a key is held that makes a tool do the opposite: Shift or Alt."""
        return bool(self.modifiers & OPPOSITE)

    @property
    def control(self) -> bool:
        """Whether Ctrl is held."""
        return bool(self.modifiers & Qt.KeyboardModifier.ControlModifier)


class Tool(Protocol):
    """Receives the left button in every 2D view while it is `views.tool`.

    It may also be a `KeyTool`, a `RightButtonTool`, a `HoverTool`.
    """

    @property
    def radius(self) -> float:
        """Of the ring drawn round the pointer, in mm (pixels if spacing is unknown); 0: none."""

    @property
    def path(self) -> Sequence[Position]:
        """An unfinished outline to draw, in voxels over the spatial axes."""

    def press(self, pointer: Pointer) -> None:
        """The left button went down."""

    def drag(self, pointer: Pointer) -> None:
        """The mouse moved with the left button down."""

    def release(self, pointer: Pointer) -> None:
        """The left button went up."""

    def double_click(self, pointer: Pointer) -> None:
        """The left button went down again at once, such as to close an outline; comes for press."""


@runtime_checkable
class KeyTool(Protocol):
    """A tool that also takes keys while it is in use, before the window's commands do."""

    def takes(self, key: int) -> bool:
        """Whether the tool uses this key."""

    def key(self, key: int, shift: bool) -> None:
        """Such a key went down, with or without Shift."""


@runtime_checkable
class RightButtonTool(Protocol):
    """A tool that wants the right button too; `pointer.button` tells it which one it was."""

    @property
    def right_button(self) -> Literal["click", "drag"]:
        """With "click", dragging it still changes grey levels, and a press comes on release."""


@runtime_checkable
class HoverTool(Protocol):
    """A tool that follows the mouse while no button is down."""

    def hover(self, pointer: Pointer | None) -> None:
        """The mouse moved, or a key beside it; None: it left the views."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A dot with an optional caption that a task shows over the image; position in voxels."""

    position: Position
    color: str
    text: str = ""
    sign: str = ""  # "+" or "-" in the dot, so that colour is not all that tells
    chosen: bool = False  # a ring round it


@dataclass(frozen=True, slots=True)
class Outline:
    """A line with a caption that a task shows over the image; positions in voxels."""

    positions: tuple[Position, ...]
    color: str
    text: str = ""
    axis: int | None = None  # seen only in the slice of this axis in which it lies; None: in all
    closed: bool = True
    dashed: bool = False
