"""Changes of voxels as steps of a document's history; the many of a stroke become one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gui.voxel_edit import VoxelEdit

if TYPE_CHECKING:
    from gui.document import Document
    from gui.history import Edit


@dataclass(frozen=True, slots=True)
class VoxelStep:
    """An edit of a document's labels that can be taken back."""

    document: Document
    edit: VoxelEdit

    @property
    def title(self) -> str:
        """What was done."""
        return self.edit.title

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return self.edit.nbytes

    def undo(self) -> None:
        """Give the voxels their old labels."""
        self.document.write(self.edit.reversed())

    def redo(self) -> None:
        """Give them the new ones again."""
        self.document.write(self.edit)


def merge_strokes(edits: list[Edit]) -> list[Edit]:
    """The many small changes of a stroke become one."""
    merged: list[Edit] = []
    run: list[VoxelStep] = []
    for edit in (*edits, None):
        if isinstance(edit, VoxelStep):
            run.append(edit)
            continue
        merged += _merged_run(run)
        run = []
        if edit is not None:
            merged.append(edit)
    return merged


def _merged_run(run: list[VoxelStep]) -> list[VoxelStep]:
    if len(run) < 2:
        return run
    edit = VoxelEdit.merged([step.edit for step in run], run[0].title)
    return [] if edit.empty else [VoxelStep(run[0].document, edit)]
