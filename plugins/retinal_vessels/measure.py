"""What a vessel mask measures: pure functions from mask, field of view and marks to a table."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from plugins.retinal_vessels.fractal import dimensions
from plugins.retinal_vessels.quantities import WHOLE, Measurements, table
from plugins.retinal_vessels.skeleton import trace
from plugins.retinal_vessels.tortuosity import tortuosity
from plugins.retinal_vessels.zones import ZONES, equivalents, marked_vessels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from plugins.retinal_vessels.skeleton import Centrelines, Skeleton
    from plugins.retinal_vessels.zones import Disc, Mark, Vessel

    Mask = NDArray[np.bool_]


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
    rows = list(table(WHOLE, values, spacing))
    vessels = marked_vessels(skeleton.lines, marks, disc)
    if disc is not None:
        rows += table(WHOLE, {"disc_diameter": 2 * disc.radius} | _knudtson(vessels), spacing)
        for zone in ZONES:
            ring = disc.ring(zone, mask.shape)
            lines = skeleton.lines.within(skeleton.lines.sampled(ring))
            rows += table(f"Zone {zone}", _region(mask & ring, seen & ring, lines), spacing)
    return Measurements(tuple(rows), vessels)


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
