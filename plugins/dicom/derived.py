"""The header of a run made from another: the patient and study stay, all identifiers are new."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.sr.coding import Code
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    EnhancedXAImageStorage,
    EnhancedXRFImageStorage,
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
    generate_uid,
)

from inference.errors import UserError
from inference.version import VERSION
from plugins.dicom.header import number, text
from plugins.dicom.parse import read_header
from plugins.dicom.sniff import is_dicom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataelem import DataElement

    from inference.series import Array, Series

CLASSES = {
    XRayAngiographicImageStorage: XRayAngiographicImageStorage,
    EnhancedXAImageStorage: XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage: XRayRadiofluoroscopicImageStorage,
    EnhancedXRFImageStorage: XRayRadiofluoroscopicImageStorage,
}
OF_THE_PIXELS = (0x0028, 0x7FE0)  # groups
OF_THE_SOURCE = (
    "SpecificCharacterSet", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate", "StartTrim",
    "StopTrim", "ActualFrameDuration", "PreferredPlaybackSequencing", "IconImageSequence",
    "SourceImageSequence", "DerivationDescription", "DerivationCodeSequence",
    "DimensionOrganizationSequence", "DimensionIndexSequence", "DimensionOrganizationType",
    "DigitalSignaturesSequence", "MACParametersSequence", "ContributingEquipmentSequence",
)  # fmt: skip
KEPT_OF_THE_PIXELS = (
    "PixelSpacing", "PixelSpacingCalibrationType", "PixelSpacingCalibrationDescription",
    "PixelIntensityRelationship", "BurnedInAnnotation", "RecommendedViewingMode",
    "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
)  # fmt: skip
EMPTY_IF_UNKNOWN = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName", "PatientOrientation",
)  # fmt: skip
LOSSY = (".4.50", ".4.51", ".4.53", ".4.55", ".4.81", ".4.91", ".4.203")  # transfer syntaxes
SOURCE = Code("121322", "DCM", "Source image for image processing operation")
TAKEN_BY = Code("109101", "DCM", "Acquisition Equipment")


def derived_header(series: Series, frames: Array) -> Dataset:
    """All that a new run's file says except its pixels, times and derivation; raises UserError."""
    sources = _sources(series)
    header = Dataset()
    if sources:
        header.update({element.tag: element for element in _kept(sources[0])})
        header.SourceImageSequence = [_reference(source) for source in sources]
        header.ContributingEquipmentSequence = [_equipment(sources[0])]
    _identify(header, series)
    header.SOPClassUID = _class_for(sources[0] if sources else Dataset(), frames)
    header.LossyImageCompression = "01" if _is_lossy(sources, series) else "00"
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return header


def code_item(code: Code) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code[:3]
    return item


def _identify(header: Dataset, series: Series) -> None:
    """New identifiers, the equipment and the time; what the standard demands even if unknown."""
    for keyword in EMPTY_IF_UNKNOWN:
        if keyword not in header:
            setattr(header, keyword, None)
    header.SpecificCharacterSet = "ISO_IR 192"
    header.Modality = header.get("Modality") or series.modality
    header.StudyInstanceUID = header.get("StudyInstanceUID") or generate_uid(None)
    header.SeriesInstanceUID, header.SOPInstanceUID = generate_uid(None), generate_uid(None)
    header.SeriesNumber, header.InstanceNumber = int(number(header, "SeriesNumber", 0)) + 1000, 1
    header.Manufacturer = header.ManufacturerModelName = "Limn"
    header.SoftwareVersions, header.ConversionType = VERSION, "WSD"
    now = datetime.now()  # DICOM states the time of the place
    header.InstanceCreationDate = header.ContentDate = now.strftime("%Y%m%d")
    header.InstanceCreationTime = header.ContentTime = now.strftime("%H%M%S.%f")


def _sources(series: Series) -> list[Dataset]:
    """The headers of the files that the run was read from, if they are DICOM."""
    if not (series.identity.series_uid or is_dicom(series.path)):
        return []
    try:
        return [read_header(path) for path in series.paths]
    except UserError as error:
        raise UserError(
            f"{series.path.name} cannot be read any more: a run made from it refers to it."
        ) from error


def _kept(source: Dataset) -> Iterator[DataElement]:
    """What stays true of a derived run; vectors with one value for each old frame do not."""
    count = max(4, int(number(source, "NumberOfFrames", 1)))
    for tag in source.keys():  # noqa: SIM118  iterating a data set gives its elements
        element = None if _is_of_the_source(BaseTag(tag)) else sound(source, tag)
        if element is not None and count != element.VM:
            yield element


def _is_of_the_source(tag: BaseTag) -> bool:
    keyword = keyword_for_tag(tag)
    of_the_pixels = tag.group in OF_THE_PIXELS and keyword not in KEPT_OF_THE_PIXELS
    drawn = tag.group >> 8 in {0x50, 0x60}  # curves and overlays
    return of_the_pixels or drawn or tag.is_private or keyword in OF_THE_SOURCE


def sound(source: Dataset, tag: int) -> DataElement | None:
    """The element, its text decoded, or None if it is too malformed to be written again."""
    try:
        element = source[tag]
        for item in element.value if element.VR == "SQ" else ():
            item.decode()
        stream = DicomBytesIO()
        stream.is_little_endian, stream.is_implicit_VR = True, False
        write_data_element(stream, element, ["utf8"])
    except Exception:  # noqa: BLE001  pydicom converts on access and raises almost anything
        return None
    return element


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = text(source, "SOPClassUID")
    item.ReferencedSOPInstanceUID = text(source, "SOPInstanceUID")
    item.PurposeOfReferenceCodeSequence = [code_item(SOURCE)]
    return item


def _equipment(source: Dataset) -> Dataset:
    item = Dataset()
    item.Manufacturer = text(source, "Manufacturer") or "unknown"
    item.ManufacturerModelName = text(source, "ManufacturerModelName")
    item.PurposeOfReferenceCodeSequence = [code_item(TAKEN_BY)]
    return item


def _class_for(source: Dataset, frames: Array) -> UID:
    """X-ray runs keep their class, as the classic one; others become captures."""
    if frames.ndim == 4:
        return MultiFrameTrueColorSecondaryCaptureImageStorage
    capture = (
        MultiFrameGrayscaleByteSecondaryCaptureImageStorage
        if frames.dtype.itemsize == 1
        else MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    )
    return CLASSES.get(UID(text(source, "SOPClassUID")), capture)


def _is_lossy(sources: list[Dataset], series: Series) -> bool:
    if not sources:
        return series.path.suffix.lower() in {".jpg", ".jpeg"}
    said = any(text(source, "LossyImageCompression") == "01" for source in sources)
    return said or any(source.file_meta.TransferSyntaxUID.endswith(LOSSY) for source in sources)
