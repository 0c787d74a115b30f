"""The files in which the objects of an image leave Limn, written by another process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.registry import load
from inference.writing import Segment, write_csv, write_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file; `writer` names the function that takes objects and the path's stem."""

    id: str
    title: str
    help: str
    writer: str
    kinds: tuple[Kind, ...] = ("volume",)
    of_dicom: bool = False  # can only be made of a series that was read from DICOM

    def refusal(self, series: Series) -> str:
        """Why a series cannot be written so, or ""."""
        if series.kind not in self.kinds:
            return "Only for volumes."
        if self.of_dicom and not series.identity.series_uid:
            return "Only for series that were opened from DICOM: it refers to their slices."
        return ""


FORMATS = (
    Format("nifti", "Label map, NIfTI", "One .nii.gz with all objects; names in a .json beside it",
           "inference.object_files:write_nifti", ("volume", "run")),
    Format("nrrd", "Segmentation, NRRD", "One .seg.nrrd with names and colours, as in 3D Slicer",
           "inference.object_files:write_nrrd", ("volume", "run")),
    Format("seg", "DICOM SEG", "Coded names; refers to the slices of the series; every reader",
           "plugins.dicom.write_seg:write_binary", of_dicom=True),
    Format("seg_labelmap", "DICOM SEG, label map", "The newer, smaller kind; few readers know it",
           "plugins.dicom.write_seg:write_labelmap", of_dicom=True),
    Format("stl", "Surfaces, STL", "A smoothed surface for each object, patient (LPS) mm",
           "plugins.images.surfaces:write_surfaces"),
    Format("csv", "Table, CSV", "A row for each object: size, mean, deviation, slices",
           "inference.object_files:write_table", ("volume", "run")),
)  # fmt: skip


def offered(series: Series) -> tuple[Format, ...]:
    """The formats for a series of this kind, even those that it must be refused."""
    return tuple(entry for entry in FORMATS if series.kind in entry.kinds)


def header(series: Series) -> Series:
    """A series without its voxels, small enough for a pipe."""
    return replace(series, voxels=np.empty((0,) * series.voxels.ndim, series.voxels.dtype))


def write_job(
    context: JobContext,
    labels: Array,
    series: Series,
    segments: Sequence[Segment],
    figures: Sequence[Mapping[str, Any]],
    stem: str,
    formats: Sequence[str],
    ai_labels: Array | None = None,
) -> list[str]:
    """Write canonical labels in the chosen formats; the files' paths; raises UserError."""
    wanted = [entry for entry in FORMATS if entry.id in formats and not entry.refusal(series)]
    ai = None if ai_labels is None else series.from_canonical(ai_labels)
    objects = Objects(series, series.from_canonical(labels), ai, tuple(segments), tuple(figures))
    written: list[Path] = []
    for done, entry in enumerate(wanted):
        context.progress(done, len(wanted), f"Writing {entry.title}")
        write: Callable[[Objects, Path], list[Path]] = load(entry.writer)
        written += write(objects, Path(stem))
    return [str(path) for path in written]


def write_nifti(objects: Objects, stem: Path) -> list[Path]:
    """All objects in one label map, and what the AI found in another; raises UserError."""
    return _write_maps(objects, stem, ".nii.gz")


def write_nrrd(objects: Objects, stem: Path) -> list[Path]:
    """The same with names and colours inside; raises UserError."""
    return _write_maps(objects, stem, ".seg.nrrd")


def write_table(objects: Objects, stem: Path) -> list[Path]:
    """A row for each object; raises UserError."""
    path = stem.with_name(f"{stem.name}_objects.csv")
    write_csv(path, objects.figures)
    return [path]


def _write_maps(objects: Objects, stem: Path, ending: str) -> list[Path]:
    versions = {"labels": objects.labels, "ai_labels": objects.ai_labels}
    written = []
    for name, labels in versions.items():
        if labels is not None:
            written.append(stem.with_name(f"{stem.name}_{name}{ending}"))
            write_labels(written[-1], labels, objects.series, objects.segments)
    return written
