"""Hundreds of studies opened, run, corrected, exported and closed: what the program keeps of them.

`python -m tests.benchmarks soak --studies 20` for a short one. Exit code 1 if anything is kept.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from qtpy.QtWidgets import QApplication
from rich.console import Console
from rich.table import Table

from gui.settings import SettingsFile
from gui.window import LimnWindow
from inference import memory
from inference.shared import SHARED_MEMORY
from scripts.tour.hand import pause, wait_for
from tests.soaking import Soak

if TYPE_CHECKING:
    from collections.abc import Iterable

STUDIES, MINUTES = 300, 120
WARM_UP = 8  # studies: two of each kind, after which libraries, models and docks are loaded
MOST_GROWTH = 200  # MB, of all processes together
SETTLED = 3.0  # s, in which the last jobs and notices end


@dataclass(frozen=True)
class Holdings:
    """What the window and its workers hold, without what other programs share with them."""

    megabytes: float
    processes: int
    threads: int
    files: int
    blocks: int  # of shared memory
    documents: int  # that were closed and are still in memory


def holdings(seen: int) -> Holdings:
    """Of this process and those that it has started; `seen`: documents that are alive."""
    own = psutil.Process()
    family = [own, *own.children(recursive=True)]
    return Holdings(
        sum(process.memory_full_info().uss for process in family) / 2**20,
        len(family),
        sum(process.num_threads() for process in family),
        sum(process.num_fds() for process in family),
        len(_blocks(family)),
        seen,
    )


def _blocks(family: list[psutil.Process]) -> set[str]:
    """Blocks of shared memory that these processes have mapped, and those that nobody has."""
    left = {str(path) for path in SHARED_MEMORY.glob("psm_*")}
    others = (process for process in psutil.process_iter() if process not in family)
    return _mapped(family) | (left - _mapped(others))


def _mapped(processes: Iterable[psutil.Process]) -> set[str]:
    found: set[str] = set()
    for process in processes:
        with suppress(psutil.Error):  # it has ended, or is somebody else's
            found |= {entry.path for entry in process.memory_maps()}
    return {path for path in found if path.startswith(str(SHARED_MEMORY))}


def settle() -> None:
    """Let everything end, and give what is free back to the system, so that it is not counted."""
    pause(SETTLED)
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def visit(window: LimnWindow, folder: Path, studies: int, minutes: float) -> list[Holdings]:
    """What is held after the warm-up, after each further round of all kinds, and at the end."""
    from gui.document import Document

    soak, end, found = Soak(window, folder), time.monotonic() + 60 * minutes, []
    for number in range(studies):
        soak.visit(number)
        last = number == studies - 1 or time.monotonic() > end
        if number + 1 >= WARM_UP and ((number + 1) % WARM_UP == 0 or last):
            settle()
            alive = sum(isinstance(item, Document) for item in gc.get_objects())
            found.append(holdings(alive))
            sys.stdout.write(f"{number + 1} studies: {found[-1]}\n")
            sys.stdout.flush()
        if last:
            break
    return found


def kept(before: Holdings, after: Holdings) -> list[str]:
    """What grew more than it may."""
    allowed = {"megabytes": MOST_GROWTH, "threads": 2, "files": 2, "documents": 1}
    return [
        field.name
        for field in fields(Holdings)
        if getattr(after, field.name) - getattr(before, field.name) > allowed.get(field.name, 0)
    ]


def main() -> None:
    """Print a table; exit with 1 if something is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=STUDIES)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    wanted = parser.parse_args(sys.argv[2:])
    memory.return_freed_blocks()  # as the program does when it starts
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"LIMN_DATA_DIR": name, "LIMN_CONFIG_DIR": name, "XDG_STATE_HOME": name}
        app = QApplication.instance() or QApplication([])
        window = LimnWindow(SettingsFile(folder / "settings.json"))
        window.resize(1440, 900)
        window.show()
        wait_for(lambda: window.is_ready, "the window")
        found = visit(window, folder, max(wanted.studies, 2 * WARM_UP), wanted.minutes)
        window.close()
    app.quit()
    too_much = kept(found[0], found[-1])
    shown = Table("held", "after the warm-up", "at the end", "", title="Soak test")
    for field in fields(Holdings):
        before, after = getattr(found[0], field.name), getattr(found[-1], field.name)
        shown.add_row(
            field.name, f"{before:.0f}", f"{after:.0f}", "kept" if field.name in too_much else ""
        )
    Console().print(shown)
    sys.exit(bool(too_much))
