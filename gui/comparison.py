"""How far the corrected labels are from the AI's, counted as they change."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from gui.voxel_edit import VoxelEdit
    from inference.series import Series

    Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The AI's version against the corrected one; sizes in `unit`: ml, mm², voxels or px."""

    dice: float
    ai: float
    corrected: float
    added: float
    removed: float
    unit: str

    @property
    def difference(self) -> float:
        """Corrected minus AI, in `unit`."""
        return self.corrected - self.ai


def fingerprints(labels: Labels, values: Collection[int]) -> dict[int, str]:
    """Of the voxels of each of these labels, and of their places; of none where it has none."""
    if not values:
        return {}
    from scipy.ndimage import find_objects  # here: the window comes up sooner

    boxes = dict(enumerate(find_objects(labels), 1))
    found: dict[int, str] = {}
    for value in values:
        if (box := boxes.get(value)) is not None:
            place = str([(part.start, part.stop) for part in box]).encode()
            voxels = np.packbits(labels[box] == value)
            found[value] = sha256(place + voxels.tobytes()).hexdigest()
    return found


def _zeros() -> NDArray[np.int64]:
    return np.zeros(256, np.int64)


@dataclass(slots=True)
class Counts:
    """Voxels per label: in the corrected labels, in the AI's, and in both at the same place."""

    now: NDArray[np.int64] = field(default_factory=_zeros)
    ai: NDArray[np.int64] = field(default_factory=_zeros)
    both: NDArray[np.int64] = field(default_factory=_zeros)

    def copy(self) -> Counts:
        """Counts of their own that start from these."""
        return Counts(self.now.copy(), self.ai.copy(), self.both.copy())

    def changed(self, edit: VoxelEdit, index: NDArray[np.int64], other: Labels | None) -> None:
        """The corrected labels changed at these flat indices; `other`: the AI's labels."""
        _add_changes(self.now, edit)
        self._match(edit, index, other)

    def ai_changed(self, edit: VoxelEdit, index: NDArray[np.int64], other: Labels) -> None:
        """The AI's labels changed at these flat indices; `other`: the corrected labels."""
        _add_changes(self.ai, edit)
        self._match(edit, index, other)

    def _match(self, edit: VoxelEdit, index: NDArray[np.int64], other: Labels | None) -> None:
        if other is None:
            return
        there = other.reshape(-1)[index]
        for labels, sign in ((edit.after, 1), (edit.before, -1)):
            each = np.repeat(labels, edit.lengths)
            self.both += sign * np.bincount(each[each == there], minlength=256)

    def compare(self, ids: Sequence[int], series: Series) -> Comparison:
        """Dice and sizes over these labels; Dice is 1 where both are empty."""
        now, ai, both = (int(c[list(ids)].sum()) for c in (self.now, self.ai, self.both))
        size, unit = voxel_size(series)
        dice = 2 * both / (now + ai) if now + ai else 1.0
        return Comparison(
            dice, ai * size, now * size, (now - both) * size, (ai - both) * size, unit
        )


def difference(now: Labels, ai: Labels) -> Labels:
    """1 where the user added to the AI's version, 2 where removed, 3 where relabelled."""
    code = np.where(ai == 0, np.uint8(1), np.where(now == 0, np.uint8(2), np.uint8(3)))
    return np.where(now == ai, np.uint8(0), code)


def voxel_size(series: Series, across: int | None = None) -> tuple[float, str]:
    """Size of one voxel and its unit: ml of a volume, mm² of an image, or a plain count.

    `across`: of a slice of a volume across this axis, so mm².
    """
    flat = across is not None or series.kind != "volume"
    if not series.geometry.known:
        return 1.0, "px" if flat else "voxels"
    if not flat:
        return float(np.prod(series.scale)) / 1000, "ml"
    thickness = series.scale[across] if across is not None else 1.0
    return float(np.prod(series.scale)) / thickness, "mm²"


def _add_changes(counts: NDArray[np.int64], edit: VoxelEdit) -> None:
    np.add.at(counts, edit.after, edit.lengths.astype(np.int64))
    np.subtract.at(counts, edit.before, edit.lengths.astype(np.int64))
