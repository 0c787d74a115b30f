"""Offers to edit a label map that was opened like an image as objects of the image it fits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from gui.studies import series_title
from inference.label_files import share_inside

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gui.document import Document
    from gui.mask_opening import MaskOpening
    from gui.notices import Notices
    from gui.settings import SettingsFile
    from gui.studies import Studies

FITS = 0.5  # of the box of a label map that lies inside an image for it to be offered
OFFER = "{} holds labels, and lies in “{}”: there, they can be edited as objects."
TAKE = "Edit there"


class LabelOffer(QObject):
    """Asks once for each file and image, whichever of them is opened first."""

    def __init__(
        self, masks: MaskOpening, studies: Studies, settings: SettingsFile, notices: Notices
    ) -> None:
        super().__init__(masks)
        self._masks, self._studies = masks, studies
        self._settings, self._notices = settings, notices
        self._asked: set[tuple[Path, Path]] = set()

    def look(self, opened: Iterable[Document]) -> None:
        """Offer what belongs together since these documents were opened."""
        new = list(opened)
        images = [document for document in self._studies.open if not _is_label_map(document)]
        for labels in filter(_is_label_map, self._studies.open):
            among = images if labels in new else [image for image in images if image in new]
            fitting = [image for image in among if _inside(labels, image) >= FITS]
            if fitting:
                self._offer(labels, max(fitting, key=partial(_alike, labels)))

    def _offer(self, labels: Document, image: Document) -> None:
        pair = labels.series.path, image.series.path
        if pair in self._asked or not pair[0].is_file():  # in an archive, it is there no more
            return
        self._asked.add(pair)
        hidden = self._settings.now.hide_patient_names
        name = "The file" if hidden else pair[0].name
        title = " ".join(series_title(image.series, hidden).split())
        sentence = OFFER.format(name, title)
        self._notices.offer(sentence, TAKE, partial(self._take, labels, image))

    def _take(self, labels: Document, image: Document) -> None:
        """Open the objects on the image; the map itself is closed unless it was worked on."""
        self._asked.discard((labels.series.path, image.series.path))
        if image not in self._studies.open:
            return
        self._studies.select(image)
        self._masks.open(labels.series.path, image)
        same = [one for one in self._studies.open if one.series.path == labels.series.path]
        for document in same:
            if not len(document.history) and not document.objects:
                self._studies.close(document)


def _is_label_map(document: Document) -> bool:
    series = document.series
    return bool(series.details.get("labels")) or series.modality == "SEG"


def _inside(one: Document, other: Document) -> float:
    volumes = one.series.kind == other.series.kind == "volume"
    return share_inside(one.series, other.series) if volumes else 0.0


def _alike(labels: Document, image: Document) -> float:
    """Highest for an image on the very grid of the labels."""
    return _inside(labels, image) + _inside(image, labels)
