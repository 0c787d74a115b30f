"""Stations of the IASLC map (Rusch et al., J Thorac Oncol 2009;4:568), as far as they can be told.

What separates stations is in part airway and lungs, which are found, and in part vessels, which
are known only where somebody labelled them. Where a border is unknown nothing is proposed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plugins.lymph_nodes.landmarks import Cut, middle_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from plugins.lymph_nodes.landmarks import Landmarks

STATIONS = {
    "1R": "Low cervical, supraclavicular, sternal notch, right",
    "1L": "Low cervical, supraclavicular, sternal notch, left",
    "2R": "Upper paratracheal, right",
    "2L": "Upper paratracheal, left",
    "3a": "Prevascular",
    "3p": "Retrotracheal",
    "4R": "Lower paratracheal, right",
    "4L": "Lower paratracheal, left",
    "5": "Subaortic",
    "6": "Para-aortic",
    "7": "Subcarinal",
    "8": "Paraoesophageal",
    "9R": "Pulmonary ligament, right",
    "9L": "Pulmonary ligament, left",
    "10R": "Hilar, right",
    "10L": "Hilar, left",
    "11R": "Interlobar, right",
    "11L": "Interlobar, left",
    "12R": "Lobar, right",
    "12L": "Lobar, left",
    "13R": "Segmental, right",
    "13L": "Segmental, left",
    "14R": "Subsegmental, right",
    "14L": "Subsegmental, left",
}
LOWER_MM = 20.0
"""Above the carina: so far up station 4 reaches in whoever has an aortic arch of usual height."""
BESIDE_MM, BEFORE_MM = 20.0, 12.0
"""Paratracheal: at most so far beside, and before, the wall of the trachea."""
SUBCARINAL_MM, UNDER_MM = 40.0, 20.0
"""Station 7: at most so far below the carina, and beside it."""
HILAR_MM, OUTER_MM, OVER_MM = 28.0, 75.0, 10.0
"""Hilar: at least and at most so far from the midline; at most so far above the carina."""
NEAR_MM = 12.0


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A station, "" if it cannot be told, and what speaks for it or is missing."""

    station: str
    reason: str


def suggest(place: Sequence[float], marks: Landmarks | None) -> Suggestion:
    """The station of a node at a place (z, y, x) of the volume, voxels."""
    if marks is None or marks.carina is None:
        return Suggestion("", "The carina was not found, so no station can be told.")
    spot = _Spot(place, marks)
    if marks.apex is not None and place[0] > marks.apex:
        return Suggestion(f"1{spot.side}", "Above the apex of the lungs.")
    return _above(spot, marks) if spot.height > 0 else _below(spot, marks)


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place as seen from the airway, mm."""

    place: Sequence[float]
    marks: Landmarks

    @property
    def trachea(self) -> Cut:
        """The cut of the trachea at this height, below the carina its last."""
        known = self.marks.trachea
        return known[min(known, key=lambda z: abs(z - self.place[0]))]

    @property
    def height(self) -> float:
        """Above the carina."""
        carina = self.marks.carina
        return (self.place[0] - carina[0]) * self.marks.spacing[0] if carina else 0.0

    @property
    def side(self) -> str:
        """R or L: stations 2 and 4 meet at the left wall of the trachea."""
        middle = middle_of(self.trachea)[1]
        border = self.trachea.left if self.height > 0 else middle
        return "R" if self.place[2] < border else "L"

    @property
    def lateral(self) -> float:
        """From the middle of the trachea, to the left positive."""
        return (self.place[2] - middle_of(self.trachea)[1]) * self.marks.spacing[2]

    @property
    def beside(self) -> float:
        """From the nearer side wall of the trachea, negative between both."""
        cut, x = self.trachea, self.place[2]
        return max(cut.right - x, x - cut.left) * self.marks.spacing[2]

    @property
    def before(self) -> float:
        """From the front wall of the trachea, positive in front of it."""
        return (self.trachea.front - self.place[1]) * self.marks.spacing[1]

    @property
    def behind(self) -> float:
        """From the back wall of the trachea, positive behind it."""
        return (self.place[1] - self.trachea.back) * self.marks.spacing[1]

    @property
    def above(self) -> str:
        """The height in words."""
        return f"{abs(self.height):.0f} mm {'above' if self.height > 0 else 'below'} the carina"


def _above(spot: _Spot, marks: Landmarks) -> Suggestion:
    if spot.behind > 0 and spot.beside < NEAR_MM:
        return Suggestion("3p", f"Behind the trachea, {spot.above}.")
    if abs(spot.lateral) > HILAR_MM and spot.height < OVER_MM:
        return Suggestion(f"10{spot.side}", f"At the hilum, {spot.above}; 11 is not told apart.")
    if beside_aorta := _at_aorta(spot, marks.structures.get("aorta", {})):
        return beside_aorta
    if spot.before > BEFORE_MM:
        return _prevascular(spot, marks.structures.get("vein", {}))
    if spot.beside > BESIDE_MM:
        return Suggestion("", f"Away from the trachea, {spot.above}: vessels are not labelled.")
    return _paratracheal(spot, marks)


def _paratracheal(spot: _Spot, marks: Landmarks) -> Suggestion:
    """2 or 4: on the right they meet at the crossing vein, on the left at the top of the arch."""
    kind = "vein" if spot.side == "R" else "aorta"
    structure = marks.structures.get(kind, {})
    side = "Right" if spot.side == "R" else "Left"
    where = f"{side} of the trachea, {spot.above}"
    border = _border(spot, structure) if kind == "vein" else max(structure, default=None)
    if border is not None:
        level = "2" if spot.place[0] > border else "4"
        name = "the crossing vein" if kind == "vein" else "the top of the aortic arch"
        return Suggestion(f"{level}{spot.side}", f"{where}; told by {name}.")
    if spot.height <= LOWER_MM:
        return Suggestion(f"4{spot.side}", f"{where}.")
    missing = "brachiocephalic vein" if kind == "vein" else "aorta"
    return Suggestion("", f"{where}: 2 or 4, as the {missing} is not labelled.")


def _border(spot: _Spot, vein: Mapping[int, Cut]) -> float | None:
    """The lowest slice in which a vein crosses in front of the trachea."""
    middle = middle_of(spot.trachea)[1]
    crossing = [z for z, cut in vein.items() if cut.right <= middle <= cut.left]
    return min(crossing, default=None)


def _at_aorta(spot: _Spot, aorta: Mapping[int, Cut]) -> Suggestion | None:
    """5 or 6: left of the aorta, under its arch or beside it."""
    if not aorta:
        return None
    double = [z for z, cut in aorta.items() if cut.pieces > 1]
    arch = max(double, default=min(aorta)) + 1  # below it there are two cuts
    z, x = spot.place[0], spot.place[2]
    cut = aorta[min(aorta, key=lambda known: abs(known - z))]
    margin = NEAR_MM / 2 / spot.marks.spacing[2]
    if z < arch and spot.beside > 0 and spot.lateral > 0 and cut.front < spot.place[1] < cut.back:
        return Suggestion("5", f"Under the aortic arch, left of the trachea, {spot.above}.")
    if x > cut.left - margin and spot.lateral > 0:
        return Suggestion("6", f"Beside the aortic arch, {spot.above}.")
    return None


def _prevascular(spot: _Spot, veins: Mapping[int, Cut]) -> Suggestion:
    near = veins.get(min(veins, key=lambda z: abs(z - spot.place[0]))) if veins else None
    if near is not None and spot.place[1] < near.front:
        return Suggestion("3a", f"In front of the great veins, {spot.above}.")
    missing = "" if near else ": 3a, 4 or 6, as no vessels are labelled"
    return Suggestion("", f"In front of the trachea, {spot.above}{missing}.")


def _below(spot: _Spot, marks: Landmarks) -> Suggestion:
    depth, aside = -spot.height, abs(spot.lateral)
    if aside <= UNDER_MM and depth <= SUBCARINAL_MM and spot.before < 0:
        return Suggestion("7", f"Between the main bronchi, {spot.above}.")
    if HILAR_MM <= aside <= OUTER_MM and depth <= SUBCARINAL_MM:
        return Suggestion(f"10{spot.side}", f"At the hilum, {spot.above}; 11 is not told apart.")
    if _near(spot, marks.structures.get("oesophagus", {})):
        return Suggestion("8", f"Beside the oesophagus, {spot.above}.")
    side = "right" if spot.side == "R" else "left"
    return Suggestion("", f"{aside:.0f} mm {side} of the midline, {spot.above}: not told.")


def _near(spot: _Spot, structure: Mapping[int, Cut]) -> bool:
    cut = structure.get(round(spot.place[0]))
    if cut is None:
        return False
    (y, x), (_, high, wide) = middle_of(cut), spot.marks.spacing
    away = abs(spot.place[1] - y) * high, abs(spot.place[2] - x) * wide
    size = (cut.back - cut.front) * high / 2, (cut.left - cut.right) * wide / 2
    return all(gap < half + NEAR_MM for gap, half in zip(away, size, strict=True))
