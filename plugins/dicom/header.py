"""What a DICOM header says, in plain Python values; malformed values count as absent."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from operator import mul
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from inference.series import Geometry, Identity
from plugins.dicom.elements import tag_of

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

OF_BYTES_ALONE = {"CS", "DA", "DS", "FD", "FL", "IS", "SL", "SS", "TM", "UI", "UL", "US"}
"""Value representations that need no character set, or other element, to be understood."""


@dataclass(frozen=True)
class Slice:
    """One file and its header without pixels."""

    path: Path
    header: Dataset
    pixels_at: int = 0  # byte at which the element with the pixels begins; 0 if nobody knows

    @property
    def frames(self) -> int:
        """How many pictures the file holds."""
        return max(1, int(number(self.header, "NumberOfFrames", 1)))

    @property
    def name_order(self) -> tuple[tuple[int, str], ...]:
        """Sorts by the numbers in the file's name, so that 9 comes before 10."""
        parts = re.findall(r"(\d+)|(\D+)", self.path.name)
        return tuple((int(digits or 0), letters) for digits, letters in parts)

    @cached_property
    def plane(self) -> Plane | None:
        """Where it lies, if it is one picture and the file says so."""
        return plane(self.header)


@dataclass(frozen=True, slots=True)
class Plane:
    """Where one picture lies: LPS (x, y, z), mm; `spacing` is (down, across)."""

    position: tuple[float, ...]
    across: tuple[float, ...]
    down: tuple[float, ...]
    spacing: tuple[float, float]

    @property
    def normal(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Unit vector across x down."""
        return np.cross(self.across, self.down)

    def geometry(self, step: Any) -> Geometry:
        """A grid that starts here and advances by `step` (x, y, z), mm, from slice to slice."""
        affine = np.eye(4)
        affine[:3, 0] = step
        affine[:3, 1] = np.multiply(self.down, self.spacing[0])
        affine[:3, 2] = np.multiply(self.across, self.spacing[1])
        affine[:3, 3] = self.position
        return Geometry(affine, known=True)


def text(header: Dataset, keyword: str) -> str:
    """The value as text, or ""."""
    value = _value(header, keyword)
    found = "" if value is None else str(value).strip()
    return found if found.isascii() or "SpecificCharacterSet" in header else _unannounced(found)


def _unannounced(found: str) -> str:
    """Text of a file that does not name its character set: many are in UTF-8 then."""
    try:
        return found.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return found


def modality(header: Dataset) -> str:
    """Such as "XA", or "": in a damaged header, what follows would come along."""
    found = text(header, "Modality")
    return found if len(found) <= 16 and found.isalnum() and found.isascii() else ""


def texts(header: Dataset, keyword: str) -> list[str]:
    """All values as text, or []."""
    value = _value(header, keyword)
    if isinstance(value, MultiValue):
        return [str(part).strip() for part in value]
    return [text(header, keyword)] if value else []


def numbers(header: Dataset, keyword: str) -> tuple[float, ...]:
    """All finite values, or () if absent or malformed."""
    value = _value(header, keyword)
    if value is None or value == "":
        return ()
    values = [value] if isinstance(value, (str, int, float)) else value
    try:
        found = tuple(float(entry) for entry in values)
    except (TypeError, ValueError):
        return ()
    return found if all(math.isfinite(entry) for entry in found) else ()


def number(header: Dataset, keyword: str, default: float) -> float:
    """The first value, or the default."""
    return next(iter(numbers(header, keyword)), float(default))


def has_image(header: Dataset) -> bool:
    """Whether the header describes pixels (RT structures, reports and waveforms do not)."""
    return number(header, "Rows", 0) > 0 and number(header, "Columns", 0) > 0


def identity(header: Dataset) -> Identity:
    """Who and what."""
    return Identity(
        patient_name=text(header, "PatientName"),
        patient_id=text(header, "PatientID"),
        study_uid=text(header, "StudyInstanceUID"),
        study_description=text(header, "StudyDescription"),
        study_date=text(header, "StudyDate"),
        series_uid=text(header, "SeriesInstanceUID"),
        series_description=text(header, "SeriesDescription"),
        series_number=text(header, "SeriesNumber"),
    )


def window(header: Dataset) -> tuple[float, float] | None:
    """(centre, width) that the file proposes, in units of the rescaled values."""
    source = group(header, "FrameVOILUTSequence") or header
    centre, width = numbers(source, "WindowCenter"), numbers(source, "WindowWidth")
    if centre and width and width[0] >= 1:
        return centre[0], width[0]
    return _window_of_table(items(header, "VOILUTSequence"))


def _window_of_table(tables: list[Dataset]) -> tuple[float, float] | None:
    """The straight window nearest to a table: where it leaves black, and where it reaches white."""
    described = numbers(tables[0], "LUTDescriptor") if tables else ()
    shades = _shades(tables[0]) if described else np.array([])
    if len(described) != 3 or len(shades) < 2 or np.ptp(shades) == 0:
        return None
    share = (shades - shades.min()) / np.ptp(shades)
    low, high = np.flatnonzero(share > 0.02)[0], np.flatnonzero(share >= 0.98)[0]
    start = described[1] - 2**16 * (described[1] >= 2**15)  # signed, whatever its VR says
    return (float(start + (low + high) / 2), float(high - low)) if high > low else None


def _shades(table: Dataset) -> np.ndarray[Any, np.dtype[np.float64]]:
    data = _value(table, "LUTData")
    if not isinstance(data, bytes):
        return np.array(numbers(table, "LUTData"))
    few = len(data) <= numbers(table, "LUTDescriptor")[0] + 1  # a byte each
    return np.frombuffer(data[: len(data) // 2 * 2], np.uint8 if few else "<u2").astype(float)


def group(header: Dataset, keyword: str, frame: int = 0) -> Dataset | None:
    """A functional group of a multi-frame file: the frame's own, else the shared one."""
    per_frame = _value(header, "PerFrameFunctionalGroupsSequence") or ()
    shared = _value(header, "SharedFunctionalGroupsSequence") or ()
    for item in (*per_frame[frame : frame + 1], *shared[:1]):
        found = _value(item, keyword)
        if found:
            return found[0]  # type: ignore[no-any-return]
    return None


def items(header: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence, or []."""
    return list(_value(header, keyword) or ())


def plane(header: Dataset, frame: int = 0, detector: Dataset | None = None) -> Plane | None:
    """Where a slice or frame lies, or None if the file, or its `detector`, does not say."""
    position = group(header, "PlanePositionSequence", frame) or detector or header
    orientation = group(header, "PlaneOrientationSequence", frame) or detector or header
    measures = group(header, "PixelMeasuresSequence", frame) or header
    origin = numbers(position, "ImagePositionPatient")
    axes = numbers(orientation, "ImageOrientationPatient")
    spacing = pixel_spacing(measures)
    if len(origin) != 3 or len(axes) != 6 or spacing is None or not _orthonormal(axes):
        return None
    return Plane(origin, axes[:3], axes[3:], spacing)


def pixel_spacing(header: Dataset, keyword: str = "PixelSpacing") -> tuple[float, float] | None:
    """(down, across), mm, or None."""
    values = numbers(header, keyword)
    return (values[0], values[1]) if len(values) == 2 and min(values) > 0 else None


def aspect(header: Dataset) -> tuple[float, float]:
    """(down, across) of a pixel whose size is not stated: only the ratio counts."""
    ratio = numbers(header, "PixelAspectRatio")
    return (ratio[0] / ratio[1], 1.0) if len(ratio) == 2 and min(ratio) > 0 else (1.0, 1.0)


def _orthonormal(axes: tuple[float, ...]) -> bool:
    across, down = axes[:3], axes[3:]
    products = _dot(across, across) - 1, _dot(down, down) - 1, _dot(across, down)
    return max(map(abs, products)) < 0.02


def _dot(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return float(sum(map(mul, a, b)))  # of three numbers, numpy takes ten times as long


def _value(header: Dataset, keyword: str) -> Any:
    tag, kind = _known(keyword)
    try:
        element = header.get_item(tag)
        if isinstance(element, RawDataElement) and (element.VR or kind) in OF_BYTES_ALONE:
            return _converted(keyword, element.VR, element.value, element.is_little_endian)
        return None if element is None else header[tag].value
    except Exception:  # noqa: BLE001  pydicom converts on access and raises almost anything
        return None


@lru_cache(2**14)
def _converted(keyword: str, kind: str | None, value: bytes, little_endian: bool) -> Any:
    """As pydicom would, once for all slices in which it is the same: that takes it long."""
    tag, _ = _known(keyword)
    raw = RawDataElement(tag, kind, len(value), value, 0, kind is None, little_endian)
    return convert_raw_data_element(raw).value


@cache
def _known(keyword: str) -> tuple[BaseTag, str]:
    """Tag and value representation, asked for thousands of times a folder."""
    return tag_of(Tag(keyword)), dictionary_VR(keyword)
