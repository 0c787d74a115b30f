"""The operations on a whole object, as a table: what each is called, asks for, and computes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gui.comparison import voxel_size
from gui.correction_ops import change_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    from gui.correction_ops import Slice
    from gui.document import Document
    from gui.voxel_edit import VoxelEdit
    from inference.series import Series

    Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Operation:
    """One button. `change` gets inference.morphology, mask, amount (mm; voxels; axis), spacing.

    That module is handed over, as the window comes up sooner without it.
    """

    id: str
    title: str
    icon: str
    tip: str
    change: Callable[[ModuleType, Mask, float, Sequence[float]], Mask]
    measure: Literal["", "length", "size"] = ""  # what the amount is, "" if it takes none
    amount: float = 0.0  # to begin with, in steps of the finest spacing, or voxels
    widens: bool = False  # may add voxels up to the amount away from the object
    across: bool = False  # works across the slices along an axis, which is its amount


OPERATIONS = (
    Operation(
        "islands", "Remove islands", "mdi6.scatter-plot-outline",
        "Delete separate parts smaller than this", measure="size", amount=30,
        change=lambda shapes, mask, amount, _: shapes.remove_islands(mask, math.ceil(amount)),
    ),
    Operation(
        "largest", "Keep largest part", "mdi6.circle-slice-8",
        "Delete all but the largest connected part",
        change=lambda shapes, mask, _, __: shapes.keep_largest(mask),
    ),
    Operation(
        "holes", "Fill holes", "mdi6.circle-outline",
        "Fill what the object encloses completely",
        change=lambda shapes, mask, _, __: shapes.fill_holes(mask),
    ),
    Operation(
        "smooth", "Smooth", "mdi6.blur", "Round off whatever is finer than this",
        measure="length", amount=2, widens=True,
        change=lambda shapes, mask, amount, step: shapes.smooth(mask, amount, step),
    ),
    Operation(
        "grow", "Grow", "mdi6.arrow-expand-all", "Widen the object on all sides by this much",
        measure="length", amount=1, widens=True,
        change=lambda shapes, mask, amount, step: shapes.grow(mask, amount, step),
    ),
    Operation(
        "shrink", "Shrink", "mdi6.arrow-collapse-all", "Take this much off on all sides",
        measure="length", amount=1,
        change=lambda shapes, mask, amount, step: shapes.shrink(mask, amount, step),
    ),
    Operation(
        "interpolate", "Fill between slices", "mdi6.layers-triple-outline",
        "Draw the object in some slices of a view; the slices between are interpolated",
        change=lambda shapes, mask, axis, step: shapes.interpolate_slices(mask, int(axis), step),
        across=True,
    ),
)  # fmt: skip


def offered(series: Series) -> tuple[Operation, ...]:
    """The operations that make sense for a series."""
    return tuple(o for o in OPERATIONS if series.kind == "volume" or not o.across)


def unit(operation: Operation, series: Series, across: int | None) -> str:
    """Of the amount: mm, mm², ml, or a count where the spacing is unknown; "" for none."""
    if operation.measure == "length":
        return "mm" if series.geometry.known else "px"
    return voxel_size(series, across)[1] if operation.measure else ""


def first_amount(operation: Operation, series: Series, across: int | None) -> float:
    """A sensible amount to begin with, in `unit`; `across`: the axis if only in a slice."""
    if operation.measure == "size":
        return operation.amount * voxel_size(series, across)[0]
    return operation.amount * min(series.scale[-2:])


def compute(
    operation: Operation, document: Document, object_id: int, amount: float, only: Slice | None
) -> VoxelEdit:
    """The edit that an operation makes, with the amount in `unit`; `only`: within one slice.

    Reads the labels and changes nothing, so it may run on any thread.
    """
    from inference import morphology

    if operation.measure == "size":
        amount /= voxel_size(document.series, only.axis if only else None)[0]

    def change(mask: Mask, spacing: Sequence[float]) -> Mask:
        return operation.change(morphology, mask, amount, spacing)

    return change_object(
        document.labels,
        object_id,
        document.scale,
        change,
        title=operation.title,
        reach=amount if operation.widens else 0.0,
        only=only,
        frames=document.series.kind == "run",
    )
