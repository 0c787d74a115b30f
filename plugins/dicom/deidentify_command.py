"""De-identified copies from the command line."""

from __future__ import annotations

import zipfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from inference import archives, audit
from inference.client import WorkerClient
from inference.errors import UserError
from inference.job import WorkerCrashed
from plugins.dicom.deidentify_files import WRITE, Copying, Order
from plugins.dicom.masking import Mask
from plugins.dicom.profile import OPTIONS
from plugins.dicom.sniff import is_dicom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


def deidentify(
    paths: Iterable[Path],
    out: Path,
    keep: Sequence[str],
    masks: Sequence[str],
    looked: bool,
    say: Callable[[str], None],
    complain: Callable[[str], None],
) -> bool:
    """Whether every DICOM file found has its copy; raises UserError for wrong wishes."""
    chosen = frozenset(keep)
    if unknown := chosen - {option.name for option in OPTIONS}:
        known = ", ".join(option.name for option in OPTIONS)
        raise UserError(f"There is no option {min(unknown)}: choose from {known}.")
    rectangles = tuple(Mask.parse(words) for words in masks)
    files = tuple(dict.fromkeys(str(file) for path in paths for file in dicom_files(path)))
    if not files:
        raise UserError("No DICOM file was found there.")
    order = Order(files, str(out.absolute()), chosen, {"": rectangles} if masks else {}, looked)
    copying = _run(Copying(order))
    for line in (*copying.warnings, *copying.problems):
        complain(line)
    say(f"{len(copying.written)} of {len(files)} files were written to {out}.")
    note(copying, audit.Notebook(complain), audit.names_hidden())
    return len(copying.written) == len(files)


def note(copying: Copying, notebook: audit.Notebook, hidden: bool) -> None:
    """Write down what went out, a record for each study."""
    order = copying.order
    for study, count in Counter(part.study for part in copying.written).items():
        notebook.note(
            "de-identified",
            study_uid=study,
            files=count,
            options=sorted(order.chosen),
            masked=bool(order.masks),
            to=audit.place(Path(order.out), hidden),
        )


def dicom_files(path: Path) -> Iterator[Path]:
    """A file itself, every DICOM file in a folder, every member of a zip archive; UserError."""
    if not path.exists():
        raise UserError(f"{path} does not exist.")
    if archives.is_archive(path):
        yield from _members(path.absolute())
    elif path.is_dir():
        files = sorted(path.absolute().rglob("*"))
        yield from (file for file in files if not file.is_symlink() and is_dicom(file))
    else:
        yield path.absolute()


def _members(path: Path) -> list[Path]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [path / info.filename for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{path.name} is damaged or no zip archive: copy it again.") from error


def _run(copying: Copying) -> Copying:
    """To the end, in a process that a broken file may end."""
    with closing(WorkerClient("reader", preload=())) as client:
        while True:
            job = client.submit(WRITE, on_partial=copying.heard, order=copying.rest)
            try:
                job.result()
            except WorkerCrashed as error:
                if copying.again(error):
                    continue
            return copying
