"""What was decided on nodes, and what stations are told by, for the project and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from inference.box import Box
from plugins.lymph_nodes.landmarks import Cut, Landmarks
from plugins.lymph_nodes.measure import Node
from plugins.lymph_nodes.review import STATES, Choices, Earlier, Rejected, Review

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inference.series import Array

    Comparison = tuple[str, dict[str, Earlier], tuple[Earlier, ...]]


def choices_kept(choices: Choices) -> tuple[dict[str, Any], dict[str, Array]]:
    """Decisions for JSON, and the voxels of what was rejected."""
    rejected = list(choices.rejected.items())
    values = {
        "threshold": choices.threshold,
        "reviews": {key: asdict(review) for key, review in choices.reviews.items()},
        "rejected": [_rejected_kept(key, out) for key, out in rejected],
    }
    return values, {f"rejected.{number}": out.mask for number, (_, out) in enumerate(rejected)}


def choices_restored(values: Mapping[str, Any], arrays: Mapping[str, Array]) -> Choices:
    """The same again; KeyError, TypeError or ValueError if they make no sense."""
    reviews = {key: Review(**review) for key, review in values["reviews"].items()}
    if any(review.state not in STATES for review in reviews.values()):
        raise ValueError("a state that there is not")
    rejected = {
        entry["key"]: _rejected_restored(entry, arrays[f"rejected.{number}"])
        for number, entry in enumerate(values["rejected"])
    }
    return Choices(float(values["threshold"]), reviews, rejected)


def landmarks_kept(marks: Landmarks | None) -> dict[str, Any] | None:
    """For JSON, whose keys are texts."""
    if marks is None:
        return None
    return {
        "spacing": marks.spacing,
        "carina": marks.carina,
        "apex": marks.apex,
        "trachea": _cuts_kept(marks.trachea),
        "structures": {kind: _cuts_kept(cuts) for kind, cuts in marks.structures.items()},
    }


def landmarks_restored(values: Mapping[str, Any] | None) -> Landmarks | None:
    """The same again; KeyError, TypeError or ValueError if they make no sense."""
    if values is None:
        return None
    carina, apex = values["carina"], values["apex"]
    return Landmarks(
        _three(values["spacing"]),
        None if carina is None else _three(carina),
        None if apex is None else float(apex),
        _cuts_restored(values["trachea"]),
        {kind: _cuts_restored(cuts) for kind, cuts in values["structures"].items()},
    )


def comparison_kept(
    study: str, earlier: Mapping[str, Earlier], gone: tuple[Earlier, ...]
) -> dict[str, Any]:
    """What each node was in an earlier study, for JSON."""
    return {
        "study": study,
        "earlier": {key: asdict(node) for key, node in earlier.items()},
        "gone": [asdict(node) for node in gone],
    }


def comparison_restored(values: Mapping[str, Any]) -> Comparison:
    """The same again; KeyError or TypeError if it makes no sense."""
    earlier = {key: Earlier(**node) for key, node in values["earlier"].items()}
    return str(values["study"]), earlier, tuple(Earlier(**node) for node in values["gone"])


def _rejected_kept(key: str, out: Rejected) -> dict[str, Any]:
    return {
        "key": key,
        "name": out.name,
        "color": out.color,
        "box": [out.box.start, out.box.stop],
        "node": out.node.plain(),
        "by_hand": out.by_hand,
    }


def _rejected_restored(entry: Mapping[str, Any], mask: Array) -> Rejected:
    start, stop = (tuple(int(n) for n in corner) for corner in entry["box"])
    box, node = Box(start, stop), Node(**entry["node"])
    if mask.shape != box.shape:
        raise ValueError("a mask of another size")
    name, color = str(entry["name"]), str(entry["color"])
    return Rejected(name, color, box, mask.astype(bool), node, bool(entry["by_hand"]))


def _cuts_kept(cuts: Mapping[int, Cut]) -> dict[str, Any]:
    return {str(index): asdict(cut) for index, cut in cuts.items()}


def _cuts_restored(values: Mapping[str, Any]) -> dict[int, Cut]:
    return {int(index): Cut(**cut) for index, cut in values.items()}


def _three(values: Any) -> tuple[float, float, float]:
    z, y, x = map(float, values)
    return z, y, x
