"""The corner texts of a view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gui.studies import patient_title, series_title

if TYPE_CHECKING:
    from gui.display import Display
    from gui.document import Document
    from gui.planes import Plane, Position
    from inference.series import Series


def caption(series: Series, names_hidden: bool) -> list[str]:
    """Patient, unless unknown, and series."""
    known = series.identity.patient_name or series.identity.patient_id
    return [*([patient_title(series, names_hidden)] if known else []), series_title(series)]


def facts(series: Series, plane: Plane, display: Display) -> list[str]:
    """Plane, slice number, and where it lies or when it was taken."""
    if plane.slicing is None:
        return []
    index, count = round(display.position[plane.slicing]), series.canonical().shape[plane.slicing]
    return [plane.name, f"{index + 1} / {count}", *_where(series, plane, display, index)]


def value_text(document: Document, position: Position | None) -> list[str]:
    """The voxel value under the mouse, with its unit."""
    if position is None:
        return []
    index = tuple(round(value) for value in position)
    if not all(0 <= i < n for i, n in zip(index, document.shape, strict=True)):
        return []
    value = document.image[index]
    unit = f" {document.series.unit}" if document.series.unit else ""
    if document.series.rgb:
        shown = "  ".join(str(channel) for channel in value)
    else:
        shown = f"{value:.4g}" if np.issubdtype(value.dtype, np.floating) else str(value)
    name = document.objects.get(int(document.labels[index]))
    return [*([name.name] if name else []), shown + unit]


def _where(series: Series, plane: Plane, display: Display, index: int) -> list[str]:
    if series.kind == "run":
        times = series.frame_times
        return [f"{times[index] / 1000:.2f} s"] if times and index < len(times) else []
    if not series.geometry.known or plane.slicing is None:
        return []
    mm = series.canonical_geometry.to_patient(np.asarray(display.position))
    axis = (2, 1, 0)[plane.slicing]  # of the patient: x to L, y to P, z to S
    letter = ("LPS" if mm[axis] >= 0 else "RAI")[axis]
    return [f"{letter} {abs(mm[axis]):.1f} mm"]
