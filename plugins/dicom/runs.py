"""Runs (t, y, x): from one file with many frames, or from many files with one frame each.

Slices of a scan that do not say where they lie are shown like a run too, one after the other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.colour import to_grey
from inference.series import FRAMES
from plugins.dicom.acquisition import FLUOROSCOPY, acquisition, angles, biplane
from plugins.dicom.flags import flags
from plugins.dicom.header import Slice, number, numbers, text
from plugins.dicom.pixels import Shown, Stored, shown
from plugins.dicom.stacking import MIN_SLICES
from plugins.dicom.stacks import (
    ALIKE,
    ONE_FRAME,
    build,
    decode_each,
    image_geometry,
    spacing_notes,
)
from plugins.dicom.times import file_times, frame_times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from inference.series import Acquisition, Series

PAUSE = 10_000  # ms between files that are not of one run
SECTIONS = ("CT", "MR", "PT", "NM")
PLACING = {
    "ImagePositionPatient": "position",
    "ImageOrientationPatient": "orientation",
    "PixelSpacing": "pixel spacing",
}
NOWHERE = (
    "The slices state no valid {lacking}, so that it is unknown where they lie: they are shown one "
    "after the other by their numbers, and {lengths} can be measured."
)
GREYED = "The run is in colour: it was turned to grey, as X-rays are."


def build_run(entries: Sequence[Slice], stored: Stored, look: Shown, digest: str) -> Series:
    """The run in a file of several frames, or in files that make up one."""
    header, claimed = entries[0].header, max(entries[0].frames, len(stored.values))
    times, notes = frame_times(header, claimed)
    synthetic, confidence = flags(header, claimed)
    look = _x_ray_is_grey(header, look)
    series = build(
        entries, "run", look.values, look, image_geometry(header), sha256=digest,
        frame_times=_since_first(_of(times, stored)), synthetic=_of(synthetic, stored),
        confidence=_of(confidence, stored), acquisition=_kept(acquisition(header, claimed), stored),
        warnings=(*stored.notes, *look.notes, *notes, *spacing_notes(header)),
        details={} if stored.whole is None else {FRAMES: stored.whole},
    )  # fmt: skip
    return series if len(look.values) > 1 else _as_image(series)


def run_groups(slices: Sequence[Slice]) -> tuple[list[list[Slice]], list[Slice]]:
    """Files with one frame each that make runs, each run in its order, and the other files."""
    groups: dict[tuple[Any, ...], list[Slice]] = {}
    for entry in slices:
        groups.setdefault(_key(entry), []).append(entry)
    runs = [sorted(group, key=_place) for group in groups.values() if len(group) > 1]
    runs = [run for run in runs if _is_run(run)]
    taken = {id(entry) for run in runs for entry in run}
    return runs, [entry for entry in slices if id(entry) not in taken]


def read_run_files(entries: Sequence[Slice]) -> Series:
    """The run that files with one frame each make; broken ones are left out; raises UserError."""
    stored, broken = decode_each(entries)
    whole = [entries[index] for index in stored.frames]
    header, digest = whole[0].header, stored.sha256
    look = _x_ray_is_grey(header, shown(stored, [entry.header for entry in whole]))
    times, notes = _when([entry.header for entry in entries])
    series = build(
        whole, "run", look.values, look, image_geometry(header), sha256=digest,
        frame_times=_since_first(_of(times, stored)), acquisition=acquisition(header, len(whole)),
        warnings=(*broken, *look.notes, *notes, *spacing_notes(header)),
    )  # fmt: skip
    return series if len(whole) > 1 else _as_image(series)


def _key(entry: Slice) -> tuple[Any, ...]:
    """What the files of one run share; each file that is in no run has a key of its own."""
    header = entry.header
    kind = text(header, "Modality")
    if kind not in (*FLUOROSCOPY, *SECTIONS) or entry.plane is not None:
        return (str(entry.path),)
    alike = tuple(text(header, keyword) for keyword in ALIKE)
    if kind in SECTIONS:
        return alike
    return (*alike, biplane(header), text(header, "AcquisitionNumber") or angles(header))


def _place(entry: Slice) -> tuple[float, float, tuple[tuple[int, str], ...]]:
    """By the instance number, then along the table, then by the numbers in the file's name."""
    header = entry.header
    return number(header, "InstanceNumber", 0), number(header, "SliceLocation", 0), entry.name_order


def _is_run(entries: Sequence[Slice]) -> bool:
    """Single shots of one series lie far apart in time; others follow in space."""
    if text(entries[0].header, "Modality") in SECTIONS:
        return len(entries) >= MIN_SLICES
    times, _ = file_times([entry.header for entry in entries])
    return times is None or bool(np.diff(times).max() < PAUSE)


def _when(headers: Sequence[Dataset]) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    """The times of frames, and what is to be told; slices follow each other in space."""
    first = headers[0]
    if text(first, "Modality") not in SECTIONS:
        return file_times(headers)
    lacking = [PLACING[name] for name in PLACING if not numbers(first, name)] or ["place"]
    lengths = "no lengths" if "pixel spacing" in lacking else "only lengths within a slice"
    return None, (NOWHERE.format(lacking=" or ".join(lacking), lengths=lengths),)


def _x_ray_is_grey(header: Any, look: Shown) -> Shown:
    if not look.rgb or text(header, "Modality") not in FLUOROSCOPY:
        return look
    return Shown(to_grey(look.values), rgb=False, unit="", notes=(*look.notes, GREYED))


def _of(entries: tuple[Any, ...] | None, stored: Stored) -> tuple[Any, ...] | None:
    """Those of the decoded frames."""
    return None if entries is None else tuple(entries[index] for index in stored.frames)


def _since_first(times: tuple[float, ...] | None) -> tuple[float, ...] | None:
    return times and tuple(time - times[0] for time in times)


def _kept(taken: Acquisition | None, stored: Stored) -> Acquisition | None:
    """Mask frames counted among the frames that could be decoded."""
    if taken is None or stored.whole is None:
        return taken
    masks = [stored.whole.index(index) for index in taken.mask_frames if index in stored.whole]
    return replace(taken, mask_frames=tuple(masks))


def _as_image(series: Series) -> Series:
    return replace(
        series, voxels=series.voxels[0], kind="image", frame_times=None, acquisition=None,
        synthetic=None, confidence=None,
    ).warned(ONE_FRAME)  # fmt: skip
