"""What a vessel mask measures: pure functions from mask, field of view and marks to a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from plugins.retinal_vessels.fractal import dimensions
from plugins.retinal_vessels.skeleton import trace
from plugins.retinal_vessels.tortuosity import tortuosity
from plugins.retinal_vessels.zones import ZONES, equivalents, marked_vessels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from plugins.retinal_vessels.skeleton import Centrelines, Skeleton
    from plugins.retinal_vessels.zones import Disc, Mark, Vessel

    Mask = NDArray[np.bool_]

WHOLE = "field of view"


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is measured: unit "" is a pure number; `physical` is its unit where mm are known."""

    title: str
    unit: str
    source: str
    physical: str = ""
    factor: float = 1.0  # to `physical`, times spacing to the power of `power`
    power: int = 1


KNUDTSON = "Knudtson 2003, widths in zone B"
QUANTITIES = {
    "vessel_density": Quantity("Vessel density", "%", "vessel area over area of the region"),
    "length_density": Quantity(
        "Length density", "1/px", "centre line length over area", "1/mm", power=-1
    ),
    "total_length": Quantity("Total length", "px", "smoothed centre lines", "mm"),
    "mean_calibre": Quantity("Mean calibre", "px", "edge to edge, all centre lines", "µm", 1000),
    "median_calibre": Quantity(
        "Median calibre", "px", "edge to edge, all centre lines", "µm", 1000
    ),
    "arc_over_chord": Quantity("Tortuosity: arc/chord", "", "Lotmar 1979"),
    "squared_curvature": Quantity(
        "Tortuosity: squared curvature", "1/px²", "Hart 1999", "1/mm²", power=-2
    ),
    "tortuosity_density": Quantity("Tortuosity density", "1/px", "Grisan 2008", "1/mm", power=-1),
    "fractal_d0": Quantity("Fractal dimension D0", "", "box counting, capacity"),
    "fractal_d1": Quantity("Fractal dimension D1", "", "box counting, information"),
    "fractal_d2": Quantity("Fractal dimension D2", "", "box counting, correlation"),
    "branch_points": Quantity("Branch points and crossings", "", "pruned skeleton"),
    "end_points": Quantity("End points", "", "pruned skeleton"),
    "disc_diameter": Quantity("Disc diameter", "px", "marked by hand", "mm"),
    "crae": Quantity("CRAE", "px", KNUDTSON, "µm", 1000),
    "crve": Quantity("CRVE", "px", KNUDTSON, "µm", 1000),
    "avr": Quantity("AVR = CRAE / CRVE", "", KNUDTSON),
    "arteries": Quantity("Arteries used for CRAE (six is standard)", "", KNUDTSON),
    "veins": Quantity("Veins used for CRVE (six is standard)", "", KNUDTSON),
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row: a value (None: nothing there to measure) with its unit, region and source."""

    name: str
    title: str
    value: float | None
    unit: str
    region: str
    source: str

    @property
    def key(self) -> str:
        """A name that no other row has, such as "mean_calibre_um_zone_b"."""
        unit = {"µm": "_um", "mm": "_mm", "1/mm": "_per_mm", "1/mm²": "_per_mm2"}.get(self.unit, "")
        region = "" if self.region == WHOLE else "_" + self.region.lower().replace(" ", "_")
        return self.name + unit + region


@dataclass(frozen=True, slots=True)
class Measurements:
    """The table, and the marked vessels for drawing."""

    rows: tuple[Measurement, ...]
    vessels: tuple[Vessel, ...] = ()

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """For JSON: every row by its key."""
        return {row.key: asdict(row) for row in self.rows}


def measure(
    mask: Mask,
    field_of_view: Mask | None = None,
    spacing: float | None = None,
    disc: Disc | None = None,
    marks: Sequence[Mark] = (),
) -> Measurements:
    """Everything that can be told from a mask (y, x); `spacing` in mm a pixel, None if unknown.

    Zones are measured if there is a disc; CRAE, CRVE and AVR if vessels were marked as well.
    """
    seen = np.ones(mask.shape, bool) if field_of_view is None else field_of_view
    mask = np.ascontiguousarray(mask & seen)
    skeleton = trace(mask)
    values = _region(mask, seen, skeleton.lines) | _structure(mask, skeleton)
    rows = list(_rows(WHOLE, values, spacing))
    vessels = marked_vessels(skeleton.lines, marks, disc)
    if disc is not None:
        rows += _rows(WHOLE, {"disc_diameter": 2 * disc.radius} | _knudtson(vessels), spacing)
        for zone in ZONES:
            ring = disc.ring(zone, mask.shape)
            lines = skeleton.lines.within(skeleton.lines.sampled(ring))
            rows += _rows(f"zone {zone}", _region(mask & ring, seen & ring, lines), spacing)
    return Measurements(tuple(rows), vessels)


def warm_up() -> None:
    """Have skan compile its graph code, which takes seconds the first time in a process."""
    cross = np.zeros((40, 40), bool)
    cross[20, 5:35] = cross[5:35, 20] = True
    trace(cross)


def _region(mask: Mask, seen: Mask, lines: Centrelines) -> dict[str, float]:
    """What every region has; lengths in px."""
    area, length = int(seen.sum()), float(lines.lengths.sum())
    widths = lines.widths[np.isfinite(lines.widths)]
    return {
        "vessel_density": 100 * float(mask.sum()) / area if area else nan,
        "length_density": length / area if area else nan,
        "total_length": length,
        "mean_calibre": float(widths.mean()) if widths.size else nan,
        "median_calibre": float(np.median(widths)) if widths.size else nan,
        **tortuosity(lines),
    }


def _structure(mask: Mask, skeleton: Skeleton) -> dict[str, float]:
    """What only the whole tree has."""
    fractal = zip(("fractal_d0", "fractal_d1", "fractal_d2"), dimensions(mask), strict=True)
    counts = {"branch_points": skeleton.branch_points, "end_points": skeleton.end_points}
    return dict(fractal) | counts


def _knudtson(vessels: Sequence[Vessel]) -> dict[str, float]:
    if not vessels:
        return {}
    (crae, arteries), (crve, veins) = equivalents(vessels)
    found = {"crae": crae, "crve": crve, "avr": crae / crve}
    return found | {"arteries": arteries, "veins": veins}


def _rows(region: str, values: Mapping[str, float], spacing: float | None) -> Iterator[Measurement]:
    for name, value in values.items():
        what = QUANTITIES[name]
        known = value if isfinite(value) else None
        yield Measurement(name, what.title, known, what.unit, region, what.source)
        if spacing is not None and what.physical:
            physical = None if known is None else known * what.factor * spacing**what.power
            yield Measurement(name, what.title, physical, what.physical, region, what.source)
