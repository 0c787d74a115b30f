"""Zip archives open as their folder would; those that are traps are refused in a sentence."""

from __future__ import annotations

import stat
import tempfile
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from inference import cases
from inference.errors import UserError
from inference.reading import read
from inference.registry import command
from tests import phantoms

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def zipped(folder: Path, *files: Path) -> Path:
    path = folder / "study.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, f"export/{file.name}")
    return path


def run(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return phantoms.angiogram(folder / "run.dcm", phantoms.run(), FrameTime="40")


def test_an_archive_opens_and_leaves_nothing_behind(
    tmp_path: Path, own_temporary_folder: Path
) -> None:
    path = zipped(tmp_path, run(tmp_path / "run"))
    (series,) = read(path)
    np.testing.assert_array_equal(series.voxels, phantoms.run())
    assert series.paths == (path / "export" / "run.dcm",)
    assert list(own_temporary_folder.iterdir()) == []


def test_a_run_from_an_archive_can_be_written_though_it_is_packed_again(tmp_path: Path) -> None:
    (series,) = read(zipped(tmp_path, run(tmp_path / "run")))
    command("limn-dicom.write_run")(tmp_path / "new.dcm", series, series.voxels, [0, 1, 2, 3, 4])
    (again,) = read(tmp_path / "new.dcm")
    assert again.identity.patient_id == series.identity.patient_id
    (tmp_path / "study.zip").unlink()
    with pytest.raises(UserError, match=r"run\.dcm cannot be read any more"):
        command("limn-dicom.write_run")(tmp_path / "b.dcm", series, series.voxels, None)


def test_frames_in_an_archive_are_a_run(tmp_path: Path) -> None:
    files = []
    for index, frame in enumerate(phantoms.run().astype(np.uint8)):
        files.append(tmp_path / f"frame_{index}.png")
        Image.fromarray(frame).save(files[-1])
    (series,) = read(zipped(tmp_path, *files))
    assert (series.kind, series.voxels.shape) == ("run", (5, 24, 32))


def test_archives_are_cases_of_a_cohort(tmp_path: Path) -> None:
    path = zipped(tmp_path, run(tmp_path / "run"))
    assert [case.source for case in cases.find(tmp_path)] == [tmp_path / "run", path]


@pytest.mark.parametrize(
    "name", ["../out.dcm", "/out.dcm", "a/../../out.dcm", "..\\out.dcm", "C:x"]
)
def test_a_way_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "trap.zip", "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(UserError, match=r"trap\.zip holds files that would lead out"):
        read(tmp_path / "trap.zip")
    assert not list(tmp_path.rglob("out.dcm"))


def test_links_are_refused(tmp_path: Path) -> None:
    member = zipfile.ZipInfo("link.dcm")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "trap.zip", "w") as archive:
        archive.writestr(member, "/etc/hostname")
    with pytest.raises(UserError, match="would lead out"):
        read(tmp_path / "trap.zip")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(13):
            archive.writestr(f"{index}.dcm", bytes(10 * 2**20))
    with pytest.raises(UserError, match=r"bomb\.zip claims 13 files .* far more than it can hold"):
        read(tmp_path / "bomb.zip")


def test_a_bomb_that_states_a_small_size_is_refused(
    tmp_path: Path, own_temporary_folder: Path
) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", bytes(30 * 2**20))
    size = (30 * 2**20).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(UserError, match=r"bomb\.zip is damaged"):
        read(path)
    assert list(own_temporary_folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"no archive", b"PK\3\4" + bytes(40)])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.zip is damaged or no zip archive"):
        read(tmp_path / "a.zip")


def test_an_archive_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear colleague", "utf-8")
    with pytest.raises(UserError, match="of no kind that Limn opens"):
        read(zipped(tmp_path, tmp_path / "letter.txt"))
