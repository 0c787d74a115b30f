"""What the status bar says of the process that runs models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QLabel

if TYPE_CHECKING:
    from gui.jobs import Jobs

STATES = {
    "starting": "Starting the model process…",
    "restarting": "Restarting the model process…",
    "stopped": "The model process has stopped.",
}


class WorkerLabel(QLabel):
    """Its state, and on what it computes once it is ready."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("quiet")

    def follow(self, jobs: Jobs) -> None:
        """Show the state of this worker from now on."""
        self._jobs = jobs
        jobs.state_changed.connect(self._show)
        self._show(jobs.state)

    def _show(self, state: str) -> None:
        device = self._jobs.devices[:1]
        ready = f"Models run on {device[0].name.upper()}" if device else "Models are ready"
        self.setText(STATES.get(state, ready))
