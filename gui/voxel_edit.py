"""Changes of labels, small enough that a hundred of them are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from inference.box import Box

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Labels = NDArray[np.uint8]
    Indices = NDArray[np.integer]


SLAB = 1 << 18  # voxels
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
        slabs = [_slab_runs(labels, slab, values[part]) for slab, part in _slabs(box)]
        found = [slab for slab in slabs if slab is not None]
        if not found:
            return cls(title, labels.shape, Box(box.start, box.start), *_NO_RUNS)
        boxes, *columns = zip(*found, strict=True)
        starts, lengths, codes = (np.concatenate(column) for column in columns)
        around = reduce(Box.union, boxes)
        return cls(title, labels.shape, around, *_compact(starts, lengths, codes))

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

    def pieces(self) -> Iterator[VoxelEdit]:
        """The same change in parts so small that what is computed of each stays in the cache."""
        ends = np.cumsum(self.lengths, dtype=np.int64)
        whole = range(SLAB, self.count, SLAB)
        cuts = np.unique([0, *np.searchsorted(ends, whole, side="right"), len(ends)])
        for first, last in pairwise(cuts):
            yield self._chosen(slice(first, last))

    def reversed(self) -> VoxelEdit:
        """The edit that takes this one back."""
        return replace(self, before=self.after, after=self.before)

    def onto(self, labels: Labels, protected: NDArray[np.bool_]) -> VoxelEdit:
        """The part whose voxels still have their old label, without `protected` labels."""
        free = ~(protected[self.before] | protected[self.after])
        edit = self if free.all() else self._chosen(free)
        index, before = edit.index(), np.repeat(edit.before, edit.lengths)
        valid = labels.reshape(-1)[index] == before
        if valid.all():
            return edit
        code = before.astype(np.uint16) << 8 | np.repeat(edit.after, edit.lengths)
        return edit._of_voxels(index[valid], code[valid])

    def _chosen(self, runs: NDArray[np.bool_] | slice) -> VoxelEdit:
        starts, lengths = self.starts[runs], self.lengths[runs]
        before, after = self.before[runs], self.after[runs]
        return replace(self, starts=starts, lengths=lengths, before=before, after=after)

    def _of_voxels(self, index: NDArray[np.int64], code: NDArray[np.uint16]) -> VoxelEdit:
        """The same title and box with these voxels, their flat indices in rising order."""
        if not len(index):
            return VoxelEdit(self.title, self.shape, self.box, *_NO_RUNS)
        first = np.concatenate(
            ([0], np.flatnonzero((np.diff(index) != 1) | (np.diff(code) != 0)) + 1)
        )
        lengths = np.diff(first, append=len(index))
        runs = _compact(index[first], lengths, code[first])
        return VoxelEdit(self.title, self.shape, self.box, *runs)


def _slabs(box: Box) -> Iterator[tuple[Box, slice]]:
    """A box in pieces along its first axis, of a size that stays in the processor's cache."""
    thick = max(1, SLAB // max(1, math.prod(box.shape[1:])))
    for first in range(0, box.shape[0], thick):
        last = min(first + thick, box.shape[0])
        start = (box.start[0] + first, *box.start[1:])
        yield Box(start, (box.start[0] + last, *box.stop[1:])), slice(first, last)


def _slab_runs(
    labels: Labels, box: Box, values: Labels
) -> tuple[Box, Indices, Indices, NDArray[np.uint16]] | None:
    """The box, starts, lengths and codes (old label times 256 plus new) of what changes."""
    current = labels[box.slices]
    changed = current != values
    tight = Box.of(changed)
    if tight is None:
        return None
    place, found = tight.slices, tight.shifted(box.start)
    code = np.zeros((*tight.shape[:-1], tight.shape[-1] + 1), np.uint16)  # no run over a row end
    code[..., :-1] = (current[place].astype(np.uint16) << 8 | values[place]) * changed[place]
    first, lengths, codes = _runs(code.reshape(-1))
    corner = np.unravel_index(first, code.shape)
    at = tuple(c + f for c, f in zip(corner, found.start, strict=True))
    return found, np.ravel_multi_index(at, labels.shape), lengths, codes


def _runs(code: NDArray[np.uint16]) -> tuple[Indices, Indices, NDArray[np.uint16]]:
    """First index, length and value of each run of equal values that are not 0."""
    first = np.concatenate(([0], np.flatnonzero(code[1:] != code[:-1]) + 1))
    lengths, codes = np.diff(first, append=len(code)), code[first]
    return first[codes > 0], lengths[codes > 0], codes[codes > 0]


def _compact(
    starts: Indices, lengths: Indices, codes: NDArray[np.uint16]
) -> tuple[Indices, Indices, Labels, Labels]:
    """Starts, lengths, old and new labels in the smallest fitting types."""
    small = np.uint32 if int(starts[-1]) < 2**32 else np.int64
    before, after = (codes >> 8).astype(np.uint8), (codes & 255).astype(np.uint8)
    return starts.astype(small), lengths.astype(small), before, after
