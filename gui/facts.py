"""What is measured of each object: how large, how bright, in which slices. Knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gui.comparison import voxel_size
from inference import measured as codes
from inference.measured import (
    AREA,
    MEAN,
    STANDARD_DEVIATION,
    VOLUME,
    VOXELS,
    Measured,
    Quantity,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from gui.document import Document
    from gui.segment_object import SegmentObject
    from inference.series import Series

    Labels = NDArray[np.uint8]

LABELS = 256
SIZES = {"ml": (VOLUME, "ml"), "mm²": (AREA, "mm2"), "voxels": (VOXELS, "1"), "px": (VOXELS, "1")}


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one object; what cannot be known is None: levels of colours, slices of an image."""

    size: float
    unit: str  # ml, mm², voxels or px
    mean: float | None
    deviation: float | None  # of the levels of its voxels
    level_unit: str  # "HU", or "" for grey values
    slices: tuple[int, int] | None  # first and last along the first axis, counted from 1
    count: int  # of slices that the series has
    extent: float | None  # from the first to the last slice, both whole, mm


class Moments:
    """Voxels, sum and sum of squares of the levels for each slice (z, or t) and label."""

    def __init__(self, slices: int) -> None:
        self._voxels = np.zeros((slices, LABELS), np.int64)
        self._known = np.zeros((slices, LABELS), np.int64)  # voxels whose level is a number
        self._sum = np.zeros((slices, LABELS))
        self._squares = np.zeros((slices, LABELS))

    def renew(self, labels: Labels, image: NDArray[Any] | None, slices: Iterable[int]) -> None:
        """Count these slices again; labels and image (z, y, x), None for colours."""
        for index in slices:
            inside = labels[index] != 0
            found = labels[index][inside]
            self._voxels[index] = np.bincount(found, minlength=LABELS)
            if image is not None:
                self._renew_levels(index, found, image[index][inside].astype(np.float64))

    def _renew_levels(self, index: int, found: Labels, levels: NDArray[np.float64]) -> None:
        finite = np.isfinite(levels)
        found, levels = found[finite], levels[finite]
        self._known[index] = np.bincount(found, minlength=LABELS)
        self._sum[index] = np.bincount(found, levels, LABELS)
        self._squares[index] = np.bincount(found, levels * levels, LABELS)

    def facts(self, label: int, series: Series) -> Facts:
        """What the counts say of an object."""
        size, unit = voxel_size(series)
        held = np.flatnonzero(self._voxels[:, label])
        slices = (int(held[0]) + 1, int(held[-1]) + 1) if held.size else None
        flat = series.kind == "image"
        return Facts(
            float(self._voxels[:, label].sum()) * size,
            unit,
            *self._levels(label),
            series.unit,
            None if flat else slices,
            len(self._voxels),
            _extent(series, slices),
        )

    def _levels(self, label: int) -> tuple[float | None, float | None]:
        known = int(self._known[:, label].sum())
        if not known:
            return None, None
        mean = float(self._sum[:, label].sum()) / known
        variance = float(self._squares[:, label].sum()) / known - mean * mean
        return mean, max(variance, 0.0) ** 0.5


def stacked(document: Document) -> tuple[Labels, NDArray[Any] | None]:
    """Labels and levels of a document as slices (z, y, x); None for colours."""
    image = None if document.series.rgb else slices_of(document.image)
    return slices_of(document.labels), image


def slices_of(array: NDArray[Any]) -> NDArray[Any]:
    """A picture (y, x) as one slice; slices (z, y, x) as they are."""
    return array if array.ndim == 3 else array[None]


def table(found: Mapping[SegmentObject, Facts]) -> list[dict[str, Any]]:
    """A row for each object."""
    return [_row(item, facts) for item, facts in found.items()]


def facts_of(
    objects: Iterable[SegmentObject], series: Series, labels: Labels, image: NDArray[Any] | None
) -> dict[SegmentObject, Facts]:
    """What is measured of each object; labels and image as slices (z, y, x)."""
    moments = Moments(len(labels))
    moments.renew(labels, image, range(len(labels)))
    return {item: moments.facts(item.id, series) for item in objects}


def _row(item: SegmentObject, facts: Facts) -> dict[str, Any]:
    level = facts.level_unit or "grey"
    first, last = facts.slices or ("", "")
    return {
        "label": item.id,
        "name": item.name,
        f"size_{facts.unit.replace('²', '2')}": _figure(facts.size),
        f"mean_{level}": _figure(facts.mean),
        f"deviation_{level}": _figure(facts.deviation),
        "first_slice": first,
        "last_slice": last,
        "extent_mm": _figure(facts.extent),
    }


def measured(item: SegmentObject, facts: Facts, series: Series) -> Measured:
    """The same under coded names, for a report."""
    name, unit = SIZES[facts.unit]
    level, level_unit = codes.level(series.modality, facts.level_unit)
    found = [
        Quantity(name, facts.size, unit),
        *(
            Quantity(level, value, level_unit, how)
            for value, how in ((facts.mean, MEAN), (facts.deviation, STANDARD_DEVIATION))
            if value is not None
        ),
    ]
    return Measured(item.name, tuple(found), label=item.id)


def _figure(value: float | None) -> float | str:
    return "" if value is None else float(f"{value:.6g}")


def _extent(series: Series, slices: tuple[int, int] | None) -> float | None:
    if slices is None or series.kind != "volume" or not series.geometry.known:
        return None
    return (slices[1] - slices[0] + 1) * series.scale[0]
