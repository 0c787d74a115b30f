"""DICOM: every odd file of the zoo behaves as its manifest says, and so do files made here."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000

from inference.errors import UserError
from inference.reading import read
from tests import phantoms

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

ZOO = Path(__file__).parents[2] / "shared/data/dicom_zoo"
LOSSY_MEAN = 0.05  # grey levels between decoders of lossy JPEG


def manifest(*expectations: str) -> list[dict[str, str]]:
    if not ZOO.is_dir():
        return []
    with (ZOO / "manifest.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["expectation"] in expectations]


def name(row: dict[str, str]) -> str:
    return row["path"]


def chest(folder: Path, **changes: object) -> list[FileDataset]:
    """Seven CT slices, 3 mm apart."""
    series = phantoms.stored((0, 1, 2), (False, False, False), folder)
    slices = list(phantoms.ct_slices(series))
    for dataset in slices:
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
    return slices


@pytest.mark.parametrize("row", manifest("image"), ids=name)
def test_zoo_image(row: dict[str, str]) -> None:
    (series,) = read(ZOO / row["path"])
    frames = 1 if series.kind == "image" else len(series.voxels)
    assert (frames, *series.spatial_shape[-2:]) == (
        int(row["frames"]),
        int(row["rows"]),
        int(row["cols"]),
    )
    assert series.rgb == (row["samples"] == "3" or "palette" in row["oddity"])
    assert row["sha256_pixels"] in {"", series.sha256}


@pytest.mark.parametrize(
    "row", [row for row in manifest("image") if not row["sha256_pixels"]], ids=name
)
def test_zoo_image_without_hash_has_its_mean(row: dict[str, str]) -> None:
    from plugins.dicom.parse import read_whole
    from plugins.dicom.pixels import decode

    stored = decode(ZOO / row["path"], read_whole(ZOO / row["path"])).values
    assert str(stored.dtype) == row["dtype"]
    assert stored.mean(dtype=float) == pytest.approx(float(row["pixel_mean"]), abs=LOSSY_MEAN)


@pytest.mark.parametrize("row", manifest("error"), ids=name)
def test_zoo_refusal(row: dict[str, str]) -> None:
    with pytest.raises(UserError) as refusal:
        read(ZOO / row["path"])
    sentence = str(refusal.value)
    assert Path(row["path"]).name in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


SERIES = {  # folder: kinds and numbers of series, words that a warning must hold
    "gantry_tilt": (["volume"], "tilted by 14 degrees"),
    "not_a_volume": (["image"] * 4, "at one place"),
    "two_slices": (["image"] * 2, "do not make a volume"),
    "missing_slice": (["volume"], "1 of 5 slices are missing"),
    "mixed_orientation": (["image"] * 4, "several orientations"),
    "non_isotropic": (["volume"], ""),
    "philips_dti": (["image"] * 8, "at one place"),
    "fmri_philips": (["image"] * 8, "at one place"),
    "mixed_mr": (["volume"] * 4, "copies"),
}


@pytest.mark.parametrize("folder", SERIES)
def test_zoo_series(shared_data: Path, folder: str) -> None:
    kinds, warning = SERIES[folder]
    found = read(shared_data / "dicom_zoo/series" / folder)
    assert [series.kind for series in found] == kinds
    assert all(warning in " ".join(series.warnings) for series in found)


def test_zoo_missing_slice_keeps_the_stored_ones(shared_data: Path) -> None:
    folder = shared_data / "dicom_zoo/series/missing_slice"
    (series,) = read(folder)
    assert series.geometry.spacing[0] == pytest.approx(5, abs=1e-3)
    assert series.details["slice_places"] == (0, 1, 2, 4)
    last = next(f for f in folder.rglob("*0010-0001.dcm"))
    dataset = dcmread(last)
    values = dataset.pixel_array.astype(int) + int(dataset.RescaleIntercept)
    np.testing.assert_array_equal(series.voxels[4], values)


def test_zoo_unequal_spacing_of_rows_and_columns_is_kept(shared_data: Path) -> None:
    (series,) = read(shared_data / "dicom_zoo/series/non_isotropic")
    assert series.geometry.spacing == pytest.approx((0.5, 4.0, 6.4), abs=1e-3)


@pytest.mark.parametrize("directory", ["DICOMDIR", "DICOMDIR-implicit", "DICOMDIR-nooffset"])
def test_zoo_dicomdir_lists_all_files(shared_data: Path, directory: str) -> None:
    found = read(shared_data / "dicom_zoo/dicomdir_valid" / directory)
    assert sum(len(series.paths) for series in found) == 31
    assert {series.modality for series in found} == {"CT", "CR", "MR"}
    assert len({series.identity.patient_id for series in found}) > 1


@pytest.mark.parametrize("way", ["parents", "absolute", "link", "folder that is a link"])
def test_dicomdir_does_not_lead_out_of_its_folder(tmp_path: Path, way: str) -> None:
    outside = phantoms.save(tmp_path / "outside", chest(tmp_path)[:1]) / "IM0000"
    folder = phantoms.save(tmp_path / "in", chest(tmp_path)[1:2])
    (folder / "LINK").symlink_to(outside)
    (folder / "AWAY").symlink_to(outside.parent)
    traps = {
        "parents": ["..", "outside", "IM0000"],
        "absolute": [str(outside)],
        "link": ["LINK"],
        "folder that is a link": ["AWAY", "IM0000"],
    }
    listed(folder / "DICOMDIR", traps[way], ["IM0000"])
    (series,) = read(folder / "DICOMDIR")
    assert series.paths == (folder / "IM0000",)
    assert "1 of the 2 files that DICOMDIR lists lead out of its folder" in series.warnings[0]
    listed(folder / "DICOMDIR", traps[way])
    with pytest.raises(UserError, match=r"None of the 1 files .* leads out of it is refused"):
        read(folder / "DICOMDIR")


def listed(path: Path, *files: list[str]) -> None:
    """A DICOMDIR that names these files."""
    directory = phantoms.dicom(path)
    records = [Dataset() for _ in files]
    for record, parts in zip(records, files, strict=True):
        record.ReferencedFileID = parts
    directory.DirectoryRecordSequence = records
    directory.save_as(path)


def test_ct_folder_is_a_volume_in_hu(tmp_path: Path) -> None:
    (series,) = read(phantoms.save(tmp_path, chest(tmp_path, SeriesDescription="chest")))
    assert (series.kind, series.modality, series.unit) == ("volume", "CT", "HU")
    assert series.voxels.dtype == np.int16
    np.testing.assert_array_equal(series.voxels, phantoms.volume())
    assert series.identity.series_description == "chest"
    assert series.identity.patient_name == "Doe^Jane"
    assert [path.name for path in series.paths] != sorted(path.name for path in series.paths)


def test_slopes_that_differ_between_slices_are_applied_to_each(tmp_path: Path) -> None:
    slices = chest(tmp_path)
    for index, dataset in enumerate(slices):
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.5 + index, 0
    (series,) = read(phantoms.save(tmp_path, slices))
    expected = [(phantoms.volume()[i] + 1024) * (0.5 + i) for i in range(len(slices))]
    assert series.voxels.dtype == np.float32
    np.testing.assert_allclose(series.voxels, expected)


def test_localizer_and_copy_beside_a_ct_are_told(tmp_path: Path) -> None:
    slices = chest(tmp_path)
    localizer = chest(tmp_path)[0]
    localizer.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    phantoms.save(tmp_path / "ct", [*slices, localizer])
    slices[2].save_as(tmp_path / "ct" / "copy.dcm")
    (tmp_path / "ct" / "readme.txt").write_text("no DICOM", "utf-8")
    found = read(tmp_path / "ct")
    assert sorted(series.kind for series in found) == ["image", "volume"]
    assert all("One file is a copy of another" in " ".join(series.warnings) for series in found)
    assert all("several orientations" in " ".join(series.warnings) for series in found)


def test_a_damaged_slice_is_filled_from_its_neighbours_and_told(tmp_path: Path) -> None:
    folder = phantoms.save(tmp_path / "ct", chest(tmp_path))
    third = next(path for path in folder.iterdir() if dcmread(path).InstanceNumber == 3)
    third.write_bytes(third.read_bytes()[:-50])
    (series,) = read(folder)
    stored = [0, 1, 3, 4, 5, 6]
    np.testing.assert_array_equal(series.voxels[stored], phantoms.volume()[stored])
    assert series.details["slice_places"] == tuple(stored)
    warning = " ".join(series.warnings)
    assert f"1 of 7 files were left out: The pixels of {third.name} are damaged" in warning
    assert "1 of 7 slices are missing" in warning


def test_a_header_that_cannot_be_understood_is_refused_in_a_sentence(tmp_path: Path) -> None:
    dataset = phantoms.dicom(tmp_path / "us.dcm", Modality="US")
    phantoms.set_pixels(dataset, phantoms.run()[0].astype(np.uint8))
    dataset.PhotometricInterpretation = "PALETTE COLOR"  # without its tables
    dataset.save_as(tmp_path / "us.dcm")
    with pytest.raises(UserError, match=r"us\.dcm cannot be shown: its header is damaged"):
        read(tmp_path / "us.dcm")


def test_two_series_in_one_folder_are_two(tmp_path: Path) -> None:
    second = chest(tmp_path, SeriesInstanceUID="2.25.8", SeriesNumber=2)
    found = read(phantoms.save(tmp_path, [*chest(tmp_path), *second]))
    assert [(series.kind, series.identity.series_number) for series in found] == [
        ("volume", "1"),
        ("volume", "2"),
    ]


def test_repeated_places_are_split_and_not_interleaved(tmp_path: Path) -> None:
    early, late = chest(tmp_path), chest(tmp_path)
    for index, dataset in enumerate(late):
        dataset.InstanceNumber = 100 + index
        phantoms.set_pixels(dataset, dataset.pixel_array + np.uint16(1000))
    first, second = read(phantoms.save(tmp_path, [*early, *late]))
    np.testing.assert_array_equal(first.voxels, phantoms.volume())
    np.testing.assert_array_equal(second.voxels, phantoms.volume() + 1000)
    assert "at one place" in " ".join(first.warnings)


def test_one_slice_is_an_image_in_its_place(tmp_path: Path) -> None:
    (series,) = read(phantoms.save(tmp_path, chest(tmp_path)[:1]) / "IM0000")
    assert (series.kind, series.unit) == ("image", "HU")
    np.testing.assert_allclose(series.geometry.affine[:3, 3], phantoms.ORIGIN)


def test_inverted_grey_is_turned_with_its_window(tmp_path: Path) -> None:
    dataset = phantoms.dicom(
        tmp_path / "dx.dcm", Modality="DX", WindowCenter="30", WindowWidth="20"
    )
    stored = np.arange(60, dtype=np.uint8).reshape(6, 10)
    phantoms.set_pixels(dataset, stored)
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.save_as(tmp_path / "dx.dcm")
    (series,) = read(tmp_path / "dx.dcm")
    np.testing.assert_array_equal(series.voxels, 59 - stored)
    assert series.window == (29.0, 20.0)


TIMES = [
    ({"FrameTime": "125"}, (0, 125, 250, 375, 500)),
    ({"FrameTimeVector": ["0", "100", "100", "300", "50"]}, (0, 100, 200, 500, 550)),
    ({"CineRate": "8"}, (0, 125, 250, 375, 500)),
    ({"FrameTime": "100", "CineRate": "8"}, (0, 100, 200, 300, 400)),
    ({"FrameTime": "0"}, None),
]


@pytest.mark.parametrize(("elements", "expected"), TIMES)
def test_frame_times(
    tmp_path: Path, elements: dict[str, str], expected: tuple[float, ...] | None
) -> None:
    path = phantoms.angiogram(tmp_path / "xa.dcm", phantoms.run(), **elements)
    (series,) = read(path)
    assert (series.kind, series.modality) == ("run", "XA")
    np.testing.assert_array_equal(series.voxels, phantoms.run())
    assert series.frame_times == expected
    assert ("no frame times" in " ".join(series.warnings)) == (expected is None)


def test_real_angiogram(shared_data: Path) -> None:
    (series,) = read(shared_data / "xa/dicom/angiodata_p1_r1.dcm")
    (frames,) = read(shared_data / "xa/angiodata_p1_r1")
    assert series.frame_times is not None
    assert series.frame_times[1] == pytest.approx(133.3333333)
    assert series.sha256 == frames.sha256
    assert "at the detector" in series.warnings[0]


def test_spacing_is_projected_back_to_the_patient(tmp_path: Path) -> None:
    distances = {"DistanceSourceToDetector": "1000", "DistanceSourceToPatient": "800"}
    path = phantoms.angiogram(
        tmp_path / "xa.dcm", phantoms.run(), ImagerPixelSpacing=["0.5", "0.5"], **distances
    )
    (series,) = read(path)
    assert series.geometry.spacing[1:] == pytest.approx((0.4, 0.4))


def test_truncated_pixels_open_as_far_as_frames_are_whole(tmp_path: Path) -> None:
    path = phantoms.angiogram(tmp_path / "xa.dcm", phantoms.run(), FrameTime="40")
    path.write_bytes(path.read_bytes()[:-500])
    (series,) = read(path)
    np.testing.assert_array_equal(series.voxels, phantoms.run()[:4])
    assert series.frame_times == (0, 40, 80, 120)
    assert "4 of its 5 frames are whole" in series.warnings[0]


def test_a_jp2_box_without_length_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    dataset = phantoms.dicom(tmp_path / "a.dcm")
    phantoms.set_pixels(dataset, np.zeros((4, 4), np.uint8))
    dataset.file_meta.TransferSyntaxUID = JPEG2000
    first_box, endless = b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\0ftyp" + bytes(20)
    dataset.PixelData = encapsulate([first_box + endless])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(UserError, match=r"The pixels of a\.dcm are damaged"):
        read(tmp_path / "a.dcm")


def test_pixels_truncated_within_the_first_frame_are_refused(tmp_path: Path) -> None:
    path = phantoms.angiogram(tmp_path / "xa.dcm", phantoms.run())
    path.write_bytes(path.read_bytes()[: -phantoms.run()[1:].nbytes - 500])
    with pytest.raises(UserError, match=r"xa\.dcm are damaged or cut off"):
        read(path)


def test_a_header_that_claims_more_than_memory_is_refused_before_allocating(tmp_path: Path) -> None:
    dataset = phantoms.dicom(tmp_path / "huge.dcm", Modality="XA")
    phantoms.set_pixels(dataset, phantoms.run())
    dataset.Rows = dataset.Columns = 60_000
    dataset.NumberOfFrames = 4000
    dataset.save_as(tmp_path / "huge.dcm")
    with pytest.raises(UserError, match=r"huge\.dcm claims .* GiB"):
        read(tmp_path / "huge.dcm")


def test_text_named_dcm_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.dcm"
    path.write_text("Dear colleague, " * 40, "utf-8")
    with pytest.raises(UserError, match=r"letter\.dcm is not a readable DICOM"):
        read(path)
