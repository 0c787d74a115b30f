"""Look through a folder and keep the index of it up to date: a job of the reader process."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.errors import UserError
from inference.folders import below, leads_out
from inference.parallel import in_order
from plugins.dicom.header import has_image, identity, modality, number
from plugins.dicom.index import Index, Record
from plugins.dicom.parse import dicom_head, read_until_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import Dataset

    from plugins.dicom.parse import Head

JOB = "plugins.dicom.scan:scan_job"
AT_ONCE = 250  # files between two entries into the index, which the window then shows


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan has come to."""

    folder: str
    files: int  # that were new or had changed
    gone: int = 0


def scan_job(context: Any, index: str, folder: str) -> Scanned:
    """Bring the index up to date with a folder; tells a `Scanned` whenever the list has grown."""
    base, place = Index(Path(index)), Path(folder)
    if not place.is_dir():
        raise UserError(f"{place.name} is not there: connect it, or take it off the list.")
    base.add_folder(place)
    context.partial(Scanned(folder, 0))
    context.progress(0, 0, "Looking for files")
    known = base.known(place)
    found = dict(_files(context, place))
    fresh = [path for path, state in found.items() if known.get(path) != state]
    done = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = (Record(path, *found[path]) for path in fresh)
        records = map(_record, plain, in_order(dicom_head, map(Path, fresh)))
        while some := list(islice(_counted(context, records, done, len(fresh)), AT_ONCE)):
            base.put(some)
            done += len(some)
            context.partial(Scanned(folder, done))
    gone = [path for path in known if path not in found]
    base.remove(gone)
    return Scanned(folder, len(fresh), len(gone))


def _files(context: Any, folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every file below, with its size and time of change, ns; no links out of the folder."""
    root = folder.resolve()
    for file in below(folder):
        context.check()
        try:
            state = file.stat()
        except OSError:
            continue
        if not leads_out(file, root):
            yield str(file), (state.st_size, state.st_mtime_ns)


def _counted(context: Any, records: Iterator[Record], done: int, total: int) -> Iterator[Record]:
    for count, record in enumerate(records, done + 1):
        context.progress(count, total, f"{count} of {total} files")
        yield record


def _record(plain: Record, head: Head | None) -> Record:
    """What the list says of a file; nothing but its state if it is no DICOM image."""
    if head is None:
        return plain
    try:
        header, _ = read_until_pixels(head)
    except UserError:
        return plain
    return _described(plain, header) if has_image(header) else plain


def _described(plain: Record, header: Dataset) -> Record:
    who = identity(header)
    study = f"{who.patient_id}\n{who.study_uid or Path(plain.path).parent}"
    series = f"{study}\n{who.series_uid or who.series_number}"
    return Record(
        plain.path, plain.size, plain.changed,
        (study, who.patient_name, who.patient_id, who.study_date, who.study_description),
        (series, study, who.series_number, who.series_description, modality(header) or "OT"),
        max(1, int(number(header, "NumberOfFrames", 1))),
    )  # fmt: skip
