"""Processes that draw and are killed at random moments; what is left is checked; JSON to stdout.

One process loads everything and forks the others, as loading takes far longer than drawing.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QCoreApplication, QTimer

from gui import keeping, project_file, recovery
from gui.autosave import Autosave
from gui.display import Display
from gui.document import Document
from gui.project import Project
from gui.voxel_edit import VoxelEdit
from inference.box import Box
from inference.series import Series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHAPE = (12, 48, 64)
KEY = "1"
LONGEST_BEHIND = 2.0  # s, as promised
AT_ONCE = 3  # that draw, while they are killed one after the other


def document() -> Document:
    """An empty volume."""
    voxels = np.zeros(SHAPE, np.int16)
    made = Document(Series(voxels, "volume", "CT", (Path("/nowhere/ct.nii.gz"),), sha256="0"))
    made.root = Path("/nowhere/ct.nii.gz")
    return made


def step(drawn: Document, number: int) -> None:
    """The same at each number: a stroke, an object, a result of a model, undo or redo."""
    chance = random.Random(number)
    kind = chance.random()
    drawn.results["step"] = {"number": number}
    if not drawn.objects or (kind < 0.05 and len(drawn.objects) < 9):
        drawn.add_object(f"Object of step {number}")
    elif kind < 0.15:
        drawn.history.undo()
    elif kind < 0.2:
        drawn.history.redo()
    elif kind < 0.22:
        labels = np.zeros(SHAPE, np.uint8)
        labels[chance.randrange(12)] = 1
        drawn.set_ai_result(labels, list(drawn.objects.values())[:1], "Model")
    else:
        stroke(drawn, chance)


def stroke(drawn: Document, chance: random.Random) -> None:
    """Several small changes that are one step of the history."""
    value = chance.choice(list(drawn.objects))
    with drawn.history.group("Stroke"):
        for _ in range(4):
            corner = tuple(chance.randrange(n - 4) for n in SHAPE)
            box = Box(corner, tuple(a + 4 for a in corner))
            drawn.apply(VoxelEdit.of(drawn.labels, box, np.full(box.shape, value, np.uint8), "S"))


def mark(drawn: Document) -> int:
    """A number that tells states apart."""
    ai = b"" if drawn.ai_labels is None else drawn.ai_labels.tobytes()
    named = repr([(item.id, item.name, item.locked) for item in drawn.objects.values()])
    return zlib.crc32(named.encode(), zlib.crc32(ai, zlib.crc32(drawn.labels.tobytes())))


def autosave(drawn: Document, folder: Path) -> Autosave:
    """As in the window."""
    display = Display.of(drawn)
    made = Autosave(
        lambda key, one: keeping.saved(key, one, display, {}),
        lambda documents: Project(documents, saved="2026-01-01T00:00:00+00:00"),
        folder,
    )
    made.follow(KEY, drawn)
    return made


def draw_on(folder: Path, pipe: int) -> None:
    """Step after step, kept by nothing but the autosave's own clock."""
    draw(folder, pipe, looks=False)


def draw(folder: Path, pipe: int, *, looks: bool = True) -> None:
    """Step after step; tells of each when it was finished, and of what is surely kept."""
    app = QCoreApplication([])
    drawn, done = document(), [0]
    keeper = autosave(drawn, folder)

    def tell(word: str, number: int) -> None:
        os.write(pipe, f"{word} {number} {time.monotonic()}\n".encode())

    def go_on() -> None:
        done[0] += 1
        step(drawn, done[0])
        tell("done", done[0])

    def look() -> None:
        keeper.write()
        number = done[0]
        if keeper.wait(30):
            tell("kept", number)

    drawing, looking = QTimer(interval=3), QTimer(interval=170)
    drawing.timeout.connect(go_on)
    looking.timeout.connect(look)
    drawing.start()
    if looks:
        looking.start()
    app.exec()


def save(path: Path, pipe: int) -> None:
    """Save one project after the other, the number of the saving as a label."""
    drawn = document()
    drawn.add_object("All")
    saved, _ = keeping.saved(KEY, drawn, Display.of(drawn), {})
    number = 0
    while True:
        number += 1
        labels = np.full(SHAPE, number % 256, np.uint8)
        project = Project((saved,), revision=str(number))
        project_file.write(path, project, [(KEY, "labels", labels)])
        os.write(pipe, f"kept {number} {time.monotonic()}\n".encode())


@dataclass
class Child:
    """A forked process, and what it has said."""

    process: int
    pipe: int
    folder: Path
    lines: list[tuple[str, int, float]]

    def listen(self, until: Callable[[], bool]) -> None:
        """Gather what it says until something is so."""
        rest = b""
        while not until():
            if select.select([self.pipe], [], [], 0.005)[0]:
                *whole, rest = (rest + os.read(self.pipe, 1 << 16)).split(b"\n")
                for line in whole:
                    word, number, when = line.split()
                    self.lines.append((word.decode(), int(number), float(when)))

    def kill(self) -> float:
        """Kill it; when."""
        os.kill(self.process, signal.SIGKILL)
        now = time.monotonic()
        os.waitpid(self.process, 0)
        os.close(self.pipe)
        return now

    def last(self, word: str, before: float = float("inf")) -> int:
        """The highest number that it has said so of."""
        return max((n for w, n, when in self.lines if w == word and when <= before), default=0)


def fork(work: Callable[[Path, int], None], folder: Path) -> Child:
    """Do something in a process of its own."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        work(folder, writing)
        os._exit(1)
    os.close(writing)
    return Child(process, reading, folder, [])


def states(count: int) -> list[int]:
    """The mark of each state, from none to so many steps."""
    drawn = document()
    marks = [mark(drawn)]
    for number in range(1, count + 1):
        step(drawn, number)
        marks.append(mark(drawn))
    return marks


def recovered(folder: Path) -> tuple[int, int]:
    """The number of the last step that was kept, and the mark of what was kept."""
    found = recovery.find(folder)
    if not found:
        return 0, states(0)[0]
    (left,) = found
    (saved,) = left.project.documents
    again = keeping.filled(saved, document().series, left.file)
    left.close()
    return int(again.results["step"]["number"]), mark(again)


def after_drawing(child: Child) -> dict[str, Any]:
    """Kill a drawing process and look at what it has left."""
    killed = child.kill()
    number, found = recovered(child.folder)
    return {
        "killed": killed,
        "number": number,
        "mark": found,
        "kept": child.last("kept"),
        "old": child.last("done", killed - LONGEST_BEHIND),
        "done": child.last("done"),
    }


def killed_drawing(root: Path, rounds: int, together: int) -> Iterator[dict[str, Any]]:
    """Killed soon after the first step; and some together, after more than the promised delay."""
    chance = random.Random(1)
    for first in range(0, rounds, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, rounds))
        for child in [fork(draw, root / f"short{number}") for number in numbers]:
            child.listen(lambda child=child: child.lines)
            end = time.monotonic() + chance.uniform(0.0, 0.45 / AT_ONCE)
            child.listen(lambda end=end: time.monotonic() > end)
            yield after_drawing(child)
    children = [fork(draw_on, root / f"long{number}") for number in range(together)]
    end = time.monotonic() + LONGEST_BEHIND + 1
    for child in children:
        child.listen(lambda end=end: time.monotonic() > end)
        end += 0.1
    yield from map(after_drawing, children)


def killed_saving(root: Path, rounds: int) -> Iterator[dict[str, Any]]:
    """Killed while it saves: the project is always one of those that were saved, and whole."""
    chance = random.Random(2)
    root.mkdir()
    path = root / "work.limn"
    for _ in range(rounds):
        child = fork(save, path)
        child.listen(lambda child=child: child.last("kept") > 0)
        end = time.monotonic() + chance.uniform(0, 0.05)
        child.listen(lambda end=end: time.monotonic() > end)
        child.kill()
        with project_file.ProjectFile(path) as file:
            (saved,) = file.project.documents
            labels = file.array(KEY, "labels", saved.arrays["labels"])
        yield {
            "revision": int(file.project.revision),
            "labels": np.unique(labels).tolist(),
            "kept": child.last("kept"),
        }


def main(root: Path, short: int, together: int, saving: int) -> None:
    """Kill so many of each."""
    drawn = list(killed_drawing(root, short, together))
    marks = states(max((one["number"] for one in drawn), default=0))
    for one in drawn:
        one["expected"] = marks[one["number"]]
    report = {"drawing": drawn, "saving": list(killed_saving(root / "saving", saving))}
    sys.stdout.write(f"{json.dumps(report)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
