"""What de-identification would change in one file, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from plugins.dicom.deidentify import Rules, deidentify
from plugins.dicom.identity import flat_values
from plugins.dicom.masking import burned_in
from plugins.dicom.parse import read_header
from plugins.dicom.pseudonyms import Pseudonyms
from plugins.dicom.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import DataElement, Dataset

    from inference.worker import JobContext

    What = Literal["removed", "emptied", "changed", "added", "kept"]

PREVIEW = "plugins.dicom.deidentify_preview:preview_job"
LONGEST = 200  # letters of a value that are shown


@dataclass(frozen=True, slots=True)
class Change:
    """One element; `name` tells the sequences that it lies in."""

    tag: str  # "(0010,0010)"
    name: str
    before: str
    after: str
    what: What


@dataclass(frozen=True, slots=True)
class Preview:
    """Every element of a file, and why text is to be feared in its pixels."""

    changes: tuple[Change, ...]
    burned_in: str


def preview_job(context: JobContext, file: str, chosen: frozenset[str], masked: bool) -> Preview:
    """Of a file as it would be written; raises UserError."""
    context.progress(0, 1, "Reading")
    with quiet():
        return _preview(Path(file), Rules(chosen, Pseudonyms.of_this_user()), masked)


def _preview(path: Path, rules: Rules, masked: bool) -> Preview:
    dataset = read_header(path)
    fear = burned_in(dataset)
    before = dict(_values(dataset.file_meta)) | dict(_values(dataset))
    deidentify(dataset, rules, masked=masked)
    after = dict(_values(dataset.file_meta)) | dict(_values(dataset))
    keys = sorted(before.keys() | after.keys())
    return Preview(tuple(_change(key, before.get(key), after.get(key)) for key in keys), fear)


Key = tuple[int | str, ...]  # tags, the names of their attributes and the numbers of items


def _change(key: Key, before: str | None, after: str | None) -> Change:
    steps = [str(part) for part in key[1::2]]
    tag = int(key[-2])
    shown = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    what = _what(before, after)
    return Change(shown, " > ".join(steps), before or "", after or "", what)


def _what(before: str | None, after: str | None) -> What:
    if before is None:
        return "added"
    if after is None:
        return "removed"
    if before == after:
        return "kept"
    return "changed" if after else "emptied"


def _values(dataset: Dataset, within: Key = ()) -> Iterator[tuple[Key, str]]:
    for tag in filter(attrgetter("element"), sorted(dataset.keys())):  # lengths of groups aside
        try:
            element = dataset[tag]
            name = "Private" if tag.is_private else element.name
            if element.VR == "SQ":
                for number, item in enumerate(element.value, 1):
                    yield from _values(item, (*within, int(tag), f"{name} {number}"))
            else:
                yield (*within, int(tag), name), _text(element)
        except Exception:  # noqa: BLE001  pydicom converts on access and raises almost anything
            yield (*within, int(tag), "Unreadable"), "?"


def _text(element: DataElement) -> str:
    value: Any = element.value
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return "\\".join(flat_values(element))[:LONGEST]
