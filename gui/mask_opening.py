"""A mask from a file becomes objects of the image that is shown, whatever grid it is on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog, QWidget

from gui.background import Background
from gui.comparison import fingerprints
from gui.segment_object import SegmentObject, color_of, free_label
from gui.studies import path_title, without_path
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gui.document import Document
    from gui.jobs import Jobs
    from gui.notices import Notices
    from gui.settings import SettingsFile
    from gui.studies import Studies
    from inference.label_files import Found

READ = "inference.label_files:read_job"
FILTERS = "Masks (*.nii *.nii.gz *.nrrd *.mha *.mhd *.dcm *.png *.tif *.tiff);;All files (*)"
TITLE = "Open mask"


@dataclass(frozen=True, slots=True)
class Planned:
    """What a mask changes of a document; void once the document has another `version`."""

    version: int
    objects: tuple[SegmentObject, ...]
    edit: VoxelEdit
    covered: int  # voxels that stay with objects that were there before


class MaskOpening(QObject):
    """Reads in the other process, compares off the Qt thread; one step of the history."""

    def __init__(
        self,
        host: QWidget,
        reader: Jobs,
        studies: Studies,
        settings: SettingsFile,
        notices: Notices,
    ) -> None:
        super().__init__(host)
        self._host, self._reader, self._studies = host, reader, studies
        self._settings, self._notices = settings, notices
        self._background = Background(self)

    def ask(self) -> None:
        """Let the user choose a mask for the shown image."""
        document = self._studies.selected
        if document is None:
            return
        start = str(document.series.path.parent)
        chosen, _ = QFileDialog.getOpenFileName(
            self._host, "Open a mask on the shown image", start, FILTERS
        )
        if chosen:
            self.open(Path(chosen), document)

    def open(self, path: Path, document: Document) -> None:
        """Add the objects of a file to a document; tells the user how it went."""
        self._reader.submit(
            READ,
            title=f"Opening {path_title(path, self._hidden)}",
            done=partial(self._found, path, document),
            failed=partial(self._failed, path),
            path=str(path),
            grid=document.series.canonical_geometry,
            shape=document.shape,
        )

    @property
    def _hidden(self) -> bool:
        return self._settings.now.hide_patient_names

    def _failed(self, path: Path, error: BaseException) -> None:
        if isinstance(error, UserError):
            error = UserError(without_path(str(error), path, self._hidden))
        self._notices.failed(error)

    def _found(self, path: Path, document: Document, found: Found) -> None:
        self._background.run(
            partial(plan, document, found),
            partial(self._take, path, document, found),
            partial(self._failed, path),
        )

    def _take(self, path: Path, document: Document, found: Found, planned: Planned) -> None:
        if document not in self._studies.open:
            return
        if document.history.grouping or planned.version != document.version:
            self._found(path, document, found)
            return
        with document.history.group(TITLE):
            for item in planned.objects:
                added = document.add_object(item.name, item.color)
                if len(item.maker) == 2:
                    document.credit(added.id, item.maker, item.as_made)
            document.apply(planned.edit)
        self._tell(path, found, planned)

    def _tell(self, path: Path, found: Found, planned: Planned) -> None:
        count = len(planned.objects)
        name = path_title(path, self._hidden)
        sentences = [f"{count} object{'s' if count != 1 else ''} of {name} can be edited now."]
        sentences += [without_path(note, path, self._hidden) for note in found.notes]
        if planned.covered:
            sentences.append("Where objects were drawn before, those stay.")
        self._notices.tell(" ".join(sentences), level="warning" if sentences[1:] else "info")


def plan(document: Document, found: Found) -> Planned:
    """New objects for all of a file, which take what is unlabelled; changes nothing; UserError."""
    version, now = document.version, document.labels
    known, objects, table = dict(document.objects), [], np.zeros(256, np.uint8)
    automatic = [s.value for s in found.segments if s.algorithm and s.algorithm.by_itself]
    made = fingerprints(found.labels, automatic)
    for segment in found.segments:
        number = free_label(known)
        color = segment.color or color_of(number)
        by = segment.algorithm
        maker = (by.name, by.version) if by else ()
        as_made = made.get(segment.value, "")
        known[number] = SegmentObject(number, segment.name, color, maker=maker, as_made=as_made)
        objects.append(known[number])
        table[segment.value] = number
    return Planned(version, tuple(objects), *_edit(now, found.labels, table))


def _edit(
    now: NDArray[np.uint8], labels: NDArray[np.uint8], table: NDArray[np.uint8]
) -> tuple[VoxelEdit, int]:
    box = Box.of(labels)
    if box is None:
        box = Box((0,) * now.ndim, (0,) * now.ndim)
    here = now[box.slices]
    mapped = table[labels[box.slices]]
    covered = int(np.count_nonzero((here != 0) & (mapped != 0)))
    values = np.where(here == 0, mapped, here)
    return VoxelEdit.of(now, box, values, TITLE), covered
