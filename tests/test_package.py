"""The locked requirements, and what the set-up does on a machine where something is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import imageio.v3 as iio
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKED = dict(
    line.split("==")
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if not line.startswith("#")
)


def _required() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return project["project"]["dependencies"] + project["dependency-groups"]["dev"]


@pytest.mark.parametrize("text", _required())
def test_the_lock_holds_every_requirement_at_a_version_that_fits(text: str) -> None:
    requirement = Requirement(text)
    locked = LOCKED[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(locked)


@pytest.mark.parametrize("name", ["torch", "napari", "numpy", "pyside6-essentials", "shiboken6"])
def test_the_environment_runs_the_locked_versions(name: str) -> None:
    assert version(name).partition("+")[0] == LOCKED[name]


def test_the_lock_names_no_build_of_torch_and_none_of_its_cuda_packages() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", LOCKED["torch"])
    of_cuda = {name for name in LOCKED if name.startswith(("nvidia", "cuda", "triton"))}
    assert of_cuda == {"nvidia-ml-py"}  # asks the driver; the program needs it to say what is there


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that is set up already; its Python writes down what it is told to do."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "setup.sh", tmp_path / "scripts")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for lock in (tmp_path / "requirements.lock", tmp_path / ".venv" / "requirements.lock"):
        lock.write_text("numpy==2.4.6\n")
    _command(tmp_path / ".venv" / "bin" / "python", f'echo "$@" >> {tmp_path}/told')
    return tmp_path


def _command(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def _set_up(checkout: Path, absent: str = "") -> subprocess.CompletedProcess[str]:
    """Run the set-up as a user who may not become root, where dpkg knows all but `absent`."""
    system = checkout / "system"
    system.mkdir()
    _command(system / "dpkg", f'case " {absent} " in *" $2 "*) exit 1;; esac')
    _command(system / "apt-get", "exit 99")
    _command(system / "id", "echo 1000")
    _command(system / "sudo", "exit 1")
    environment = os.environ | {"PATH": f"{system}:{os.environ['PATH']}"}
    script = checkout / "scripts" / "setup.sh"
    return subprocess.run([script], env=environment, capture_output=True, text=True)


def test_setup_prints_the_exact_command_where_it_may_not_install(checkout: Path) -> None:
    done = _set_up(checkout, absent="xvfb xvfbt64 libgl1 libgl1t64")
    assert done.returncode == 1
    command = "sudo apt-get update && sudo apt-get install --yes libgl1 xvfb\n"
    assert command in done.stderr


def test_setup_knows_libraries_by_their_new_names(checkout: Path) -> None:
    assert _set_up(checkout, absent="libglib2.0-0").returncode == 0


def test_setup_does_nothing_twice(checkout: Path) -> None:
    done = _set_up(checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (checkout / "told").exists()


def test_setup_installs_a_lock_that_has_changed(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text("numpy==2.4.7\n")
    assert _set_up(checkout).returncode == 0
    assert (checkout / "told").read_text().endswith("--requirement requirements.lock\n")
    assert (checkout / ".venv" / "requirements.lock").read_text() == "numpy==2.4.7\n"


def test_the_program_saves_a_picture_of_what_it_was_given(tmp_path: Path) -> None:
    sample = ROOT / "resources" / "samples" / "fundus.jpg"
    command = [sys.executable, ROOT / "app.py", sample, "--screenshot", tmp_path / "window.png"]
    assert subprocess.run(command, timeout=120).returncode == 0
    shown = iio.imread(tmp_path / "window.png")
    middle = shown[300:600, 500:900, :3].mean((0, 1))
    assert middle[0] > middle[1] > middle[2] > 10  # the fundus, orange, fills the middle


def test_the_window_is_no_larger_than_the_screen(tmp_path: Path) -> None:
    sample = ROOT / "resources" / "samples" / "dsa_run.dcm"
    small = ["xvfb-run", "--auto-servernum", "--server-args=-screen 0 1024x700x24"]
    command = [sys.executable, ROOT / "app.py", sample, "--screenshot", tmp_path / "window.png"]
    assert subprocess.run([*small, *command], timeout=120).returncode == 0
    assert iio.imread(tmp_path / "window.png").shape[:2] == (700, 1024)


def test_the_program_refuses_what_it_does_not_know() -> None:
    done = subprocess.run([sys.executable, ROOT / "app.py", "--nonsense"], capture_output=True)
    assert done.returncode == 2
    assert b"unrecognized arguments: --nonsense" in done.stderr
