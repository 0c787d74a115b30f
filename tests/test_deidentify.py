"""De-identified copies: nothing planted is left, what must agree agrees, nothing is overwritten."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit, SecondaryCaptureImageStorage

from inference.audit import Trail
from inference.errors import UserError
from inference.reading import read
from plugins.dicom import profile
from plugins.dicom.deidentify_files import Copied, Order, write_job
from plugins.dicom.deidentify_preview import Change, preview_job
from plugins.dicom.masking import Mask
from plugins.dicom.pseudonyms import Pseudonyms, moved
from plugins.dicom.sniff import is_dicom
from plugins.dicom.streams import without_comments
from tests import identities, phantoms

if TYPE_CHECKING:
    from pydicom import Dataset

ROOT = Path(__file__).parents[1]
ALL = frozenset(option.name for option in profile.OPTIONS)


class Context:
    """What the worker gives a job, here kept to look at."""

    def __init__(self) -> None:
        self.parts: list[Copied] = []

    def progress(self, done: int, total: int, note: str) -> None:
        assert "wintergreen" not in note.casefold()

    def partial(self, part: Copied) -> None:
        self.parts.append(part)


def copy(out: Path, *files: Path, options: Any = (), **more: Any) -> list[Copied]:
    context = Context()
    names = tuple(map(str, files))
    write_job(context, Order(names, str(out), frozenset(options), **more))
    return context.parts


def copied(out: Path, dataset: Dataset, options: Any = (), **more: Any) -> pydicom.FileDataset:
    """One data set as it comes out."""
    path = Path(dataset.filename)
    dataset.save_as(path, enforce_file_format=True)
    [part] = copy(out, path, options=options, **more)
    assert part.problem == ""
    return pydicom.dcmread(part.to)


def left(path: Path) -> list[str]:
    """The secrets that are still in a file's name or bytes, in either case."""
    content = path.read_bytes().lower() + str(path).encode().lower()
    return [secret for secret in identities.SECRETS if secret.encode() in content]


@pytest.mark.parametrize(
    "options",
    [(), ("dates",), ("patient",), ("texts",), ("device",), ("private",), ("dates", "texts")],
    ids=lambda options: "+".join(options) or "basic",
)
def test_nothing_planted_is_left(tmp_path: Path, options: tuple[str, ...]) -> None:
    source = tmp_path / "source.dcm"
    identities.planted(source).save_as(source, enforce_file_format=True)
    assert set(left(source)) == set(identities.SECRETS)
    [part] = copy(tmp_path / "out", source, options=options)
    assert part.problem == ""
    path = Path(part.to)
    found = pydicom.dcmread(path)
    # whom an option keeps is asked for: texts that name nobody known, and devices
    allowed = {"texts": {"quillfeather"}, "device": {"quillfeather", "3680043.99", "4711-0815"}}
    expected = set().union(*(allowed.get(option, set()) for option in options))
    assert set(left(path)) <= expected
    np.testing.assert_array_equal(found.pixel_array, np.arange(192).reshape(12, 16))


def test_uids_are_kept_where_asked(tmp_path: Path) -> None:
    dataset = identities.planted(tmp_path / "a.dcm")
    uid = dataset.SOPInstanceUID
    found = copied(tmp_path / "out", dataset, ["uids"])
    assert found.SOPInstanceUID == found.file_meta.MediaStorageSOPInstanceUID == uid
    assert found.ReferencedFrameOfReferenceUID == identities.PLANTED_UID
    assert set(left(Path(found.filename))) <= {"3680043.99"}


def test_every_attribute_of_the_table_is_treated(tmp_path: Path) -> None:
    """None of table E.1-1 keeps its value, whatever kind it is of."""
    dataset = identities.planted(tmp_path / "a.dcm")
    before = {tag: dataset[tag].value for tag in identities.listed_tags() if tag in dataset}
    found = copied(tmp_path / "out", dataset)
    same = [
        pydicom.datadict.keyword_for_tag(tag)
        for tag, value in before.items()
        if tag in found and found[tag].value == value and value not in (None, "", b"", [])
    ]
    assert len(before) > 500
    assert [name for name in same if not name.startswith(("Referenced", "Source"))] == []


def test_the_copy_says_what_was_done(tmp_path: Path) -> None:
    found = copied(tmp_path / "out", identities.planted(tmp_path / "a.dcm"), ["dates", "patient"])
    assert found.PatientIdentityRemoved == "YES"
    assert found.LongitudinalTemporalInformationModified == "MODIFIED"
    codes = [item.CodeValue for item in found.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113107", "113108"]
    assert {item.CodingSchemeDesignator for item in found.DeidentificationMethodCodeSequence} == {
        "DCM"
    }
    assert found.PatientName == found.PatientID != ""
    assert found.PatientAge == "087Y"
    assert found.preamble == b"\0" * 128
    assert "SourceApplicationEntityTitle" not in found.file_meta
    assert "PrivateInformation" not in found.file_meta
    assert not [element for element in found if element.tag.is_private]


def test_only_safe_private_elements_stay(tmp_path: Path) -> None:
    dataset = identities.planted(tmp_path / "a.dcm")
    declared = pydicom.Dataset()
    declared.PrivateGroupReference, declared.PrivateCreatorReference = 0x0051, "ACME"
    declared.BlockIdentifyingInformationStatus = "SAFE"
    dataset.PrivateDataElementCharacteristicsSequence = [declared]
    dataset.private_block(0x0051, "ACME", create=True).add_new(0x07, "LO", "42 mm")
    found = copied(tmp_path / "out", dataset, ["private"])
    private = [element for element in found if element.tag.is_private]
    values = [element.value for element in private if not element.tag.is_private_creator]
    assert values == [1000, "42 mm"]


def test_files_of_a_study_still_belong_together(tmp_path: Path) -> None:
    """References follow the UIDs, and every part of a study gets the same ones."""
    ct, seg = (identities.planted(tmp_path / name) for name in ("ct.dcm", "seg.dcm"))
    seg.SOPInstanceUID = f"{identities.PLANTED_UID}.99"
    reference = pydicom.Dataset()
    reference.ReferencedSOPClassUID = ct.SOPClassUID
    reference.ReferencedSOPInstanceUID = ct.SOPInstanceUID
    seg.ReferencedImageSequence = [reference]
    first, second = (copied(tmp_path / "out", dataset) for dataset in (ct, seg))
    [again] = second.ReferencedImageSequence
    assert again.ReferencedSOPInstanceUID == first.SOPInstanceUID != second.SOPInstanceUID
    assert again.ReferencedSOPClassUID == first.SOPClassUID == ct.SOPClassUID
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert first[keyword].value == second[keyword].value
    assert Path(first.filename).parent == Path(second.filename).parent
    assert UID(first.StudyInstanceUID).is_valid


def test_a_patient_has_one_pseudonym_and_one_shift(tmp_path: Path) -> None:
    """In every export of one user, and another for another user."""

    def dates(name: str, number: str, day: str, **more: str) -> Dataset:
        dataset = phantoms.dicom(tmp_path / f"{name}.dcm", PatientID=number, StudyDate=day, **more)
        dataset.StudyTime, dataset.AcquisitionDateTime = "101500", f"{day}101500.25"
        return copied(tmp_path / name, dataset, ["dates"])

    first, later = dates("a", "7", "20200301"), dates("b", "7", "20200408")
    other = dates("c", "8", "20200301")
    assert first.PatientID == later.PatientID != other.PatientID
    days = [pydicom.valuerep.DA(found.StudyDate) for found in (first, later)]
    assert (days[1] - days[0]).days == 38
    assert first.StudyDate not in ("20200301", other.StudyDate)
    assert first.StudyTime == "101500"
    assert first.AcquisitionDateTime == f"{first.StudyDate}101500.25"
    assert Pseudonyms(b"1" * 32).patient("7") != Pseudonyms(b"2" * 32).patient("7")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("20200301", "20200130"), ("2020.03.01", "20200130"), ("202003", "202001"),
        ("20200301101112.5+0100", "20200130101112.5+0100"), ("", ""), ("Wintergreen", ""),
        ("20200301-20200401", ""), ("00010101", ""), ("20201341", ""),
    ],
)  # fmt: skip
def test_dates_move_or_go(value: str, expected: str) -> None:
    assert moved(value, 31) == expected


def test_descriptions_lose_names_only(tmp_path: Path) -> None:
    dataset = phantoms.dicom(
        tmp_path / "a.dcm",
        PatientName="Lee^Ann^Wintergreen",
        PatientID="4711",
        SeriesDescription="Sleep study of Mrs WINTERGREEN (4711), Lee, 24.12.1938, T2 3mm",
        StudyDescription="Call 030 1234567 or a.w@home.org",
    )
    found = copied(tmp_path / "out", dataset, ["texts"])
    assert found.SeriesDescription == "Sleep study of Mrs ( ), , , T2 3mm"
    assert found.StudyDescription == "Call or"
    assert "SeriesDescription" not in copied(tmp_path / "basic", dataset)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_masked_parts_are_black_in_every_frame(tmp_path: Path, photometric: str) -> None:
    path = tmp_path / "run.dcm"
    frames = phantoms.run((3, 64, 80))
    phantoms.angiogram(path, frames)
    dataset = pydicom.dcmread(path)
    dataset.PhotometricInterpretation = photometric
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    dataset.IconImageSequence = [identities.icon()]
    found = copied(tmp_path / "out", dataset, masks={"": (Mask(0, 0, 4, 10), Mask(50, 60, 99, 99))})
    black = frames.max() if photometric == "MONOCHROME1" else frames.min()
    expected = frames.copy()
    expected[:, :4, :10] = expected[:, 50:, 60:] = black
    np.testing.assert_array_equal(found.pixel_array, expected)
    assert "IconImageSequence" not in found
    assert found.BurnedInAnnotation == "NO"
    assert "113101" in [item.CodeValue for item in found.DeidentificationMethodCodeSequence]
    np.testing.assert_array_equal(read(Path(found.filename))[0].voxels.shape, frames.shape)


def test_masks_on_colours_of_all_kinds(shared_data: Path, tmp_path: Path) -> None:
    zoo = shared_data / "dicom_zoo" / "files"
    names = (
        "pydicom-data__SC_rgb_expb.dcm", "dcm4che__OT-PAL-8-face",
        "pydicom-data__SC_ybr_full_uncompressed.dcm", "pydicom__ExplVR_BigEnd.dcm",
    )  # fmt: skip
    files = [zoo / name for name in names if (zoo / name).exists()]
    assert len(files) > 3
    before = [read(file)[0].voxels for file in files]
    parts = copy(tmp_path, *files, masks={"": (Mask(0, 0, 16, 24),)})
    for part, was in zip(parts, before, strict=True):
        now = read(Path(part.to))[0].voxels
        assert now.shape == was.shape
        assert int(now[:16, :24].max()) <= 8, part.to
        np.testing.assert_array_equal(now[16:], was[16:])
        np.testing.assert_array_equal(now[:, 24:], was[:, 24:])


def test_text_in_the_bits_above_the_picture_goes(tmp_path: Path) -> None:
    """Old overlays are stored in the unused bits of each word."""
    path = tmp_path / "a.dcm"
    dataset = phantoms.dicom(path)
    picture = np.arange(64, dtype=np.uint16).reshape(8, 8)
    phantoms.set_pixels(dataset, picture | 0x8000, 12)
    dataset.add_new(0x60000100, "US", 16)
    dataset.add_new(0x60000102, "US", 15)
    found = copied(tmp_path / "out", dataset)
    np.testing.assert_array_equal(np.frombuffer(found.PixelData, "<u2").reshape(8, 8), picture)


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
def test_comments_in_compressed_pictures_go(tmp_path: Path, kind: str) -> None:
    """Cameras write them, and no attribute of DICOM tells of them."""
    exif = Image.Exif()
    exif[0x010E] = "Quillfeather"
    streams = []
    for seed in range(2):
        stream, picture = BytesIO(), Image.effect_noise((64, 48), 30 + seed)
        more = {"exif": exif} if kind == "JPEG" else {"no_jp2": True}
        picture.save(stream, kind, comment="of Wintergreen, Aurelia", **more)
        streams.append(stream.getvalue())
    assert all(b"Wintergreen" in stream for stream in streams)
    dataset = phantoms.dicom(tmp_path / "a.dcm", SecondaryCaptureImageStorage)
    phantoms.set_pixels(dataset, np.zeros((2, 48, 64), np.uint8))
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if kind == "JPEG" else JPEG2000Lossless
    dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].VR = "OB"
    before = dataset.pixel_array.copy()
    found = copied(tmp_path / "out", dataset, looked=True)
    assert left(Path(found.filename)) == []
    np.testing.assert_array_equal(found.pixel_array, before)


@pytest.mark.parametrize(
    "stream", [b"", b"\xff\xd8", b"\xff\xd8\xff\xfe\xff\xff", b"abc", b"\xff\x4f\0"]
)
def test_a_damaged_stream_stays_as_it_is(stream: bytes) -> None:
    assert without_comments(stream) == stream


def test_burned_in_text_is_warned_of(tmp_path: Path) -> None:
    def capture(name: str, **elements: str) -> Path:
        path = tmp_path / name
        dataset = phantoms.dicom(path, SecondaryCaptureImageStorage, Modality="OT", **elements)
        phantoms.set_pixels(dataset, np.zeros((4, 4), np.uint8))
        dataset.save_as(path, enforce_file_format=True)
        return path

    silent, said = capture("silent.dcm"), capture("said.dcm", BurnedInAnnotation="YES")
    sure = capture("sure.dcm", BurnedInAnnotation="NO")
    parts = copy(tmp_path / "out", silent, said, sure)
    assert "screen captures" in parts[0].warning
    assert "black it out" in parts[1].problem
    assert (parts[2].warning, parts[2].problem) == ("", "")
    [looked] = copy(tmp_path / "looked", said, looked=True)
    assert looked.to


def test_nothing_is_overwritten_and_a_bad_file_stops_no_other(tmp_path: Path) -> None:
    good, cut, other = (tmp_path / name for name in ("good.dcm", "cut.dcm", "other.dcm"))
    for path in (good, other):
        dataset = phantoms.dicom(path)
        dataset.save_as(path, enforce_file_format=True)
    cut.write_bytes(b"\0" * 128 + b"DICM" + b"nonsense" * 9)
    first = copy(tmp_path / "out", good, cut, other)
    assert [bool(part.to) for part in first] == [True, False, True]
    assert "cut.dcm" in first[1].problem
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.dcm")}
    again = copy(tmp_path / "out", good, other)
    assert ["earlier export" in part.problem for part in again] == [True, True]
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.dcm")}


def test_a_broken_private_number_stops_no_other_file(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.dcm", "b.dcm")]
    for number, path in enumerate(files):
        dataset = phantoms.dicom(path, InstanceNumber=number)
        block = dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
        block.add_new(0x39, "IS", "1000")
        dataset.save_as(path, enforce_file_format=True)
    content = bytearray(files[0].read_bytes())
    content[content.index(b"1000") : content.index(b"1000") + 4] = b"\xff\xfe10"
    files[0].write_bytes(content)
    parts = copy(tmp_path / "out", *files, options=["private"])
    assert parts[1].to
    assert parts[0].to or "a.dcm" in parts[0].problem


def test_the_preview_is_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    dataset = identities.planted(path)
    found = copied(tmp_path / "out", dataset, ["dates"])
    preview = preview_job(Context(), str(path), frozenset(["dates"]), masked=False)
    rows = {change.tag: change for change in preview.changes if " > " not in change.name}
    name = rows["(0010,0010)"]
    assert name == Change(
        "(0010,0010)", "Patient's Name", identities.NAME, str(found.PatientName), "changed"
    )
    assert rows["(0008,0020)"].after == found.StudyDate
    assert rows["(0010,0030)"].what == "emptied"
    assert rows["(0010,4000)"].what == "removed"
    assert rows["(0028,0010)"].what == "kept"
    assert rows["(0012,0062)"].what == "added"
    deep = [change for change in preview.changes if "Plane Position Sequence 1 > " in change.name]
    assert any(change.what == "removed" for change in deep)
    assert Counter(change.what for change in preview.changes)["removed"] > 500


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dicom3tools is not installed")
@pytest.mark.parametrize("options", [(), ("dates", "patient", "texts")], ids=("basic", "options"))
def test_a_copy_is_as_valid_as_its_original(
    shared_data: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """By dicom3tools, which had no part in writing it; of each kind of image one."""

    def errors(path: Path) -> set[str]:
        answer = subprocess.run(
            ["dciodvfy", path], capture_output=True, encoding="latin-1", check=False
        )
        return {line for line in answer.stderr.splitlines() if line.startswith("Error")}

    zoo = shared_data / "dicom_zoo" / "files"
    first: dict[str, Path] = {}
    for path in sorted(zoo.iterdir()):
        dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        if dataset.get("SOPClassUID") not in first and not errors(path):
            first[str(dataset.get("SOPClassUID"))] = path
    assert len(first) > 3
    for part in copy(tmp_path, *first.values(), options=options, looked=True):
        assert part.to, part.problem
        assert errors(Path(part.to)) == set()


def limn(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "app.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def people(path: Path) -> set[str]:
    """Names and numbers of a file, in lower case."""
    dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    found = {str(dataset.get(keyword) or "") for keyword in ("PatientID", "AccessionNumber")}
    for element in dataset.iterall():
        if element.VR == "PN":
            found |= set(str(element.value).replace("^", " ").split())
    return {word.casefold() for word in found if len(word) > 4} - {"anonymized"}


def test_no_file_of_the_zoo_keeps_a_name(shared_data: Path, tmp_path: Path) -> None:
    """Every file is copied or named, and no copy holds a name or number of its original."""
    files = [path for path in sorted((shared_data / "dicom_zoo").rglob("*")) if is_dicom(path)]
    parts = copy(tmp_path, *files, looked=True)
    assert len(parts) == len(files)
    assert sum(bool(part.to) for part in parts) > 200
    for path, part in zip(files, parts, strict=True):
        assert bool(part.to) != bool(part.problem)
        if part.to:
            found = pydicom.dcmread(part.to, stop_before_pixels=True)
            assert found.PatientIdentityRemoved == "YES"
            elements = (*found.file_meta, *found.iterall())
            values = [str(element.value) for element in elements if element.VR not in ("SQ", "IS")]
            told = "\n".join([*values, part.to]).casefold()
            assert not [word for word in people(path) if word in told], path.name


def test_the_command_line_copies_a_folder(shared_data: Path, tmp_path: Path) -> None:
    series = shared_data / "dicom_zoo" / "files"
    names = ("pydicom-data__SC_rgb_expb.dcm", "pydicom__ExplVR_BigEnd.dcm")
    answer = limn("deidentify", *(series / name for name in names), "--out", tmp_path / "out")
    assert answer.returncode == 0, answer.stderr
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 2
    assert "look at it" in answer.stderr
    assert "Warning:" not in answer.stderr  # pydicom's quote values
    assert {record.event for record in Trail().records()} == {"de-identified"}
    table = tmp_path / "audit.csv"
    shown = limn("audit", "--export", table)
    assert shown.returncode == 0, shown.stderr
    with table.open(encoding="utf-8", newline="") as file:
        assert sum(1 for _ in csv.DictReader(file)) == len(Trail().records())


def test_a_decoder_that_ends_its_process_stops_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    phantoms.aborting(folder / "b.dcm")
    for name in ("a.dcm", "c.dcm"):
        dataset = phantoms.dicom(folder / name)
        phantoms.set_pixels(dataset, np.full((8, 8), 200, np.uint8))
        dataset.save_as(folder / name, enforce_file_format=True)
    answer = limn("deidentify", folder, "--out", tmp_path / "out", "--mask", "0,0,4,8")
    assert answer.returncode == 1
    assert "2 of 3 files" in answer.stdout
    assert "b.dcm" in answer.stderr
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 2


def test_a_wrong_wish_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    phantoms.dicom(path).save_as(path, enforce_file_format=True)
    wish = (path, "--out", tmp_path / "out")
    answer = limn("deidentify", *wish, "--keep", "everything")
    assert answer.returncode == 1
    assert "choose from dates" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    with pytest.raises(UserError, match="no rectangle"):
        Mask.parse("1,2")
