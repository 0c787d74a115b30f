"""A cohort that is worked on while the window goes on: beside the Qt thread, told on it."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from inference.batch import keep_books
from inference.cohort import Control, LocalCrew, Watch
from inference.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from inference.cases import Case
    from inference.cohort import Crew
    from inference.headless import Request
    from inference.servers import Cluster


class QueueRun(QObject):
    """One run of a queue; give it `start`, and hear of each case and of the end."""

    earlier = Signal(object, object)  # Case that was done before, names of its results
    planned = Signal(int)  # so many cases are to be done; the others were done before
    started = Signal(object)  # Case
    progressed = Signal(object, int, int, str)
    case_ended = Signal(object)  # Outcome
    ended = Signal(object, object)  # Ledger, or None with the error that stopped it
    said = Signal(str)

    def __init__(
        self, request: Request, cases: Sequence[Case], cluster: Cluster | None, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.request, self._cases, self._cluster = request, list(cases), cluster
        self.control, self.pace = Control(), Pace(len(cases))
        self._thread = Thread(target=self._work, name="queue", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def wait(self) -> None:
        """Until it has ended, in a few seconds once it is cancelled."""
        self._thread.join()

    def _work(self) -> None:
        watch = Watch(
            self._planned,
            self.started.emit,
            self.progressed.emit,
            self._ended_one,
            self.earlier.emit,
        )
        try:
            ledger = keep_books(self.request, self._cases, self._crew, watch, self.control)
        except Exception as error:  # noqa: BLE001 (it is told on the Qt thread)
            self.ended.emit(None, error)
        else:
            self.ended.emit(ledger, None)

    def _crew(self, count: int) -> AbstractContextManager[Crew]:
        """One case at a time here: the window works too."""
        if self._cluster is None:
            return LocalCrew()
        from inference.cluster import ClusterCrew  # dask takes a second to import

        return ClusterCrew(self._cluster, self.said.emit)

    def _planned(self, count: int) -> None:
        self.pace = Pace(count)
        self.planned.emit(count)

    def _ended_one(self, outcome: object) -> None:
        self.pace.step()
        self.case_ended.emit(outcome)
