"""The plugin that the guide explains works as the guide says: put into plugins/, nothing else."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = ROOT / "docs" / "example_plugin" / "bright_spots"
SPOTS = ((20, 30), (50, 70), (80, 15))  # (y, x)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program with the plugin in it."""
    copy = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "app.py", copy)
    for room in ("inference", "plugins/images"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(EXAMPLE, copy / "plugins" / EXAMPLE.name)
    (copy / "resources").symlink_to(ROOT / "resources")
    return copy


def limn(checkout: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "app.py", *map(str, arguments)]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def test_the_example_is_found_and_finds_spots(checkout: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(100, 4, (100, 90))
    for y, x in SPOTS:
        noise[y - 2 : y + 3, x - 2 : x + 3] += 80
    picture = tmp_path / "spots.png"
    Image.fromarray(noise.astype(np.uint8)).save(picture)
    ran = limn(checkout, "run", "bright_spots", picture, "--out", tmp_path, "--set", "contrast=6")
    assert ran.returncode == 0, ran.stderr
    mask = np.asarray(Image.open(tmp_path / "spots_spots.png"))
    assert all(mask[y, x] for y, x in SPOTS)
    assert abs(int((mask > 0).sum()) - 25 * len(SPOTS)) < 15
    record = json.loads((tmp_path / "spots.json").read_text("utf-8"))
    assert record["measurements"]["spots"] == len(SPOTS)
    assert record["settings"]["contrast"] == 6


def test_its_errors_are_sentences(checkout: Path, tmp_path: Path) -> None:
    picture = tmp_path / "plain.png"
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(picture)
    ran = limn(checkout, "run", "bright_spots", picture, "--out", tmp_path, "--set", "size=1")
    assert ran.returncode == 1
    assert "give 3 or more" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_guide_shows_all_of_it(tmp_path: Path) -> None:
    """The page of the site, as `make docs` makes it."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)]
    built = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    page = html.unescape(re.sub(r"<[^>]+>", "", (tmp_path / "plugin.html").read_text("utf-8")))
    for name in ("napari.yaml", "task.py"):
        assert (EXAMPLE / name).read_text("utf-8").strip() in page, name
