"""Bright spots: what stands out from its surroundings, outlined, counted and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import UserError
from inference.tasks import Setting, Task
from inference.writing import Segment, write_csv, write_labels, write_png

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from inference.series import Array, Series
    from inference.worker import JobContext

NAME = "bright_spots"
SPOT = 1  # the label
COLOR = "#e69f00"


def find(
    context: JobContext, image: Array, contrast: float = 3.0, size: int = 15, smallest: int = 4
) -> dict[str, Any]:
    """Spots of an image (y, x) or a volume (z, y, x): in the worker process. Raises UserError.

    A voxel belongs to a spot if it is `contrast` times the noise above the median of the `size`
    voxels around it; pieces of fewer than `smallest` voxels are dropped.
    """
    from scipy import ndimage

    if size < 3:
        raise UserError(f"Surroundings of {size} voxels are too small: give 3 or more.")
    excess = np.empty(image.shape, np.float32)
    slices = image if image.ndim == 3 else image[None]
    for number, plane in enumerate(slices):
        context.progress(number, len(slices), "Looking for spots")  # also where Cancel is noticed
        ground = ndimage.median_filter(plane.astype(np.float32), size)
        excess.reshape(slices.shape)[number] = plane - ground
    noise = 1.4826 * float(np.median(np.abs(excess)))
    pieces, count = ndimage.label(excess > contrast * max(noise, 1e-6))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    wanted = sizes >= smallest
    wanted[0] = False
    labels = np.where(wanted[pieces], SPOT, 0).astype(np.uint8)
    return {"labels": labels, "sizes": sizes[wanted].tolist()}


def request(series: Series, settings: Mapping[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays that the worker gets through shared memory, and everything else."""
    return {"image": series.canonical()}, dict(settings)


def write(series: Series, result: Mapping[str, Any], stem: Path) -> dict[str, Any]:
    """The spots as a label map (a picture as PNG) and a table; what goes into the JSON."""
    stored = series.from_canonical(result["labels"])
    if series.kind == "image":
        write_png(stem.with_name(f"{stem.name}_spots.png"), stored == SPOT)
    else:
        segments = [Segment(SPOT, "Spots", COLOR)]
        write_labels(stem.with_name(f"{stem.name}_spots.nii.gz"), stored, series, segments)
    rows = [{"spot": n, "voxels": size} for n, size in enumerate(result.get("sizes", ()), 1)]
    write_csv(stem.with_name(f"{stem.name}_spots.csv"), rows)
    return {"spots": len(rows)}


TASK = Task(
    name=NAME,
    title="Bright spots",
    summary="Outlines what is brighter than its surroundings.",
    version="1",
    entry="plugins.bright_spots.task:find",
    suits=lambda series: series.kind in ("image", "volume") and not series.rgb,
    settings=(
        Setting("contrast", "Contrast", 3.0, float, help="times the noise of the image"),
        Setting("size", "Surroundings", 15, int, help="voxels across; larger than any spot"),
        Setting("smallest", "Smallest spot", 4, int, help="voxels"),
    ),
    request=request,
    write=write,
    estimate_bytes=lambda series, settings: 16 * series.voxels.size,
)
