"""Slow jobs go to the cluster that the settings name; what is quick, and all clicks, stays here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference.messages import Priority
from inference.registry import tasks

if TYPE_CHECKING:
    from gui.jobs import Jobs
    from gui.settings import Settings, SettingsFile
    from inference.cluster_jobs import RemoteClient


class Remote:
    """Follows the settings; a connection is made with the first job."""

    def __init__(self, jobs: Jobs, settings: SettingsFile) -> None:
        self._jobs = jobs
        self.slow = {task.entry for task in tasks().values()}
        self._client: RemoteClient | None = None
        jobs.elsewhere = self._elsewhere
        settings.changed.connect(self._apply)
        self._apply(settings.now)

    def close(self) -> None:
        """Give up what runs there."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def _elsewhere(self, task: str, priority: Priority) -> RemoteClient | None:
        """Whole images are slow without a graphics card."""
        here = self._jobs.devices
        quick = bool(here) and here[0].name != "cpu"
        slow = task in self.slow and priority is not Priority.CLICK and not quick
        return self._client if slow else None

    def _apply(self, now: Settings, old: Settings | None = None) -> None:
        if old is not None and now.cluster == old.cluster:
            return
        self.close()
        if now.cluster is not None:
            from inference.cluster_jobs import RemoteClient

            self._client = RemoteClient(now.cluster)
