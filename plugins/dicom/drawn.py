"""Files of objects, SEG and RT structure sets: the image that each is drawn on, and where it is."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from inference.arrivals import Drawn, listener
from inference.errors import UserError
from inference.parallel import in_order
from plugins.dicom.header import items, number, text
from plugins.dicom.index import Index, place
from plugins.dicom.parse import dicom_head, read_until_pixels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pydicom import Dataset

    from plugins.dicom.header import Slice
    from plugins.dicom.parse import Head

SERIES = "SeriesInstanceUID"
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
SOME = 200  # frames, or contours of a structure, that tell which part of a series it lies on
MOST_FOLDERS, MOST_FILES = 200, 20_000  # that are looked into for an image
NOT_FOUND = (
    "{} is drawn on an image that is neither open nor beside it: it was opened on its own grid. "
    "Open that image, then the file with File, Open mask on this image."
)


def is_segmentation(header: Dataset) -> bool:
    """Whether a file with pixels is a DICOM SEG."""
    return text(header, "SOPClassUID") in SEGMENTATIONS


def image_of(header: Dataset) -> tuple[str, ...]:
    """The series that a SEG or RT structure set refers to."""
    frames = items(header, "ReferencedFrameOfReferenceSequence")
    studies = [
        *(study for frame in frames for study in items(frame, "RTReferencedStudySequence")),
        *items(header, "StudiesContainingOtherReferencedInstancesSequence"),
    ]
    series = [
        *items(header, "ReferencedSeriesSequence"),
        *(entry for study in studies for entry in items(study, "RTReferencedSeriesSequence")),
        *(entry for study in studies for entry in items(study, "ReferencedSeriesSequence")),
    ]
    found = (text(entry, SERIES) for entry in series)
    return tuple(dict.fromkeys(filter(None, found)))


def pictures_of(header: Dataset) -> tuple[tuple[str, int], ...]:
    """Some of the instances, and frames, that it refers to: enough to tell parts of a series."""
    frames = items(header, "PerFrameFunctionalGroupsSequence")
    contours = [each for roi in items(header, "ROIContourSequence")
                for each in items(roi, "ContourSequence")[:SOME]]  # fmt: skip
    derived = [each for frame in frames[:: max(1, len(frames) // SOME)]
               for each in items(frame, "DerivationImageSequence")]  # fmt: skip
    sources = [
        *(source for each in derived for source in items(each, "SourceImageSequence")),
        *(source for each in contours for source in items(each, "ContourImageSequence")),
    ]
    named = ((text(each, "ReferencedSOPInstanceUID"), number(each, "ReferencedFrameNumber", 0) - 1)
             for each in sources)  # fmt: skip
    return tuple(dict.fromkeys((uid, int(frame)) for uid, frame in named))


def tell_drawn(drawings: Sequence[Slice], slices: Sequence[Slice]) -> set[Path]:
    """Tell the listener of files of objects; those of them that are shown on their image alone."""
    listening = listener()
    on_image: set[Path] = set()
    if listening.images is None:
        return on_image
    for entry in drawings:
        if listening.only and str(entry.path) not in listening.only:
            continue
        series = image_of(entry.header)
        is_open = bool(set(series) & set(listening.images))
        files = () if is_open else _files(entry.path, series, slices)
        if is_open or files:
            on_image.add(entry.path)
        elif is_segmentation(entry.header):
            listening.notes.append(NOT_FOUND.format(entry.path.name))
        listening.tell(Drawn(entry.path, series, files, pictures_of(entry.header)))
    return on_image


def _files(path: Path, series: Sequence[str], slices: Sequence[Slice]) -> tuple[Path, ...]:
    """Of the image: among what is read, beside the file or its folder, or in the index."""
    here = [entry.path for entry in slices if text(entry.header, SERIES) in series]
    return tuple(here or _beside(path, series) or _in_index(series))


def _beside(path: Path, series: Sequence[str]) -> list[Path]:
    if not path.is_file():  # in an archive, where everything is read anyway
        return []
    if found := _of_series(_files_in(path.parent), series):
        return found
    for folder in _folders_beside(path.parent):
        heads = map(dicom_head, islice(_files_in(folder), 3))
        if _series_uid(next(filter(None, heads), None)) in series:
            return _of_series(_files_in(folder), series)
    return []


def _folders_beside(folder: Path) -> Iterator[Path]:
    try:
        beside = [entry for entry in folder.parent.iterdir() if entry.is_dir()]
    except OSError:
        return
    yield from islice((entry for entry in sorted(beside) if entry != folder), MOST_FOLDERS)


def _files_in(folder: Path) -> Iterator[Path]:
    try:
        yield from islice((file for file in folder.iterdir() if file.is_file()), MOST_FILES)
    except OSError:
        return


def _of_series(files: Iterable[Path], series: Sequence[str]) -> list[Path]:
    found = sorted(files)
    uids = map(_series_uid, in_order(dicom_head, found))
    return [file for file, uid in zip(found, uids, strict=True) if uid in series]


def _series_uid(head: Head | None) -> str:
    try:
        return text(read_until_pixels(head)[0], SERIES) if head else ""
    except UserError:
        return ""


def _in_index(series: Sequence[str]) -> list[Path]:
    if not place().exists():
        return []
    try:
        found = [file for uid in series for file in Index().image(uid)]
    except UserError:
        return []
    return [file for file in found if file.is_file()]
