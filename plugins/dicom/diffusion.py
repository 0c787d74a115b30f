"""The b-value of a diffusion image: standard, or where each vendor kept it before the standard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.dicom.header import group, numbers

if TYPE_CHECKING:
    from pydicom import Dataset

PRIVATE = (  # creator, group, element within its block
    ("SIEMENS MR HEADER", 0x0019, 0x0C),
    ("Philips Imaging DD 001", 0x2001, 0x03),
    ("GEMS_PARM_01", 0x0043, 0x39),
)
GE_OFFSET = 1_000_000_000  # that GE adds, s/mm²


def b_value(header: Dataset) -> tuple[float, ...]:
    """(s/mm²,), or () where none is stated."""
    stated = numbers(group(header, "MRDiffusionSequence") or header, "DiffusionBValue")[:1]
    if stated:
        return stated
    for creator, where, element in PRIVATE:
        try:
            value = header.private_block(where, creator)[element].value
            first = value if isinstance(value, (int, float, str)) else value[0]
            return (float(first) % GE_OFFSET,)
        except (KeyError, TypeError, ValueError, IndexError):
            continue
    return ()
