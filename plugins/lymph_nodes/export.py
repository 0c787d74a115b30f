"""The files of a search: instances as NIfTI, one row for each node as CSV."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.writing import Segment, atomic, write_labels
from plugins.lymph_nodes.prepare import is_tilted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from inference.series import Series

COLUMNS = (
    "id", "x_mm", "y_mm", "z_mm", "short_axis_mm", "long_axis_mm", "volume_ml", "mean_hu",
    "confidence", "axis_3d_1_mm", "axis_3d_2_mm", "axis_3d_3_mm",
)  # fmt: skip
COLOURS = ("#e8b923", "#3fa7d6", "#ee6352", "#59cd90", "#c77dff", "#f79d84")


def write(series: Series, result: Mapping[str, Any], stem: Path) -> dict[str, Any]:
    """Write `stem`_nodes.nii.gz and `stem`_nodes.csv; gives what the JSON says; UserError."""
    nodes = result["nodes"]
    segments = [
        Segment(node["id"], f"Node {node['id']}", COLOURS[node["id"] % len(COLOURS)])
        for node in nodes
    ]
    labels = series.from_canonical(result["labels"])
    suffix = ".nrrd" if is_tilted(series.geometry.affine) else ".nii.gz"  # NIfTI knows no tilt
    write_labels(stem.with_name(f"{stem.name}_nodes{suffix}"), labels, series, segments)
    rows = [row(series, node) for node in nodes]
    csv_path = stem.with_name(f"{stem.name}_nodes.csv")
    with atomic(csv_path) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()  # also where no node was found
        table.writerows(rows)
    return {
        "nodes": len(nodes),
        "short_axis_10_mm_or_more": sum(node["short_axis_mm"] >= 10 for node in nodes),
        "models": result["models"],
    }


def row(series: Series, node: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the table; the centre in patient coordinates (LPS), mm."""
    centre = series.canonical_geometry.to_patient(np.asarray(node["centroid"]))
    names = ("short_axis_mm", "long_axis_mm", "volume_ml", "mean_hu", "confidence")
    values = [node["id"], *centre, *(node[name] for name in names), *node["axes_3d_mm"]]
    rounded = (round(float(value), 3) if i else value for i, value in enumerate(values))
    return dict(zip(COLUMNS, rounded, strict=True))
