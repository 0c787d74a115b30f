"""Files that hospitals have and collections seldom: right, split and said, or refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom import DataElement, Dataset
from pydicom.uid import (
    UID,
    DigitalMammographyXRayImageStorageForPresentation,
    EnhancedMRImageStorage,
    NuclearMedicineImageStorage,
    SecondaryCaptureImageStorage,
    VLWholeSlideMicroscopyImageStorage,
)

from inference.errors import UserError
from plugins.dicom.load import load_series
from tests import phantoms, scanners

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

    from inference.series import Array

PICTURE = (np.add.outer(np.arange(8) * 10, np.arange(9)) + 100).astype(np.uint16)


def test_slices_of_a_nuclear_tomogram_are_a_volume(tmp_path: Path) -> None:
    """Only the first says where it lies; they are listed from the last to the first here."""
    frames = np.stack([PICTURE + index for index in (3, 2, 1, 0)])
    dataset = _file(NuclearMedicineImageStorage, frames, Modality="NM")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    dataset.PixelSpacing, dataset.SpacingBetweenSlices = [4, 4], -3
    dataset.SliceVector = [4, 3, 2, 1]
    detector = Dataset()
    detector.ImagePositionPatient, detector.ImageOrientationPatient = (
        [-9, 5, 100],
        [1, 0, 0, 0, 1, 0],
    )
    dataset.DetectorInformationSequence = [detector]
    (series,) = load_series(_saved(tmp_path, dataset))
    assert series.kind == "volume"
    assert series.geometry.spacing == (3, 4, 4)
    assert series.geometry.to_patient(np.array((3, 0, 0))).tolist() == [-9, 5, 100]
    np.testing.assert_array_equal(series.voxels, frames)


def test_a_picture_keeps_the_proportions_of_its_pixels(tmp_path: Path) -> None:
    dataset = _file(SecondaryCaptureImageStorage, PICTURE, PixelAspectRatio=[3, 2])
    (series,) = load_series(_saved(tmp_path, dataset))
    assert series.scale == (1.5, 1)
    assert not series.geometry.known


@pytest.mark.parametrize("keyword", ["ImagePlanePixelSpacing", "NominalScannedPixelSpacing"])
def test_portal_images_and_scanned_films_have_the_size_of_their_plane(
    tmp_path: Path, keyword: str
) -> None:
    dataset = _file(SecondaryCaptureImageStorage, PICTURE, **{keyword: [0.4, 0.2]})
    (series,) = load_series(_saved(tmp_path, dataset))
    assert series.scale == (0.4, 0.2)
    assert "at the detector" in series.warnings[0]


def test_an_interpretation_in_small_letters_is_understood_and_told(tmp_path: Path) -> None:
    dataset = _file(SecondaryCaptureImageStorage, PICTURE, WindowCenter=120, WindowWidth=40)
    dataset.PhotometricInterpretation = "monochrome1"
    (series,) = load_series(_saved(tmp_path, dataset))
    np.testing.assert_array_equal(series.voxels, PICTURE.max() - (PICTURE - PICTURE.min()))
    assert series.window == (PICTURE.max() + PICTURE.min() - 120, 40)
    assert "MONOCHROME1 assumed" in series.warnings[0]


def test_views_of_a_mammogram_are_told_apart(tmp_path: Path) -> None:
    for number, (side, view) in enumerate((("L", "CC"), ("R", "CC"), ("L", "MLO"))):
        dataset = _file(
            DigitalMammographyXRayImageStorageForPresentation, PICTURE + number, Modality="MG",
            ImageLaterality=side, ViewPosition=view, InstanceNumber=number,
        )  # fmt: skip
        _saved(tmp_path, dataset, f"{number}.dcm")
    names = [series.identity.series_description for series in load_series(tmp_path)]
    assert sorted(names) == ["L CC", "L MLO", "R CC"]


def test_images_of_a_dixon_series_are_named_by_what_differs(tmp_path: Path) -> None:
    _repeat(tmp_path, [{"ImageType": ["DERIVED", "DIXON", name]} for name in ("WATER", "FAT")])
    found = load_series(tmp_path)
    assert [series.identity.series_description for series in found] == ["FAT", "WATER"]


def test_repeats_without_any_number_follow_the_numbers_of_their_names(tmp_path: Path) -> None:
    _repeat(tmp_path, [{"RescaleIntercept": step} for step in (0, 1000, 2000)], numbered=False)
    found = load_series(tmp_path)
    assert [series.identity.series_description for series in found] == [
        "1 of 3",
        "2 of 3",
        "3 of 3",
    ]
    for step, series in enumerate(found):
        assert {int(part[0, 0]) for part in series.voxels} == {100 + 1000 * step}


def test_files_that_are_dicom_by_name_alone_are_told(tmp_path: Path) -> None:
    _repeat(tmp_path, [{}])
    (tmp_path / "IM4.dcm").touch()
    (tmp_path / "IM5.DCM").write_bytes(bytes(500))
    (tmp_path / "readme.txt").write_text("not meant to be one")
    (series,) = load_series(tmp_path)
    assert series.warnings == (
        "2 of the files named like DICOM hold none: they are empty or damaged.",
    )


@pytest.mark.parametrize(
    ("sop_class", "more", "told"),
    [
        (EnhancedMRImageStorage, {"Modality": "MR"}, "Not every frame says where it lies."),
        (VLWholeSlideMicroscopyImageStorage, {"Modality": "SM", "TotalPixelMatrixRows": 16},
         "It is a whole slide in 4 tiles."),
    ],
)  # fmt: skip
def test_frames_without_a_place_are_told(
    tmp_path: Path, sop_class: UID, more: dict[str, Any], told: str
) -> None:
    (series,) = load_series(_saved(tmp_path, _file(sop_class, np.stack([PICTURE] * 4), **more)))
    assert series.kind == "run"
    assert any(warning.startswith(told) for warning in series.warnings)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"BitsAllocated": 12}, "packs its pixels into 12 bits each"),
        ({"SamplesPerPixel": 4, "PhotometricInterpretation": "CMYK"}, "has its colours as CMYK"),
    ],
)
def test_layouts_of_the_past_are_refused_by_name(
    tmp_path: Path, more: dict[str, Any], told: str
) -> None:
    dataset = _file(SecondaryCaptureImageStorage, PICTURE)
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    with pytest.raises(UserError, match=told):
        load_series(_saved(tmp_path, dataset))


def test_a_format_of_a_vendor_is_refused_by_name(tmp_path: Path) -> None:
    dataset = _file(SecondaryCaptureImageStorage, PICTURE)
    path = _saved(tmp_path, dataset)
    whole, private = path.read_bytes(), b"1.2.840.113619.5.2\0"
    path.write_bytes(whole.replace(b"1.2.840.10008.1.2.1", private))
    with pytest.raises(UserError, match="a format of its vendor"):
        load_series(path)


def _file(sop_class: UID, pixels: Array, **elements: Any) -> FileDataset:
    dataset = phantoms.dicom(Path("one.dcm"), sop_class, **elements)
    phantoms.set_pixels(dataset, pixels)
    return dataset


def _saved(folder: Path, dataset: FileDataset, name: str = "one.dcm") -> Path:
    dataset.save_as(folder / name, enforce_file_format=True)
    return folder / name


def _repeat(folder: Path, phases: list[dict[str, Any]], *, numbered: bool = True) -> None:
    """Four slices for each phase, named one after the other."""
    for number in range(4 * len(phases)):
        dataset = phantoms.dicom(Path("slice"), Modality="MR")
        dataset.InstanceNumber = number if numbered else None
        dataset.ImagePositionPatient = [0, 0, 2 * (number % 4)]
        dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [1, 1]
        for keyword, value in phases[number // 4].items():
            setattr(dataset, keyword, value)
        phantoms.set_pixels(dataset, PICTURE)
        _saved(folder, dataset, f"IM{number}")


@pytest.mark.parametrize("slope", ["", "abc", "0"])
def test_a_scale_that_is_no_number_is_told(tmp_path: Path, slope: str) -> None:
    slices = scanners.chest(tmp_path)
    for dataset in slices:
        dataset["RescaleSlope"] = DataElement(0x00281053, "LO", slope)
    (series,) = load_series(phantoms.save(tmp_path / "ct", slices))
    assert any("does not state validly how its values" in said for said in series.warnings)
    for dataset in slices:
        del dataset.RescaleSlope, dataset.RescaleIntercept
    (series,) = load_series(phantoms.save(tmp_path / "none", slices))
    assert series.warnings == ()
