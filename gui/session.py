"""What a task widget may use of the application."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gui.background import Background

if TYPE_CHECKING:
    from gui.jobs import Jobs
    from gui.notices import Notices
    from gui.settings import SettingsFile
    from gui.studies import Studies
    from gui.views import Views


@dataclass(frozen=True)
class Session:
    """The open studies, the worker, the settings, the way to tell the user, and the views.

    `background` computes what follows a result and takes longer than a blink.
    """

    studies: Studies
    jobs: Jobs
    settings: SettingsFile
    notices: Notices
    views: Views
    background: Background = field(default_factory=Background)
