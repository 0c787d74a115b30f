"""What was found on a photograph under coded names, for reports that other systems read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference.measured import (
    BLOOD_VESSEL,
    RETINA,
    Code,
    Findings,
    Measured,
    Quantity,
)
from inference.writing import Segment
from plugins.retinal_vessels.export import COLOR, measurements_of
from plugins.retinal_vessels.quantities import WHOLE
from plugins.retinal_vessels.threshold import VESSEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inference.series import Series
    from plugins.retinal_vessels.quantities import Measurement

UCUM = {
    "": "1", "%": "%", "px": "{pixels}", "1/px": "/{pixels}", "1/px²": "/{pixels}2", "mm": "mm",
    "µm": "um", "1/mm": "/mm", "1/mm²": "/mm2",
}  # fmt: skip
FRACTAL = Code("126050", "DCM", "Fractal Dimension")


def findings(series: Series, result: Mapping[str, Any]) -> Findings:
    """The vessels, and a thing that was measured for each region of the photograph."""
    segment = Segment(VESSEL, "Vessels", COLOR, kind="Retinal vessels")
    regions: dict[str, list[Measurement]] = {}
    for row in measurements_of(series, result):
        regions.setdefault(row.region, []).append(row)
    return Findings((segment,), tuple(_measured(name, rows) for name, rows in regions.items()))


def _measured(region: str, rows: list[Measurement]) -> Measured:
    found = tuple(_quantity(row, row.value) for row in rows if row.value is not None)
    label = VESSEL if region == WHOLE else 0
    return Measured(f"Vessels, {region.lower()}", found, BLOOD_VESSEL, RETINA, label=label)


def _quantity(row: Measurement, value: float) -> Quantity:
    name = row.name.upper()  # a code holds 16 characters, a meaning 64
    fractal = row.name.startswith("fractal")
    coded = FRACTAL if fractal else Code(name[:16], "99LIMN", row.title)
    method = Code(f"BY_{name}"[:16], "99LIMN", row.source[:64])
    return Quantity(coded, value, UCUM[row.unit], method=method)
