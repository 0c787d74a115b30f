"""The files of a search: instances as NIfTI, one row for each node as CSV."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.writing import Segment, atomic, write_labels
from plugins.lymph_nodes.prepare import is_tilted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from inference.series import Series

COLUMNS = (
    "id", "x_mm", "y_mm", "z_mm", "short_axis_mm", "long_axis_mm", "volume_ml", "mean_hu",
    "confidence", "axis_3d_1_mm", "axis_3d_2_mm", "axis_3d_3_mm", "station",
)  # fmt: skip
REVIEWED = (
    "station_by", "state", "target", "earlier_short_axis_mm", "change_mm", "change_percent",
)  # fmt: skip
"""What only a reader's review adds."""
COLOURS = ("#e8b923", "#3fa7d6", "#ee6352", "#59cd90", "#c77dff", "#f79d84")


def write(series: Series, result: Mapping[str, Any], stem: Path) -> dict[str, Any]:
    """Write `stem`_nodes.nii.gz and `stem`_nodes.csv; gives what the JSON says; UserError."""
    nodes, reviewed = result["nodes"], result.get("reviewed", False)
    kept = [node for node in nodes if node.get("state") != "rejected"]
    labels = series.from_canonical(result["labels"])
    suffix = ".nrrd" if is_tilted(series.geometry.affine) else ".nii.gz"  # NIfTI knows no tilt
    path = stem.with_name(f"{stem.name}_nodes{suffix}")
    write_labels(path, labels, series, segments(result, kept))
    columns = (*COLUMNS, *REVIEWED) if reviewed else COLUMNS
    csv_path = stem.with_name(f"{stem.name}_nodes.csv")
    with atomic(csv_path) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()  # also where no node was found
        table.writerows(row(series, node, columns) for node in nodes)
    return {
        "nodes": len(kept),
        "short_axis_10_mm_or_more": sum(node["short_axis_mm"] >= 10 for node in kept),
        "models": result["models"],
    }


def segments(result: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> list[Segment]:
    """What the values of the label map stand for."""
    names = names_of(result, nodes)
    return [
        Segment(value, name, COLOURS[value % len(COLOURS)]) for value, name in sorted(names.items())
    ]


def names_of(result: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """The name of each value of the label map."""
    given = result.get("names") or {node["id"]: f"Node {node['id']}" for node in nodes}
    return {int(value): name for value, name in given.items()}


def row(
    series: Series, node: Mapping[str, Any], columns: Sequence[str] = COLUMNS
) -> dict[str, Any]:
    """A line of the table; the centre in patient coordinates (LPS), mm."""
    x, y, z = series.canonical_geometry.to_patient(np.asarray(node["centroid"]))
    first, second, third = node["axes_3d_mm"]
    placed = {"x_mm": x, "y_mm": y, "z_mm": z}
    axes = {"axis_3d_1_mm": first, "axis_3d_2_mm": second, "axis_3d_3_mm": third}
    values = {**node, **placed, **axes}
    return {name: _cell(values.get(name, "")) for name in columns}


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return round(float(value), 3) if isinstance(value, float | np.floating) else value
