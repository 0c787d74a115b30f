"""Runs in and out: what hospitals and researchers have, whole or broken, and what Limn writes."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gdcm
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    EnhancedXAImageStorage,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    RLELossless,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from gui.studies import series_title
from inference.errors import UserError
from inference.reading import read
from inference.registry import command
from inference.series import Acquisition
from plugins.images.video import write_video
from tests import phantoms

if TYPE_CHECKING:
    from inference.series import Array, Series

DEPTHS = [
    (np.uint8, 8), (np.uint16, 10), (np.uint16, 12), (np.uint16, 14), (np.uint16, 16),
    (np.int8, 8), (np.int16, 12), (np.int16, 16),
]  # fmt: skip
XA, RF = XRayAngiographicImageStorage, XRayRadiofluoroscopicImageStorage
MASKED = ("Maskenlauf^Erika", "GEHEIM-1")  # name and number of a patient


def spread(dtype: Any, bits: int, frames: int = 5) -> Array:
    """Frames (t, y, x) that use the whole range of so many bits."""
    signed = np.dtype(dtype).kind == "i"
    run = phantoms.run((frames, 24 + 2 * max(0, frames - 10), 32)).astype(float)
    shares = (run - run.min()) / (run.max() - run.min())
    low = -(2 ** (bits - 1)) if signed else 0
    return np.asarray(np.rint(low + shares * (2**bits - 1)), dtype)


def xa(
    path: Path, frames: Array, bits: int | None = None, sop_class: UID = XA, **elements: Any
) -> Path:
    modality = "RF" if sop_class == RF else "XA"
    dataset = phantoms.dicom(path, sop_class, **({"Modality": modality} | elements))
    phantoms.set_pixels(dataset, frames, bits)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def only(path: Path) -> Series:
    (series,) = read(path)
    return series


def said(series: Series) -> str:
    return " ".join(series.warnings)


def item(**elements: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def compress(path: Path, syntax: UID) -> None:
    if syntax == JPEGLosslessSV1:  # pydicom has no encoder for it
        reader, change = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax()
        reader.SetFileName(str(path))
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(str(path))
        assert writer.Write()
        return
    dataset = dcmread(path)
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(path)


@pytest.mark.parametrize(("dtype", "bits"), DEPTHS)
@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless, JPEGLosslessSV1])
def test_every_depth_and_codec_keeps_its_values(
    tmp_path: Path, dtype: Any, bits: int, syntax: UID | None
) -> None:
    frames = spread(dtype, bits)
    path = xa(tmp_path / "xa.dcm", frames, bits, FrameTime="40")
    if syntax:
        compress(path, syntax)
        assert dcmread(path).file_meta.TransferSyntaxUID == syntax
    series = only(path)
    np.testing.assert_array_equal(series.voxels, frames)
    assert (series.kind, series.voxels.dtype) == ("run", np.dtype(dtype))
    assert "whole" not in said(series)


def test_bits_at_the_upper_end_of_the_words(tmp_path: Path) -> None:
    frames = spread(np.uint16, 12)
    path = xa(tmp_path / "xa.dcm", frames << 4, 12, FrameTime="40", HighBit=15)
    np.testing.assert_array_equal(only(path).voxels, frames)


@pytest.mark.parametrize(
    ("said_of_them", "intensity"),
    [("LIN", "linear"), ("LOG", "logarithmic"), ("DISP", ""), ("", "")],
)
@pytest.mark.parametrize("sop_class", [XA, RF])
def test_intensity_angles_and_mask(
    tmp_path: Path, sop_class: UID, said_of_them: str, intensity: str
) -> None:
    mask = item(MaskOperation="AVG_SUB", MaskFrameNumbers=[2, 3], MaskSubPixelShift=[0.5, -1.25])
    path = xa(
        tmp_path / "xa.dcm", phantoms.run(), 12, sop_class, FrameTime="40",
        PixelIntensityRelationship=said_of_them, MaskSubtractionSequence=[mask],
        PositionerPrimaryAngle="-30.5", PositionerSecondaryAngle="12",
    )  # fmt: skip
    taken = only(path).acquisition
    assert taken == Acquisition(
        intensity, mask_frames=(1, 2), mask_shift=(0.5, -1.25), angles=(-30.5, 12.0)
    )


@pytest.mark.parametrize("said_of_them", ["LIN", "LOG"])
@pytest.mark.parametrize(
    ("sign", "shown", "inverted"),
    [(1, 2, False), (-1, 2, True), (1, 1, True), (-1, 1, False), (None, 2, False)],
)
def test_the_sign_of_the_intensity_counts_for_stored_values(
    tmp_path: Path, said_of_them: str, sign: int | None, shown: int, inverted: bool
) -> None:
    elements: dict[str, Any] = {"PhotometricInterpretation": f"MONOCHROME{shown}"}
    if sign is not None:
        elements["PixelIntensityRelationshipSign"] = sign
    path = xa(
        tmp_path / "xa.dcm", phantoms.run(), 12, FrameTime="40",
        PixelIntensityRelationship=said_of_them, **elements,
    )  # fmt: skip
    source = only(path)
    intensity = "linear" if said_of_them == "LIN" else "logarithmic"
    assert source.acquisition == Acquisition(intensity, inverted)
    target, new = written(source, tmp_path / "again")
    assert only(target).acquisition == Acquisition(intensity, inverted)
    np.testing.assert_array_equal(only(target).voxels, new["frames"])


@pytest.mark.parametrize(
    ("numbers", "frames"), [([1, 99], (0,)), ([99], ()), ([0], ()), ([3, 3], (2,))]
)
def test_mask_frames_that_do_not_exist_are_ignored(
    tmp_path: Path, numbers: list[int], frames: tuple[int, ...]
) -> None:
    mask = item(MaskOperation="AVG_SUB", MaskFrameNumbers=numbers)
    path = xa(tmp_path / "xa.dcm", phantoms.run(), 12, MaskSubtractionSequence=[mask])
    taken = only(path).acquisition
    assert taken is not None
    assert taken.mask_frames == frames


@pytest.mark.parametrize(
    ("elements", "subtracted"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "SINGLE PLANE"]}, False),
        ({"ImageType": ["DERIVED", "PRIMARY", "SINGLE PLANE"]}, False),
        ({"ImageType": ["DERIVED", "SECONDARY", "SINGLE PLANE", "SUBTRACTED"]}, True),
        ({"ImageType": ["DERIVED", "PRIMARY", "SINGLE PLANE", "SUBTRACTION"]}, True),
        ({"DerivationDescription": "Subtracted by the workstation"}, True),
        ({"DerivationDescription": "Unsubtracted copy"}, False),
        ({"DerivationCodeSequence": [item(CodeValue="113062")]}, True),
    ],
)  # fmt: skip
def test_a_subtracted_run_is_recognised(
    tmp_path: Path, elements: dict[str, Any], subtracted: bool
) -> None:
    taken = only(xa(tmp_path / "xa.dcm", phantoms.run(), 12, **elements)).acquisition
    assert taken is not None
    assert taken.subtracted == subtracted


def enhanced(path: Path, frames: Array, moments: list[str] | None) -> Path:
    """An enhanced XA file: its facts lie in functional groups."""
    properties = item(PixelIntensityRelationship="LOG", ImagerPixelSpacing=["0.4", "0.4"])
    position = item(PositionerPrimaryAngle=-25.0, PositionerSecondaryAngle=10.0)
    geometry = item(DistanceSourceToDetector="1000", DistanceSourceToPatient="750")
    shared = item(
        FramePixelDataPropertiesSequence=[properties],
        PositionerPositionSequence=[position],
        XRayGeometrySequence=[geometry],
    )
    contents = [
        item(FrameContentSequence=[item(FrameReferenceDateTime=moment)])
        for moment in moments or [""] * len(frames)
    ]
    return xa(
        path, frames, 12, EnhancedXAImageStorage,
        PlaneIdentification="PLANE B", SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=contents,
    )  # fmt: skip


def test_enhanced_xa(tmp_path: Path) -> None:
    moments = [f"20240131101530.{ms:03d}000" for ms in (0, 125, 250, 500, 750)]
    series = only(enhanced(tmp_path / "xa.dcm", phantoms.run(), moments))
    assert series.kind == "run"
    assert series.frame_times == (0, 125, 250, 500, 750)
    assert series.acquisition == Acquisition("logarithmic", angles=(-25.0, 10.0), plane="B")
    assert series.geometry.spacing[1:] == pytest.approx((0.3, 0.3))
    assert series.warnings == ()


@pytest.mark.parametrize(
    ("elements", "spacing", "told"),
    [
        ({}, 0.4, True),
        ({"DistanceSourceToDetector": "1000", "DistanceSourceToPatient": "750"}, 0.3, False),
        ({"EstimatedRadiographicMagnificationFactor": "1.25"}, 0.32, False),
        ({"PixelSpacing": ["0.4", "0.4"]}, 0.4, True),  # the detector's, under another name
        ({"PixelSpacing": ["0.4", "0.4"], "PixelSpacingCalibrationType": "GEOMETRY"}, 0.4, False),
        ({"PixelSpacing": ["0.2", "0.2"]}, 0.2, False),
    ],
)
def test_pixels_are_measured_in_the_patient_if_the_file_allows(
    tmp_path: Path, elements: dict[str, Any], spacing: float, told: bool
) -> None:
    series = only(
        xa(tmp_path / "xa.dcm", phantoms.run(), 12, ImagerPixelSpacing=["0.4", "0.4"], **elements)
    )
    assert series.geometry.spacing[1:] == pytest.approx((spacing, spacing))
    assert ("at the detector" in said(series)) == told


def test_enhanced_xa_without_times_says_so(tmp_path: Path) -> None:
    series = only(enhanced(tmp_path / "xa.dcm", phantoms.run(), None))
    assert series.frame_times is None
    assert "states no frame times: 10 frames a second are assumed" in said(series)


def test_biplane_runs_are_kept_apart(tmp_path: Path) -> None:
    for side, shift in (("A", 0), ("B", 50)):
        kinds = ["ORIGINAL", "PRIMARY", f"BIPLANE {side}"]
        xa(tmp_path / f"{side}.dcm", phantoms.run() + np.uint16(shift), 12, ImageType=kinds)
    first, second = read(tmp_path)
    assert [series.acquisition.plane for series in (first, second) if series.acquisition] == [
        "A", "B",
    ]  # fmt: skip
    assert int(second.voxels[0, 0, 0]) - int(first.voxels[0, 0, 0]) == 50


@pytest.mark.parametrize(
    ("elements", "times", "words"),
    [
        ({"FrameTimeVector": ["0", "100", "33", "300", "50"]}, (0, 100, 133, 433, 483), ""),
        ({"FrameTimeVector": ["100", "33", "300", "50"]}, (0, 100, 133, 433, 483), ""),
        ({"FrameTimeVector": ["0", "100", "0", "300", "50"], "FrameTime": "40"},
         (0, 40, 80, 120, 160), "repeat or run backwards"),
        ({"FrameTimeVector": ["0", "100", "-5", "300", "50"]},
         (0, 112.5, 225, 337.5, 450), "repeat or run backwards"),
        ({"FrameTimeVector": ["0", "100"], "FrameTime": "40"},
         (0, 40, 80, 120, 160), "lists 2 frame times for 5 frames"),
        ({"RecommendedDisplayFrameRate": "25"}, (0, 40, 80, 120, 160), ""),
        ({"CineRate": "-3"}, None, "states no frame times"),
    ],
)  # fmt: skip
def test_irregular_and_wrong_times(
    tmp_path: Path, elements: dict[str, Any], times: tuple[float, ...] | None, words: str
) -> None:
    series = only(xa(tmp_path / "xa.dcm", phantoms.run(), 12, **elements))
    assert series.frame_times == (None if times is None else pytest.approx(times))
    assert words in said(series)
    assert bool(words) == bool(series.warnings)


def singles(folder: Path, count: int = 4, **elements: Any) -> Path:
    """The frames of one run as files with one frame each, under names that tell no order."""
    folder.mkdir(exist_ok=True)
    for index, frame in enumerate(phantoms.run((count, 24, 32))):
        xa(
            folder / f"IM{(index * 7) % 11:02d}", frame, 12, InstanceNumber=index + 1,
            AcquisitionNumber=1, AcquisitionDate="20240131",
            AcquisitionTime=f"1015{30 + index // 4:02d}.{index % 4 * 250:03d}", **elements,
        )  # fmt: skip
    return folder


def test_files_with_one_frame_each_are_one_run(tmp_path: Path) -> None:
    series = only(singles(tmp_path / "run", 6))
    np.testing.assert_array_equal(series.voxels, phantoms.run((6, 24, 32)))
    assert (series.kind, len(series.paths), series.warnings) == ("run", 6, ())
    assert series.frame_times == (0, 250, 500, 750, 1000, 1250)


def test_a_broken_file_is_left_out_of_its_run_and_its_time_stays_free(tmp_path: Path) -> None:
    folder = singles(tmp_path / "run")
    third = next(path for path in folder.iterdir() if dcmread(path).InstanceNumber == 3)
    third.write_bytes(third.read_bytes()[:-200])
    (folder / "IM99").write_bytes(b"")
    series = only(folder)
    np.testing.assert_array_equal(series.voxels, phantoms.run((4, 24, 32))[[0, 1, 3]])
    assert series.frame_times == (0, 250, 750)
    assert f"1 of 4 files were left out: The pixels of {third.name}" in said(series)


def test_single_frames_of_two_planes_and_of_two_shots_are_kept_apart(tmp_path: Path) -> None:
    for side in "AB":
        kinds = ["ORIGINAL", "PRIMARY", f"BIPLANE {side}"]
        for path in singles(tmp_path / side, ImageType=kinds).iterdir():
            path.rename(tmp_path / f"{side}{path.name}")
    assert [series.voxels.shape for series in read(tmp_path)] == [(4, 24, 32)] * 2
    for path in tmp_path.glob("B*"):
        if path.is_file():
            dataset = dcmread(path)
            dataset.ImageType[2], dataset.AcquisitionNumber = "BIPLANE A", 2
            dataset.save_as(path)
    assert [series.voxels.shape for series in read(tmp_path)] == [(4, 24, 32)] * 2


def test_single_shots_minutes_apart_are_images(tmp_path: Path) -> None:
    for index in range(3):
        xa(
            tmp_path / f"{index}.dcm", phantoms.run()[index], 12, RF, InstanceNumber=index + 1,
            ContentDate="20240131", ContentTime=f"10{index * 5:02d}00",
        )  # fmt: skip
    found = read(tmp_path)
    assert [series.kind for series in found] == ["image"] * 3
    assert all("One frame alone is no run" in said(series) for series in found)


def test_runs_of_different_size_in_one_folder_open_each(tmp_path: Path) -> None:
    xa(tmp_path / "a.dcm", phantoms.run(), 12, FrameTime="40")
    xa(tmp_path / "b.dcm", phantoms.run((4, 20, 20)), 12, FrameTime="40")
    cut = xa(tmp_path / "c.dcm", phantoms.run()[:1].repeat(2, 0), 12, FrameTime="40")
    cut.write_bytes(cut.read_bytes()[:-2000])
    shapes = {series.voxels.shape for series in read(tmp_path)}
    assert shapes == {(5, 24, 32), (4, 20, 20)}
    assert all("The pixels of c.dcm are damaged" in said(series) for series in read(tmp_path))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEGLosslessSV1])
@pytest.mark.parametrize("lost", [9, 200])
def test_compressed_runs_that_are_cut_off_open_as_far_as_they_go(
    tmp_path: Path, syntax: UID, lost: int
) -> None:
    noise = np.random.default_rng(0).integers(0, 4096, (5, 24, 32), np.uint16)
    mask = item(MaskOperation="AVG_SUB", MaskFrameNumbers=[2, 5])
    path = xa(tmp_path / "xa.dcm", noise, 12, FrameTime="40", MaskSubtractionSequence=[mask])
    compress(path, syntax)
    path.write_bytes(path.read_bytes()[:-lost])
    series = only(path)
    assert len(series.voxels) == 4
    np.testing.assert_array_equal(series.voxels, noise[:4])
    assert series.frame_times == (0, 40, 80, 120)
    assert series.acquisition is not None
    assert series.acquisition.mask_frames == (1,)
    assert "4 of its 5 frames are whole and were opened" in said(series)


def test_a_damaged_frame_in_the_middle_is_left_out(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 4096, (5, 24, 32), np.uint16)
    path = xa(tmp_path / "xa.dcm", noise, 12, FrameTime="40")
    compress(path, RLELossless)
    content = bytearray(path.read_bytes())
    starts = [i for i in range(len(content)) if content[i : i + 4] == b"\xfe\xff\x00\xe0"]
    content[starts[3] + 8] = 77  # of the third frame: its number of RLE segments
    path.write_bytes(content)
    series = only(path)
    np.testing.assert_array_equal(series.voxels, noise[[0, 1, 3, 4]])
    assert series.frame_times == (0, 40, 120, 160)


ODD_HEADERS = [
    ({"NumberOfFrames": 7}, 5, "5 of its 7 frames are whole"),
    ({"NumberOfFrames": 3}, 5, "claims 3 frames but holds 5"),
    ({"PhotometricInterpretation": None}, 5, "PhotometricInterpretation MONOCHROME2 assumed"),
    ({"SamplesPerPixel": None, "PixelRepresentation": None}, 5, "PixelRepresentation 0 assumed"),
    ({"BitsStored": 20}, 5, "BitsStored 16 assumed"),
    ({"FrameTime": "0.000001"}, 5, "states no frame times"),
    ({"FrameTime": "1e30"}, 5, "states no frame times"),
    ({"PerFrameFunctionalGroupsSequence": [Dataset()]}, 5, ""),
    ({"PixelData": b""}, 0, "damaged or cut off"),
    ({"Rows": 0}, 0, "without an image"),
    ({"NumberOfFrames": 0}, 0, "fewer or more pixels"),
]


@pytest.mark.parametrize(("elements", "count", "words"), ODD_HEADERS)
@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_odd_headers_open_if_they_can_and_are_told(
    tmp_path: Path, elements: dict[str, Any], count: int, words: str, syntax: UID | None
) -> None:
    path = xa(tmp_path / "xa.dcm", phantoms.run(), 12, FrameTime="40")
    if syntax:
        compress(path, syntax)
    dataset = dcmread(path)
    for keyword, value in elements.items():
        if value is None:
            del dataset[keyword]
        elif not (keyword == "PixelData" and syntax):
            setattr(dataset, keyword, value)
    dataset.save_as(path)
    if count or (syntax and "PixelData" in elements):
        series = only(path)
        assert len(series.voxels) == 5
        assert words in said(series) or "PixelData" in elements
    else:
        with pytest.raises(UserError, match=words):
            read(path)


def test_a_run_cut_off_to_one_frame_is_an_image(tmp_path: Path) -> None:
    path = xa(tmp_path / "xa.dcm", phantoms.run()[:2], 12, FrameTime="40")
    path.write_bytes(path.read_bytes()[:-100])
    series = only(path)
    assert (series.kind, series.voxels.shape) == ("image", (24, 32))
    assert "One frame alone is no run" in said(series)


def test_a_run_in_colour_becomes_grey(tmp_path: Path) -> None:
    frames = np.repeat(spread(np.uint8, 8)[..., None], 3, axis=-1)
    path = tmp_path / "xa.dcm"
    dataset = phantoms.dicom(path, Modality="XA", FrameTime="40")
    phantoms.set_pixels(dataset, frames[..., 0])
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
    dataset.PlanarConfiguration, dataset.PixelData = 0, frames.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    series = only(path)
    assert not series.rgb
    np.testing.assert_array_equal(series.voxels, frames[..., 0])
    assert "turned to grey" in said(series)


def test_the_real_runs(shared_data: Path) -> None:
    folders = sorted((shared_data / "xa").glob("angiodata_*"))
    assert len(folders) == 8
    for folder in folders:
        about = json.loads((folder / "run.json").read_text("utf-8"))
        series = only(folder)
        assert series.voxels.shape == (about["frames"], about["rows"], about["cols"])
        assert np.diff(series.frame_times or ()) == pytest.approx(about["frame_time_ms"])
        primary = about["positioner_primary_angle_deg"]
        assert series.acquisition is not None
        assert (series.acquisition.angles is None) == (primary is None)
        assert (series.acquisition.subtracted, series.warnings) == (False, ())


# Folders of pictures


def pictures(folder: Path, names: list[str], run: Array | None = None, **about: Any) -> Path:
    folder.mkdir()
    frames = spread(np.uint8, 8, len(names)) if run is None else run
    for name, frame in zip(names, frames, strict=True):
        if name.endswith("tif"):
            tifffile.imwrite(folder / name, frame)
        else:
            Image.fromarray(frame).save(folder / name)
    if about:
        (folder / "run.json").write_text(json.dumps(about), "utf-8")
    return folder


NAMES = [
    ["1.png", "2.png", "10.png"],
    ["frame_000.png", "frame_001.png", "frame_002.png"],
    ["IM-0001-0001.png", "IM-0001-0002.png", "IM-0001-0003.png"],
    ["Bild (1).png", "Bild (2).png", "Bild (11).png"],
    ["f1.tif", "f2.tif", "f3.tif"],
    ["f1.bmp", "f2.bmp", "f3.bmp"],
]


@pytest.mark.parametrize("names", NAMES, ids=lambda names: names[0])
def test_numbered_pictures_are_a_run_in_natural_order(tmp_path: Path, names: list[str]) -> None:
    series = only(pictures(tmp_path / "run", names, frame_times_ms=[10, 50, 130]))
    np.testing.assert_array_equal(series.voxels, spread(np.uint8, 8, 3))
    assert [path.name for path in series.paths] == names
    assert (series.kind, series.frame_times, series.warnings) == ("run", (0, 40, 120), ())
    assert series_title(series) == "run"  # the folder, as its frames' names say nothing


@pytest.mark.parametrize("depth", [np.uint8, np.uint16, np.float32])
def test_every_depth_of_tiff_frames(tmp_path: Path, depth: Any) -> None:
    frames = spread(np.uint8, 8, 3).astype(depth)
    series = only(pictures(tmp_path / "run", ["1.tif", "2.tif", "3.tif"], frames, frame_time_ms=40))
    np.testing.assert_array_equal(series.voxels, frames)
    assert series.voxels.dtype == depth


def test_what_is_no_frame_is_left_out_and_told(tmp_path: Path) -> None:
    names = [f"frame_{index:03d}.png" for index in range(6)]
    folder = pictures(tmp_path / "run", names, frame_time_ms=40)
    (folder / names[1]).write_bytes(b"")
    (folder / names[2]).write_text("Dear colleague", "utf-8")
    (folder / names[4]).write_bytes((folder / names[4]).read_bytes()[:60])
    (folder / ("._" + names[0])).write_bytes(b"\0\5\x16\7")  # as some file systems leave beside
    series = only(folder)
    np.testing.assert_array_equal(series.voxels, spread(np.uint8, 8, 6)[[0, 3, 5]])
    assert series.frame_times == (0, 120, 200)
    assert said(series).startswith("3 of 6 frames were left out: frame_001.png is empty")


def test_missing_numbers_keep_their_time_free(tmp_path: Path) -> None:
    names = ["f_2.png", "f_4.png", "f_10.png"]
    series = only(pictures(tmp_path / "run", names, frame_time_ms=40))
    assert series.frame_times == (0, 40, 160)
    assert "2 frames are missing" in said(series)


def test_frames_of_several_sizes_open_each(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "run", ["1.png", "2.png", "3.png", "4.png"], frame_time_ms=40)
    for number in (3, 4):
        Image.fromarray(spread(np.uint8, 8)[0, :8]).save(folder / f"{number}.png")
    first, second = read(folder)
    assert (first.voxels.shape, second.voxels.shape) == ((2, 24, 32), (2, 8, 32))
    assert second.frame_times == (0, 40)
    assert "have 2 sizes or depths" in said(second)


def test_grey_frames_saved_in_colour_are_grey(tmp_path: Path) -> None:
    frames = np.repeat(spread(np.uint8, 8, 3)[..., None], 3, axis=-1)
    frames[:, :2, :4] = (255, 0, 0)  # a letter drawn into the pictures
    series = only(pictures(tmp_path / "run", ["1.png", "2.png", "3.png"], frames, frame_time_ms=40))
    assert not series.rgb
    np.testing.assert_array_equal(series.voxels[:, 2:], spread(np.uint8, 8, 3)[:, 2:])


def test_frames_in_colour_are_a_run_that_says_so_and_photographs_are_none(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3), np.uint8)
    series = only(pictures(tmp_path / "run", ["1.png", "2.png", "3.png"], colours, frame_time_ms=4))
    assert (series.kind, series.rgb, series.voxels.shape) == ("run", True, (3, 24, 32, 3))
    assert "The run is in colour" in said(series)
    found = read(pictures(tmp_path / "eyes", ["1.png", "2.png", "3.png"], colours))
    assert [series.kind for series in found] == ["image"] * 3


def test_one_frame_and_no_whole_frame(tmp_path: Path) -> None:
    series = only(pictures(tmp_path / "one", ["frame_000.png"], frame_time_ms=40))
    assert (series.kind, said(series)) == (
        "image", "One frame alone is no run: it was opened as an image.",
    )  # fmt: skip
    folder = pictures(tmp_path / "none", ["1.png", "2.png"], frame_time_ms=40)
    for path in folder.glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"1\.png is empty"):
        read(folder)


# Writing


def interpolated(series: Series) -> dict[str, Any]:
    """A frame between each two, as a model would return it; the original ones exact."""
    voxels = series.voxels
    frames = np.empty((2 * len(voxels) - 1, *voxels.shape[1:]), voxels.dtype)
    frames[::2], frames[1::2] = voxels, voxels[:-1]
    times = np.interp(
        np.arange(len(frames)) / 2, np.arange(len(voxels)), series.frame_times or (0,)
    )
    synthetic = [index % 2 == 1 for index in range(len(frames))]
    confidence = [0.625 if flag else 1.0 for flag in synthetic]
    return {
        "frames": frames, "times": times.tolist(), "synthetic": synthetic,
        "confidence": confidence, "model": "MoSt-DSA fast 1",
    }  # fmt: skip


def written(series: Series, stem: Path) -> tuple[Path, dict[str, Any]]:
    new = interpolated(series)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # they would quote the patient's data
        return write_run(stem, series, new), new


def write_run(stem: Path, series: Series, new: dict[str, Any]) -> Path:
    """As the plugin does that reads the kind of the source."""
    by_dicom = bool(series.identity.series_uid)
    path = stem.with_name(stem.name + ".dcm" * by_dicom)
    write = command("limn-dicom.write_run" if by_dicom else "limn-images.write_frames")
    write(path, series, **new)
    return path


def assert_same_run(again: Series, new: dict[str, Any], source: Series) -> None:
    np.testing.assert_array_equal(again.voxels, new["frames"])
    assert again.voxels.dtype == new["frames"].dtype
    assert again.frame_times == pytest.approx(new["times"], abs=1e-4)
    assert again.synthetic == tuple(new["synthetic"])
    assert again.confidence == pytest.approx(new["confidence"])
    assert again.geometry.spacing == pytest.approx(source.geometry.spacing)


@pytest.mark.parametrize(("dtype", "bits"), DEPTHS)
def test_a_written_run_reopens_everywhere(tmp_path: Path, dtype: Any, bits: int) -> None:
    steps = ["0", "100", "33.3333333", "300", "50"]
    mask = item(MaskOperation="AVG_SUB", MaskFrameNumbers=[2, 3], MaskSubPixelShift=[0.5, -1.25])
    path = xa(
        tmp_path / "xa.dcm", spread(dtype, bits), bits, FrameTimeVector=steps,
        PixelIntensityRelationship="LOG", PositionerPrimaryAngle="30",
        PositionerSecondaryAngle="-5", ImagerPixelSpacing=["0.3", "0.3"], PatientName=MASKED[0],
        PatientID=MASKED[1], MaskSubtractionSequence=[mask], SeriesDescription="LAO 30",
        TableLateralIncrement=["0"] * 5, StudyInstanceUID="2.25.99", WindowCenter="10",
        WindowWidth="20", ImageType=["ORIGINAL", "PRIMARY", "BIPLANE A"],
    )  # fmt: skip
    source = only(path)
    target, new = written(source, tmp_path / "out" / "xa_interpolated")
    assert target.name == "xa_interpolated.dcm"
    again = only(target)
    assert_same_run(again, new, source)
    assert again.acquisition == replace(source.acquisition or Acquisition(), mask_frames=(2, 4))
    assert (again.window, again.identity.patient_name) == (source.window, MASKED[0])
    dataset = dcmread(target)
    np.testing.assert_array_equal(dataset.pixel_array, new["frames"])
    assert (dataset.BitsStored, dataset.PixelRepresentation) == (
        bits, int(np.dtype(dtype).kind == "i"),
    )  # fmt: skip
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(target))), new["frames"]
    )


def test_a_written_run_says_whence_it_comes_and_what_is_synthetic(
    shared_data: Path, tmp_path: Path
) -> None:
    path = shared_data / "xa/dicom/angiodata_p1_r1.dcm"
    source = only(path)
    target, new = written(source, tmp_path / "run_interpolated")
    old, dataset = dcmread(path), dcmread(target)
    assert list(dataset.ImageType)[:2] == ["DERIVED", "SECONDARY"]
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert dataset[keyword].value != old[keyword].value
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "SOPClassUID", "KVP"):
        assert dataset[keyword].value == old[keyword].value
    assert dataset.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID
    assert "19 of 39 frames were interpolated by MoSt-DSA fast 1" in dataset.DerivationDescription
    assert dataset.SeriesDescription.endswith("(interpolated)")
    assert list(dataset.FrameNumbersOfInterest) == list(range(2, 39, 2))
    assert set(dataset.FrameOfInterestType) == {"SYNTHETIC"}
    assert dataset.FrameIncrementPointer == 0x00181065
    assert "FrameTime" not in dataset
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionMethod) == (
        "01", "ISO_10918_1",
    )  # fmt: skip
    assert_same_run(only(target), new, source)


def test_marks_survive_the_removal_of_private_elements(tmp_path: Path) -> None:
    path = xa(tmp_path / "xa.dcm", phantoms.run(), 12, FrameTime="40")
    target, new = written(only(path), tmp_path / "new")
    dataset = dcmread(target)
    dataset.remove_private_tags()
    dataset.save_as(target)
    again = only(target)
    assert again.synthetic == tuple(new["synthetic"])
    assert again.confidence is None


@pytest.mark.parametrize("kind", ["enhanced", "single frames", "capture", "signed rescale", "odd"])
def test_every_kind_of_source_can_be_written(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "xa.dcm"
    if kind == "enhanced":
        moments = [f"20240131101530.{ms:03d}000" for ms in (0, 125, 250, 500, 750)]
        enhanced(path, phantoms.run(), moments)
    elif kind == "single frames":
        path = singles(tmp_path / "run")
    elif kind == "capture":
        xa(path, spread(np.uint8, 8), 8, MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
           FrameTime="40")  # fmt: skip
    elif kind == "signed rescale":
        xa(path, phantoms.run(), 12, FrameTime="40", RescaleSlope="0.5", RescaleIntercept="-100")
    else:
        xa(path, spread(np.uint8, 8)[:, :23, :31], 8, FrameTime="40")
    source = only(path)
    target, new = written(source, tmp_path / "new")
    again = only(target)
    assert_same_run(again, new, source)
    references = dcmread(target).SourceImageSequence
    assert len(references) == len(source.paths)
    assert again.acquisition == source.acquisition


def test_text_in_any_alphabet_and_malformed_elements(tmp_path: Path) -> None:
    step = item(ScheduledProcedureStepDescription="Füße")
    path = xa(
        tmp_path / "xa.dcm", phantoms.run(), 12, FrameTime="40", SpecificCharacterSet="ISO_IR 100",
        PatientName="Müßig^Jörg", RequestAttributesSequence=[step], KVP="40",
    )  # fmt: skip
    kvp = b"\x18\x00\x60\x00DS\x02\x00"
    assert kvp in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(kvp + b"40", kvp + b"x!"))
    target, _ = written(only(path), tmp_path / "new")
    dataset = dcmread(target)
    assert str(dataset.PatientName) == "Müßig^Jörg"
    assert dataset.RequestAttributesSequence[0].ScheduledProcedureStepDescription == "Füße"


def test_a_subtracted_result_says_that_it_is_subtracted(tmp_path: Path) -> None:
    mask = item(MaskOperation="AVG_SUB", MaskFrameNumbers=[1])
    masked = {"FrameTime": "40", "MaskSubtractionSequence": [mask]}
    source = only(xa(tmp_path / "xa.dcm", phantoms.run(), 12, **masked))
    taken = replace(source.acquisition or Acquisition(), subtracted=True)
    target, _ = written(replace(source, acquisition=taken), tmp_path / "new")
    again = only(target).acquisition
    assert again is not None
    assert (again.subtracted, again.mask_frames) == (True, ())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_folder_of_frames_is_written_as_one(tmp_path: Path, dtype: Any) -> None:
    frames = spread(np.uint8, 8, 4).astype(dtype)
    folder = pictures(
        tmp_path / "run", [f"{n}.tif" for n in range(4)], frames, frame_times_ms=[0, 40, 100, 400],
        positioner_primary_angle_deg=3, positioner_secondary_angle_deg=-4.5,
        pixel_spacing_mm=[0.3, 0.4], intensity="linear",
    )  # fmt: skip
    source = only(folder)
    target, new = written(source, tmp_path / "run_interpolated")
    again = only(target)
    assert_same_run(again, new, source)
    assert again.acquisition == source.acquisition == Acquisition("linear", angles=(3.0, -4.5))
    assert (target / "frame_0000.png").is_file() == (dtype != np.float32)


def test_pictures_can_be_written_as_dicom(tmp_path: Path) -> None:
    source = only(pictures(tmp_path / "run", ["1.png", "2.png", "3.png"], frame_time_ms=40))
    new = interpolated(source)
    command("limn-dicom.write_run")(tmp_path / "new.dcm", source, **new)
    np.testing.assert_array_equal(only(tmp_path / "new.dcm").voxels, new["frames"])
    assert only(tmp_path / "new.dcm").synthetic == tuple(new["synthetic"])


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    path = xa(tmp_path / "xa.dcm", phantoms.run(), 12, FrameTime="40", PatientName=MASKED[0])
    source = only(path)
    new = interpolated(source)
    with pytest.raises(UserError, match="do not fit its 9 frames"):
        write_run(tmp_path / "out/new", source, new | {"times": [0, 1]})
    path.unlink()
    with pytest.raises(UserError, match=r"xa\.dcm cannot be read any more") as refusal:
        write_run(tmp_path / "out/new", source, new)
    assert MASKED[0] not in str(refusal.value)
    assert not (tmp_path / "out").exists()


# Videos

TIMES = [0, 40, 173.3333, 206.6667, 406.6667]


@pytest.mark.parametrize("shape", [(24, 32), (23, 31), (64, 48, 3)])
def test_mp4_keeps_every_picture_and_its_time(tmp_path: Path, shape: tuple[int, ...]) -> None:
    import cv2

    pictures = [np.full(shape, 40 * index, np.uint8) for index in range(5)]
    write_video(tmp_path / "run.mp4", iter(pictures), TIMES)
    video = cv2.VideoCapture(str(tmp_path / "run.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 5
    for picture, time in zip(pictures, TIMES, strict=True):
        read_well, frame = video.read()
        assert read_well
        assert video.get(cv2.CAP_PROP_POS_MSEC) == pytest.approx(time, abs=0.02)
        assert float(frame.mean()) == pytest.approx(float(picture.mean()), abs=6)
        assert frame.shape[0] == shape[0] + shape[0] % 2
    assert not video.read()[0]


def test_gif_keeps_grey_values_and_times(tmp_path: Path) -> None:
    frames = spread(np.uint8, 8)
    marked = [frame if i % 2 == 0 else np.dstack([frame] * 3) for i, frame in enumerate(frames)]
    marked[1][:4, :4] = (255, 120, 0)
    write_video(tmp_path / "run.gif", marked, TIMES)
    with Image.open(tmp_path / "run.gif") as gif:
        times = [0]
        for index in range(gif.n_frames):
            gif.seek(index)
            times.append(times[-1] + gif.info["duration"])
            shown = np.asarray(gif.convert("RGB"))
            np.testing.assert_array_equal(shown[4:, 4:, 0], frames[index][4:, 4:])
        assert tuple(shown[0, 0]) == (frames[4][0, 0],) * 3
    assert times[:-1] == pytest.approx(TIMES, abs=5)


@pytest.mark.parametrize("name", ["run.mp4", "run.gif"])
def test_a_video_that_cannot_be_made_leaves_nothing(tmp_path: Path, name: str) -> None:
    few = [np.zeros((8, 8), np.uint8)] * 3
    with pytest.raises(UserError, match=f"{name} was to get 5 pictures, but 3 came"):
        write_video(tmp_path / name, few, TIMES)
    with pytest.raises(UserError, match="no frames to write"):
        write_video(tmp_path / name, [], [])
    with pytest.raises(UserError, match=r"choose \.mp4 or \.gif"):
        write_video(tmp_path / "run.avi", few, TIMES[:3])
    assert list(tmp_path.iterdir()) == []


def test_a_single_picture_can_be_a_video(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.gif"):
        write_video(tmp_path / name, [np.zeros((8, 8), np.uint8)], [0.0])
        assert (tmp_path / name).stat().st_size > 0


def test_no_program_under_the_gpl_is_needed() -> None:
    root = Path(__file__).parents[1]
    needed = (root / "requirements.lock").read_text("utf-8")
    for name in ("imageio-ffmpeg==", "\nav==", "pylibjpeg-libjpeg"):
        assert name not in needed


def test_times_of_written_files_do_not_drift(tmp_path: Path) -> None:
    path = xa(tmp_path / "xa.dcm", spread(np.uint8, 8, 40), 8, FrameTime="133.3333333")
    target, new = written(only(path), tmp_path / "new")
    steps = [later - earlier for earlier, later in pairwise(only(target).frame_times or ())]
    assert steps == pytest.approx([new["times"][1]] * 78, abs=1e-6)
