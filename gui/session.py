"""What a task widget may use of the application."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gui.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable

    from gui.correct import ToolName
    from gui.jobs import Jobs
    from gui.notices import Notices
    from gui.settings import SettingsFile
    from gui.studies import Studies
    from gui.views import Views


@dataclass(frozen=True)
class Session:
    """The open studies, the worker, the settings, the way to tell the user, and the views.

    `export` asks where to and saves the selected document; `background` computes what follows a
    result and takes longer than a blink; `correct` takes a correction tool, such as the brush.
    """

    studies: Studies
    jobs: Jobs
    settings: SettingsFile
    notices: Notices
    views: Views
    export: Callable[[], None]
    background: Background = field(default_factory=Background)
    correct: Callable[[ToolName], None] = lambda name: None
