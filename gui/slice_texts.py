"""The corner texts of a view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gui.studies import patient_title, series_title

if TYPE_CHECKING:
    from gui.display import Display, Picture
    from gui.document import Document
    from gui.planes import Plane, Position
    from inference.series import Series

INTERPOLATED = "(interpolated)"


def caption(series: Series, names_hidden: bool) -> list[str]:
    """Patient, unless unknown, and series."""
    known = series.identity.patient_name or series.identity.patient_id
    patient = [patient_title(series, names_hidden)] if known else []
    return [*patient, series_title(series, names_hidden)]


def facts(series: Series, plane: Plane, display: Display) -> list[str]:
    """Plane, slice number, and where it lies or when it was taken."""
    if plane.slicing is None:
        return []
    index, count = round(display.position[plane.slicing]), series.canonical().shape[plane.slicing]
    where = _where(series, plane, display, index)
    made = [display.picture.title] if display.picture else []
    return [plane.name, f"{index + 1} / {count}", *where, *angles(series), *made]


def angles(series: Series) -> list[str]:
    """Where the C-arm stood, in the words of the laboratory, and which plane of two."""
    taken = series.acquisition
    if taken is None:
        return []
    plane = [f"Plane {taken.plane}"] if taken.plane else []
    if taken.angles is None:
        return plane
    primary, secondary = (round(angle) for angle in taken.angles)
    side = f"{'LAO' if primary >= 0 else 'RAO'} {abs(primary)}°"
    tilt = f"{'CRA' if secondary >= 0 else 'CAU'} {abs(secondary)}°"
    return [*plane, f"{side}  {tilt}"]


def banner(series: Series, index: int) -> str:
    """What must be said of a frame that a model made; nothing of one that was taken."""
    if series.synthetic is None or not series.synthetic[index]:
        return ""
    sure = f"  confidence {100 * series.confidence[index]:.0f} %" if series.confidence else ""
    return f"{INTERPOLATED}{sure}"


def levels(document: Document, display: Display, zoom: float) -> list[str]:
    """Window, level and magnification."""
    percent = f"{100 * zoom * min(document.scale[-2:]):.0f} %"
    colored = display.picture.legend is not None if display.picture else document.series.rgb
    return [percent] if colored else [_window(display), percent]


def _window(display: Display) -> str:
    return f"W {display.window[1]:.4g}  L {display.window[0]:.4g}"


def value_text(
    document: Document, position: Position | None, picture: Picture | None = None
) -> list[str]:
    """The value under the mouse, of the voxel or of what is shown in its place, with its unit."""
    if position is None:
        return []
    index = tuple(round(value) for value in position)
    if not all(0 <= i < n for i, n in zip(index, document.shape, strict=True)):
        return []
    if picture is not None:
        t, y, x = index
        return [picture.value(t, y, x)]
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
