"""From a path to series: find the files, read their headers, group what belongs together."""

from __future__ import annotations

import logging
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from inference import logs
from inference.errors import UserError
from plugins.dicom.frames import read_frames
from plugins.dicom.header import Slice, has_image, modality
from plugins.dicom.parse import read_header
from plugins.dicom.runs import read_run_files, run_groups
from plugins.dicom.sniff import is_dicom
from plugins.dicom.stacks import slice_jobs, without_copies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydicom import Dataset

    from inference.series import Series

logger = logging.getLogger(__name__)
logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # it quotes the patient's data


def load_series(path: Path) -> list[Series]:
    """Every image series of a file, folder or DICOMDIR; raises UserError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _load_path(path)


def _load_path(path: Path) -> list[Series]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if is_dicom(file))
        return _load([f for f in files if not f.name.startswith("DICOMDIR")], [], path)
    header = read_header(path)
    if "DirectoryRecordSequence" in header:
        return _load(*_listed(path, header), path)
    return _load([path], [], path)


def _listed(path: Path, header: Dataset) -> tuple[list[Path], list[str]]:
    """The files that a DICOMDIR lists, all inside its folder, and what is missing."""
    records = header.DirectoryRecordSequence or ()
    listed = [_parts(record) for record in records if "ReferencedFileID" in record]
    if not listed:
        raise UserError(f"{path.name} lists no files: open the folder with the images instead.")
    root = path.parent.resolve()
    files = [root.joinpath(*parts) for parts in listed]
    inside = [file for file in files if file.resolve().is_relative_to(root) and file.is_file()]
    if not inside:
        raise UserError(f"None of the {len(files)} files that {path.name} lists is there.")
    absent = len(files) - len(inside)
    return inside, [f"{absent} of the {len(files)} files that {path.name} lists are missing."][
        :absent
    ]


def _parts(record: Dataset) -> list[str]:
    value = record.ReferencedFileID
    return [value] if isinstance(value, str) else [str(part) for part in value]


def _load(files: list[Path], notes: list[str], asked: Path) -> list[Series]:
    slices, refused = _headers(files)
    if not slices:
        raise UserError(refused[0] if len(files) == 1 else f"{asked.name} holds no DICOM image.")
    kept, copies = without_copies(slices)
    found, damaged = _read_all(kept)
    if not found:
        raise UserError(damaged[0])
    found.sort(key=lambda series: (series.identity.study_date, _order(series)))
    return [series.warned(*notes, *copies, *damaged, *refused) for series in found]


def _read_all(slices: list[Slice]) -> tuple[list[Series], list[str]]:
    """Every series of these files, and what was refused."""
    found: list[Series] = []
    refused: list[str] = []
    for path, job in _jobs(slices):
        try:
            found += job()
        except UserError as error:
            refused.append(str(error))
        except Exception as error:  # noqa: BLE001  headers are malformed in unforeseen ways
            logger.warning("A DICOM header was not understood: %s", logs.stack(error))
            refused.append(f"{path.name} cannot be shown: its header is damaged.")
    return found, refused


def _jobs(slices: list[Slice]) -> list[tuple[Path, Callable[[], list[Series]]]]:
    runs, others = run_groups([entry for entry in slices if entry.frames == 1])
    jobs: list[tuple[Path, Callable[[], list[Series]]]] = []
    jobs += [(job.slices[0].path, job) for job in slice_jobs(others)]
    jobs += [(run[0].path, partial(_one, read_run_files, run)) for run in runs]
    jobs += [(s.path, partial(_one, read_frames, s)) for s in slices if s.frames > 1]
    return jobs


def _one(read: Callable[[Any], Series], what: Any) -> list[Series]:
    return [read(what)]


def _order(series: Series) -> tuple[float, str]:
    number = series.identity.series_number
    return (float(number) if number.isdigit() else float("inf"), series.identity.series_uid)


def _headers(files: list[Path]) -> tuple[list[Slice], list[str]]:
    """The files with an image, and a sentence about each of the others."""
    slices, notes = [], []
    for file in files:
        try:
            header = read_header(file)
        except UserError as error:
            notes.append(str(error))
            continue
        if has_image(header):
            slices.append(Slice(file, header))
        elif "SOPClassUID" in header or modality(header):
            kind = modality(header) or "no modality is stated"
            notes.append(f"{file.name} is a DICOM file without an image ({kind}).")
        else:
            notes.append(f"{file.name} is not a readable DICOM image: it is damaged or no DICOM.")
    return slices, notes
