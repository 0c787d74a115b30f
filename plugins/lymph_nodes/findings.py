"""The nodes under coded names, for reports that other systems read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference import measured
from inference.measured import Findings, Measured, Quantity
from inference.writing import Segment
from plugins.lymph_nodes.export import COLOURS, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inference.measured import Code
    from inference.series import Series

KIND = "Lymph node"
SIDES = {"R": measured.RIGHT, "L": measured.LEFT}
ENDS = {"short_axis_mm": "short_ends", "long_axis_mm": "long_ends"}
QUANTITIES = {
    "short_axis_mm": (measured.SHORT_AXIS, "mm", None),
    "long_axis_mm": (measured.LONG_AXIS, "mm", None),
    "volume_ml": (measured.VOLUME, "ml", None),
    "mean_hu": (measured.ATTENUATION, measured.HOUNSFIELD, measured.MEAN),
    "confidence": (measured.CONFIDENCE, "1", None),
}


def findings(series: Series, result: Mapping[str, Any]) -> Findings:
    """A segment and its measurements for each node that was not rejected."""
    nodes = [node for node in result["nodes"] if node.get("state") != "rejected"]
    names = names_of(result, nodes)
    segments = tuple(
        Segment(value, name, COLOURS[value % len(COLOURS)], kind=KIND)
        for value, name in sorted(names.items())
    )
    things = tuple(_thing(node, names[node["id"]]) for node in nodes if node["id"] in names)
    return Findings(segments, things)


def _thing(node: Mapping[str, Any], name: str) -> Measured:
    known = {key: node[key] for key in QUANTITIES if node.get(key) is not None}
    found = tuple(
        Quantity(code, float(value), unit, derivation, ends=_ends(node, key))
        for key, value in known.items()
        for code, unit, derivation in (QUANTITIES[key],)
        if value == value  # a mean that is not known is not told
    )
    site, side = place_of(str(node.get("station", "")))
    place = (float(node["slice"]), *(float(value) for value in node["centroid"][1:]))
    return Measured(name, found, measured.LYMPH_NODE, site, side, node["id"], place)


def _ends(node: Mapping[str, Any], key: str) -> tuple[tuple[float, ...], ...]:
    """Where an axis ends, voxels (z, y, x): it was measured in one axial slice."""
    line = node.get(ENDS.get(key, ""), ())
    return tuple((float(node["slice"]), float(y), float(x)) for y, x in line)


def place_of(station: str) -> tuple[Code | None, Code | None]:
    """The coded site and side of a station such as 4R or 3a, None where they are not known."""
    return measured.STATIONS.get(station.rstrip("RLap")), SIDES.get(station[-1:])
