"""The CUDA add-on pack: built from wheels, found, checked, used or left aside with a reason."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from inference import graphics, packs
from inference.graphics import Card, Driver
from inference.resources import data_folder
from installer import cuda_pack

ROOT = Path(__file__).parents[1]
DRIVER = Driver("580.65", (13, 0), (Card("NVIDIA RTX A2000", 6 * 2**30),))
WORKER = """
from inference import graphics, packs
from inference.graphics import Card, Driver
graphics.driver = lambda: Driver("580.65", (13, 0), (Card("NVIDIA RTX A2000", 6 * 2**30),))
packs.use()
import torch
print(torch.__file__)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of small wheels that are named as the large ones are."""
    wheels, out = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("out")
    torch = cuda_pack.locked("torch")
    _wheel(wheels, "torch", torch, "nvidia_small==13.0", "sympy", code="version = 'cuda'\n")
    _wheel(wheels, "nvidia_small", "13.0", code="library = True\n")
    with pytest.MonkeyPatch.context() as patch:  # these wheels, and none that pip is set to know
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        for name in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
            patch.delenv(name, raising=False)
        return cuda_pack.build(out, (13, 0), ["--no-index", "--find-links", str(wheels)])


def _wheel(folder: Path, name: str, number: str, *needs: str, code: str) -> None:
    about = f"{name}-{number}.dist-info"
    files = {
        f"{name}/__init__.py": code,
        f"{name}/include/header.h": "",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n"
        + "".join(f"Requires-Dist: {need}\n" for need in needs),
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{number}-py3-none-any.whl", "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)


@pytest.fixture
def installed(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pack in the user's folder, on a computer with a card and a driver."""
    folder = data_folder() / packs.NAME
    folder.parent.mkdir(parents=True)
    subprocess.run(["cp", "-r", built, folder], check=True)
    monkeypatch.setattr(graphics, "driver", lambda: DRIVER)
    return folder


def _problem() -> str:
    packs._looked_at.cache_clear()
    found = packs.find()
    assert found is not None
    return found.problem


def test_a_pack_holds_torch_and_nvidia_alone_and_lists_every_file(built: Path) -> None:
    folders = (built / packs.SITE).iterdir()
    names = {path.name for path in folders if path.suffix != ".dist-info"}
    assert names == {"torch", "nvidia_small"}  # sympy is not for the graphics card
    assert not (built / packs.SITE / "torch" / "include" / "header.h").exists()
    assert (built / packs.MANIFEST).is_file()


def test_a_worker_takes_torch_from_a_pack_that_fits(installed: Path) -> None:
    assert _problem() == ""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WORKER]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == installed / packs.SITE / "torch" / "__init__.py"


def test_a_pack_is_left_aside_where_it_does_not_fit(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphics, "driver", lambda: replace(DRIVER, cuda=(12, 8)))
    assert "The driver 580.65 is too old for CUDA 13" in _problem()
    monkeypatch.setattr(graphics, "driver", lambda: None)
    assert _problem() == "This computer has no NVIDIA card with a working driver."
    text = (installed / packs.MANIFEST).read_text()
    torch = version("torch").partition("+")[0]
    (installed / packs.MANIFEST).write_text(text.replace(f'"torch": "{torch}"', '"torch": "1.0"'))
    assert _problem().startswith("It was built for torch 1.0")
    before = list(sys.path)
    assert packs.use() is not None
    assert sys.path == before


def test_a_damaged_pack_is_noticed(installed: Path) -> None:
    pack = packs.find()
    assert pack is not None
    assert packs.damaged(pack) == []
    code = installed / packs.SITE / "torch" / "__init__.py"
    code.write_text(code.read_text().replace("cuda", "cudb"))
    assert packs.damaged(pack) == ["torch/__init__.py"]
    code.unlink()
    assert "torch/__init__.py is missing or cut off" in _problem()
    (installed / packs.MANIFEST).write_text("{")
    assert "cannot be read" in _problem()


def test_without_a_driver_there_is_no_card() -> None:
    if not Path("/proc/driver/nvidia").exists():
        assert graphics.driver() is None
