"""Small pictures for reports: a slice or frame with what was found painted in."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.writing import Segment, overlay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inference.series import Array, Series

SIDE = 192  # px, the longer side
OPACITY = 0.5
SOFT_TISSUE = (40.0, 400.0)  # HU, centre and width
SYNTHETIC = "#ffb02e"  # of whatever marks frames that a model made
RIM = 4  # px, round a picture of a run that has such frames
COLOURS = ("#1fe0ff", "#e8b923", "#ee6352", "#59cd90", "#c77dff", "#f79d84", "#3fa7d6")


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
    centre, width = window
    light = (np.nan_to_num(image.astype(np.float32)) - centre) / max(width, 1e-6) + 0.5
    return np.asarray(np.clip(light, 0, 1) * 255, np.uint8)


def _segments(labels: Array) -> list[Segment]:
    values = [int(value) for value in np.unique(labels) if value]
    return [Segment(value, "", COLOURS[value % len(COLOURS)]) for value in values]
