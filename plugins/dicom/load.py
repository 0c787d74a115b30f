"""From a path to series: find the files, read their headers, group what belongs together."""

from __future__ import annotations

import logging
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from inference import logs
from inference.arrivals import Entry, Listed, Listener, heard_by, listener
from inference.errors import UserError
from inference.parallel import in_order
from plugins.dicom.concatenations import gathered, parted
from plugins.dicom.drawn import RT_STRUCTURE_SET, is_segmentation, tell_drawn
from plugins.dicom.files import files_of
from plugins.dicom.frames import read_frames
from plugins.dicom.glimpse import glimpse
from plugins.dicom.header import Slice, has_image, identity, modality, number, text
from plugins.dicom.mosaic import mosaic, read_mosaic
from plugins.dicom.parse import Head, read_head, read_until_pixels
from plugins.dicom.read_rtstruct import wanted_image
from plugins.dicom.read_seg import on_own_grid
from plugins.dicom.runs import read_run_files, run_groups
from plugins.dicom.stacks import Part, slice_parts, without_copies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom import Dataset

    from inference.series import Identity, Series

HEADERS_KEPT = 4096  # for the next reading of the same folder
LIST_EVERY = 1.0  # seconds, while headers are read
READING_HEADERS = "Reading headers"

_known: dict[tuple[Path, int, int], Slice | _Refused] = {}  # by file, size and time of change
logger = logging.getLogger(__name__)
logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # it quotes the patient's data


def load_series(path: Path) -> list[Series]:
    """Every image series of a file, folder or DICOMDIR; raises UserError."""
    with heard_by(Listener()) as listening:
        found = list(stream_series(path))
    return [series.warned(*listening.notes) for series in found]


def stream_series(path: Path) -> Iterator[Series]:
    """Each series as soon as it is read, those that were asked for; raises UserError."""
    files, notes = files_of(path)
    with _quietly():
        first = glimpse(files)
        slices, others = _headers(files)
        on_image = tell_drawn([*filter(_is_drawn, slices), *_outlines(others)], slices)
        slices = [entry for entry in slices if entry.path not in on_image]
        others = [other for other in others if other.file not in on_image]
        if not (slices or on_image):
            only = others[0].sentence if len(files) == 1 else f"{path.name} holds no DICOM image."
            raise UserError(only)
        kept, copies = without_copies(slices)
        parts = sorted(_parts(kept), key=_order)
    listener().notes += [*notes, *copies, *(other.sentence for other in others)]
    wanted = _wanted(parts, first)
    chosen = {_key(part) for part in wanted}
    later = tuple(_key(part) for part in parts if _key(part) not in chosen)
    listener().tell(Listed(tuple(map(_entry, parts)), later))
    yield from _stream(wanted)


def _stream(parts: list[Part]) -> Iterator[Series]:
    """What these parts hold; what cannot be read is noted, and refused if there is nothing else."""
    refused: list[str] = []
    found = False
    for part in parts:
        listener().current = _key(part)
        for series in _read(part, refused):
            found = True
            yield series
    if refused and not found:
        raise UserError(refused[0])
    listener().notes += refused


def _read(part: Part, refused: list[str]) -> list[Series]:
    try:
        with _quietly():
            return [_labelled(series, part) for series in part.read()]
    except UserError as error:
        refused.append(str(error))
    except Exception as error:  # noqa: BLE001  headers are malformed in unforeseen ways
        logger.warning("A DICOM header was not understood: %s", logs.stack(error))
        refused.append(f"{part.slices[0].path.name} cannot be shown: its header is damaged.")
    return []


def _labelled(series: Series, part: Part) -> Series:
    return replace(series.warned(*part.notes), identity=_told_apart(series.identity, part))


def _told_apart(found: Identity, part: Part) -> Identity:
    description = " · ".join(filter(None, (found.series_description, part.label)))
    return replace(found, series_description=description)


def _is_drawn(entry: Slice) -> bool:
    return is_segmentation(entry.header)


def _outlines(others: list[_Refused]) -> list[Slice]:
    return [Slice(other.file, other.outlines) for other in others if other.outlines is not None]


def _wanted(parts: list[Part], first: Path | None) -> list[Part]:
    """Those that were asked for, or so many as are read unasked: the one glimpsed at first."""
    listening = listener()
    if listening.only:
        return [part for part in parts if _key(part) in listening.only]
    ordered = sorted(parts, key=lambda part: all(entry.path != first for entry in part.slices))
    chosen, room = list[Part](), listening.at_once
    for part in ordered:
        if not chosen or part.nbytes <= room:
            chosen.append(part)
            room -= part.nbytes
    return chosen


def _parts(slices: list[Slice]) -> list[Part]:
    tiled = [entry for entry in slices if mosaic(entry.header)]
    several = [entry for entry in slices if entry.frames > 1 or _is_drawn(entry) or parted(entry)]
    whole = {id(entry) for entry in (*tiled, *several)}
    runs, others = run_groups([entry for entry in slices if id(entry) not in whole])
    parts = slice_parts(others)
    parts += [Part(run, partial(_one_run, run)) for run in runs]
    parts += [Part(files, partial(_read_several, files)) for files in gathered(several)]
    parts += [Part([s], partial(read_mosaic, s), _time(s) * (len(tiled) > 1)) for s in tiled]
    return parts


def _read_several(files: list[Slice]) -> list[Series]:
    """An image of several frames; a SEG without one even grid is shown frame by frame."""
    drawn = None
    if len(files) == 1 and _is_drawn(files[0]):
        with suppress(UserError):
            drawn = on_own_grid(files[0])
    return read_frames(files) if drawn is None else [drawn]


def _time(entry: Slice) -> str:
    return f"time {number(entry.header, 'AcquisitionNumber', 0):g}"


def _one_run(run: list[Slice]) -> list[Series]:
    return [read_run_files(run)]


def _order(part: Part) -> tuple[str, float, str]:
    found = identity(part.slices[0].header)
    place = float(found.series_number) if found.series_number.isdigit() else float("inf")
    return found.study_date, place, found.series_uid


def _entry(part: Part) -> Entry:
    first = part.slices[0]
    kind = modality(first.header) or "OT"
    named = _told_apart(identity(first.header), part)
    return Entry(_key(part), named, kind, part.shape, first.path)


def _key(part: Part) -> str:
    return str(part.slices[0].path)


@dataclass(frozen=True, slots=True)
class _Refused:
    """A file without an image, and the sentence about it."""

    file: Path
    sentence: str
    outlines: Dataset | None = None  # the header of an RT structure set


def _headers(files: list[Path]) -> tuple[list[Slice], list[_Refused]]:
    """The files with an image, and the others."""
    slices, others = list[Slice](), list[_Refused]()
    told_at = time.monotonic()
    for done, found in enumerate(map(_header, in_order(_beginning, files)), 1):
        listener().progress(done, len(files), READING_HEADERS)
        if time.monotonic() - told_at > LIST_EVERY:
            told_at = time.monotonic()
            listener().tell(Listed(_so_far(slices)))
        if isinstance(found, Slice):
            slices.append(found)
        else:
            others.append(found)
    return slices, others


def _so_far(slices: list[Slice]) -> tuple[Entry, ...]:
    """The series of these files, before it is known which volumes they make."""
    series: dict[str, list[Slice]] = {}
    for entry in slices:
        series.setdefault(text(entry.header, "SeriesInstanceUID"), []).append(entry)
    return tuple(_entry(Part(members, list)) for members in series.values())


def _beginning(file: Path) -> Head | _Refused:
    try:
        return read_head(file)
    except OSError as error:
        return _Refused(file, f"{file.name} cannot be read: {error.strerror}.")


def _header(head: Head | _Refused) -> Slice | _Refused:
    """As it was read before, if the file has not changed since."""
    if isinstance(head, _Refused):
        return head
    state = head.path, head.size, head.changed
    if state not in _known:
        if len(_known) >= HEADERS_KEPT:
            del _known[next(iter(_known))]
        _known[state] = _read_header(head)
    return _known[state]


def _read_header(head: Head) -> Slice | _Refused:
    file = head.path
    try:
        header, end = read_until_pixels(head)
    except UserError as error:
        return _Refused(file, str(error))
    if has_image(header):
        return Slice(file, header, end)
    if text(header, "SOPClassUID") == RT_STRUCTURE_SET:
        return _Refused(file, wanted_image(file, header), header)
    if "SOPClassUID" in header or modality(header):
        kind = modality(header) or "no modality is stated"
        return _Refused(file, f"{file.name} is a DICOM file without an image ({kind}).")
    return _Refused(file, f"{file.name} is not a readable DICOM image: it is damaged or no DICOM.")


class _quietly(warnings.catch_warnings):  # noqa: N801  (used like a function)
    """Without pydicom's warnings: they quote the patient's data."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
