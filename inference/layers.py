"""A series as napari layer data, for the manifests' readers; no napari import is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inference.series import Series

LayerData = tuple[Any, dict[str, Any], str]


def to_layers(series: Series) -> list[LayerData]:
    """One image layer over the canonical axes, with its scale in mm and the series itself."""
    options: dict[str, Any] = {
        "name": series.identity.series_description or series.path.name,
        "scale": series.scale,
        "rgb": series.rgb,
        "metadata": {"series": series},
    }
    if series.window is not None:
        centre, width = series.window
        options["contrast_limits"] = (centre - width / 2, centre + width / 2)
    return [(series.canonical(), options, "image")]
