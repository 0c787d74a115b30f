"""Labelled cases in a folder: volumes with label maps, or plain pictures with label pictures.

A volume's files are `*ct.nii.gz`, `*labels.nii.gz`, `labels.json` {name: value}, and, for
structures that overlap an earlier one, `extra_<name>.nii.gz`, listed in `extra_labels.json`.
Several cases may share a folder: then each file begins with the name of its case, and a
`labels.json` without such a beginning serves them all. A picture `<name>.png` goes with
`<name>_labels.png`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import UserError
from inference.reading import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inference.series import Array, Series

IMAGE, LABELS, EXTRA = "ct.nii.gz", "labels.nii.gz", "extra_"
PICTURES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
LABEL_PICTURES = (".png", ".tif", ".tiff", ".bmp")


@dataclass(frozen=True, slots=True)
class Structure:
    """What was drawn: those voxels of a file that have one of the values."""

    name: str
    path: Path
    values: tuple[int, ...]  # empty: all that are not 0


@dataclass(frozen=True, slots=True)
class Case:
    """One volume or picture with everything drawn on it."""

    name: str
    image: Path
    structures: tuple[Structure, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A case as the window holds it."""

    image: Array  # canonical: (z, y, x), (y, x) or (y, x, 3)
    spacing: tuple[float, ...]  # mm for each spatial axis
    masks: Mapping[str, Array]  # name: bool over the spatial axes


def find_cases(folder: Path) -> list[Case]:
    """Every case below a folder that has something drawn, by name; raises UserError if none has."""
    paths = _files(folder)
    volumes = [_volume(path, folder) for path in paths if path.name.endswith(IMAGE)]
    pictures = [_picture(path, folder) for path in paths if _has_labels(path)]
    found = [case for case in volumes + pictures if case.structures]
    if not found:
        raise UserError(
            f"{folder} holds no case with labels: it needs …{IMAGE} beside …{LABELS}, "
            "or pictures beside pictures called <name>_labels.png."
        )
    return found


def _files(folder: Path) -> list[Path]:
    """Every file below a folder, in linked folders too."""
    walked = os.walk(folder, followlinks=True)
    return sorted(Path(where, name) for where, _, names in walked for name in names)


def _volume(path: Path, folder: Path) -> Case:
    start = path.name.removesuffix(IMAGE)
    labels = path.with_name(start + LABELS)
    drawn = _drawn(labels, start) if labels.exists() else ()
    name = path.relative_to(folder).parent / start.rstrip("_-.")
    return Case(name.as_posix().strip("./") or folder.name, path, drawn + _extras(path, start))


def _drawn(labels: Path, start: str) -> tuple[Structure, ...]:
    table = _table(labels, start, "labels.json")
    if table is None:
        values = np.unique(_one(labels).voxels)
        table = {f"label_{value:g}": int(value) for value in values if value}
    return tuple(Structure(name, labels, (int(value),)) for name, value in table.items())


def _extras(image: Path, start: str) -> tuple[Structure, ...]:
    table = _table(image, start, f"{EXTRA}labels.json") or {}
    listed = {entry["file"]: name for name, entry in table.items()}
    values = {entry["file"]: (int(entry["value"]),) for entry in table.values()}
    paths = sorted(image.parent.glob(f"{start}{EXTRA}*.nii.gz"))
    names = (listed.get(p.name, p.name.split(EXTRA)[-1].removesuffix(".nii.gz")) for p in paths)
    pairs = zip(names, paths, strict=True)
    return tuple(Structure(name, path, values.get(path.name, ())) for name, path in pairs)


def _table(beside: Path, start: str, name: str) -> dict[str, Any] | None:
    """The names of a case, or those of its folder."""
    for path in (beside.with_name(start + name), beside.with_name(name)):
        if path.exists():
            return _json(path)
    return None


def _json(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text("utf-8"))
    except ValueError:
        table = None
    if not isinstance(table, dict):
        raise UserError(f"{path} is no table of names: write {{name: value}} as JSON.")
    return table


def _has_labels(path: Path) -> bool:
    return path.suffix.lower() in PICTURES and _label_picture(path) is not None


def _label_picture(path: Path) -> Path | None:
    names = (path.with_name(f"{path.stem}_labels{suffix}") for suffix in LABEL_PICTURES)
    return next((candidate for candidate in names if candidate.exists()), None)


def _picture(path: Path, folder: Path) -> Case:
    labels = _label_picture(path)
    name = path.relative_to(folder).with_suffix("").as_posix()
    return Case(name, path, _drawn(labels, f"{path.stem}_") if labels else ())


def load(case: Case) -> Loaded:
    """Read everything; raises UserError where a file is not on its image's grid."""
    series = _one(case.image)
    image = series.canonical()
    maps = {path: _one(path) for path in {s.path for s in case.structures}}
    masks = {s.name: _mask(maps[s.path], s, series) for s in case.structures}
    return Loaded(image, series.scale, {name: mask for name, mask in masks.items() if mask.any()})


def _mask(labels: Series, structure: Structure, image: Series) -> Array:
    values = labels.canonical()
    if values.ndim == len(image.spatial_shape) + 1:
        values = values[..., 0]  # a grey picture saved in colour
    if values.shape != image.canonical().shape[: len(image.spatial_shape)]:
        raise UserError(
            f"{structure.path.name} is not on the grid of {image.path.name}: "
            f"{values.shape} against {image.spatial_shape}. Resample it first."
        )
    return np.isin(values, structure.values) if structure.values else values != 0


def _one(path: Path) -> Series:
    """The first series of a file."""
    return read(path)[0]
