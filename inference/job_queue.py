"""Which job of a worker is next: those that wait, those that it has, what runs on top."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference.job import Job


@dataclass(slots=True)
class JobQueue:
    """Jobs by their number. Not locked: its owner holds a lock round every call."""

    waiting: dict[int, Job] = field(default_factory=dict)
    given: dict[int, Job] = field(default_factory=dict)  # to the worker
    running: list[int] = field(default_factory=list)  # the last one on top of the others

    def take(self) -> Job | None:
        """Give away the most urgent job, if the worker is idle or has something less urgent."""
        ready = [job for job in self.waiting.values() if not job.held]
        job = min(ready, key=lambda job: job.urgency, default=None)
        given = [job.request.priority for job in self.given.values()]
        if job is None or (given and job.request.priority >= max(given)):
            return None
        self.given[job.id] = self.waiting.pop(job.id)
        return job

    def begin(self, number: int) -> None:
        """The worker works on this job, on top of what it did before."""
        self.running.append(number)
        if job := self.given.get(number):
            job.begun = True

    def end(self, number: int) -> Job | None:
        """The worker is done with this job; None if it is known no more."""
        self.running.remove(number)
        return self.given.pop(number, None)

    def on_top(self, job: Job) -> bool:
        """Whether this is what the worker does at the moment."""
        return self.running[-1:] == [job.id]

    def recover(self) -> list[Job]:
        """Queue again what a lost worker had; what is lost: cancelled jobs and the one on top."""
        given, self.given = self.given, {}
        top, self.running = self.running[-1:], []
        lost = [job for job in given.values() if job.cancelled() or [job.id] == top]
        self.waiting |= {number: job for number, job in given.items() if job not in lost}
        return lost

    def give_up(self) -> list[Job]:
        """Forget all that waits, and return it."""
        jobs, self.waiting = list(self.waiting.values()), {}
        return jobs
