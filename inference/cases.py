"""The cases of a cohort: what is read at once, and where its outputs go."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from inference import registry
from inference.errors import UserError
from inference.reading import accepts
from inference.writing import stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

NUMBERED = re.compile(r"(.+)_(\d+)")
LIST_STUDIES = "limn-dicom.list_studies"
LIST = "DICOMDIR"  # names files that are found anyway


@dataclass(frozen=True, slots=True)
class Remote:
    """A study in an archive that speaks DICOMweb; `url` is that of the service."""

    url: str
    study_uid: str

    @property
    def name(self) -> str:
        """From the hash of its UID, which may be traced to the patient."""
        return hashlib.sha256(self.study_uid.encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Case:
    """One source, and the name of its outputs below the folder for results, without an ending.

    Names follow the tree of the cohort, so that they stay the same when cases are added.
    """

    source: Path | Remote
    name: str
    deep: bool = True  # whether what is in folders inside a folder belongs to it
    taken: frozenset[str] = frozenset()  # names of other cases that its further series must avoid

    def series_name(self, index: int) -> str:
        """Of its first, second … series: name, name_2, name_3 …, whatever else is worked on."""
        free = (f"{self.name}_{number}" for number in range(2, index + len(self.taken) + 2))
        names = [self.name, *(name for name in free if name.casefold() not in self.taken)]
        return names[index]


def find(folder: Path, out: Path | None = None) -> list[Case]:
    """Everything below a folder that Limn opens, but for what is in `out`; raises UserError.

    DICOM files side by side are one case, as are numbered frames; every other file is one, and so
    is what lies in each folder inside.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: give the folder that holds the cases.")
    root = folder.absolute()
    left_out = {out.resolve()} if out else set()
    paths = list(_below(root, left_out))
    if not paths:
        raise UserError(f"{folder.name} holds nothing that Limn opens.")
    return named(paths, root)


def listed(url: str) -> list[Case]:
    """The studies of an archive that a DICOMweb search finds; raises UserError.

    `url` is that of the service, or of a search there: https://host/dicom-web/studies?StudyDate=….
    """
    service, uids = registry.command(LIST_STUDIES)(url)
    studies = [Remote(service, uid) for uid in uids]
    if not studies:
        raise UserError(f"The archive at {service} has no study of that kind.")
    return [Case(study, study.name) for study in studies]


def named(paths: Sequence[Path], root: Path | None = None) -> list[Case]:
    """A case for each path, called after its place below `root`, without one after its own name."""
    whole = [path.absolute() for path in paths]
    short = [_name(path, root, stem(path)) for path in whole]
    shared = {name for name, times in Counter(map(str.casefold, short)).items() if times > 1}
    if root is not None:  # siblings that differ in their endings keep them
        short = [
            _name(path, root, path.name) if name.casefold() in shared else name
            for path, name in zip(whole, short, strict=True)
        ]
    names = _unlike(short)
    near = _numbered(names)
    return [
        Case(path, name, root is None, frozenset(near.get(name.casefold(), ())))
        for path, name in zip(whole, names, strict=True)
    ]


def beside(folder: Path) -> tuple[Path, ...]:
    """The files of a folder that make one case, without those in folders inside; () for none."""
    reader = next((reader for reader in registry.readers() if reader.whole(folder)), None)
    if reader is None:
        return ()
    files = (file for file in sorted(folder.iterdir()) if file.is_file() and not _is_left_out(file))
    return tuple(file for file in files if reader.accepts(file))


def unlike(cases: Iterable[Case], taken: Iterable[str]) -> list[Case]:
    """The cases under names, with a number, that none of `taken` is, where case is ignored."""
    found, known = [], {name.casefold() for name in taken}
    for case in cases:
        names = (f"{case.name}_{number}" for number in count(2))
        name = next(name for name in names if name.casefold() not in known)
        known.add(name.casefold())
        found.append(replace(case, name=name))
    return found


def _below(folder: Path, left_out: set[Path]) -> Iterator[Path]:
    """`left_out` holds the folders that lead here too, so that a link cannot lead in circles."""
    together = beside(folder)
    if together:
        yield folder
    left_out = left_out | {folder.resolve()}
    for entry in sorted(set(folder.iterdir()).difference(together)):
        if _is_left_out(entry):
            continue
        if not entry.is_dir():
            if accepts(entry):
                yield entry
        elif entry.resolve() not in left_out:
            yield from _below(entry, left_out)


def _is_left_out(path: Path) -> bool:
    return path.name.startswith(".") or path.name.upper().startswith(LIST)


def _name(path: Path, root: Path | None, last: str) -> str:
    """With forward slashes on every system."""
    if root is None or path == root:
        return last
    return (path.relative_to(root).parent / last).as_posix()


def _unlike(wishes: Iterable[str]) -> list[str]:
    """The wishes, or the first of wish_2, wish_3 … that is free, also where case is ignored."""
    taken: set[str] = set()
    names = []
    for wish in wishes:
        name, number = wish, 2
        while name.casefold() in taken:
            name, number = f"{wish}_{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _numbered(names: Iterable[str]) -> dict[str, list[str]]:
    """For each name without its last number, all that have one, in small letters."""
    found: dict[str, list[str]] = {}
    for name in map(str.casefold, names):
        if match := NUMBERED.fullmatch(name):
            found.setdefault(match[1], []).append(name)
    return found
