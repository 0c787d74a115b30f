"""Label maps in pictures and volumes, with the names that are kept in them or beside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import SimpleITK as sitk

from inference.label_files import Layer
from inference.writing import Segment, stem
from plugins.images.read import read

if TYPE_CHECKING:
    from pathlib import Path


def read_labels(path: Path) -> list[Layer]:
    """Every label map of a file; raises UserError."""
    found = read(path)
    if path.suffix.lower() == ".nrrd":
        names = _of_nrrd(path)
        return [Layer(series, names.get(number, ())) for number, series in enumerate(found)]
    return [Layer(series, _beside(path)) for series in found[:1]]


def _of_nrrd(path: Path) -> dict[int, tuple[Segment, ...]]:
    """By the layer; the key/value pairs of 3D Slicer's .seg.nrrd."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    fields = {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
    layers: dict[int, tuple[Segment, ...]] = {}
    number = 0
    while f"Segment{number}_LabelValue" in fields:
        key = f"Segment{number}_"
        value = int(fields[f"{key}LabelValue"])
        name = fields.get(f"{key}Name", f"Object {value}")
        segment = Segment(value, name, _hex(fields.get(f"{key}Color", "")))
        layer = int(fields.get(f"{key}Layer", "0"))
        layers[layer] = (*layers.get(layer, ()), segment)
        number += 1
    return layers


def _hex(color: str) -> str:
    """ "1 0.5 0" as "#ff8000"; "" if it is no colour."""
    try:
        parts = [round(255 * min(max(float(part), 0.0), 1.0)) for part in color.split()]
    except ValueError:
        return ""
    return "#" + "".join(f"{part:02x}" for part in parts) if len(parts) == 3 else ""


def _beside(path: Path) -> tuple[Segment, ...]:
    """From the .json that Limn writes beside a label map."""
    try:
        content = json.loads(path.with_name(f"{stem(path)}.json").read_text("utf-8"))
        return tuple(
            Segment(int(about["value"]), str(name), str(about.get("color", "")))
            for name, about in content["labels"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()
