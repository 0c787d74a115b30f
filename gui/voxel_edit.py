"""Changes of labels, small enough that a hundred of them are kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from inference.box import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Labels = NDArray[np.uint8]
    Indices = NDArray[np.integer]


_NO_INDEX, _NO_LABEL = np.empty(0, np.uint32), np.empty(0, np.uint8)
_NO_RUNS = (_NO_INDEX, _NO_INDEX, _NO_LABEL, _NO_LABEL)


@dataclass(frozen=True, slots=True, eq=False)
class VoxelEdit:
    """Label changes as runs of neighbouring voxels (C order): from one label each to another."""

    title: str
    shape: tuple[int, ...]  # of the labels
    box: Box  # holds all changed voxels
    starts: Indices
    lengths: Indices
    before: Labels
    after: Labels

    @classmethod
    def of(cls, labels: Labels, box: Box, values: Labels, title: str) -> VoxelEdit:
        """What it takes to turn `labels` inside `box` into `values` (of the shape of the box)."""
        current = labels[box.slices]
        changed = current != values
        tight = Box.of(changed)
        if tight is None:
            return cls(title, labels.shape, Box(box.start, box.start), *_NO_RUNS)
        where, found = np.nonzero(changed[tight.slices]), tight.shifted(box.start)
        place = tuple(w + first for w, first in zip(where, found.start, strict=True))
        index = np.ravel_multi_index(place, labels.shape)
        before, after = current[tight.slices][where], values[tight.slices][where]
        return cls(title, labels.shape, found, *_runs(index, before, after))

    @classmethod
    def painted(
        cls, labels: Labels, box: Box, mask: NDArray[np.bool_], value: int, title: str
    ) -> VoxelEdit:
        """`value` where `mask` (of the shape of the box) is true."""
        return cls.of(labels, box, np.where(mask, np.uint8(value), labels[box.slices]), title)

    @classmethod
    def merged(cls, edits: Sequence[VoxelEdit], title: str) -> VoxelEdit:
        """One edit with the effect of all, made one after the other."""
        shape, box = edits[0].shape, edits[0].box
        before, after = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        for edit in edits:
            box = box.union(edit.box)
            after.reshape(-1)[edit.index()] = np.repeat(edit.after, edit.lengths)
        for edit in reversed(edits):
            before.reshape(-1)[edit.index()] = np.repeat(edit.before, edit.lengths)
        return cls.of(before, box, after[box.slices], title)

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""
        return not len(self.starts)

    @property
    def count(self) -> int:
        """Changed voxels."""
        return int(self.lengths.sum())

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return sum(a.nbytes for a in (self.starts, self.lengths, self.before, self.after))

    def index(self) -> NDArray[np.int64]:
        """Flat index (C order) of every changed voxel."""
        lengths = self.lengths.astype(np.int64)
        first = self.starts.astype(np.int64) - (np.cumsum(lengths) - lengths)
        index: NDArray[np.int64] = np.repeat(first, lengths)
        index += np.arange(len(index))
        return index

    def reversed(self) -> VoxelEdit:
        """The edit that takes this one back."""
        return replace(self, before=self.after, after=self.before)

    def onto(self, labels: Labels, protected: NDArray[np.bool_]) -> VoxelEdit:
        """The part that changes `labels` as they are now, without touching `protected` labels."""
        index = self.index()
        current, after = labels.reshape(-1)[index], np.repeat(self.after, self.lengths)
        keep = (current != after) & ~protected[current] & ~protected[after]
        runs = _runs(index[keep], current[keep], after[keep])
        return VoxelEdit(self.title, self.shape, self.box, *runs)


def _runs(
    index: NDArray[np.int64], before: Labels, after: Labels
) -> tuple[Indices, Indices, Labels, Labels]:
    """Starts, lengths, old and new labels of runs; flat indices in rising order."""
    if not len(index):
        return _NO_RUNS
    breaks = (np.diff(index) != 1) | (np.diff(before) != 0) | (np.diff(after) != 0)
    first = np.concatenate(([0], np.flatnonzero(breaks) + 1))
    small = np.uint32 if index[-1] < 2**32 else np.int64
    lengths: Indices = np.diff(first, append=len(index)).astype(small)
    starts: Indices = index[first].astype(small)
    return starts, lengths, before[first], after[first]
