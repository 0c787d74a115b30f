"""How soon the window is shown, against bare napari on the same machine at the same time."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS, LIMIT = 3, 1.25
NAPARI = """
import napari
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer(show=True)
QApplication.processEvents()
print("shown", flush=True)
"""
LIMN = """
from qtpy.QtWidgets import QApplication
app = QApplication(["limn"])
app.setStyle("Fusion")
from gui.window import LimnWindow
window = LimnWindow()
window.ready.connect(app.quit)
window.show()
app.processEvents()
print("shown", flush=True)
app.exec()
print("usable", flush=True)
window.close()
"""


def main() -> None:
    """Print the medians; exit with 1 if the window comes up too late."""
    times: dict[str, list[float]] = {"napari shown": [], "Limn shown": [], "Limn usable": []}
    for _ in range(ROUNDS):
        times["napari shown"] += _milestones(NAPARI)
        shown, usable = _milestones(LIMN)
        times["Limn shown"].append(shown)
        times["Limn usable"].append(usable)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, seconds in medians.items():
        sys.stdout.write(f"{name:14} {seconds:6.2f} s\n")
    ratio = medians["Limn shown"] / medians["napari shown"]
    sys.stdout.write(f"Limn is shown after {ratio:.2f} of napari's time (limit {LIMIT})\n")
    sys.exit(ratio > LIMIT)


def _milestones(code: str) -> list[float]:
    """Seconds from the start of a fresh process to each line that it writes."""
    with tempfile.TemporaryDirectory() as folder:
        own = os.environ | {"LIMN_CONFIG_DIR": folder, "NAPARI_CONFIG": f"{folder}/napari.yaml"}
        started, found = time.perf_counter(), []
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=own) as run:
            for _ in run.stdout or ():
                found.append(time.perf_counter() - started)
    return found
