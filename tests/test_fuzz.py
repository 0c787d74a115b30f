"""Damaged DICOM files, 2 000 of them, always the same: none may crash, hang or fill the memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_are_read_or_refused_in_a_sentence(seed: int) -> None:
    command = [sys.executable, "-m", "tests.fuzzing", str(seed), "500"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (0, "")
