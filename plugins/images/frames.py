"""A folder of numbered frames is one run; run.json may tell its times and more."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from inference.colour import is_grey, to_grey
from inference.errors import UserError
from inference.reading import require_memory, sha256
from inference.series import Series
from plugins.images.pictures import read_picture
from plugins.images.run_json import NAME, RunDescription, read_description
from plugins.images.tiff import read_tiff

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inference.series import Array

NUMBERED = re.compile(r"^(.*?)(\d+)(\)?)\.(png|jpe?g|bmp|tiff?)$", re.IGNORECASE)
STRAY = 3  # so many frames for each other picture in their folder
ONE_FRAME = "One frame alone is no run: it was opened as an image."
COLOUR = "The run is in colour: it can be played, but subtraction and interpolation need grey."


@dataclass(frozen=True, slots=True)
class _Frame:
    """A decoded frame: its number in the folder's order, what was stored and what is shown."""

    index: int
    stored: Array
    notes: tuple[str, ...]

    @property
    def key(self) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
        """What the frames of one run share; grey may be stored as colour."""
        return self.stored.shape[:2], self.stored.dtype


def frame_files(folder: Path) -> list[Path]:
    """The frames by their number: the largest set of pictures with one name before the number."""
    families: dict[tuple[str, ...], list[tuple[int, Path]]] = {}
    for entry in folder.iterdir():
        match = NUMBERED.match(entry.name)
        if match and not entry.name.startswith(".") and entry.is_file():
            family = (match[1], match[3], match[4].lower())
            families.setdefault(family, []).append((int(match[2]), entry))
    largest = max(families.values(), key=len, default=[])
    return [entry for _, entry in sorted(largest)]


def is_run(folder: Path, files: Sequence[Path], others: int) -> bool:
    """Whether numbered pictures, with `others` beside them, are the frames of one run."""
    if files and (folder / NAME).is_file():
        return True
    if not files or others > len(files) // STRAY:
        return False
    return "frame" in files[0].name.lower() or (len(files) > 1 and _first_is_grey(files))


def read_frames(folder: Path, files: Sequence[Path]) -> list[Series]:
    """The run (t, y, x) of these frames, or one for each size among them; raises UserError."""
    frames, broken = _decode(folder, files)
    groups: dict[object, list[_Frame]] = {}
    for frame in frames:
        groups.setdefault(frame.key, []).append(frame)
    found = [_series(folder, files, group) for group in groups.values()]
    if len(groups) > 1:
        sizes = f"The frames in {folder.name} have {len(groups)} sizes or depths: "
        broken = (*broken, f"{sizes}each was opened for itself.")
    return [series.warned(*broken) for series in found]


def _decode(folder: Path, files: Sequence[Path]) -> tuple[list[_Frame], tuple[str, ...]]:
    """The readable frames, and one sentence about the others."""
    frames: list[_Frame] = []
    broken: list[str] = []
    for index, file in enumerate(files):
        try:
            picture = _picture(file)
        except UserError as error:
            broken.append(str(error))
            continue
        if not frames:
            require_memory(folder, (len(files), *picture.voxels.shape), picture.voxels.dtype)
        frames.append(_Frame(index, picture.voxels, picture.warnings))
    if not frames:
        raise UserError(broken[0])
    left_out = f"{len(broken)} of {len(files)} frames were left out: {' '.join(broken)}"
    return frames, (left_out,) if broken else ()


def _series(folder: Path, files: Sequence[Path], frames: Sequence[_Frame]) -> Series:
    """One run, or an image where it has one frame."""
    described = read_description(folder)
    shown = _alike([frame.stored for frame in frames])
    notes = tuple(dict.fromkeys(note for frame in frames for note in frame.notes))
    series = Series(
        shown[0], "image", "XA", tuple(files[frame.index] for frame in frames),
        described.geometry(), rgb=shown[0].ndim == 3, warnings=notes,
        sha256=sha256(*(frame.stored for frame in frames)),
    )  # fmt: skip
    if len(frames) == 1:
        return series.warned(ONE_FRAME)
    return _run(series, np.stack(shown), described, files, [frame.index for frame in frames])


def _run(
    series: Series,
    voxels: Array,
    described: RunDescription,
    files: Sequence[Path],
    kept: Sequence[int],
) -> Series:
    """`kept` tells which of the folder's frames these are, for what is known of all."""
    times, notes = described.times([_number(file) for file in files])
    synthetic = described.synthetic(len(files))
    confidence = described.floats("confidence", len(files))
    return replace(
        series, voxels=voxels, kind="run", acquisition=described.acquisition(),
        frame_times=tuple(times[i] - times[kept[0]] for i in kept) if times else None,
        synthetic=tuple(synthetic[i] for i in kept) if synthetic else None,
        confidence=tuple(confidence[i] for i in kept) if confidence else None,
    ).warned(*notes, *((COLOUR,) if series.rgb else ()))  # fmt: skip


def _alike(pictures: Sequence[Array]) -> list[Array]:
    """All grey where colour shows nothing but grey, else all in colour."""
    if all(picture.ndim == 2 or is_grey(picture) for picture in pictures):
        return [to_grey(p) if p.ndim == 3 else p for p in pictures]
    return [p if p.ndim == 3 else np.repeat(p[..., None], 3, axis=-1) for p in pictures]


def _picture(file: Path) -> Series:
    if file.suffix.lower() not in {".tif", ".tiff"}:
        return read_picture(file)
    if not file.stat().st_size:
        raise UserError(f"{file.name} is empty: nothing was saved in it.")
    found = read_tiff(file)
    if len(found) > 1 or found[0].kind != "image":
        raise UserError(f"{file.name} holds several pictures: open it for itself.")
    return found[0]


def _first_is_grey(files: Sequence[Path]) -> bool:
    """Photographs are in colour, X-rays are not."""
    for file in files:
        try:
            voxels = _picture(file).voxels
        except UserError:
            continue
        return voxels.ndim == 2 or is_grey(voxels)
    return False


def _number(file: Path) -> int:
    match = NUMBERED.match(file.name)
    return int(match[2]) if match else 0
