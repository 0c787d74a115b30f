"""One rotating log for each process. Never names, paths, parameters or pixels of a patient."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import TextIOWrapper

MAX_BYTES, BACKUPS = 1_000_000, 3
FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
OURS = ("gui", "inference", "plugins")  # other libraries quote what they read from a file


class _CrashLog(RotatingFileHandler):
    """Also receives Python's stack when the process is aborted, whichever file is current."""

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        faulthandler.enable(stream)
        return stream


def start(role: str) -> Path | None:
    """Log this process to <user log folder>/<role>.log; role: window, inference, reader, cli.

    None if nothing can be written there: the process goes on without a log.
    """
    for name in ("stdout", "stderr"):  # None in a windowed program: libraries that print would fail
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 (as long as the process)
    _leave_no_core()
    path = folder() / f"{role}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _CrashLog(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8")
    except OSError:
        return None
    handler.setFormatter(logging.Formatter(FORMAT))
    for package in OURS:
        logger = logging.getLogger(package)
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    return path


def _leave_no_core() -> None:
    """What the system would keep of a crashed process is its memory, with the patients in it."""
    if sys.platform == "win32":  # keeps none unless an administrator asks for it
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def folder() -> Path:
    """Where the logs are: the user's log folder."""
    import platformdirs

    return Path(platformdirs.user_log_dir("limn", appauthor=False))


def stack(error: BaseException) -> str:
    """Where an error arose and of what kind, without its text: that may quote a file or a value."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{type(error).__name__}\n{frames}"
