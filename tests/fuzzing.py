"""Read mutated DICOM files one after the other: python -m tests.fuzzing SEED COUNT.

Prints what went wrong: any exception but UserError, a refusal that is no sentence, a hang, a crash
of Limn itself, memory above 2 GB. An abort within GDCM is expected: reading has its own process.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np
import pydicom

from inference.errors import UserError
from inference.label_files import read_job
from inference.object_files import Objects, header
from inference.reading import read
from inference.series import Geometry
from inference.worker import JobContext
from inference.writing import Segment
from plugins.dicom.load import load_series
from plugins.dicom.write_rtstruct import write_rtstruct
from plugins.dicom.write_seg import write_binary
from tests import phantoms, scanners

ZOO = Path(__file__).parents[2] / "shared/data/dicom_zoo/files"
LARGEST_SEED = 100_000  # bytes
HANG = 5  # seconds of computing
MEMORY = 2 * 2**20  # KiB


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Cut off, or with bytes changed, left out or added, mostly in the header."""
    data, kind = bytearray(content), chance.random()
    if kind < 0.25:
        return bytes(data[: chance.randrange(len(data))])
    top = len(data) if chance.random() < 0.3 else min(len(data), 3000)
    if kind < 0.85:
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            data[chance.randrange(top)] = chance.choice(
                (0, 1, 127, 128, 255, chance.randrange(256))
            )
        return bytes(data)
    place, length = chance.randrange(top), chance.randrange(1, 40)
    if chance.random() < 0.5:
        del data[place : place + length]
    else:
        data[place:place] = chance.randbytes(length)
    return bytes(data)


def seeds(folder: Path) -> list[bytes]:
    """Small files of every kind."""
    run = phantoms.angiogram(folder / "xa.dcm", phantoms.run(), FrameTime="40")
    frames = scanners.enhanced(folder / "enhanced.dcm", stacks=2, times=2, turned=True)
    camera = scanners.camera(folder / "camera.dcm", "DYNAMIC")
    made = [run, frames, camera, scanners.mosaic(folder / "mosaic.dcm"), *objects(frames)]
    for path in made:
        settle(path)
    zoo = sorted(ZOO.iterdir()) if ZOO.is_dir() else []
    return [path.read_bytes() for path in [*made, *zoo] if path.stat().st_size < LARGEST_SEED]


def objects(image: Path) -> list[Path]:
    """A segmentation and a structure set on the first volume of a file, and parts of an image."""
    series = load_series(image)[0]
    labels = np.zeros(series.voxels.shape, np.uint8)
    labels[2:5, 2:7, 2:7], labels[3, 4, 4] = 1, 0
    drawn = Objects(header(series), labels, None, (Segment(1, "Liver", "#ff0000"),), ())
    whole = scanners.enhanced(image.with_name("whole.dcm"))
    parts = scanners.concatenated(whole, (3, 4))
    stem = image.with_name("drawn")
    return [*write_binary(drawn, stem), *write_rtstruct(drawn, stem), parts[0]]


def settle(path: Path) -> None:
    """Take away what differs each time that a file is made: the same seed is the same files."""
    dataset = pydicom.dcmread(path)
    for element in [*dataset.file_meta, *dataset.iterall()]:
        if element.VR == "UI" and not str(element.value).startswith("1.2.840.10008"):
            element.value = "2.25.7"
        elif element.VR in {"DA", "TM", "DT"}:
            element.value = None
    dataset.save_as(path)


def trouble(path: Path) -> str:
    """What is wrong with how a file is read, as an image and as a mask, or ""; in this process."""
    for reading in (read, as_mask):
        try:
            reading(path)
        except UserError as refusal:
            sentence = str(refusal)
            if not sentence.endswith(".") or "\n" in sentence:
                return f"no sentence: {sentence}"
        except Exception:  # noqa: BLE001
            return traceback.format_exc()
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{used // 1024} MB" if used > MEMORY else ""


def as_mask(path: Path) -> None:
    """Onto a small grid, if the file may hold objects."""
    if any(kind in path.read_bytes()[:2000] for kind in (b"SEG", b"RTSTRUCT")):
        read_job(JobContext("cpu"), str(path), Geometry(), (9, 9, 9))


def read_on(folder: Path, seed: int, start: int, count: int) -> None:
    """Read the files from number `start` on, in this process, and write down what is wrong."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # codecs write there
    originals = seeds(folder)
    for index in range(start, count):
        (folder / "begun").write_text(str(index))
        chance = random.Random(f"{seed} {index}")
        path = folder / f"mutated_{index}.dcm"
        path.write_bytes(mutated(chance.choice(originals), chance))
        signal.setitimer(signal.ITIMER_PROF, HANG)  # of computing; it ends the process
        if found := trouble(path):
            keep(path, seed, found)
        path.unlink()


def keep(path: Path, seed: int, found: str) -> None:
    """Beside the temporary folder, for a look."""
    kept = Path(tempfile.gettempdir()) / f"limn_fuzz_{seed}_{path.name}"
    kept.write_bytes(path.read_bytes())
    sys.stdout.write(f"{kept}: {found}\n")
    sys.stdout.flush()


def main(seed: int, count: int) -> None:
    """Go on with the next file in another process where one has ended a process or hung."""
    start = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds(folder)
        read(folder / "xa.dcm")  # imports, once for all children
        while start < count:
            child = os.fork()
            if child == 0:
                read_on(folder, seed, start, count)
                os._exit(0)
            ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            begun = int((folder / "begun").read_text())
            path = folder / f"mutated_{begun}.dcm"
            if ended == -signal.SIGPROF:
                keep(path, seed, f"more than {HANG} s")
            elif ended > 0:
                keep(path, seed, f"ended with {ended}")
            start = begun + 1 if ended else count


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
