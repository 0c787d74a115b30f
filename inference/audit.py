"""The audit trail: who did what with which study and when, one JSON line each, only ever added to.

Each record holds the SHA-256 of the one before. A record that was changed, taken out or put in
later is noticed. Who can write to the folder can also write the whole chain anew, or cut off its
end: that is noticed only by who has noted the seal, the hash of the newest record, elsewhere.
"""

from __future__ import annotations

import errno
import getpass
import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from inference import secret
from inference.errors import UserError
from inference.resources import config_folder, data_folder
from inference.writing import write_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from inference.series import Series

FIRST = "0" * 64  # what the first record holds in place of a hash
MAX_BYTES = 4_000_000  # of one file; the next record begins another, and none is deleted
LONGEST = 64_000  # bytes of one record
PATIENCE = 5.0  # seconds to wait for another process that is writing
PATTERN = "audit-*.jsonl"


@dataclass(frozen=True, slots=True)
class Record:
    """One line; `facts` holds what the event is about, in plain values."""

    number: int
    time: str  # UTC, ISO 8601
    user: str  # of the operating system
    event: str  # opened, ran, edited, exported, de-identified …
    study: str  # keyed hash of the study's UID, "" if it was about none
    facts: dict[str, Any]
    previous: str
    hash: str = ""

    def sealed(self) -> Record:
        """With the hash of everything else in it."""
        content = {name: value for name, value in asdict(self).items() if name != "hash"}
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return replace(self, hash=hashlib.sha256(text.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at the whole chain found; no problems: nothing was changed."""

    records: int
    seal: str  # the hash of the newest record
    problems: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """In one sentence."""
        count = f"{self.records} record{'' if self.records == 1 else 's'}"
        if self.problems:
            return f"{count}, and the chain is broken: {self.problems[0]}"
        return f"{count}, each fits the one before. Seal: {self.seal[:16]}"


class Trail:
    """The records in one folder; several processes may write at once."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or data_folder() / "audit"

    def write(self, event: str, study: str = "", **facts: Any) -> Record:
        """Add a record, whole or not at all; raises UserError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "lock", timeout=PATIENCE):
                return self._append(event, study, facts)
        except (OSError, Timeout) as error:
            reason = getattr(error, "strerror", "") or "another program keeps it"
            raise UserError(
                f"The audit trail in {self.folder} cannot be written ({reason}): what is done from "
                "now on is not recorded."
            ) from error

    def lines(self) -> Iterator[tuple[Path, int, Record | None]]:
        """File, line and record from the oldest on; None for a line that is none. UserError."""
        try:
            for path in self._files():
                with path.open("rb") as file:
                    for number, line in enumerate(file, 1):
                        yield path, number, _parsed(line)
        except OSError as error:
            raise UserError(
                f"The audit trail in {self.folder} cannot be read ({error.strerror})."
            ) from error

    def records(self) -> list[Record]:
        """All that can be read, the oldest first; raises UserError."""
        return [record for _, _, record in self.lines() if record is not None]

    def verify(self) -> Verdict:
        """Whether every record is as it was written and where it was; raises UserError."""
        found = list(self.lines())
        problems = [
            f"{path.name}, line {line} is no record." for path, line, record in found if not record
        ]
        whole = [(path, line, record) for path, line, record in found if record]
        for path, line, record in whole:
            if record.sealed().hash != record.hash:
                problems.append(f"{path.name}, line {line} was changed.")
        if whole and whole[0][2].previous != FIRST:
            problems.append(f"records before {whole[0][0].name} are missing.")
        for (_, _, before), (path, line, record) in pairwise(whole):
            if (record.previous, record.number) != (before.hash, before.number + 1):
                problems.append(f"{path.name}, line {line} does not follow the record before it.")
        seal = whole[-1][2].hash if whole else FIRST
        return Verdict(len(whole), seal, tuple(problems))

    def export(self, path: Path) -> int:
        """Write all records as a table; how many there are. Raises UserError."""
        records = self.records()
        write_csv(path, [_row(record) for record in records])
        return len(records)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(PATTERN))

    def _append(self, event: str, study: str, facts: Mapping[str, Any]) -> Record:
        files = self._files()
        before = next((record for path in reversed(files) if (record := _last(path))), None)
        record = Record(
            before.number + 1 if before else 1,
            datetime.now(UTC).isoformat(timespec="milliseconds"),
            user(),
            event,
            study,
            dict(facts),
            before.hash if before else FIRST,
        ).sealed()
        if not files or files[-1].stat().st_size > MAX_BYTES:
            files.append(self.folder / f"audit-{len(files) + 1:05d}.jsonl")
        _add_line(files[-1], json.dumps(asdict(record), ensure_ascii=False))
        return record


class Notebook:
    """Writes down what happens; where that fails it says so once, and the work goes on."""

    def __init__(self, tell: Callable[[str], None] = lambda sentence: None) -> None:
        self._tell = tell
        self._told = False

    def note(
        self, event: str, series: Series | None = None, *, study_uid: str = "", **facts: Any
    ) -> None:
        """Add a record about a series, a study or none; any thread may."""
        try:
            study = keyed(study_uid) if study_uid else ""
            if series is not None:
                study = study_hash(series)
                facts = {"kind": series.kind, "modality": series.modality} | facts
            Trail().write(event, study, **facts)
        except UserError as error:
            if not self._told:
                self._told = True
                self._tell(str(error))


def names_hidden() -> bool:
    """Whether the user wants patient names hidden, as the settings of the window have it."""
    asked = os.environ.get("LIMN_HIDE_PATIENT_NAMES", "").lower()
    try:
        settings = json.loads((config_folder() / "settings.json").read_text("utf-8"))
        chosen = settings.get("hide_patient_names")
    except (OSError, ValueError, AttributeError):
        chosen = None
    return asked in {"1", "true", "yes", "on"} if chosen is None else bool(chosen)


def study_hash(series: Series) -> str:
    """Stands for a study, or for the pixels of a file that names none; raises UserError."""
    return keyed(series.identity.study_uid or series.sha256)


def keyed(text: str) -> str:
    """A short hash that nobody without this user's secret key can find by trying."""
    return secret.digest(secret.key("audit"), text)[:12].hex()


def place(path: Path, hidden: bool) -> str:
    """A path as records name it: its name may tell the patient, so where that is hidden, a hash."""
    return f"hidden {keyed(str(path))}" if hidden else str(path)


def user() -> str:
    """Who uses this computer, by the operating system."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # such as in a container without a table of users
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


def _last(path: Path) -> Record | None:
    """The newest record of a file, whose last line may have been cut off."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2 * LONGEST))
        lines = file.read().splitlines()
    return next((record for line in reversed(lines) if (record := _parsed(line))), None)


def _add_line(path: Path, text: str) -> None:
    """On the disk when this returns; on failure the file is as it was before."""
    line = text.encode() + b"\n"
    if len(line) > LONGEST:
        raise OSError(errno.EMSGSIZE, "the record is too long")
    with path.open("ab", buffering=0) as file:  # a buffer would try again when it is closed
        size = os.fstat(file.fileno()).st_size
        whole = b"\n" + line if size and not _ends_line(path) else line
        try:
            written = file.write(whole)
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), size)
            raise
        if written != len(whole):
            os.ftruncate(file.fileno(), size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _ends_line(path: Path) -> bool:
    """Whether the last line is whole: a computer that lost its power may have left half of one."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _parsed(line: bytes) -> Record | None:
    try:
        record = Record(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    fields = (record.number, record.time, record.event, record.hash, record.previous, record.facts)
    kinds = (int, str, str, str, str, dict)
    return record if all(map(isinstance, fields, kinds)) else None


def _row(record: Record) -> dict[str, Any]:
    facts = json.dumps(record.facts, ensure_ascii=False)
    return asdict(record) | {"facts": facts}
