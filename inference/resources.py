"""Files that ship with the program, and where it keeps what it was given."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(getattr(sys, "_MEIPASS", Path(__file__).resolve().parents[1]))


def resource_path(*parts: str) -> Path:
    """A path below resources/, in a checkout as in the frozen program."""
    return ROOT.joinpath("resources", *parts)


def data_folder() -> Path:
    """The user's folder of what Limn keeps, such as received studies; LIMN_DATA_DIR names another.

    Who makes a folder in it names it without patient data.
    """
    import platformdirs

    kept = os.environ.get("LIMN_DATA_DIR") or platformdirs.user_data_dir("limn", appauthor=False)
    return Path(kept)


def config_folder() -> Path:
    """The folder of the user's settings; LIMN_CONFIG_DIR names another."""
    import platformdirs

    kept = os.environ.get("LIMN_CONFIG_DIR")
    return Path(kept or platformdirs.user_config_dir("limn", appauthor=False))
