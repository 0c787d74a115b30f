"""The files of a result: mask, probability, overlay and table."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.writing import NOTICE, Segment, overlay, write_csv, write_png
from plugins.retinal_vessels.threshold import VESSEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from inference.series import Array, Series
    from plugins.retinal_vessels.quantities import Measurement

COLOR = "#1fe0ff"
OPACITY = 0.6


def write(series: Series, result: Mapping[str, Any], stem: Path) -> dict[str, Any]:
    """Write a result's files beside `stem`, sizes as stored; the measurements; UserError.

    `stem`_vessels.png (0/255), _probability.png (16 bit), _overlay.png and _measurements.csv.
    """
    stored = series.from_canonical(result["labels"] == VESSEL)
    write_png(_beside(stem, "vessels.png"), stored)
    if result.get("probability") is not None:
        write_png(_beside(stem, "probability.png"), _as_16_bit(result["probability"]))
    write_png(_beside(stem, "overlay.png"), picture(series, stored))
    measured = measurements_of(series, result)
    write_csv(_beside(stem, "measurements.csv"), rows(measured))
    return _described(measured, result)


def measurements_of(series: Series, result: Mapping[str, Any]) -> tuple[Measurement, ...]:
    """Those of a result; measured now where its mask was corrected a moment ago."""
    from plugins.retinal_vessels.measure import measure

    if result.get("measurements"):
        return tuple(result["measurements"])
    mask = result["labels"] == VESSEL
    disc, marks = result.get("disc"), result.get("marks", ())
    return measure(mask, result.get("field_of_view"), pixel_spacing(series), disc, marks).rows


def _described(measured: Iterable[Measurement], result: Mapping[str, Any]) -> dict[str, Any]:
    """For JSON: the rows by key, and what they rest on."""
    found: dict[str, Any] = {row.key: asdict(row) for row in measured}
    if disc := result.get("disc"):
        found["disc"] = asdict(disc)
        found["marks"] = [asdict(mark) for mark in result.get("marks", ())]
    return found


def pixel_spacing(series: Series) -> float | None:
    """mm a pixel; None if the file does not say, or if its pixels are not square."""
    y, x = series.scale[-2:]
    return x if series.geometry.known and abs(y - x) < 0.01 * x else None


def rows(measurements: Iterable[Measurement]) -> list[dict[str, Any]]:
    """One line a measurement, as in the CSV file, and the notice."""
    found = [{"key": row.key, **asdict(row)} for row in measurements]
    return [*found, dict.fromkeys(found[0], "") | {"key": "notice", "title": NOTICE}]


def picture(series: Series, vessels: Array) -> Array:
    """The vessels in colour over the image, 8-bit RGB."""
    segment = Segment(1, "Vessels", COLOR)
    return overlay(series.voxels, vessels.view(np.uint8), (segment,), OPACITY)


def _as_16_bit(probability: Array) -> Array:
    return (probability.astype(np.float32) * 65535).round().astype(np.uint16)


def _beside(stem: Path, ending: str) -> Path:
    return stem.with_name(f"{stem.name}_{ending}")
