"""Tell DICOM from other files by the first bytes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = (".dcm", ".dicom", ".ima")
PREAMBLE = 128
FIRST_GROUPS = (0x0002, 0x0008)  # with which a file without preamble begins
MAX_FIRST_ELEMENT = 0x0070  # small in both groups: text and other binary files start differently


def is_named_dicom(path: Path) -> bool:
    """Whether its name promises DICOM."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def is_dicom(path: Path) -> bool:
    """Whether a file has the DICOM mark, or starts like a data set without preamble."""
    if not path.is_file() or path.name.startswith("."):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(PREAMBLE + 4)
    except OSError:
        return False
    return head[PREAMBLE:] == b"DICM" or any(_starts_data_set(head, order) for order in "<>")


def _starts_data_set(head: bytes, order: str) -> bool:
    if len(head) < 8:
        return False
    group, element = struct.unpack(f"{order}HH", head[:4])
    return group in FIRST_GROUPS and element <= MAX_FIRST_ELEMENT
