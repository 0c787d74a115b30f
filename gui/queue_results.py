"""Opens a case of the queue, and lays what came of it over its image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gui.document import Document
    from gui.mask_opening import MaskOpening
    from gui.opening import Opening
    from gui.queue_model import Entry

OBJECTS = ("_nodes.nii.gz", "_nodes.nrrd", "_mask.nii.gz", "_vessels.png", "_mask.png")
"""Endings of the files in which tasks leave their objects."""
RUNS = ("_interpolated.dcm", "_interpolated")
"""And their new runs."""


@dataclass(frozen=True)
class _Wanted:
    """What opens next, and the beginning of the names of its results, if it has any."""

    source: Path
    stem: Path | None


class QueueResults:
    """Remembers what was asked for until its image is there."""

    def __init__(self, opening: Opening, masks: MaskOpening) -> None:
        self._opening, self._masks = opening, masks
        self._wanted: _Wanted | None = None
        opening.opened.connect(self._opened)

    def open(self, entry: Entry, out: Path | None) -> None:
        """Open a case of this computer, with its first result below `out` where there is one."""
        if not isinstance(entry.case.source, Path):
            return
        stem = out / entry.results[0] if out is not None and entry.results else None
        self._wanted = _Wanted(entry.case.source, stem)
        self._opening.open([entry.case.source])

    def _opened(self, documents: list[Document]) -> None:
        wanted = self._wanted
        if wanted is None or not documents or documents[0].root != wanted.source:
            return
        self._wanted = None
        if wanted.stem is None:
            return
        if objects := _first(wanted.stem, OBJECTS):
            self._masks.open(objects, documents[0])
        elif run := _first(wanted.stem, RUNS):
            self._opening.open([run])


def _first(stem: Path, endings: tuple[str, ...]) -> Path | None:
    """The first of these files or folders that there is."""
    found = (stem.with_name(stem.name + ending) for ending in endings)
    return next((path for path in found if path.exists()), None)
