"""Zip archives open as their folder would; those that are traps are refused in a sentence."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from inference import cases, memory, scratch, shared
from inference.archives import unpacked
from inference.errors import UserError
from inference.reading import read, stream
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


def test_what_an_archive_holds_reaches_no_disk(tmp_path: Path, own_temporary_folder: Path) -> None:
    reading = stream(zipped(tmp_path, run(tmp_path / "run")))
    next(reading)
    [folder] = shared.SHARED_MEMORY.glob(f"{scratch.PREFIX}{os.getpid()}-*")
    assert [path.name for path in folder.rglob("*.dcm")] == ["run.dcm"]
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IRWXU
    assert list(own_temporary_folder.iterdir()) == []
    assert list(reading) == []
    assert not folder.exists()


@pytest.mark.parametrize("lacking", ["place", "room"])
def test_without_memory_for_it_an_archive_is_on_the_disk_only_while_names_are_shown(
    tmp_path: Path, own_temporary_folder: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    path = zipped(tmp_path, run(tmp_path / "run"))
    if lacking == "place":  # as on Windows and macOS
        monkeypatch.setattr(shared, "SHARED_MEMORY", tmp_path / "none")
    else:
        monkeypatch.setattr(memory, "available", lambda: path.stat().st_size)
    with unpacked(path) as folder:
        assert folder.is_relative_to(own_temporary_folder)
    monkeypatch.setenv("LIMN_HIDE_PATIENT_NAMES", "1")
    with pytest.raises(UserError, match=r"none is put on the disk: unpack it yourself"):
        read(path)
    assert list(own_temporary_folder.iterdir()) == []


def test_an_archive_that_fits_neither_memory_nor_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path, run(tmp_path / "run"))
    full = shutil.disk_usage(tmp_path)._replace(free=path.stat().st_size)
    monkeypatch.setattr(memory, "available", lambda: 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(UserError, match=r"study\.zip needs 0\.0 GiB for a while: unpack it"):
        read(path)


def test_an_archive_damaged_inside_is_refused(tmp_path: Path) -> None:
    """Its table of contents is sound, and the first packed bytes are not."""
    path = zipped(tmp_path, run(tmp_path / "run"))
    content = bytearray(path.read_bytes())
    start = content.index(b"run.dcm") + len(b"run.dcm")
    content[start : start + 40] = bytes(range(200, 240))
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"study\.zip is damaged"):
        read(path)


def test_an_archive_of_another_method_is_refused_for_that(tmp_path: Path) -> None:
    """Such as Deflate64, which Windows takes for large files."""
    path = tmp_path / "large.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.dcm", b"DICM" * 99)
    local, central = b"PK\3\4\x14\0\0\0", b"PK\1\2\x14\3\x14\0\0\0"
    content = path.read_bytes()
    for start in (local, central):
        assert start + b"\0\0" in content
        content = content.replace(start + b"\0\0", start + b"\x09\0")
    path.write_bytes(content)
    with pytest.raises(UserError, match="by a method that Limn does not know: unpack it yourself"):
        read(path)


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
    with pytest.raises(UserError, match=r"study\.zip is of no kind that Limn opens"):
        read(zipped(tmp_path, tmp_path / "letter.txt"))


def test_an_archive_in_an_archive_is_told(tmp_path: Path) -> None:
    image = run(tmp_path / "run")
    inner = zipped(tmp_path, image).rename(tmp_path / "inner.zip")
    with pytest.raises(UserError, match=r"study\.zip holds another archive.*unpack it first"):
        read(zipped(tmp_path, inner))
    (series,) = read(zipped(tmp_path, inner, image))
    assert "study.zip holds another archive, which was not opened" in series.warnings[-1]
