"""Write results: each file appears complete or not at all, and a refusal is one sentence."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from inference.series import Array, Geometry, Series

NOTICE = "Research use only. Not for diagnosis."
VOLUME_SUFFIXES = (".seg.nrrd", ".nii.gz", ".nrrd", ".nii", ".mha")


@dataclass(frozen=True, slots=True)
class Algorithm:
    """The model that made an object."""

    name: str
    version: str
    by_itself: bool  # nobody clicked or corrected


@dataclass(frozen=True, slots=True)
class Segment:
    """What one value of a label map stands for."""

    value: int
    name: str
    color: str  # "#rrggbb"
    algorithm: Algorithm | None = None  # None: drawn by hand
    kind: str = ""  # its name in the terminology, where that is not `name`
    tracking_uid: str = ""  # the same in all files that speak of it

    @property
    def rgb(self) -> tuple[int, int, int]:
        """0 to 255 each."""
        red, green, blue = bytes.fromhex(self.color.removeprefix("#"))
        return red, green, blue


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, renamed on success, removed on failure; UserError."""
    part = path.with_name(f".part-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise UserError(
            f"{path.name} could not be written to {path.parent} "
            f"({error.strerror or 'the disk refused'}): choose another folder."
        ) from error
    finally:
        _remove(part)


def _remove(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError:  # the folder itself is not to be reached, and that was told already
        return


def write_png(path: Path, pixels: Array) -> Path:
    """8-bit grey or RGB, 16-bit grey, or booleans as 0/255; the path; raises UserError."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    values = pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels
    said = PngInfo()
    said.add_text("Comment", NOTICE)
    with atomic(path) as part:
        Image.fromarray(np.ascontiguousarray(values)).save(part, "PNG", pnginfo=said)
    return path


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Readable JSON; numpy numbers are numbers; raises UserError."""
    with atomic(path) as part:
        text = json.dumps(content, indent=1, ensure_ascii=False, default=_plain)
        part.write_text(text + "\n", "utf-8")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """One line for each row under the names that any row has; raises UserError."""
    names = dict.fromkeys(name for row in rows for name in row)
    with atomic(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(names))
        table.writeheader()
        table.writerows(rows)


def write_labels(path: Path, labels: Array, series: Series, segments: Sequence[Segment]) -> None:
    """A label map over the series' stored grid, with names and colours; raises UserError.

    NRRD keeps them as 3D Slicer reads them, other formats in a .json beside it.
    """
    import SimpleITK as sitk

    image = to_itk(labels, series.geometry)
    fields = _slicer_fields(labels, segments) if path.name.endswith(".nrrd") else {}
    place = "ITK_FileNotes" if path.name.endswith((".nii", ".nii.gz")) else "notice"
    for key, value in {**fields, place: NOTICE}.items():
        image.SetMetaData(key, value)
    with atomic(path) as part:
        try:
            sitk.WriteImage(image, str(part), useCompression=True)
        except RuntimeError as error:
            raise _not_written(path, str(error)) from error
    if not path.name.endswith(".nrrd"):
        described = {s.name: {"value": s.value, "color": s.color} for s in segments}
        write_json(path.with_name(f"{stem(path)}.json"), {"labels": described, "notice": NOTICE})


def overlay(picture: Array, labels: Array, segments: Sequence[Segment], opacity: float) -> Array:
    """The labels in their colours over a grey (y, x) or colour picture, as 8-bit RGB."""
    shown = _as_rgb(picture).astype(np.float32)
    for segment in segments:
        inside = labels == segment.value
        shown[inside] = (1 - opacity) * shown[inside] + opacity * np.array(segment.rgb, np.float32)
    return shown.round().astype(np.uint8)


def to_itk(voxels: Array, geometry: Geometry) -> Any:
    """A SimpleITK image of a (z, y, x) or (y, x) array in patient coordinates, LPS mm."""
    import SimpleITK as sitk

    numbers = voxels.view(np.uint8) if voxels.dtype == bool else voxels
    image = sitk.GetImageFromArray(numbers if numbers.ndim > 2 else numbers[None])
    columns = geometry.affine[:3, 2::-1]  # of x, y, z
    spacing = np.linalg.norm(columns, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(geometry.affine[:3, 3].tolist())
    image.SetDirection((columns / spacing).ravel().tolist())
    return image


def stem(path: Path) -> str:
    """The name without its ending, which may have two parts: "case.nii.gz" -> "case"."""
    for suffix in VOLUME_SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name if path.is_dir() else path.stem


def _not_written(path: Path, reason: str) -> Exception:
    if "orthonormal" in reason or "direction" in reason.lower():
        return UserError(
            f"{path.name} cannot hold the tilted axes of this series: save it as .nrrd instead."
        )
    return OSError(None, "the file could not be written")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no place in a JSON file")


def _slicer_fields(labels: Array, segments: Sequence[Segment]) -> dict[str, str]:
    """The key/value pairs of 3D Slicer's .seg.nrrd."""
    fields = {"Segmentation_MasterRepresentation": "Binary labelmap"}
    grid = labels if labels.ndim > 2 else labels[None]
    for index, segment in enumerate(segments):
        key = f"Segment{index}_"
        fields |= {
            f"{key}ID": f"Segment_{segment.value}",
            f"{key}Name": segment.name,
            f"{key}Color": " ".join(f"{part / 255:.6g}" for part in segment.rgb),
            f"{key}LabelValue": str(segment.value),
            f"{key}Layer": "0",
            f"{key}Extent": " ".join(map(str, _extent(grid == segment.value))),
        }
    return fields


def _extent(inside: Array) -> list[int]:
    """First and last index in x, y and z, or 0 -1 where nothing is inside."""
    found = [np.flatnonzero(inside.any(axis=other)) for other in ((0, 1), (0, 2), (1, 2))]
    return [int(end) for axis in found for end in ((axis[0], axis[-1]) if axis.size else (0, -1))]


def _as_rgb(picture: Array) -> Array:
    """8-bit RGB; other depths by their 0.5 to 99.5 percentiles, values that are none black."""
    if picture.dtype != np.uint8:
        known = picture[np.isfinite(picture)]
        low, high = np.percentile(known, (0.5, 99.5)) if known.size else (0.0, 0.0)
        scaled = np.nan_to_num((picture.astype(np.float32) - low) / max(high - low, 1e-9))
        picture = (np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)
