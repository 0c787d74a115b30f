"""Headers that leave out, or contradict, what decoding needs: the likely value, and a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.dicom.header import number, text

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset


def repair(path: Path, dataset: Dataset) -> tuple[str, ...]:
    """Fill in the description of the pixels in place; what was assumed."""
    allocated = int(number(dataset, "BitsAllocated", 0))
    colour = number(dataset, "SamplesPerPixel", 1) == 3
    likely = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "PixelRepresentation": 0,
        "BitsStored": allocated,
    }
    if not allocated or number(dataset, "BitsStored", allocated) <= allocated:
        wrong = {key: value for key, value in likely.items() if not text(dataset, key)}
        look = text(dataset, "PhotometricInterpretation")
        wrong |= {"PhotometricInterpretation": look.upper()} if look != look.upper() else {}
    else:
        wrong = {"BitsStored": allocated, "HighBit": allocated - 1}
    for keyword, value in wrong.items():
        setattr(dataset, keyword, value)
    wrong.pop("HighBit", None)
    if not wrong or not allocated:
        return ()
    assumed = ", ".join(f"{keyword} {value}" for keyword, value in wrong.items())
    return (f"The header of {path.name} does not describe its pixels fully: {assumed} assumed.",)
