"""Small pictures: of any slice, and for reports with what was found painted in."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.windowing import SOFT_TISSUE, windowed
from inference.writing import Segment, overlay

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.series import Array, Series

SIDE = 192  # px, the longer side
OPACITY = 0.5
SYNTHETIC = "#ffb02e"  # of whatever marks frames that a model made
RIM = 4  # px, round a picture of a run that has such frames
COLOURS = ("#1fe0ff", "#e8b923", "#ee6352", "#59cd90", "#c77dff", "#f79d84", "#3fa7d6")


def shrunk(picture: Array, spacing: Sequence[float], edge: int) -> Array:
    """Pixels (y, x) or (y, x, 3) of a picture so that it has its proportions and fits `edge` px.

    `spacing`: of rows and of columns, of which only the ratio counts.
    """
    height, width = picture.shape[0] * spacing[0], picture.shape[1] * spacing[1]
    size = edge / max(height, width)
    rows = np.linspace(0, picture.shape[0] - 1, max(1, round(height * size))).astype(int)
    columns = np.linspace(0, picture.shape[1] - 1, max(1, round(width * size))).astype(int)
    return np.ascontiguousarray(picture[np.ix_(rows, columns)])


def thumbnail(series: Series, result: Mapping[str, Any]) -> bytes:
    """JPEG of the slice with the most objects, or of the middle one, in its proportions.

    A run with frames that a model made has a rim in their colour.
    """
    from PIL import Image, ImageDraw

    image, labels = _slice(series, result.get("labels"))
    shown = overlay(_grey(series, image), labels, _segments(labels), OPACITY)
    height, width = (n * step for n, step in zip(labels.shape, series.scale[-2:], strict=True))
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    stream = BytesIO()
    made = Image.fromarray(shown).resize(size, Image.Resampling.LANCZOS)
    if any(series.synthetic or ()):
        ends = (0, 0, size[0] - 1, size[1] - 1)
        ImageDraw.Draw(made).rectangle(ends, outline=SYNTHETIC, width=RIM)
    made.save(stream, "JPEG", quality=85)
    return stream.getvalue()


def _slice(series: Series, labels: Array | None) -> tuple[Array, Array]:
    image = series.canonical()
    if labels is None or labels.shape != series_shape(series):
        labels = np.zeros(series_shape(series), np.uint8)
    if series.kind == "image":
        return image, labels
    counts = np.count_nonzero(labels, axis=(1, 2))
    index = int(counts.argmax()) if counts.any() else len(image) // 2
    return image[index], labels[index]


def series_shape(series: Series) -> tuple[int, ...]:
    """Of `canonical()`, without the colour axis."""
    shape = series.canonical().shape
    return shape[: len(shape) - series.rgb]


def _grey(series: Series, image: Array) -> Array:
    """8 bit by the window of the file, or of soft tissue; else as `overlay` scales it."""
    window = series.window or (SOFT_TISSUE if series.unit == "HU" else None)
    if window is None or series.rgb or image.dtype == np.uint8:
        return image
    return windowed(image, window)


def _segments(labels: Array) -> list[Segment]:
    values = [int(value) for value in np.unique(labels) if value]
    return [Segment(value, "", COLOURS[value % len(COLOURS)]) for value in values]
