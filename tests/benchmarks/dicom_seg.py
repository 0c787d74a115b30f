"""Seconds and memory of writing large DICOM SEG and RTSTRUCT, and of opening them again."""

from __future__ import annotations

import math
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from inference.label_files import read_job
from inference.object_files import Objects, header
from inference.series import Geometry, Identity, Series
from inference.worker import JobContext
from inference.writing import Segment
from plugins.dicom.write_rtstruct import write_rtstruct
from plugins.dicom.write_seg import write_binary, write_labelmap
from tests import phantoms

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from inference.series import Array

SLICES, SIDE, SEGMENTS = 500, 512, 20
LIMIT = 10.0  # s


def main() -> None:
    """A chest and abdomen of 512 x 512 x 500 with 20 organs, each over a part of the slices."""
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        objects = _objects(Path(folder))
        before, slowest = process.memory_info().rss, 0.0
        for write in (write_binary, write_labelmap, write_rtstruct):
            start, busy = time.perf_counter(), time.process_time()
            (path,) = write(objects, Path(folder) / "case")
            slowest = max(slowest, _told(f"{write.__name__}", start, busy, path))
            start, busy = time.perf_counter(), time.process_time()
            grid = objects.series.canonical_geometry
            found = read_job(JobContext("cpu"), str(path), grid, objects.labels.shape)
            slowest = max(slowest, _told("  opened as objects again", start, busy))
            if not np.array_equal(found.labels != 0, objects.labels != 0):
                sys.exit("other voxels came back")
        kept = (process.memory_info().rss - before) / 2**20
        _say(f"memory kept afterwards: {kept:.0f} MiB over the labels of {_labels_mib():.0f} MiB")
    if slowest > LIMIT:
        sys.exit(f"slower than {LIMIT} s")


def _told(what: str, start: float, busy: float, path: Path | None = None) -> float:
    """Say how long something took; its seconds of one core."""
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    size = f", {path.stat().st_size / 2**20:.0f} MiB" if path else ""
    _say(f"{what}: {seconds:.1f} s ({busy:.1f} s of one core){size}")
    return busy


def _objects(folder: Path) -> Objects:
    affine = np.array([[0, 0, 0.7, 0], [0, 0.7, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1.0]])
    geometry = Geometry(affine, known=True)
    small = Series(np.zeros((SLICES, 2, 2), np.int16), "volume", "CT", (folder,), geometry)
    paths = []
    for number, dataset in enumerate(phantoms.ct_slices(small)):
        _enlarge(dataset)
        paths.append(folder / f"{number:04d}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    series = replace(small, paths=tuple(paths), identity=Identity(series_uid="2.25.7"))
    segments = [Segment(n, f"Organ {n}", "#ff0000") for n in range(1, SEGMENTS + 1)]
    return Objects(header(series), _organs(), None, tuple(segments), ())


def _enlarge(dataset: Dataset) -> None:
    dataset.Rows = dataset.Columns = SIDE
    dataset.FrameOfReferenceUID = "2.25.8"
    del dataset.PixelData


def _organs() -> Array:
    """Ellipsoids on a grid of 4 x 5, of 60 to 260 slices each."""
    labels = np.zeros((SLICES, SIDE, SIDE), np.uint8)
    z, y, x = np.ogrid[:SLICES, :SIDE, :SIDE]
    for number in range(SEGMENTS):
        down, right = 64 + 128 * (number // 5), 50 + 100 * (number % 5)
        half = 30 + 100 * (number / (SEGMENTS - 1))
        middle = SLICES * (0.3 + 0.4 * math.sin(number) ** 2)
        distance = ((z - middle) / half) ** 2 + ((y - down) / 60) ** 2 + ((x - right) / 45) ** 2
        labels[distance < 1] = number + 1
    return labels


def _labels_mib() -> float:
    return SLICES * SIDE * SIDE / 2**20


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
