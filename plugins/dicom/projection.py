"""How large a pixel of an X-ray projection is in the patient: the detector sees all magnified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.dicom.header import group, items, number, pixel_spacing

if TYPE_CHECKING:
    from pydicom import Dataset

    Spacing = tuple[float, float] | None

TISSUE, CENTIMETRES = 1, 3  # of an ultrasound region: 2D image, unit
OF_DETECTOR = ("ImagerPixelSpacing", "ImagePlanePixelSpacing", "NominalScannedPixelSpacing")
AT_DETECTOR = "Lengths are measured at the detector: in the patient they are shorter."


def spacing_in_patient(header: Dataset) -> tuple[Spacing, tuple[str, ...]]:
    """(down, across), mm, as exact as the header allows, and a warning if that is not enough."""
    stated = pixel_spacing(header) or _of_regions(header)
    source = group(header, "FramePixelDataPropertiesSequence") or header
    detector = next(filter(None, (pixel_spacing(source, name) for name in OF_DETECTOR)), None)
    if stated is not None and (stated != detector or "PixelSpacingCalibrationType" in header):
        return stated, ()
    calibration = group(header, "ProjectionPixelCalibrationSequence")
    measured = calibration and pixel_spacing(calibration, "ObjectPixelSpacingInCenterOfBeam")
    if measured:
        return measured, ()
    if detector is None:
        return stated, ()
    shrink = _shrink(header)
    if shrink is None:
        return detector, (AT_DETECTOR,)
    return (detector[0] * shrink, detector[1] * shrink), ()


def _of_regions(header: Dataset) -> Spacing:
    """Of ultrasound: that of its 2D regions, if all are alike."""
    found = set()
    for region in items(header, "SequenceOfUltrasoundRegions"):
        flat = number(region, "RegionSpatialFormat", 0) == TISSUE
        units = (number(region, f"PhysicalUnits{axis}Direction", 0) for axis in "XY")
        if flat and set(units) == {CENTIMETRES}:
            found.add(tuple(abs(10 * number(region, f"PhysicalDelta{axis}", 0)) for axis in "YX"))
    known = found.pop() if len(found) == 1 else ()
    return (known[0], known[1]) if known and min(known) > 0 else None


def _shrink(header: Dataset) -> float | None:
    """From the detector to the patient, by the distances, else by the stated magnification."""
    geometry = group(header, "XRayGeometrySequence") or header
    source = number(geometry, "DistanceSourceToPatient", 0)
    whole = number(geometry, "DistanceSourceToDetector", 0)
    if 0 < source <= whole:
        return source / whole
    factor = number(header, "EstimatedRadiographicMagnificationFactor", 0)
    return 1 / factor if factor >= 1 else None
