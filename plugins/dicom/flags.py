"""Which frames a model made: standard frames of interest, and a private list of confidences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.dicom.header import numbers, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

CREATOR, GROUP, CONFIDENCE, MODEL = "LIMN", 0x0071, 0x01, 0x02
KIND = "SYNTHETIC"  # type of a frame of interest


def add_flags(
    dataset: Dataset, synthetic: Sequence[bool], confidence: Sequence[float], model: str
) -> None:
    """Mark the synthetic frames; `confidence` has one entry for each frame, 0 to 1."""
    made = [index for index, flag in enumerate(synthetic) if flag]
    if made:
        dataset.FrameNumbersOfInterest = [index + 1 for index in made]
        dataset.FrameOfInterestDescription = [
            f"interpolated {confidence[index]:.2f}" for index in made
        ]
        dataset.FrameOfInterestType = [KIND] * len(made)
    block = dataset.private_block(GROUP, CREATOR, create=True)
    block.add_new(CONFIDENCE, "FL", [float(value) for value in confidence])
    block.add_new(MODEL, "LO", model[:64])


def flags(header: Dataset, count: int) -> tuple[tuple[bool, ...] | None, tuple[float, ...] | None]:
    """Which of `count` frames are synthetic, and the confidence in each; None if unmarked."""
    kinds = text(header, "FrameOfInterestType")
    made = {int(value) - 1 for value in numbers(header, "FrameNumbersOfInterest")}
    if KIND not in kinds or not made:
        return None, None
    return tuple(index in made for index in range(count)), _confidence(header, count)


def _confidence(header: Dataset, count: int) -> tuple[float, ...] | None:
    """Private elements may have been removed since."""
    try:
        stored = header.private_block(GROUP, CREATOR)[CONFIDENCE].value
        found = tuple(float(value) for value in ([stored] if count == 1 else stored))
    except (KeyError, TypeError, ValueError):
        return None
    return found if len(found) == count else None
