"""TIFF pictures and stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from inference.errors import UserError
from inference.reading import require_memory, require_picture, sha256
from inference.series import Kind, Series
from plugins.images.pictures import read_picture, without_alpha

if TYPE_CHECKING:
    from pathlib import Path

    from inference.series import Array


def read_tiff(path: Path) -> list[Series]:
    """Every stack or picture in a TIFF; raises UserError."""
    try:
        with tifffile.TiffFile(path) as file:
            if not file.series:
                raise UserError(f"{path.name} holds no picture.")
            return [_read_series(path, series) for series in _without_thumbnails(file.series)]
    except (tifffile.TiffFileError, OSError, ValueError, IndexError, KeyError) as error:
        raise UserError(f"{path.name} is not a readable TIFF file ({error}).") from error


def _without_thumbnails(found: Any) -> list[Any]:
    largest = max(int(np.prod(series.shape)) for series in found)
    return [series for series in found if np.prod(series.shape) * 16 > largest]


def _read_series(path: Path, series: Any) -> Series:
    page = series.keyframe
    require_picture(path, page.imagewidth, page.imagelength)
    require_memory(path, series.shape, series.dtype)
    if page.photometric in {tifffile.PHOTOMETRIC.PALETTE, tifffile.PHOTOMETRIC.YCBCR}:
        return read_picture(path)  # Pillow converts these colours
    stored = series.asarray()
    pixels, notes = _spatial(path, _channels_last(stored, series.axes))
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        pixels = _inverted(pixels)
    rgb = pixels.shape[-1] == 3 and "S" in series.axes
    return Series(
        pixels, _kind(pixels.ndim - rgb, series.axes), "OT", (path,), rgb=rgb,
        sha256=sha256(stored), warnings=notes,
    )  # fmt: skip


def _channels_last(stored: Array, axes: str) -> Array:
    return np.moveaxis(stored, axes.index("S"), -1) if "S" in axes else stored


def _spatial(path: Path, pixels: Array) -> tuple[Array, tuple[str, ...]]:
    """Samples as numbers and at most three axes beside colour."""
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * 255
    if pixels.ndim > 2 and pixels.shape[-1] in {2, 4}:
        pixels, notes = without_alpha(path, pixels)
    else:
        notes = ()
    spatial = pixels.ndim - (pixels.shape[-1] == 3)
    if spatial <= 3:
        return pixels, notes
    kept = pixels[(0,) * (spatial - 3)]
    return kept, (*notes, f"{path.name} has {spatial} axes: only the first stack was opened.")


def _inverted(pixels: Array) -> Array:
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "ui" else pixels.max()
    return np.asarray(top - pixels)


def _kind(spatial_axes: int, axes: str) -> Kind:
    if spatial_axes == 2:
        return "image"
    return "run" if axes.startswith("T") else "volume"
