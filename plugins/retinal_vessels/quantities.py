"""The rows of the measurement table: titles, units and whose definitions they follow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from plugins.retinal_vessels.zones import Vessel


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
    "arc_over_chord": Quantity("Tortuosity, arc/chord", "", "Lotmar 1979"),
    "squared_curvature": Quantity(
        "Tortuosity, squared", "1/px²", "integral over length, Hart 1999", "1/mm²", power=-2
    ),
    "tortuosity_density": Quantity("Tortuosity density", "1/px", "Grisan 2008", "1/mm", power=-1),
    "fractal_d0": Quantity("Fractal D0", "", "capacity dimension, box counting"),
    "fractal_d1": Quantity("Fractal D1", "", "information dimension, box counting"),
    "fractal_d2": Quantity("Fractal D2", "", "correlation dimension, box counting"),
    "branch_points": Quantity("Branch points", "", "branchings and crossings, pruned skeleton"),
    "end_points": Quantity("End points", "", "pruned skeleton"),
    "disc_diameter": Quantity("Disc diameter", "px", "marked by hand", "mm"),
    "crae": Quantity("CRAE", "px", KNUDTSON, "µm", 1000),
    "crve": Quantity("CRVE", "px", KNUDTSON, "µm", 1000),
    "avr": Quantity("AVR", "", f"CRAE / CRVE; {KNUDTSON}"),
    "arteries": Quantity("Arteries used", "", "for CRAE; six is standard"),
    "veins": Quantity("Veins used", "", "for CRVE; six is standard"),
}
WHOLE = "Field of view"


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


def table(region: str, values: Mapping[str, float], spacing: float | None) -> Iterator[Measurement]:
    """Rows of named values in px; in mm or µm as well where `spacing`, mm a pixel, is known."""
    for name, value in values.items():
        what = QUANTITIES[name]
        known = value if isfinite(value) else None
        yield Measurement(name, what.title, known, what.unit, region, what.source)
        if spacing is not None and what.physical:
            physical = None if known is None else known * what.factor * spacing**what.power
            yield Measurement(name, what.title, physical, what.physical, region, what.source)
