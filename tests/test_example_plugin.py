"""The plugin that the guide explains works as the guide says: put into plugins/, nothing else."""

from __future__ import annotations

import json
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
