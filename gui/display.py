"""How a document is looked at: position, grey levels, mask style, cine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
from psygnal import SignalGroupDescriptor

from inference.windowing import SOFT_TISSUE, first_window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gui.document import Document
    from gui.planes import Framing, Orbit, Position
    from inference.series import Array, Series
    from inference.windowing import Window


@dataclass(frozen=True, slots=True)
class Preset:
    """A named window for CT, HU."""

    title: str
    window: Window


CT_PRESETS = (
    Preset("Abdomen", SOFT_TISSUE),
    Preset("Lung", (-600, 1500)),
    Preset("Bone", (480, 2500)),
    Preset("Brain", (40, 80)),
    Preset("Mediastinum", (50, 350)),
    Preset("Liver", (60, 160)),
    Preset("Angiography", (300, 600)),
    Preset("Stroke", (35, 40)),
)


class Picture(Protocol):
    """What is looked at in place of a run's stored frames, made frame by frame."""

    @property
    def title(self) -> str:
        """Said in the corner of the view; pictures of one title share their grey levels."""

    @property
    def window(self) -> Window:
        """Grey levels to begin with."""

    @property
    def legend(self) -> Legend | None:
        """What the colours mean; None for greys."""

    def frame(self, index: int) -> Array:
        """Grey (y, x), or uint8 colours (y, x, 3)."""

    def value(self, index: int, y: int, x: int) -> str:
        """What is there, with its unit."""


@dataclass(frozen=True, slots=True)
class Legend:
    """A bar of colours, the lowest value first, and the words beside it."""

    title: str
    colors: Sequence[str]  # at equal steps, "#rrggbb"
    lowest: str
    highest: str


@dataclass(eq=False)
class Display:
    """The viewing state of one document; `events.<field>` tells of each change."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    position: Position  # where the crosshair is, voxels over the spatial axes
    window: Window
    inverted: bool = False
    opacity: float = 0.45  # of the mask
    outlined: bool = False  # the mask as a contour
    mask_shown: bool = True
    ai_shown: bool = False  # the AI's own version as a thin contour
    difference_shown: bool = False  # what was added to and removed from the AI's version
    picture: Picture | None = None  # shown in place of the stored frames
    synthetic_hidden: bool = False  # frames that a model made are passed over
    marked: frozenset[int] = frozenset()  # frames that the user marked

    def __post_init__(self) -> None:
        self._windows: dict[str, Window] = {}  # by the title of the picture, "" for the stored
        # No event tells of these: the view that changes them is the one that shows them.
        self.framings: dict[str, Framing] = {}  # by the name of the plane; else the whole is shown
        self.orbit: Orbit | None = None  # of the 3D view, once it was used

    @classmethod
    def of(cls, document: Document) -> Display:
        """The first look: the middle of a volume, the first frame of a run, sensible greys."""
        middle = tuple((n - 1) // 2 for n in document.shape)
        start = (0, *middle[1:]) if document.series.kind == "run" else middle
        return cls(start, first_window(document.series))

    def show_picture(self, picture: Picture | None) -> None:
        """Show something else than the stored frames, in the grey levels last used for it."""
        before, now = _title(self.picture), _title(picture)
        self._windows[before] = self.window
        self.picture = picture
        if now != before:
            own = picture.window if picture else self.window
            self.window = self._windows.get(now, own)

    @property
    def windows(self) -> dict[str, Window]:
        """The grey levels last used, by the title of the picture, "" for the stored frames."""
        return self._windows | {_title(self.picture): self.window}

    def keep_windows(self, windows: Mapping[str, Window]) -> None:
        """Use these grey levels, as they were used before."""
        self._windows |= windows
        self.window = self._windows.get(_title(self.picture), self.window)

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest grey of the window."""
        centre, width = self.window
        return centre - width / 2, centre + width / 2


def _title(picture: Picture | None) -> str:
    return picture.title if picture else ""


def dragged(window: Window, right: float, down: float) -> Window:
    """The window after a mouse drag in pixels: right widens it, down darkens the picture."""
    centre, width = window
    return centre + down * width / 300, width * float(np.exp(right / 300))


def frame_durations(series: Series) -> list[int]:
    """How long to show each frame of a run, ms; 100 where the file does not say."""
    frames = series.spatial_shape[0]
    if not series.frame_times or len(series.frame_times) != frames or frames < 2:
        return [100] * frames
    steps = np.diff(series.frame_times)
    return [max(1, round(step)) for step in (*steps, float(np.median(steps)))]
