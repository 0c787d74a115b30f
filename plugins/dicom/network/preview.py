"""A small picture of a received file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from inference.errors import UserError
from inference.thumbnails import shrunk
from inference.windowing import first_window, windowed
from plugins.dicom.first_frame import first_frame
from plugins.dicom.glimpse import picture_of, proportions
from plugins.dicom.load import load_series

if TYPE_CHECKING:
    from pydicom import Dataset

    from inference.series import Array

EDGE = 256  # px: its longer side


def picture(path: Path) -> Array:
    """uint8 (y, x), or (y, x, 3), in its proportions; raises UserError.

    Of a file with several frames the first, for which the others need not be read.
    """
    with path.open("rb") as source:
        beginning = first_frame(source)
    if beginning is not None:
        return shrunk(picture_of(path, beginning), proportions(beginning), EDGE)
    [series, *_] = load_series(path)
    image = series.canonical()
    flat = image if series.kind == "image" else image[len(image) // 2]
    return shrunk(windowed(flat, first_window(series)), series.scale[-2:], EDGE)


def picture_of_beginning(beginning: Dataset) -> Array | None:
    """Of a first frame that lies in no file yet; None if it can only be seen in the whole."""
    try:
        found = picture_of(Path("The image"), beginning, in_file=False)
    except UserError:
        return None
    return shrunk(found, proportions(beginning), EDGE)
