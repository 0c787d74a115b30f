"""The files in which the objects of an image leave Limn, written by another process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import numpy as np

from inference.errors import UserError
from inference.registry import load
from inference.writing import NOTICE, Segment, write_csv, write_labels, write_png

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from inference.measured import Measured
    from inference.series import Array, Kind, Series
    from inference.worker import JobContext


@dataclass(frozen=True, eq=False)
class Objects:
    """What is written: labels over the stored grid of a series, and what each stands for."""

    series: Series  # without its voxels
    labels: Array
    ai_labels: Array | None
    segments: tuple[Segment, ...]
    figures: tuple[Mapping[str, Any], ...]  # a row of the table for each
    measured: tuple[Measured, ...] = ()
    picture: Array | None = None  # what the user sees, 8-bit RGB (y, x, 3), objects painted in
    shows_name: bool = False  # whether that picture says who the patient is
    written: tuple[Path, ...] = ()  # files of the same export that others may refer to

    @property
    def drawn(self) -> list[Segment]:
        """The objects that have voxels."""
        found = counts(self.labels)
        return [segment for segment in self.segments if found[segment.value]]


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file; `writer` names the function that takes objects and the path's stem."""

    id: str
    title: str
    help: str
    writer: str
    group: Literal["Objects", "Measurements", "Picture"] = "Objects"
    kinds: tuple[Kind, ...] = ("volume",)
    of_dicom: bool = False  # can only be made of a series that was read from DICOM

    def refusal(self, series: Series) -> str:
        """Why a series cannot be written so, or ""."""
        if series.kind not in self.kinds:
            return f"Not for {SORTS[series.kind]}."
        if self.of_dicom and not series.identity.series_uid:
            return "Only for images that were opened from DICOM."
        return ""


SORTS: dict[Kind, str] = {"volume": "volumes", "run": "runs", "image": "pictures"}
STACKS: tuple[Kind, ...] = ("volume", "run")
EVERY: tuple[Kind, ...] = ("volume", "run", "image")
HERE = "inference.object_files"
FORMATS = (
    Format("nifti", "Label map, NIfTI", "One .nii.gz with all objects; names in a .json beside it",
           f"{HERE}:write_nifti", kinds=STACKS),
    Format("nrrd", "Segmentation, NRRD", "One .seg.nrrd with names and colours, as in 3D Slicer",
           f"{HERE}:write_nrrd", kinds=STACKS),
    Format("png", "Label picture, PNG", "As large as the picture; its grey values are the labels",
           f"{HERE}:write_picture", kinds=("image",)),
    Format("seg", "DICOM SEG", "Coded names; refers to the slices of the series; every reader",
           "plugins.dicom.write_seg:write_binary", kinds=EVERY, of_dicom=True),
    Format("seg_labelmap", "DICOM SEG, label map", "The newer, smaller kind; few readers know it",
           "plugins.dicom.write_seg:write_labelmap", kinds=EVERY, of_dicom=True),
    Format("rtstruct", "DICOM RT structure set", "Contours on the slices, for radiotherapy",
           "plugins.dicom.write_rtstruct:write_rtstruct", of_dicom=True),
    Format("stl", "Surfaces, STL", "A smoothed surface for each object, LPS mm",
           "plugins.images.surfaces:write_stl"),
    Format("glb", "Surfaces, GLB", "All surfaces in one file with names and colours, LPS mm",
           "plugins.images.surfaces:write_glb"),
    Format("csv", "Table, CSV", "A row for each object: size, mean, deviation, slices",
           f"{HERE}:write_table", "Measurements", EVERY),
    Format("report", "DICOM structured report", "Coded measurements (TID 1500); tied to the DICOM "
           "SEG, if that is saved too", "plugins.dicom.write_report:write_report", "Measurements",
           EVERY, of_dicom=True),
    Format("capture", "DICOM secondary capture", "The view as it is with its overlays, in the "
           "same study", "plugins.dicom.write_capture:write_capture", "Picture", EVERY,
           of_dicom=True),
)  # fmt: skip


def offered(series: Series) -> tuple[Format, ...]:
    """The formats for a series of this kind, even those that it must be refused."""
    return tuple(entry for entry in FORMATS if series.kind in entry.kinds)


def named(text: str) -> tuple[Format, ...]:
    """The formats whose ids stand between commas; raises UserError."""
    known = {entry.id: entry for entry in FORMATS}
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise UserError(f"There is no kind of file {name}: choose from {', '.join(known)}.")
    return tuple(entry for entry in FORMATS if entry.id in wanted)


def header(series: Series) -> Series:
    """A series without its voxels, small enough for a pipe."""
    return replace(series, voxels=np.empty((0,) * series.voxels.ndim, series.voxels.dtype))


def write_job(  # noqa: PLR0913  one argument for each thing that a request holds
    context: JobContext,
    labels: Array,
    series: Series,
    segments: Sequence[Segment],
    figures: Sequence[Mapping[str, Any]],
    stem: str,
    formats: Sequence[str],
    ai_labels: Array | None = None,
    measured: Sequence[Measured] = (),
    picture: Array | None = None,
    shows_name: bool = False,
) -> list[str]:
    """Write canonical labels in the chosen formats; the files' paths; raises UserError."""
    ai = None if ai_labels is None else series.from_canonical(ai_labels)
    objects = Objects(
        series, series.from_canonical(labels), ai, tuple(segments), tuple(figures),
        tuple(measured), picture, shows_name,
    )  # fmt: skip
    wanted = [entry for entry in FORMATS if entry.id in formats and not entry.refusal(series)]
    return [str(path) for path in write(objects, Path(stem), wanted, context.progress)]


def write(
    objects: Objects,
    stem: Path,
    formats: Sequence[Format],
    on_progress: Callable[[int, int, str], None] = lambda *_: None,
) -> tuple[Path, ...]:
    """Write each format; those that come later may refer to earlier files; raises UserError."""
    objects = _tracked(objects)
    for done, entry in enumerate(formats):
        on_progress(done, len(formats), f"Writing {entry.title}")
        made: list[Path] = load(entry.writer)(objects, stem)
        objects = replace(objects, written=(*objects.written, *made))
    return objects.written


def _tracked(objects: Objects) -> Objects:
    """With one tracking identifier for each object, by which its files know it for the same."""
    known = {thing.label: thing.tracking_uid for thing in objects.measured if thing.tracking_uid}
    segments = tuple(
        replace(item, tracking_uid=item.tracking_uid or known.get(item.value) or new_uid())
        for item in objects.segments
    )
    uids = {item.value: item.tracking_uid for item in segments}
    measured = tuple(
        replace(thing, tracking_uid=uids.get(thing.label) or thing.tracking_uid or new_uid())
        for thing in objects.measured
    )
    return replace(objects, segments=segments, measured=measured)


def counts(labels: Array) -> Array:
    """Voxels of each of 256 labels; a slice at a time, as counting takes eight bytes a voxel."""
    found = np.zeros(256, np.intp)
    for part in labels:
        found += np.bincount(part.reshape(-1), minlength=256)
    return found


def new_uid() -> str:
    """A DICOM identifier that nothing else has."""
    return f"2.25.{uuid4().int}"


def write_nifti(objects: Objects, stem: Path) -> list[Path]:
    """All objects in one label map, and what the AI found in another; raises UserError."""
    return _write_maps(objects, stem, ".nii.gz")


def write_nrrd(objects: Objects, stem: Path) -> list[Path]:
    """The same with names and colours inside; raises UserError."""
    return _write_maps(objects, stem, ".seg.nrrd")


def write_picture(objects: Objects, stem: Path) -> list[Path]:
    """The labels of a picture, and those that the AI found, as grey values; raises UserError."""
    versions = {"labels": objects.labels, "ai_labels": objects.ai_labels}
    return [
        write_png(stem.with_name(f"{stem.name}_{name}.png"), labels)
        for name, labels in versions.items()
        if labels is not None
    ]


def write_table(objects: Objects, stem: Path) -> list[Path]:
    """A row for each object; raises UserError."""
    path = stem.with_name(f"{stem.name}_objects.csv")
    write_csv(path, [{**row, "notice": NOTICE} for row in objects.figures])
    return [path]


def _write_maps(objects: Objects, stem: Path, ending: str) -> list[Path]:
    versions = {"labels": objects.labels, "ai_labels": objects.ai_labels}
    written = []
    for name, labels in versions.items():
        if labels is not None:
            written.append(stem.with_name(f"{stem.name}_{name}{ending}"))
            write_labels(written[-1], labels, objects.series, objects.segments)
    return written
