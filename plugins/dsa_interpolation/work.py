"""What the user does with one open run: its subtraction, its regions, the map that is shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from gui.history import Step
from gui.project import Kept
from inference.windowing import first_window
from plugins.dsa_interpolation.map_picture import grey_text
from plugins.dsa_interpolation.regions import Region, next_region
from plugins.dsa_interpolation.subtraction import Subtraction, Subtractor
from plugins.dsa_interpolation.suggestion import completed, suggested

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gui.display import Display, Legend, Picture
    from gui.document import Document
    from inference.series import Acquisition, Array, Series
    from inference.shared import SharedArray
    from inference.windowing import Window
    from plugins.dsa_interpolation.following import Followed, Known
    from plugins.dsa_interpolation.maps import Maps
    from plugins.dsa_interpolation.regions import Point
    from plugins.dsa_interpolation.scatter import Scatter

UNCHANGED = Subtraction(on=False)
FRAMES = "frames"
PLAIN = ("on", "mask", "shift", "landmark", "inverted", "edges", "smoothing")
AFFECT_DENSITY = ("on", "mask", "shift", "shifts", "fields")


class SubtractedPicture:
    """Frames of a run as its subtraction wants them; may be asked from two threads."""

    legend: Legend | None = None

    def __init__(self, subtractor: Subtractor, window: Window) -> None:
        self.subtractor, self.window = subtractor, window
        self.title = "Subtracted" if subtractor.settings.on else ""
        self._lock = Lock()
        self._last: tuple[int, Array] | None = None

    def frame(self, index: int) -> Array:
        """(y, x): natural-log density, or the stored grey levels through the filters."""
        with self._lock:
            if self._last is None or self._last[0] != index:
                self._last = index, self.subtractor.frame(index)
            return self._last[1]

    def value(self, index: int, y: int, x: int) -> str:
        """With its unit."""
        return grey_text(float(self.frame(index)[y, x]), self.subtractor.settings.on)


@dataclass(frozen=True)
class Prepared:
    """What a look at the whole run has found."""

    subtractor: Subtractor
    window: Window  # for the subtracted frames


def prepare(series: Series) -> Prepared:
    """Find the mask and the grey levels; takes a second for a long run."""
    known = completed(series.voxels, series.acquisition)
    start = suggested(series.voxels, known)
    subtractor = Subtractor(series.voxels, known, replace(start, on=True))
    window = subtractor.window()
    return Prepared(subtractor.changed(replace(start, on=False)), window)


class DsaWork:
    """Keeps what was set; the document's history takes back what is drawn."""

    changed = Signal()  # anything of the subtraction
    density_changed = Signal()  # what curves and maps are made of
    regions_changed = Signal()
    map_changed = Signal()

    def __init__(self, document: Document, display: Display) -> None:
        self.document, self.display = document, display
        self.prepared: Prepared | None = None
        self.shared: SharedArray | None = None  # the stored frames, for the worker
        self.subtractor: Subtractor | None = None
        self._begun: Subtraction | None = None  # from a project, until the run was looked at
        self.regions: tuple[Region, ...] = ()
        self.followed: dict[tuple[Point, ...], Followed] = {}  # curves, by corners
        self.scatter: Scatter | None = None  # which the curves are without
        self.maps: Maps | None = None
        self.peak: Array | None = None
        self.map_key = FRAMES
        self.map: Picture | None = None  # shown in place of the frames
        self.scales: dict[str, tuple[float, float]] = {}  # of maps, as the user has set them
        self.owed_map = ""  # of a project, until it is made again

    @property
    def acquisition(self) -> Acquisition | None:
        """What the file tells of how the run was taken, and what a look at the run has added."""
        return self.subtractor.acquisition if self.subtractor else self.document.series.acquisition

    @property
    def settings(self) -> Subtraction:
        """As they stand; nothing is subtracted before the run was looked at."""
        return self.subtractor.settings if self.subtractor else UNCHANGED

    def accept(self, prepared: Prepared) -> None:
        """Begin from what was found."""
        self.prepared, self.subtractor = prepared, prepared.subtractor
        if self._begun is not None:
            self.subtractor, self._begun = prepared.subtractor.changed(self._begun), None
            self._forget()
            self.peak = None
        self._show()
        self.changed.emit()
        self.density_changed.emit()

    def _forget(self) -> None:
        """What was told by other densities."""
        self.followed, self.scatter, self.maps = {}, None, None

    def set(self, **settings: Any) -> None:
        """Change settings of the subtraction, live."""
        if self.subtractor is None:
            return
        before = self.settings
        self.subtractor = self.subtractor.changed(replace(before, **settings))
        self.peak = None
        self.show_map(FRAMES, None)
        self.changed.emit()
        self.document.state_changed.emit()
        if any(getattr(before, n) is not getattr(self.settings, n) for n in AFFECT_DENSITY):
            self._forget()
            self.density_changed.emit()

    def kept(self) -> Kept | None:
        """Subtraction, regions, and which map is shown, for the project."""
        settings = self._begun or self.settings
        if settings is UNCHANGED:
            return None
        values = {
            "settings": {name: getattr(settings, name) for name in PLAIN},
            "regions": [asdict(region) for region in self.regions],
            "map": self.owed_map or self.map_key,
            "scales": {name: list(ends) for name, ends in self.scales.items()},
        }
        arrays = {name: getattr(settings, name) for name in ("shifts", "fields")}
        return Kept(values, {name: found for name, found in arrays.items() if found is not None})

    def restore(self, kept: Kept) -> None:
        """Go on with them; KeyError, TypeError or ValueError if they make no sense."""
        self._begun = _subtraction(kept, self.document.shape[0])
        self.regions = tuple(_region(entry) for entry in kept.values["regions"])
        scales = kept.values.get("scales", {})
        self.scales = {str(name): (float(low), float(high)) for name, (low, high) in scales.items()}
        shown = str(kept.values.get("map", FRAMES))
        self.owed_map = "" if shown == FRAMES else shown
        self.regions_changed.emit()
        if self.prepared is not None:
            self.accept(self.prepared)

    def move_mask(self, down: float, right: float) -> None:
        """Shift the mask by hand, px."""
        y, x = self.settings.shift
        self.set(shift=(round(y + down, 2), round(x + right, 2)))

    def show_map(self, key: str, picture: Picture | None) -> None:
        """Show a picture of the whole run in place of its frames; None until it is made."""
        self.map_key, self.map = key, picture
        self._show()
        self.map_changed.emit()

    @property
    def known(self) -> Known:
        """The regions whose curves are known."""
        return [(r, self.followed[r.corners]) for r in self.regions if r.corners in self.followed]

    def add_region(self, corners: tuple[Point, ...]) -> None:
        """Follow the contrast inside an outline (y, x), px."""
        region = next_region(self.regions, corners)
        self._choose((*self.regions, region), f"Draw {region.name}")

    def remove_region(self, region: Region) -> None:
        """Forget a region."""
        kept = tuple(one for one in self.regions if one is not region)
        self._choose(kept, f"Delete {region.name}")

    def rename_region(self, region: Region, name: str) -> None:
        """Give a region a name that no other has."""
        taken = {other.name for other in self.regions if other is not region}
        while name in taken:
            name = f"{name} (2)"
        renamed = tuple(replace(r, name=name) if r is region else r for r in self.regions)
        self._choose(renamed, f"Rename {region.name}")

    def clear_regions(self) -> None:
        """Forget all regions."""
        self._choose((), "Delete all regions")

    @property
    def plain(self) -> bool:
        """Whether the frames are shown as stored."""
        now = self.settings
        return not (now.on or now.edges or now.smoothing)

    @property
    def window(self) -> Window:
        """Grey levels that suit the frames as they are subtracted."""
        if self.prepared is not None and self.settings.on:
            return self.prepared.window
        return first_window(self.document.series)

    def _show(self) -> None:
        picture = self.map
        if picture is None and self.subtractor and self.prepared and not self.plain:
            picture = SubtractedPicture(self.subtractor, self.window)
        self.display.show_picture(picture)

    def _choose(self, regions: tuple[Region, ...], title: str) -> None:
        put = partial(self._put, self.regions), partial(self._put, regions)
        self.document.history.run(Step(title, *put, nbytes=2000))

    def _put(self, regions: tuple[Region, ...]) -> None:
        self.regions = regions
        self.regions_changed.emit()


def _subtraction(kept: Kept, frames: int) -> Subtraction:
    """What was set for a run of so many frames."""
    values, arrays = kept.values["settings"], kept.arrays
    mask = tuple(int(frame) for frame in values["mask"])
    down, right = map(float, values["shift"])
    shifts, fields = arrays.get("shifts"), arrays.get("fields")
    sound = all(0 <= frame < frames for frame in mask)
    sound &= shifts is None or shifts.shape == (frames, 2)
    sound &= fields is None or (fields.ndim == 4 and len(fields) == frames)
    if not sound:
        raise ValueError("the subtraction of another run")
    return Subtraction(
        bool(values["on"]),
        mask,
        (down, right),
        shifts,
        fields,
        float(values["landmark"]),
        bool(values["inverted"]),
        float(values["edges"]),
        float(values["smoothing"]),
    )


def _region(entry: Mapping[str, Any]) -> Region:
    corners = tuple((float(y), float(x)) for y, x in entry["corners"])
    return Region(str(entry["name"]), str(entry["color"]), corners)
