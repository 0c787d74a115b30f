"""How a run of X-ray frames was taken, from classic and enhanced headers; frames count from 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from inference.series import Acquisition
from plugins.dicom.header import group, items, number, numbers, text

if TYPE_CHECKING:
    from pydicom import Dataset

Intensity = Literal["linear", "logarithmic", ""]
Side = Literal["A", "B", ""]

INTENSITIES: dict[str, Intensity] = {"LIN": "linear", "LOG": "logarithmic"}  # DISP tells nothing
SIDES: tuple[Side, ...] = ("A", "B")
FLUOROSCOPY = ("XA", "RF", "XRF")
X_RAY = (*FLUOROSCOPY, "DSA", "RG", "CR", "DX")
TELLING = ("MaskSubtractionSequence", "PixelIntensityRelationship", "PositionerPrimaryAngle")
SUBTRACTION_CODES = ("113062",)  # DICOM CID 7203, "Pixel by pixel subtraction"


def is_x_ray(header: Dataset) -> bool:
    """Whether the frames are X-ray projections, also where a capture hides the modality."""
    return text(header, "Modality") in X_RAY or any(name in header for name in TELLING)


def acquisition(header: Dataset, count: int) -> Acquisition | None:
    """What the header tells about a run of `count` frames; None if it is no X-ray run."""
    if not is_x_ray(header):
        return None
    masks, shift = _mask(header, count)
    intensity, inverted = _intensity(header)
    return Acquisition(
        intensity=intensity,
        inverted=inverted,
        subtracted=_is_subtracted(header),
        mask_frames=masks,
        mask_shift=shift,
        angles=angles(header),
        plane=biplane(header),
    )


def angles(header: Dataset) -> tuple[float, float] | None:
    """Primary (LAO +) and secondary (cranial +), degrees, of the first frame."""
    source = group(header, "PositionerPositionSequence") or header
    found = [
        numbers(source, f"Positioner{name}Angle")[:1] or numbers(header, f"Positioner{name}Angle")
        for name in ("Primary", "Secondary")
    ]
    return (found[0][0], found[1][0]) if all(found) else None


def biplane(header: Dataset) -> Side:
    """Which plane of a biplane system took the run."""
    said = f"{text(header, 'ImageType')} {text(header, 'PlaneIdentification')}".upper()
    found = [side for side in SIDES if f"PLANE {side}" in said]
    return found[0] if len(found) == 1 else ""


def _intensity(header: Dataset) -> tuple[Intensity, bool]:
    """How the values depend on the X-rays, and whether larger ones mean less of them.

    By PS3.3 C.8.11.3.1.2: sign -1 is said of stored values; those of MONOCHROME1 are turned round
    when they are read. Classic XA has no sign: there more X-rays are larger values.
    """
    properties = group(header, "FramePixelDataPropertiesSequence") or header
    relationship = text(properties, "PixelIntensityRelationship").upper()
    falls = number(properties, "PixelIntensityRelationshipSign", 1) < 0
    turned = text(header, "PhotometricInterpretation") == "MONOCHROME1"
    known = INTENSITIES.get(relationship, "")
    return known, bool(known) and falls != turned


def _is_subtracted(header: Dataset) -> bool:
    """By the image type, the derivation's code, or what the derivation is called."""
    frame = group(header, "XAXRFFrameCharacteristicsSequence")
    kinds = f"{text(header, 'ImageType')} {text(frame, 'FrameType') if frame else ''}".upper()
    derivations = [*items(header, "DerivationCodeSequence")]
    if frame is not None:
        derivations += items(frame, "DerivationCodeSequence")
    codes = {text(item, "CodeValue") for item in derivations}
    words = text(header, "DerivationDescription").upper()
    return (
        any(word in kinds for word in ("SUBTRACT", "'SUB'", "DSA SUB"))
        or not codes.isdisjoint(SUBTRACTION_CODES)
        or ("SUBTRACTED" in words and "UNSUBTRACTED" not in words)
    )


def _mask(header: Dataset, count: int) -> tuple[tuple[int, ...], tuple[float, float]]:
    """Mask frames and the shift (y, x), px, of the first averaging subtraction that is stated."""
    for item in items(header, "MaskSubtractionSequence"):
        frames = tuple(int(value) - 1 for value in numbers(item, "MaskFrameNumbers"))
        frames = tuple(dict.fromkeys(index for index in frames if 0 <= index < count))
        if frames and text(item, "MaskOperation") in {"AVG_SUB", ""}:
            of_frame = group(header, "FramePixelShiftSequence")
            return frames, _shift(item) or _shift(of_frame) or (0.0, 0.0)
    return (), (0.0, 0.0)


def _shift(item: Dataset | None) -> tuple[float, float] | None:
    values = numbers(item, "MaskSubPixelShift") if item is not None else ()
    return (values[0], values[1]) if len(values) == 2 else None
