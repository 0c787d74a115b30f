"""The support bundle: a zip with versions, device, settings and logs, and nothing of a patient."""

from __future__ import annotations

import json
import platform
import sys
import zipfile
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from inference import checkup, logs
from inference.errors import UserError
from inference.resources import config_folder
from inference.version import VERSION

TOLD = ("theme", "device", "shortcuts", "lock_finished", "preview_clicks", "export_formats")
"""The settings that are sent: no folder, file, archive or name."""


def write(path: Path) -> Path:
    """Write the bundle to `path`; raises UserError."""
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr("limn.json", json.dumps(_facts(), indent=1))
            for log in sorted(logs.folder().glob("*.log*")):
                bundle.writestr(f"logs/{log.name}", _homeless(log.read_text("utf-8", "replace")))
    except OSError as error:
        raise UserError(f"The support bundle cannot be written to {path}: choose another place."
                        ) from error  # fmt: skip
    return path


def _facts() -> dict[str, Any]:
    return {
        "limn": VERSION,
        "frozen": bool(getattr(sys, "frozen", False)),
        "python": platform.python_version(),
        "system": platform.platform(),
        "check": [asdict(finding) for finding in checkup.checkup()],
        "packages": {found.name: found.version for found in sorted(
            distributions(), key=lambda found: found.name.casefold())},
        "settings": _settings(),
    }  # fmt: skip


def _settings() -> dict[str, Any]:
    try:
        stored = json.loads((config_folder() / "settings.json").read_text("utf-8"))
        return {name: stored[name] for name in TOLD if name in stored}
    except (OSError, ValueError, TypeError):
        return {}


def _homeless(text: str) -> str:
    """Without the name of the user's folder, which is often the user's own."""
    return text.replace(str(Path.home()), "~")
