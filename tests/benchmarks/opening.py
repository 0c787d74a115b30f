"""Seconds to open a CT of 512 x 512 x 500 in the window, beside SimpleITK and plain pydicom."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inference.series import Geometry, Series
from tests import phantoms

if TYPE_CHECKING:
    from collections.abc import Callable

SLICES, SIDE, ROUNDS = 500, 512, 3
FIRST_IMAGE = 1.0  # s
SLOWER = 1.0  # times the faster of the two others
LIMN = """
import sys, time
from pathlib import Path
from qtpy.QtWidgets import QApplication
app = QApplication(["limn"])
from gui.window import LimnWindow
from tests.conftest import wait_until
window = LimnWindow()
window.show()
wait_until(lambda: window.is_ready and window.reader.state == "ready")
wait_until(lambda: window.session.jobs.state == "ready")
settled = time.perf_counter() + 3  # as a user needs to choose a folder
wait_until(lambda: time.perf_counter() > settled)
marks = []
mark = lambda *_: (app.processEvents(), marks.append(time.perf_counter() - start))
window.opening.glimpsed.connect(mark)
window.views.shown.connect(lambda document: document is not None and mark())
start = time.perf_counter()
window.opening.open([Path(sys.argv[1])])
wait_until(lambda: len(marks) > 1)
print("found", *marks, flush=True)
window.close()
"""


def main() -> None:
    """Print the medians; exit with 1 if the window shows the image or the volume too late."""
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = _series(Path(name) / "ct")
        for _ in range(ROUNDS):  # one after the other, so that all meet the same load
            for title, seconds in _round(folder).items():
                times.setdefault(title, []).append(seconds)
    medians = {title: statistics.median(values) for title, values in times.items()}
    for title, seconds in medians.items():
        sys.stdout.write(f"{title:28} {seconds:6.2f} s\n")
    others = min(medians["SimpleITK, whole volume"], medians["pydicom, whole volume"])
    late = medians["Limn, first image"] > FIRST_IMAGE
    sys.exit(late or medians["Limn, whole volume"] > SLOWER * others)


def _round(folder: Path) -> dict[str, float]:
    first, whole = _limn(folder)
    return {
        "Limn, first image": first,
        "Limn, whole volume": whole,
        "SimpleITK, whole volume": _seconds(_with_itk, folder),
        "pydicom, whole volume": _seconds(_with_pydicom, folder),
    }


def _limn(folder: Path) -> tuple[float, float]:
    """From the wish to open until the first image, and the volume, are seen in the window."""
    with tempfile.TemporaryDirectory() as own:
        environment = os.environ | {"LIMN_CONFIG_DIR": own, "LIMN_DATA_DIR": own}
        answer = subprocess.run(
            [sys.executable, "-c", LIMN, str(folder)], env=environment, text=True,
            stdout=subprocess.PIPE, check=True,
        ).stdout  # fmt: skip
    first, whole = answer.split("found")[1].split()[:2]
    return float(first), float(whole)


def _seconds(read: Callable[[Path], object], folder: Path) -> float:
    start = time.perf_counter()
    read(folder)
    return time.perf_counter() - start


def _with_itk(folder: Path) -> object:
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return sitk.GetArrayFromImage(reader.Execute())


def _with_pydicom(folder: Path) -> object:
    """In HU and in order, as briefly as most people write it."""
    from pydicom import dcmread

    slices = [dcmread(path) for path in folder.iterdir()]
    slices.sort(key=lambda dataset: float(dataset.ImagePositionPatient[2]))
    stored = np.stack([dataset.pixel_array for dataset in slices])
    return stored.astype(np.int16) + np.int16(slices[0].RescaleIntercept)


def _series(folder: Path) -> Path:
    """A noisy body, with as many private elements as scanners write."""
    affine = np.array([[0, 0, 0.7, -179], [0, 0.7, 0, -179], [1.0, 0, 0, 100], [0, 0, 0, 1.0]])
    geometry = Geometry(affine, known=True)
    small = Series(np.zeros((SLICES, 2, 2), np.int16), "volume", "CT", (folder,), geometry)
    noise = np.random.default_rng(0).normal(0, 20, (SIDE, SIDE))
    y, x = np.ogrid[:SIDE, :SIDE]
    datasets = []
    for number, dataset in enumerate(phantoms.ct_slices(small)):
        body = ((y - 256) / 200) ** 2 + ((x - 256) / (150 + 40 * np.sin(number / 60))) ** 2 < 1
        values = np.where(body, 40, -1000) + noise + 1024
        phantoms.set_pixels(dataset, values.clip(0, 4095).astype(np.uint16), 12)
        block = dataset.private_block(0x0019, "LIMN TEST", create=True)
        for element in range(60):
            block.add_new(element, "LO", f"value {element}")
        datasets.append(dataset)
    return phantoms.save(folder, datasets)


if __name__ == "__main__":
    main()
