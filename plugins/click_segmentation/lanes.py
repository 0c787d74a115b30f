"""What one run of following consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plugins.click_segmentation.stretches import CERTAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gui.document import Document
    from gui.voxel_edit import VoxelEdit
    from inference.job import Job
    from plugins.click_segmentation.stretches import Stretch, Track

SLAB = 12  # slices in a request: the directions take turns


@dataclass(slots=True)
class Landed:
    """The one step of the history that all slices of a run become part of."""

    document: Document
    title: str
    edits: list[VoxelEdit] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return sum(edit.nbytes for edit in self.edits)

    def undo(self) -> None:
        """Take all slices back."""
        for edit in reversed(self.edits):
            self.document.write(edit.reversed())

    def redo(self) -> None:
        """Let them land again."""
        for edit in self.edits:
            self.document.write(edit)


@dataclass(slots=True, eq=False)
class Lane:
    """One stretch on its way."""

    stretch: Stretch
    at: int  # the last slice that landed
    job: Job | None = None
    over: bool = False
    scores: list[float] = field(default_factory=list)  # of the slices that landed

    @property
    def left(self) -> list[int]:
        """The slices that the next request is about."""
        direction, last = self.stretch.direction, self.stretch.last
        return list(range(self.at + direction, last + direction, direction))[:SLAB]

    @property
    def kept(self) -> list[tuple[float, int]]:
        """What the network expects of each slice that stays, and which that is."""
        seed, way = self.stretch.seed, self.stretch.direction
        scores = self.scores[: abs(self.at - seed)]
        return [(score, seed + way * number) for number, score in enumerate(scores, start=1)]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A slice of an object that is worth a look."""

    object_id: int
    axis: int
    index: int


@dataclass(slots=True, eq=False)
class Run:
    """What is being followed."""

    document: Document
    object_id: int
    track: Track
    step: Landed
    span: tuple[int, int] | None
    settings: Mapping[str, Any]
    lanes: list[Lane] = field(default_factory=list)
    waiting: list[tuple[Lane, dict[str, Any]]] = field(default_factory=list)
    slices: int = 0

    @property
    def doubt(self) -> Doubt | None:
        """The slice that the network is least certain of, None where it is certain of all."""
        found = min((one for lane in self.lanes for one in lane.kept), default=(1.0, 0))
        if found[0] >= CERTAIN:
            return None
        return Doubt(self.object_id, self.track.along, found[1])
