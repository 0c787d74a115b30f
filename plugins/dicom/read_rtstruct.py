"""RT structure sets as structures in the patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom import Dataset
from pydicom.dataelem import RawDataElement

from inference.errors import UserError
from inference.structures import Structure
from inference.writing import Algorithm
from plugins.dicom.header import items, number, numbers, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

OURS, SLAB_GROUP, SLAB = "LIMN", 0x3007, 0x01
CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}


def structures(path: Path, header: Dataset) -> list[Structure]:
    """Every structure of a file, some perhaps without closed contours; raises UserError."""
    named = {
        int(number(item, "ROINumber", 0)): item for item in items(header, "StructureSetROISequence")
    }
    found = []
    for drawn in items(header, "ROIContourSequence"):
        roi = int(number(drawn, "ReferencedROINumber", 0))
        contours = tuple(_contours(drawn))
        about = named.get(roi, Dataset())
        name = text(about, "ROIName") or f"Structure {roi}"
        found.append(Structure(name, _color(drawn), contours, _slab(drawn), _made_by(about)))
    if not any(structure.contours for structure in found):
        raise UserError(f"{path.name} holds no closed contours, so there is nothing to fill.")
    return found


def _made_by(about: Dataset) -> Algorithm | None:
    kind = text(about, "ROIGenerationAlgorithm")
    if kind not in {"AUTOMATIC", "SEMIAUTOMATIC"}:
        return None
    told = text(about, "ROIGenerationDescription")
    return algorithm(
        about, "ROIDerivationAlgorithmIdentificationSequence", told, by_itself=kind == "AUTOMATIC"
    )


def algorithm(about: Dataset, keyword: str, told: str, *, by_itself: bool) -> Algorithm | None:
    """What identifies the algorithm of an object, or only its name as `told`; None for neither."""
    (identified, *_) = [*items(about, keyword), Dataset()]
    name = text(identified, "AlgorithmName") or told
    return Algorithm(name, text(identified, "AlgorithmVersion"), by_itself) if name else None


def set_slab(drawn: Dataset, millimetres: float) -> None:
    """Note how far across its contours a structure reaches: the standard has no place for it."""
    block = drawn.private_block(SLAB_GROUP, OURS, create=True)
    block.add_new(SLAB, "DS", f"{millimetres:.6g}")


def _slab(drawn: Dataset) -> float:
    """As `set_slab` noted it, or as the retired attribute of the standard says; 0: unknown."""
    try:
        return float(drawn.private_block(SLAB_GROUP, OURS)[SLAB].value)
    except (KeyError, TypeError, ValueError):
        said = [number(i, "ContourSlabThickness", 0) for i in items(drawn, "ContourSequence")]
        return max(said, default=0.0)


def wanted_image(path: Path, header: Dataset) -> str:
    """Which image a structure set needs, in one sentence."""
    series = [
        series
        for frame in items(header, "ReferencedFrameOfReferenceSequence")
        for study in items(frame, "RTReferencedStudySequence")
        for series in items(study, "RTReferencedSeriesSequence")
    ]
    count = sum(len(items(entry, "ContourImageSequence")) for entry in series)
    uid = text(series[0], "SeriesInstanceUID") if series else "unknown"
    slices = f" of {count} slices" if count > 1 else ""
    return (
        f"{path.name} holds outlines, no image: open the series{slices} that they were drawn on "
        f"(series UID {uid}) in the same window, and they are put on it; on another image, File, "
        "Open mask on this image puts them."
    )


def _contours(drawn: Dataset) -> Iterator[NDArray[np.float64]]:
    for item in items(drawn, "ContourSequence"):
        points = _points(item)
        closed = text(item, "ContourGeometricType") in CLOSED
        if closed and points.size >= 9 and points.size % 3 == 0 and np.isfinite(points).all():
            yield points.reshape(-1, 3)


def _points(item: Dataset) -> NDArray[np.float64]:
    """All coordinates; from the bytes, as objects for each number would take very long."""
    raw = item.get_item("ContourData")
    if not isinstance(raw, RawDataElement) or raw.value is None:
        return np.array(numbers(item, "ContourData"))
    try:
        return np.array(raw.value.rstrip(b"\0 ").split(b"\\"), dtype=np.float64)
    except ValueError:
        return np.array(())


def _color(drawn: Dataset) -> str:
    parts = [int(part) for part in numbers(drawn, "ROIDisplayColor")]
    sound = len(parts) == 3 and all(0 <= part <= 255 for part in parts)
    return "#" + "".join(f"{part:02x}" for part in parts) if sound else ""
