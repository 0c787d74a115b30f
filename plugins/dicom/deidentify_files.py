"""De-identified copies of many files: made by a job of the reader process, one after the other."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.uid import UID

from inference import logs
from inference.errors import UserError
from inference.job import WorkerCrashed
from inference.writing import atomic
from plugins.dicom.deidentify import Rules, deidentify
from plugins.dicom.header import text
from plugins.dicom.masking import Mask, black_out, burned_in, clear_hidden_bits
from plugins.dicom.parse import read_whole
from plugins.dicom.pseudonyms import Pseudonyms, person_of
from plugins.dicom.quiet import quiet
from plugins.dicom.streams import clear_comments

if TYPE_CHECKING:
    from pydicom import Dataset

    from inference.worker import JobContext

logger = logging.getLogger(__name__)

WRITE = "plugins.dicom.deidentify_files:write_job"
DOCUMENTS = ("EncapsulatedDocument",)


@dataclass(frozen=True, slots=True)
class Order:
    """What to copy and how; masks by the UID of the series, "" for all of them."""

    files: tuple[str, ...]
    out: str
    chosen: frozenset[str] = frozenset()
    masks: dict[str, tuple[Mask, ...]] = field(default_factory=dict)
    looked: bool = False  # somebody has looked for text in the pictures

    def masks_of(self, dataset: Dataset) -> tuple[Mask, ...]:
        """The rectangles to black out in a file."""
        return self.masks.get(text(dataset, "SeriesInstanceUID"), self.masks.get("", ()))


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of one file: a partial result; `to` is "" and `problem` a sentence if nothing."""

    index: int
    to: str = ""
    study: str = ""  # its original UID, for the audit trail alone
    problem: str = ""
    warning: str = ""


@dataclass
class Copying:
    """The whole work, which goes on behind a file that ends the reader process."""

    order: Order
    copied: list[Copied] = field(default_factory=list)
    offset: int = 0

    def heard(self, part: Copied) -> None:
        """Take up a partial result."""
        self.copied.append(replace(part, index=part.index + self.offset))

    def again(self, error: BaseException) -> bool:
        """Whether to ask once more, for the files after the one that made the process end."""
        reached = len(self.copied)
        if not isinstance(error, WorkerCrashed) or reached >= len(self.order.files):
            return False
        name = Path(self.order.files[reached]).name
        problem = f"{name} made its decoder fail: the file is damaged, left out."
        self.copied.append(Copied(reached, problem=problem))
        self.offset = reached + 1
        return self.offset < len(self.order.files)

    @property
    def rest(self) -> Order:
        """What is still to be done."""
        return replace(self.order, files=self.order.files[self.offset :])

    @property
    def written(self) -> list[Copied]:
        """The files that were written."""
        return [part for part in self.copied if part.to]

    @property
    def problems(self) -> list[str]:
        """A sentence for each file that was left out."""
        return [part.problem for part in self.copied if part.problem]

    @property
    def warnings(self) -> list[str]:
        """Each once."""
        return list(dict.fromkeys(part.warning for part in self.copied if part.warning))


def write_job(context: JobContext, order: Order) -> None:
    """Copy every file; a partial result for each."""
    rules = Rules(order.chosen, Pseudonyms.of_this_user())
    taken: set[Path] = set()
    for index, name in enumerate(order.files):
        context.progress(index, len(order.files), f"File {index + 1} of {len(order.files)}")
        context.partial(_copied(index, Path(name), order, rules, taken))


def _copied(index: int, path: Path, order: Order, rules: Rules, taken: set[Path]) -> Copied:
    try:
        with quiet():
            return replace(_copy(path, order, rules, taken), index=index)
    except UserError as error:
        return Copied(index, problem=str(error))
    except Exception as error:  # noqa: BLE001  one file must not end the work
        logger.warning("A file could not be de-identified: %s", logs.stack(error))
        return Copied(index, problem=f"{path.name} holds what Limn does not understand: left out.")


def _copy(path: Path, order: Order, rules: Rules, taken: set[Path]) -> Copied:
    """Read, change and write one file; raises UserError."""
    dataset = read_whole(path)
    _refuse_unfit(path, dataset)
    study, masks, warning = text(dataset, "StudyInstanceUID"), order.masks_of(dataset), ""
    if not masks and not order.looked and (reason := burned_in(dataset)):
        if "says that" in reason:
            raise UserError(f"{path.name} {reason}: black it out, or confirm that you looked.")
        warning = f"{path.name} {reason}: look at it before you pass it on."
    target = _free(Path(order.out) / place(dataset, rules.pseudonyms), taken)
    clear_hidden_bits(dataset)
    if masks:
        black_out(path, dataset, masks)
    else:
        _clear_comments(path, dataset)
    deidentify(dataset, rules, masked=bool(masks))
    _save(path, dataset, target)
    return Copied(0, str(target), study, warning=warning)


def _clear_comments(path: Path, dataset: Dataset) -> None:
    try:
        clear_comments(dataset)
    except Exception as error:  # a damaged encapsulation makes pydicom raise almost anything
        raise UserError(
            f"The compressed pixels of {path.name} are damaged, so nobody knows what is in them: "
            "left out."
        ) from error


def place(dataset: Dataset, pseudonyms: Pseudonyms) -> Path:
    """Patient, study, series and file under names that tell nobody, the same every time."""
    names = [pseudonyms.patient(person_of(dataset))]
    for kind, keyword in (("ST", "StudyInstanceUID"), ("SE", "SeriesInstanceUID")):
        names.append(f"{kind}-{pseudonyms.short(keyword, text(dataset, keyword))}")
    name = pseudonyms.short("SOPInstanceUID", text(dataset, "SOPInstanceUID"), 16)
    return Path(*names, f"{name}.dcm")


def _free(wish: Path, taken: set[Path]) -> Path:
    """The wish, numbered if another file of this order has it; raises UserError, never replaces."""
    target, number = wish, 2
    while target in taken:
        target, number = wish.with_stem(f"{wish.stem}_{number}"), number + 1
    if target.exists():
        raise UserError(f"{target.name} is there from an earlier export: left as it is.")
    taken.add(target)
    return target


def _refuse_unfit(path: Path, dataset: Dataset) -> None:
    """What cannot be cleaned, or is no object at all."""
    if any(keyword in dataset for keyword in DOCUMENTS):
        raise UserError(f"{path.name} is a document (such as a PDF), which nobody can clean here.")
    if "DirectoryRecordSequence" in dataset:
        raise UserError(f"{path.name} is a table of contents with names of patients: left out.")
    if not text(dataset, "SOPClassUID") or not text(dataset, "SOPInstanceUID"):
        raise UserError(f"{path.name} does not say what it is (no SOP class and UID): left out.")
    if not UID(dataset.file_meta.TransferSyntaxUID).is_transfer_syntax:
        raise UserError(f"{path.name} is in a form that Limn cannot write: left out.")


def _save(path: Path, dataset: Any, target: Path) -> None:
    with atomic(target) as part:
        try:
            dataset.save_as(part, enforce_file_format=True)
        except OSError:
            raise
        except Exception as error:  # pydicom raises almost anything on values it cannot encode
            raise UserError(
                f"{path.name} holds values that no valid file can hold: left out."
            ) from error
