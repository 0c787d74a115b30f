"""What a user says of an object: clicks, boxes, scribbles and lassos, for and against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from inference.errors import UserError

Kind = Literal["click", "box", "scribble", "lasso"]
Point = tuple[float, ...]

KINDS: tuple[Kind, ...] = get_args(Kind)
FEWEST: dict[Kind, int] = {"click": 1, "box": 2, "scribble": 1, "lasso": 3}
"""Points that a prompt of each kind needs; a click and a box have no more."""
TITLES: dict[Kind, str] = {
    "click": "Click", "box": "Box", "scribble": "Scribble", "lasso": "Lasso"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prompt:
    """Points are voxels over the spatial axes: one of a click, two corners of a box, a line.

    `axis` is the one that the plane in which it was drawn slices: 0 axial, 1 coronal, 2 sagittal;
    None for a plain image.
    """

    kind: Kind
    points: tuple[Point, ...]
    positive: bool = True
    axis: int | None = None

    @property
    def index(self) -> int:
        """The slice in which it was drawn; 0 for a plain image."""
        return 0 if self.axis is None else round(self.points[0][self.axis])

    @property
    def title(self) -> str:
        """For the history."""
        return TITLES[self.kind] if self.positive else f"{TITLES[self.kind]} on background"

    def lies_in(self, axis: int | None, index: int) -> bool:
        """Whether it says something of a slice: a click does of each that goes through it."""
        if axis is None or self.kind != "click":
            return self.axis == axis and self.index == index
        return round(self.points[0][axis]) == index

    def moved(self, offset: Sequence[float]) -> Prompt:
        """Shifted by `offset` voxels."""
        points = (tuple(a + b for a, b in zip(p, offset, strict=True)) for p in self.points)
        return replace(self, points=tuple(points))

    def to_json(self) -> dict[str, Any]:
        """As a clicks file has it."""
        points = [list(point) for point in self.points]
        where = {"position": points[0]} if self.kind == "click" else {"points": points}
        return {"kind": self.kind, **where, "positive": self.positive, "axis": self.axis}

    @classmethod
    def from_json(cls, entry: object, rank: int) -> Prompt:
        """Read one over `rank` spatial axes: a click, in a volume's axis 0, if not said otherwise.

        Raises UserError.
        """
        if not isinstance(entry, Mapping):
            raise _wrong(entry)
        kind, positive = entry.get("kind", "click"), entry.get("positive", True)
        axis = entry.get("axis", 0 if rank > 2 else None)
        points = _points(entry, rank)
        fits = kind in KINDS and isinstance(positive, bool) and _enough(kind, len(points))
        if not fits or not (axis is None if rank == 2 else _is_axis(axis, rank)):
            raise _wrong(entry)
        return cls(kind, points, positive, axis)


def flat(prompts: Sequence[Prompt], axis: int | None, index: int) -> tuple[Prompt, ...]:
    """What prompts say of one slice, in order, with points (down, right) in its pixels."""
    return tuple(
        replace(prompt, points=tuple(_without(point, axis) for point in prompt.points), axis=None)
        for prompt in prompts
        if prompt.lies_in(axis, index)
    )


def _without(point: Point, axis: int | None) -> Point:
    return point if axis is None else (*point[:axis], *point[axis + 1 :])


def _points(entry: Mapping[str, Any], rank: int) -> tuple[Point, ...]:
    given = [entry["position"]] if "position" in entry else entry.get("points")
    if not isinstance(given, Sequence) or not all(_is_point(point, rank) for point in given):
        raise _wrong(entry)
    return tuple(tuple(float(value) for value in point) for point in given)


def _is_point(point: object, rank: int) -> bool:
    if not isinstance(point, Sequence) or isinstance(point, str) or len(point) != rank:
        return False
    return all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in point
    )


def _is_axis(axis: object, rank: int) -> bool:
    return isinstance(axis, int) and not isinstance(axis, bool) and 0 <= axis < rank


def _enough(kind: Kind, count: int) -> bool:
    exact = kind in ("click", "box")
    return count == FEWEST[kind] if exact else count >= FEWEST[kind]


def _wrong(entry: object) -> UserError:
    shown = str(entry) if len(str(entry)) < 100 else f"{str(entry)[:100]}…"
    return UserError(
        f"{shown} is no prompt: give an object with a position such as [z, y, x] in voxels and "
        "positive true or false."
    )
