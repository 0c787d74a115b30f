"""What the dock says of the nodes that are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.lymph_nodes.review import response, sum_of_targets, targets_of

if TYPE_CHECKING:
    from plugins.lymph_nodes.review import Row

PROPOSED = "As proposed"
NONE = "No nodes yet: find them, or add one by a click."


def counted(rows: list[Row]) -> str:
    """How many there are, and how far the reading is."""
    made = [row for row in rows if row.number]
    if not made:
        return f"{len(rows)} found so far" if rows else NONE
    kept = [row for row in made if row.review.state != "rejected"]
    large = sum(row.node.short_axis_mm >= 10 for row in kept)
    decided = sum(row.review.state != "open" for row in made)
    many = f"{len(kept)} node{'s' * (len(kept) != 1)}, {large} of 10 mm or more"
    return f"{many} · {decided} of {len(made)} decided"


def targets(rows: list[Row]) -> str:
    """What is followed: how many, how large together, and how that has changed."""
    followed = targets_of(rows)
    if not followed:
        return ""
    total = f"{len(followed)} target{'s' if len(followed) > 1 else ''}, sum of short axes " \
            f"{sum_of_targets(followed):.1f} mm."  # fmt: skip
    small = sum(row.node.short_axis_mm < 15 for row in followed)
    doubt = f" {small} below 15 mm." if small else ""
    change = response(rows)
    return total + doubt + (f"\n{change[:1].upper()}{change[1:]}." if change else "")


def proposal(chosen: Row | None) -> str:
    """The first choice of stations, with what it would be."""
    if chosen is None:
        return PROPOSED
    return f"{PROPOSED}: {chosen.suggestion.station or 'not known'}"
