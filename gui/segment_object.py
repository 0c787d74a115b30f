"""What a label stands for: an object with its number, its name and its colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_OBJECTS = 255
# Distinct for colour-blind readers as well; after Okabe and Ito, "Color Universal Design", 2008.
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2", "#b3e2cd")


@dataclass(frozen=True, slots=True)
class SegmentObject:
    """What one label stands for."""

    id: int  # the label, 1 to 255
    name: str
    color: str  # "#rrggbb"
    locked: bool = False  # no edit changes its voxels
    visible: bool = True
    origin: str = ""  # what a model, or the user at first, called it
    maker: tuple[str, ...] = ()  # the model that outlined it where the user pointed, its version
    as_made: str = ""  # the fingerprint of what `maker` made by itself; "": the user had a part


def color_of(number: int) -> str:
    """The colour, "#rrggbb", of the first, second, … object, as long as nobody chose another."""
    return PALETTE[(number - 1) % len(PALETTE)]


def free_label(known: Mapping[int, SegmentObject]) -> int:
    """The lowest label that no object has; UserError if all 255 are taken."""
    free = next((i for i in range(1, MOST_OBJECTS + 1) if i not in known), 0)
    if not free:
        raise UserError(f"An image holds {MOST_OBJECTS} objects at most: delete one first.")
    return free


def named(objects: Iterable[SegmentObject], name: str) -> SegmentObject | None:
    """The object that a model calls so, whatever the user calls it now; else of that name."""
    known = list(objects)
    ours = (item for item in known if item.origin == name)
    return next(ours, next((item for item in known if item.name == name), None))
