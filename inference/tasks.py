"""What a vertical offers: one `Task` in its task.py feeds the window, the command line, cohorts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inference import object_files
from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from inference.measured import Findings
    from inference.series import Kind, Series


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that the user may set; `choices` limits a text."""

    name: str
    title: str
    default: Any
    kind: type
    choices: tuple[str, ...] = ()
    help: str = ""

    def parse(self, text: str) -> Any:
        """The value written as `text`; raises UserError."""
        if self.kind is bool and text.lower() in {"true", "false", "1", "0", "yes", "no"}:
            return text.lower() in {"true", "1", "yes"}
        try:
            value = self.kind(text) if self.kind is not bool else None
        except ValueError:
            value = None
        if value is None or (self.choices and value not in self.choices):
            wanted = " or ".join(self.choices) or f"a value of type {self.kind.__name__}"
            raise UserError(f"Setting {self.name}={text} is not valid: give {wanted}.")
        return value


FILES = Setting("files", "Further files", "", str,
                help="kinds between commas, such as seg,rtstruct,stl,report")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """A vertical's entry points; arrays in `request` and results are in canonical order."""

    name: str
    title: str
    summary: str
    version: str
    entry: str  # "package.module:function" that the worker calls
    suits: Callable[[Series], bool]
    settings: tuple[Setting, ...]
    request: Callable[[Series, Mapping[str, Any]], tuple[dict[str, Any], dict[str, Any]]]
    write: Callable[[Series, Mapping[str, Any], Path], dict[str, Any]]
    estimate_bytes: Callable[[Series, Mapping[str, Any]], int]
    widget: str = ""
    made_for: Kind | None = None  # the kind of image for which it is offered before others
    findings: Callable[[Series, Mapping[str, Any]], Findings] | None = None
    """What a result holds, under coded names: objects by the values of its "labels", and what was
    measured. From it come the DICOM files that the window and `run … --set files=…` write."""

    def defaults(self) -> dict[str, Any]:
        """Every setting at its default."""
        return {setting.name: setting.default for setting in self.settings}

    def own(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Those of `settings` that are this task's, without what every task is asked for."""
        return {name: value for name, value in settings.items() if name != FILES.name}

    def parse(self, assignments: Mapping[str, str]) -> dict[str, Any]:
        """Defaults overridden by NAME=VALUE texts; raises UserError for unknown names."""
        offered = (*self.settings, *([FILES] if self.findings else []))
        known = {setting.name: setting for setting in offered}
        for name in assignments:
            if name not in known:
                raise UserError(
                    f"Task {self.name} has no setting {name}: choose from {', '.join(known)}."
                )
        object_files.named(assignments.get(FILES.name, ""))
        return self.defaults() | {name: known[name].parse(v) for name, v in assignments.items()}
