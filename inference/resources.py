"""Files that ship with the program."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(getattr(sys, "_MEIPASS", Path(__file__).resolve().parents[1]))


def resource_path(*parts: str) -> Path:
    """A path below resources/, in a checkout as in the frozen program."""
    return ROOT.joinpath("resources", *parts)
