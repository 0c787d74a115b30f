"""What crosses the pipe between the application and a worker process."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inference.device import Device


class Priority(IntEnum):
    """Lower is more urgent and overtakes a running job at its next progress call."""

    CLICK = 0
    VOLUME = 1
    BACKGROUND = 2


@dataclass(frozen=True, slots=True)
class ArrayRef:
    """Names a block of shared memory and how to read it."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Run:
    """A complete request: nothing of an earlier one is needed to answer it."""

    job: int
    task: str  # "package.module:function"
    arrays: dict[str, ArrayRef] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    priority: Priority = Priority.VOLUME
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody wants this job's result any more."""

    job: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker takes jobs; its devices, the best one first."""

    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """The job runs, on top of the one that ran before if that has not ended."""

    job: int


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` steps; a total of 0 means unknown."""

    job: int
    done: int
    total: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Partial:
    """An intermediate result."""

    job: int
    value: Any


@dataclass(frozen=True, slots=True)
class Done:
    """The job's result."""

    job: int
    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """`sentence` is what the task told the user, empty for an error that nobody foresaw."""

    job: int
    sentence: str
    kind: str
    details: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The job noticed that it was cancelled."""

    job: int


Answer = Ready | Started | Progress | Partial | Done | Failed | Stopped
