"""Make the sample studies in resources/samples: python -m resources.make_samples.

Everything in them is invented from fixed seeds; no picture of a person went into them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    XRayAngiographicImageStorage,
)

from inference.series import Geometry
from inference.writing import to_itk
from plugins.dsa_interpolation.simulator.carm import CArm
from plugins.dsa_interpolation.simulator.detector import Detector
from plugins.dsa_interpolation.simulator.run import simulate
from plugins.dsa_interpolation.simulator.settings import Motion, Settings
from plugins.dsa_interpolation.simulator.transport import Bolus
from resources.generators import fundus, thorax

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = Path(__file__).parent / "samples"
SLOWER = 14  # frames at 4 a second, then half as many: veins take their time
CEREBRAL = Settings(
    part="carotid",
    size=352,
    times=tuple(np.cumsum([0] + [250.0] * (SLOWER - 1) + [500.0] * 8)),
    carm=CArm(primary=2, secondary=-14, to_patient=780, to_detector=1120),
    field_mm=176,
    bolus=Bolus(start=0.7, duration=1.8, strength=0.85, pulse=0.25),
    motion=Motion(shake=0.25, jerk=1.4),
    detector=Detector(quanta=6000, blur=0.6, scatter=0.35, level=0.4),
    contrast=0.42,
    collimator=0.985,
)
ROOT_UID = "2.25.20261122"  # a UUID-derived arc, where everybody may number freely


def main() -> None:
    """Write the three studies."""
    SAMPLES.mkdir(exist_ok=True)
    write_fundus(SAMPLES / "fundus.jpg")
    write_ct(SAMPLES / "ct_phantom.nii.gz")
    write_run(SAMPLES / "dsa_run.dcm")


def write_fundus(path: Path) -> None:
    """A colour photograph."""
    picture = fundus.picture(np.random.default_rng(3))
    Image.fromarray(picture).save(path, quality=94, subsampling=0)


def write_ct(path: Path) -> None:
    """A volume in HU."""
    import SimpleITK as sitk

    affine = np.eye(4)[[2, 1, 0, 3]] * thorax.SPACING
    affine[:3, 3] = [-n / 2 * thorax.SPACING for n in reversed(thorax.SHAPE)]
    affine[3, 3] = 1
    voxels = thorax.volume(np.random.default_rng(5))
    sitk.WriteImage(to_itk(voxels, Geometry(affine, known=True)), str(path), useCompression=True)


def write_run(path: Path) -> None:
    """A multi-frame X-ray angiogram: the right internal carotid artery, four frames a second."""
    frames = simulate(np.random.default_rng(11), CEREBRAL, maps=False).frames
    dataset = _header(path, np.asarray(frames, np.uint16))
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)


def _header(path: Path, frames: NDArray[np.uint16]) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = XRayAngiographicImageStorage
    meta.MediaStorageSOPInstanceUID = UID(f"{ROOT_UID}.3")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(path, Dataset(), file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{ROOT_UID}.1", f"{ROOT_UID}.2"
    dataset.PatientName, dataset.PatientID = "Sample^Invented", "LIMN-SAMPLE"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.AccessionNumber = ""
    dataset.StudyDate = dataset.StudyTime = dataset.ReferringPhysicianName = ""
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, 1
    dataset.Modality, dataset.Manufacturer = "XA", "Limn"
    dataset.StudyDescription = "Invented cerebral angiogram"
    dataset.SeriesDescription = "Right internal carotid artery"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "SINGLE PLANE"]
    dataset.PixelIntensityRelationship = "LIN"
    dataset.FrameIncrementPointer = 0x00181065
    dataset.FrameTimeVector = ["0", *(f"{step:g}" for step in np.diff(CEREBRAL.times))]
    carm = CEREBRAL.geometry()
    dataset.ImagerPixelSpacing = [f"{carm.pixel:.6g}"] * 2
    dataset.DistanceSourceToDetector = f"{carm.to_detector:g}"
    dataset.DistanceSourceToPatient = f"{carm.to_patient:g}"
    dataset.PositionerPrimaryAngle = f"{carm.primary:g}"
    dataset.PositionerSecondaryAngle = f"{carm.secondary:g}"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = "1250", "2100"
    dataset.PixelData = frames.tobytes()
    return dataset


if __name__ == "__main__":
    main()
