"""What scanners really send, made here in small: phases, mosaics, tilts, spare bits, regions."""

from __future__ import annotations

import math
import os
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from inference.arrivals import Arrived, Glimpse, Listed
from inference.errors import UserError
from inference.reading import read, stream_job
from inference.series import Geometry, Series
from inference.worker import JobContext
from tests import phantoms
from tests.scanners import chest, enhanced, mosaic

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import FileDataset


def texts(found: list[Series]) -> list[str]:
    return [series.identity.series_description for series in found]


# --- several volumes in one series ---------------------------------------------------------------

PHASES = [
    ({"TriggerTime": 0}, {"TriggerTime": 350}, "350 ms after the trigger"),
    ({"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}, "time 2"),
    ({"EchoTime": 20}, {"EchoTime": 80}, "TE 80 ms"),
    ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}, "acquisition 2"),
    ({"KVP": 80}, {"KVP": 140}, "140 kV"),
    ({"DiffusionBValue": 0.0}, {"DiffusionBValue": 1000.0}, "b 1000"),
    ({"NominalPercentageOfCardiacPhase": 0.0}, {"NominalPercentageOfCardiacPhase": 70.0}, "70 %"),
]


@pytest.mark.parametrize(("first", "second", "label"), PHASES)
def test_phases_of_which_slices_are_missing_are_not_mixed(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], label: str
) -> None:
    """Counting at each place would put a slice of the second phase into the first."""
    early = chest(tmp_path, **first)
    late = chest(tmp_path, 1000, **second)
    del early[3]
    a, b = read(phantoms.save(tmp_path / "ct", [*early, *late]))
    assert texts([b]) == [label]
    np.testing.assert_array_equal(b.voxels, phantoms.volume() + 1000)
    kept = [0, 1, 2, 4, 5, 6]
    np.testing.assert_array_equal(a.voxels[kept], phantoms.volume()[kept])
    assert "1 of 7 slices are missing" in " ".join(a.warnings)
    assert "Up to 2 slices lie at one place: they were split by" in " ".join(a.warnings)


def test_b_values_in_private_elements_part_a_diffusion_series(tmp_path: Path) -> None:
    slices = [*chest(tmp_path), *chest(tmp_path, 500)]
    for index, dataset in enumerate(slices):
        block = dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
        block.add_new(0x39, "IS", [1_000_000_800 if index >= 7 else 0, 0, 0, 0])
    found = read(phantoms.save(tmp_path / "mr", slices))
    assert texts(found) == ["b 0", "b 800"]


def test_an_enhanced_file_with_times_is_as_many_volumes(tmp_path: Path) -> None:
    found = read(enhanced(tmp_path / "ct.dcm", times=3))
    assert texts(found) == [f"temporal position index {n}" for n in (1, 2, 3)]
    for time, series in enumerate(found):
        np.testing.assert_array_equal(series.voxels, phantoms.volume() + 1000 * time)
        np.testing.assert_allclose(series.geometry.spacing, phantoms.SPACING)
    assert len({series.sha256 for series in found}) == 3


def test_an_enhanced_file_with_two_stacks_is_two_volumes(tmp_path: Path) -> None:
    first, second = read(enhanced(tmp_path / "ct.dcm", stacks=2, turned=True))
    found = {series.geometry.orientation: series for series in (first, second)}
    np.testing.assert_array_equal(found["SPL"].voxels, phantoms.volume())
    np.testing.assert_array_equal(found["RIP"].voxels, phantoms.volume()[::-1] + 2000)
    assert "2 orientations" in " ".join(first.warnings)


# --- geometry ------------------------------------------------------------------------------------


def field(points: Any) -> Any:
    """A value for each place in the patient, LPS (x, y, z), mm."""
    return (points @ np.array([1.0, 10.0, 3.0])).round().astype(np.int16)


@pytest.mark.parametrize("rotation", [None, phantoms.oblique()], ids=["straight", "oblique"])
@pytest.mark.parametrize("lean", [0.9, -0.4])
def test_a_tilted_gantry_is_straightened(tmp_path: Path, lean: float, rotation: Any) -> None:
    affine = phantoms.geometry(rotation).affine.copy()
    affine[:3, 0] += lean * affine[:3, 1]
    tilted = Geometry(affine, known=True)
    values = field(tilted.to_patient(np.moveaxis(np.indices((7, 40, 30)), 0, -1)))
    stored = Series(values, "volume", "CT", (tmp_path,), tilted)
    (series,) = read(phantoms.save(tmp_path / "ct", phantoms.ct_slices(stored)))
    assert "The gantry was tilted by" in series.warnings[0]
    axes = series.geometry.affine[:3, :3] / np.array(series.geometry.spacing)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    assert series.geometry.spacing[0] == pytest.approx(3.0)
    grid = np.moveaxis(np.indices(series.voxels.shape), 0, -1)
    rows = series.voxels.shape[1]
    inside = slice(rows - 40 + 1, 39)  # rows that every slice has
    expected = field(series.geometry.to_patient(grid))[:, inside]
    assert np.abs(expected - series.voxels[:, inside]).max() <= 2
    assert series.voxels.shape[1] == 40 + math.ceil(6 * abs(lean) * 0.8 / 0.8)  # all is kept


@pytest.mark.parametrize("normal", [1.0, -1.0])
def test_a_mosaic_is_a_volume_in_its_place(tmp_path: Path, normal: float) -> None:
    (series,) = read(mosaic(tmp_path / "mr.dcm", normal=normal))
    assert series.kind == "volume"
    np.testing.assert_array_equal(series.canonical(), phantoms.volume())
    np.testing.assert_allclose(series.canonical_geometry.affine, phantoms.geometry().affine)
    assert "mosaic of 7 slices" in " ".join(series.warnings)


def test_ultrasound_is_measured_by_its_regions(tmp_path: Path) -> None:
    dataset = phantoms.dicom(tmp_path / "us.dcm", Modality="US")
    phantoms.set_pixels(dataset, phantoms.run().astype(np.uint8))
    region = Dataset()
    region.RegionSpatialFormat, region.PhysicalUnitsXDirection = 1, 3
    region.PhysicalUnitsYDirection, region.PhysicalDeltaX, region.PhysicalDeltaY = 3, 0.02, 0.03
    dataset.SequenceOfUltrasoundRegions = [region]
    dataset.save_as(tmp_path / "us.dcm")
    (series,) = read(tmp_path / "us.dcm")
    assert series.geometry.known
    assert series.geometry.spacing[1:] == pytest.approx((0.3, 0.2))


# --- values --------------------------------------------------------------------------------------


def image(path: Path, pixels: Any, bits: int | None = None, **elements: object) -> Series:
    dataset = phantoms.dicom(path)
    phantoms.set_pixels(dataset, pixels, bits)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return read(path)[0]


LACKING = [
    (("ImagePositionPatient",), "no valid position,", "only lengths within a slice"),
    (("ImageOrientationPatient",), "no valid orientation,", "only lengths within a slice"),
    (("PixelSpacing",), "no valid pixel spacing,", "no lengths"),
    (("ImagePositionPatient", "PixelSpacing"), "position or pixel spacing,", "no lengths"),
]


@pytest.mark.parametrize(("lacking", "said", "lengths"), LACKING)
def test_slices_that_lie_nowhere_are_one_series_in_the_order_of_their_numbers(
    tmp_path: Path, lacking: tuple[str, ...], said: str, lengths: str
) -> None:
    series = phantoms.stored((0, 1, 2), (False,) * 3, tmp_path)
    slices = list(phantoms.ct_slices(series))
    for entry in slices:
        for keyword in lacking:
            delattr(entry, keyword)
    (found,) = read(phantoms.save(tmp_path / "a", slices))
    assert found.kind == "run"  # no volume: which side is which would be a guess
    np.testing.assert_array_equal(found.voxels, series.voxels)
    (warning,) = found.warnings
    assert said in warning
    assert lengths in warning
    assert found.geometry.known == ("PixelSpacing" not in lacking)


def test_two_pages_of_a_report_are_two_images(tmp_path: Path) -> None:
    pages = [phantoms.dicom(tmp_path, SecondaryCaptureImageStorage) for _ in range(2)]
    for number, page in enumerate(pages, 1):
        page.InstanceNumber = number
        phantoms.set_pixels(page, np.full((4, 5), number, np.uint8))
    found = read(phantoms.save(tmp_path / "a", pages))
    assert [(series.kind, series.warnings) for series in found] == [("image", ())] * 2


def test_negative_values_without_their_upper_bits(tmp_path: Path) -> None:
    wanted = np.arange(-1000, 1000, 100, dtype=np.int16).reshape(4, 5)
    series = image(tmp_path / "ct.dcm", (wanted & 0xFFF).astype(np.int16), 12)
    np.testing.assert_array_equal(series.voxels, wanted)


def test_a_drawing_in_the_spare_bits_is_not_part_of_the_image(tmp_path: Path) -> None:
    wanted = np.arange(20, dtype=np.uint16).reshape(4, 5) * 200
    drawn = wanted | np.uint16(0x1000)
    path = tmp_path / "mr.dcm"
    dataset = phantoms.dicom(path)
    phantoms.set_pixels(dataset, drawn, 12)
    dataset.add_new(0x60000100, "US", 16)
    dataset.add_new(0x60000102, "US", 12)
    dataset.save_as(path, enforce_file_format=True)
    np.testing.assert_array_equal(read(path)[0].voxels, wanted)


def test_a_table_of_greys_proposes_a_window(tmp_path: Path) -> None:
    table = Dataset()
    curve = [0] * 100 + [round(65535 * i / 200) for i in range(201)] + [65535] * 99
    table.LUTDescriptor, table.LUTData = [400, 1000, 16], np.array(curve, "<u2").tobytes()
    pixels = np.arange(1000, 1400, dtype=np.uint16).reshape(20, 20)
    series = image(tmp_path / "dx.dcm", pixels, Modality="DX", VOILUTSequence=[table])
    assert series.window == pytest.approx((1200, 192), abs=3)


def test_each_slice_of_a_pet_has_its_slope(tmp_path: Path) -> None:
    slices = chest(tmp_path, Modality="PT", Units="BQML", RescaleIntercept=0)
    for index, dataset in enumerate(slices):
        dataset.RescaleSlope = 0.25 * (index + 1)
    (series,) = read(phantoms.save(tmp_path / "pt", slices))
    assert series.unit == "Bq/ml"
    expected = (phantoms.volume() + 1024) * 0.25 * np.arange(1, 8)[:, None, None]
    np.testing.assert_allclose(series.voxels, expected)


SYNTAXES = [
    ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless,
    JPEG2000Lossless, JPEGLSLossless,
]  # fmt: skip


def larger(folder: Path) -> list[FileDataset]:
    """Large enough for wavelets."""
    slices = chest(folder)
    for dataset in slices:
        phantoms.set_pixels(dataset, np.kron(dataset.pixel_array, np.ones((8, 8), np.uint16)))
    return slices


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_a_volume_is_the_same_in_every_transfer_syntax(tmp_path: Path, syntax: Any) -> None:
    plain = phantoms.save(tmp_path / "plain", larger(tmp_path))
    folder = tmp_path / "other"
    folder.mkdir()
    for dataset in larger(tmp_path):
        if syntax.is_encapsulated:
            dataset.compress(syntax, generate_instance_uid=False)
        elif syntax == ExplicitVRBigEndian:
            dataset.PixelData = dataset.pixel_array.astype(">u2").tobytes()
            dataset.set_original_encoding(is_implicit_vr=False, is_little_endian=False)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(
            folder / f"{dataset.InstanceNumber}.dcm",
            implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian,
        )  # fmt: skip
    (wanted,), (found,) = read(plain), read(folder)
    np.testing.assert_array_equal(found.voxels, wanted.voxels)
    np.testing.assert_array_equal(found.geometry.affine, wanted.geometry.affine)
    assert (found.sha256, found.unit) == (wanted.sha256, "HU")


# --- identity ------------------------------------------------------------------------------------

NAMES = [
    ("ISO_IR 144", "Иванов^Жюль"),
    ("ISO_IR 127", "قباني^لنزار"),
    ("ISO_IR 192", "Wang^XiaoDong=王^小东"),
    ("GB18030", "Wang^XiaoDong=王^小东"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
]


@pytest.mark.parametrize(("charset", "name"), NAMES)
def test_names_in_every_script(tmp_path: Path, charset: Any, name: str) -> None:
    series = image(
        tmp_path / "ct.dcm", np.zeros((4, 4), np.uint8), SpecificCharacterSet=charset,
        PatientName=name,
    )  # fmt: skip
    assert series.identity.patient_name == name


def test_utf8_that_is_not_announced_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "ct.dcm"
    image(path, np.zeros((4, 4), np.uint8), SpecificCharacterSet="ISO_IR 192",
          PatientName="Łukasz^Żółć")  # fmt: skip
    data = path.read_bytes()
    start = data.index(b"\x08\x00\x05\x00CS")
    length = 8 + struct.unpack_from("<H", data, start + 6)[0]
    path.write_bytes(data[:start] + data[start + length :])
    assert read(path)[0].identity.patient_name == "Łukasz^Żółć"


def test_images_that_share_one_identifier_are_not_copies(tmp_path: Path) -> None:
    (series,) = read(phantoms.save(tmp_path, chest(tmp_path, SOPInstanceUID="2.25.1")))
    np.testing.assert_array_equal(series.voxels, phantoms.volume())
    assert series.warnings == ()


def test_two_patients_with_the_same_identifiers_are_not_mixed(tmp_path: Path) -> None:
    other = chest(tmp_path, 1000, PatientID="9", SOPInstanceUID="2.25.1")
    first, second = read(phantoms.save(tmp_path, [*chest(tmp_path), *other]))
    assert {int(first.voxels[0, 0, 0]), int(second.voxels[0, 0, 0])} == {-300, 700}


# --- files ---------------------------------------------------------------------------------------


def test_links_out_of_the_folder_are_refused_and_told(tmp_path: Path) -> None:
    phantoms.save(tmp_path / "ct", chest(tmp_path))
    secret = chest(tmp_path)[0]
    secret.SeriesInstanceUID = "2.25.666"
    secret.save_as(tmp_path / "secret.dcm")
    (tmp_path / "ct" / "link.dcm").symlink_to(tmp_path / "secret.dcm")
    (tmp_path / "ct" / "folder").symlink_to(tmp_path)
    (series,) = read(tmp_path / "ct")
    assert series.identity.series_uid == "2.25.7"
    assert "1 links lead out of ct" in " ".join(series.warnings)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes among its files")
def test_a_pipe_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dcm")
    with pytest.raises(UserError, match="is a device or a pipe"):
        read(tmp_path / "pipe.dcm")


def test_a_disc_that_was_copied_in_small_letters_still_opens(tmp_path: Path) -> None:
    disc = tmp_path / "disc"
    for number, dataset in enumerate(chest(tmp_path)):
        (disc / "dicom").mkdir(parents=True, exist_ok=True)
        dataset.save_as(disc / "dicom" / f"im{number}", enforce_file_format=True)
    directory = phantoms.dicom(disc / "DICOMDIR")
    directory.DirectoryRecordSequence = []
    for number in range(7):
        record = Dataset()
        record.ReferencedFileID = ["DICOM", f"IM{number}"]
        directory.DirectoryRecordSequence.append(record)
    directory.save_as(disc / "DICOMDIR")
    (series,) = read(disc / "DICOMDIR")
    assert series.voxels.shape == phantoms.volume().shape


# --- the order of things -------------------------------------------------------------------------


@pytest.fixture
def one_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the computer is."""
    monkeypatch.setattr("plugins.dicom.load.LIST_EVERY", 1e9)


def test_the_list_grows_while_headers_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.dicom.load.LIST_EVERY", 0.0)
    for number in range(2):
        uid = f"2.25.{number + 1}"
        phantoms.save(tmp_path / str(number), chest(tmp_path, SeriesInstanceUID=uid))
    lists = [part.entries for part in told(tmp_path) if isinstance(part, Listed)]
    counts = [sum(entry.shape[0] for entry in entries) for entries in lists]
    assert counts == [*range(14), 14]
    assert [len(entries) for entries in (lists[3], lists[-1])] == [1, 2]


def told(path: Path, **params: Any) -> list[Any]:
    found: list[Any] = []
    stream_job(JobContext("cpu", hand_over=found.append), str(path), **params)
    return [part for part in found if isinstance(part, (Glimpse, Listed, Arrived))]


@pytest.mark.usefixtures("one_list")
def test_a_picture_and_the_list_come_before_the_series(tmp_path: Path) -> None:
    scout = chest(tmp_path, SeriesInstanceUID="2.25.1", SeriesNumber=0)[:1]
    phantoms.save(tmp_path / "a", scout)
    phantoms.save(tmp_path / "b", chest(tmp_path))
    glimpse, listed, *arrived = told(tmp_path)
    assert glimpse.picture.dtype == np.uint8
    assert glimpse.picture.shape == phantoms.volume().shape[1:]
    assert [entry.shape[0] for entry in listed.entries] == [1, 7]
    assert [part.key for part in arrived] == [entry.key for entry in reversed(listed.entries)]
    assert arrived[0].series.kind == "volume"  # what the picture is of comes first


@pytest.mark.usefixtures("one_list")
def test_what_would_be_too_much_at_once_is_listed_and_read_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.reading.AT_ONCE", math.prod(phantoms.volume().shape) * 3)
    for number in range(3):
        uid = f"2.25.{number}"
        phantoms.save(tmp_path / str(number), chest(tmp_path, SeriesInstanceUID=uid))
    listed, *arrived = [part for part in told(tmp_path) if not isinstance(part, Glimpse)]
    assert (len(listed.entries), len(listed.later), len(arrived)) == (3, 2, 1)
    *_, asked = told(tmp_path, only=listed.later[:1])
    assert asked.key == listed.later[0]
    np.testing.assert_array_equal(asked.series.voxels, phantoms.volume())
