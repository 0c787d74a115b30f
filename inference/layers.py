"""A series as napari layer data, for the manifests' readers; no napari import is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inference.reading import Reader
    from inference.series import Series

LayerData = tuple[Any, dict[str, Any], str]
Paths = str | list[str]
ReadLayers = Callable[[Paths], list[LayerData]]


def layer_reader(reader: Reader) -> Callable[[Paths], ReadLayers | None]:
    """What npe2 asks for: a function that, for paths it accepts, gives one that reads layers."""

    def read(paths: Paths) -> list[LayerData]:
        return [
            layer for p in _each(paths) for series in reader.read(p) for layer in to_layers(series)
        ]

    return lambda paths: read if all(map(reader.accepts, _each(paths))) else None


def _each(paths: Paths) -> list[Path]:
    return [Path(path) for path in ([paths] if isinstance(paths, str) else paths)]


def to_layers(series: Series) -> list[LayerData]:
    """One image layer over the canonical axes, with its scale in mm and the series itself."""
    options: dict[str, Any] = {
        "name": series.identity.series_description or series.source.name,
        "scale": series.scale,
        "rgb": series.rgb,
        "metadata": {"series": series},
    }
    if series.window is not None:
        centre, width = series.window
        options["contrast_limits"] = (centre - width / 2, centre + width / 2)
    return [(series.canonical(), options, "image")]
