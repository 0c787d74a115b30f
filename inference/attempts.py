"""Reading once more, without the file whose decoder ended the reader process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inference.arrivals import Decoding
from inference.job import WorkerCrashed

if TYPE_CHECKING:
    from pathlib import Path

READ = "inference.reading:read_job"
STREAM = "inference.reading:stream_job"
MOST = 8
"""Files that are left out of one folder before it is given up: each ends a process."""


@dataclass
class Attempt:
    """One reading of a path; `heard` takes the partial results of the job."""

    path: Path
    barred: tuple[str, ...] = ()
    file: str = ""  # the last one that was given to a decoder, as `reading.decoding` marks it

    @property
    def params(self) -> dict[str, Any]:
        """What the jobs `READ` and `STREAM` are asked."""
        return {"path": str(self.path), "barred": self.barred}

    def heard(self, arrival: object) -> None:
        """Note which file a decoder gets next."""
        if isinstance(arrival, Decoding):
            self.file = arrival.mark

    def again(self, error: BaseException) -> Attempt | None:
        """The next attempt after this error, None if it would end like this one."""
        if not isinstance(error, WorkerCrashed) or not self.file or len(self.barred) == MOST:
            return None
        return Attempt(self.path, (*self.barred, self.file))
