"""What a reader decides on nodes, and what follows from it: states, stations, targets, change.

Targets, sums and responses as for nodes alone in RECIST 1.1 (Eisenhauer et al., Eur J Cancer
2009;45:228): target from 15 mm in the short axis, normal below 10 mm. They are aids, not findings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from plugins.lymph_nodes.prepare import is_anatomy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from inference.box import Box
    from inference.series import Array
    from plugins.lymph_nodes.measure import Node
    from plugins.lymph_nodes.stations import Suggestion

State = Literal["open", "accepted", "rejected"]
STATES: tuple[State, ...] = ("open", "accepted", "rejected")
NODE_NAME = re.compile(r"\s*(?:node|lymph)", re.IGNORECASE)
NORMAL_MM = 10.0
LESS, MORE, MORE_MM = -0.30, 0.20, 5.0
"""Of the sum of targets: partial response, and progression, which needs so many mm as well."""


@dataclass(frozen=True, slots=True)
class Review:
    """Decisions on one node; a station that nobody chose is proposed anew after every edit."""

    state: State = "open"
    station: str = ""
    chosen: bool = False  # the station was chosen, also "": that it is not known
    target: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Rejected:
    """A node that was taken out of the objects, to be put back."""

    name: str
    color: str
    box: Box
    mask: Array  # bool, over the box
    node: Node
    by_hand: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """All decisions of a document, by the name that each node had at first."""

    threshold: float
    reviews: Mapping[str, Review] = field(default_factory=dict)
    rejected: Mapping[str, Rejected] = field(default_factory=dict)

    def of(self, key: str) -> Review:
        """The decisions on a node."""
        return self.reviews.get(key, Review())


@dataclass(frozen=True, slots=True)
class Earlier:
    """The node of an earlier study that a node is taken for."""

    name: str
    short_axis_mm: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    key: str
    number: int
    object_id: int  # 0: rejected
    node: Node
    review: Review
    suggestion: Suggestion
    by_hand: bool
    earlier: Earlier | None = None

    @property
    def station(self) -> str:
        """Chosen, or proposed, or ""."""
        return self.review.station if self.review.chosen else self.suggestion.station

    @property
    def confidence(self) -> float | None:
        """Of the network; None if a person drew the node."""
        return None if self.by_hand else self.node.confidence

    @property
    def change_mm(self) -> float | None:
        """Of the short axis, since the earlier study."""
        return self.node.short_axis_mm - self.earlier.short_axis_mm if self.earlier else None

    @property
    def change(self) -> float | None:
        """The same as a share of what it was."""
        change = self.change_mm
        return None if change is None or not self.earlier else change / self.earlier.short_axis_mm

    def plain(self) -> dict[str, Any]:
        """What is exported of it."""
        earlier = self.earlier
        return self.node.plain() | {
            "id": self.number,
            "confidence": self.confidence,
            "station": self.station,
            "station_by": "reader" if self.review.chosen else "proposed" if self.station else "",
            "state": self.review.state,
            "target": self.review.target,
            "earlier_short_axis_mm": earlier.short_axis_mm if earlier else None,
            "change_mm": self.change_mm,
            "change_percent": None if self.change is None else 100 * self.change,
        }


def is_node(name: str, origin: str = "") -> bool:
    """Whether an object, once called `origin`, is a node and no other structure of the chest."""
    return bool(NODE_NAME.match(name) or NODE_NAME.match(origin)) and not is_anatomy(name)


def number_of(key: str) -> int:
    """The number in a name, 0 if there is none."""
    found = re.search(r"\d+", key)
    return int(found.group()) if found else 0


def targets_of(rows: Iterable[Row]) -> list[Row]:
    """The target nodes; one that was rejected since is none."""
    return [row for row in rows if row.review.target and row.review.state != "rejected"]


def sum_of_targets(rows: Iterable[Row]) -> float:
    """Sum of the short axes of the target nodes, mm."""
    return sum(row.node.short_axis_mm for row in targets_of(rows))


def response(rows: Iterable[Row]) -> str:
    """How the targets changed since the earlier study, in words; "" where that is not known."""
    targets = targets_of(rows)
    known = [row.earlier.short_axis_mm for row in targets if row.earlier]
    if not targets or len(known) < len(targets):
        return ""
    now, before = sum_of_targets(targets), sum(known)
    change = (now - before) / before
    said = f"{before:.0f} → {now:.0f} mm, {change:+.0%}"
    if all(row.node.short_axis_mm < NORMAL_MM for row in targets):
        return f"{said}: all targets below {NORMAL_MM:g} mm (nodal complete response)"
    if change >= MORE and now - before >= MORE_MM:
        return f"{said}: progression of the targets"
    return f"{said}: {'partial response' if change <= LESS else 'stable'} of the targets"


def named(rows: Sequence[Row]) -> str:
    """What the title of a step calls them."""
    return rows[0].key if len(rows) == 1 else f"{len(rows)} nodes"
