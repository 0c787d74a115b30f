"""What a build consists of: its parts with their licences, and the files that install it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import skimage
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from inference import parts, weights
from installer import bill, cuda_pack

ROOT = Path(__file__).parents[1]
DEBIAN = ROOT / "installer" / "debian"
KINDS = (".dcm", ".nii", ".nii.gz", ".nrrd", ".mha")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bill of files of five origins: wheels with and without a licence text, Python, Debian."""
    folder = tmp_path_factory.mktemp("bill") / "licences"
    edt = next(file for file in distribution("edt").files or () if file.suffix == ".so")
    files = [Path(module.__file__ or "") for module in (np, skimage, json)]
    system = sorted(Path("/usr/lib").glob("*/libGL.so.1"))
    bill.write([*files, Path(str(edt.locate())), *system], folder)
    return folder


def test_the_bill_is_strict_cyclonedx_with_every_part_and_model(written: Path) -> None:
    text = (written / parts.LIST).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    listed = {found["name"]: found for found in json.loads(text)["components"]}
    assert {"numpy", "scikit-image", "edt", "python", "pyinstaller"} <= set(listed)
    for model in weights.bundled():
        assert listed[f"{model.plugin}.{model.name}"]["hashes"][0]["content"] == model.sha256


def test_every_part_brings_the_text_of_its_licence(written: Path) -> None:
    folders = [path for path in written.iterdir() if path.is_dir()]
    assert len(folders) >= 5
    for folder in folders:
        texts = [path.read_text("utf-8", "replace") for path in folder.iterdir()]
        assert any(len(text) > 500 for text in texts), folder.name
    [edt] = (folder for folder in folders if folder.name.startswith("edt"))
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in (edt / "LGPL-3.0.txt").read_text()


def test_the_program_shows_the_bill_it_was_built_with(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "FOLDER", written)
    found = {part.name: part for part in parts.parts()}
    assert found["numpy"].version == np.__version__
    assert "BSD" in found["numpy"].licence
    assert any("NumPy Developers" in path.read_text("utf-8") for path in found["numpy"].texts)


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="only Debian knows its packages")
def test_system_libraries_are_parts_too(written: Path) -> None:
    [copyright_file] = written.glob("libgl1-*/copyright")
    assert "License" in copyright_file.read_text()


def test_no_part_of_the_program_is_under_the_gpl_alone() -> None:
    """LGPL libraries stay files of their own that can be replaced; GPL ones may not be bundled."""
    spec = (ROOT / "pyinstaller.spec").read_text()
    excluded = set(re.findall(r'"([\w.]+)"', spec[spec.index("excludes=") :]))
    gpl = {part.name for part in parts.parts()
           if re.search(r"(?<!L)GPL", part.licence) and "LGPL" not in part.licence}  # fmt: skip
    builders = {"pyinstaller", "pyinstaller-hooks-contrib"}  # with an exception for what they build
    assert gpl - builders <= excluded


def test_the_desktop_entry_opens_every_kind_of_file() -> None:
    entry = (DEBIAN / "limn.desktop").read_text()
    offered = set(re.search(r"MimeType=(.*)", entry)[1].strip(";").split(";"))  # type: ignore[index]
    space = "{http://www.freedesktop.org/standards/shared-mime-info}"
    described = {
        kind.get("type"): kind.find(f"{space}glob").get("pattern")  # type: ignore[union-attr]
        for kind in ElementTree.parse(DEBIAN / "limn.xml").getroot()
    }
    assert offered == {"application/dicom", *described}  # DICOM is known to every system
    assert {f"*{kind}" for kind in KINDS} - {"*.dcm"} <= set(described.values())
    if validator := shutil.which("desktop-file-validate"):
        done = subprocess.run([validator, DEBIAN / "limn.desktop"], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "")


def test_windows_offers_every_kind_of_file() -> None:
    script = (ROOT / "installer" / "windows.iss").read_text()
    endings = set(re.findall(r"Classes\\(\.\w+)\\OpenWithProgids", script))
    assert endings == {f".{kind.rpartition('.')[2]}" for kind in KINDS}


def test_the_manual_names_every_command() -> None:
    import app

    manual = (DEBIAN / "limn.1").read_text()
    commands = {name for name in app.COMMANDS if not name.startswith("-")}
    assert {name for name in commands if not re.search(rf"^\.BI? {name}\b", manual, re.M)} == set()


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="only Debian packs its packages")
def test_a_package_puts_every_file_in_its_place(tmp_path: Path) -> None:
    program = tmp_path / "limn"
    (program / "_internal").mkdir(parents=True)
    (program / "limn").write_text("#!/bin/sh\n")
    done = subprocess.run([ROOT / "installer" / "deb.sh", program], capture_output=True, text=True)
    package = Path(done.stdout.strip())
    listed = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True)
    for place in (
        *("./opt/limn/limn", "./usr/bin/limn -> /opt/limn/limn", "./usr/share/man/man1/limn.1.gz"),
        *("./usr/share/applications/limn.desktop", "./usr/share/mime/packages/limn.xml"),
        "./usr/share/icons/hicolor/scalable/apps/limn.svg",
    ):
        assert place in listed.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"limn", package.name}  # nothing else left


def test_the_cuda_pack_is_of_the_locked_torch() -> None:
    assert cuda_pack.locked("torch") == distribution("torch").version.partition("+")[0]


def test_scripts_are_sound() -> None:
    for script in [*(ROOT / "installer").glob("*.sh"), *(ROOT / "scripts").glob("*.sh")]:
        assert subprocess.run(["bash", "-n", script]).returncode == 0


def test_the_spec_can_be_compiled() -> None:
    compile((ROOT / "pyinstaller.spec").read_text(), "pyinstaller.spec", "exec")
