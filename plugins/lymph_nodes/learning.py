"""How nodes are learned from what a reader decided; no torch until the worker asks for it.

A case holds the part of a CT round its decided nodes: `volume`, int16 HU (z, y, x); `decided`,
uint8, each accepted or rejected node under a number of its own; `sure`, bool, where it is known
what is a node and what is not; `anatomy`, bool, known structures, if any are labelled; and as
figures `spacing`, mm, and the numbers that were `accepted`. What nobody decided on is unknown, not
empty, also beside what was decided; but where the network itself saw nothing and the reader
outlined nothing, its word is taken, or it would forget what is no node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inference.box import Box
from inference.learning import Course, Learning
from inference.morphology import distance
from plugins.lymph_nodes.prepare import THRESHOLD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from inference.corrections import Lesson
    from inference.series import Array

STEPS, RATE = 80, 3e-4
SIZES = {"slab": (32, 64, 64), "full": (48, 48, 48)}
"""Of the samples, voxels of the network's grid."""
AROUND_MM = 40.0
"""So much is kept round the decided nodes."""
SURE_MM = 6.0
"""Round a decided node it is known what belongs to it."""
NOTHING = 0.2
"""Below this probability the network saw no node."""
SHIFT_MM = 8.0
"""Deviation of a sample's middle from a decided voxel."""


def arrays(
    volume: Array,
    decided: Array,
    accepted: Sequence[int],
    probability: Array | None,
    spacing: Sequence[float],
    still_open: Array | None = None,
    anatomy: Array | None = None,
) -> tuple[dict[str, Array], dict[str, Any]]:
    """What is kept of a study; arrays over the whole volume, `decided` must not be empty.

    `still_open`: outlined nodes that nobody decided on; `anatomy`: labels of known structures.
    """
    whole = Box.of(decided > 0)
    if whole is None:
        raise ValueError("nothing was decided")
    margin = [int(AROUND_MM / step) + 1 for step in spacing]
    part = whole.grown(margin, volume.shape).slices
    sure = distance(decided[part] == 0, spacing) <= SURE_MM
    if probability is not None:
        sure |= probability[part] < NOTHING
    if still_open is not None:
        sure &= ~still_open[part]
    clipped = np.clip(volume[part], -1024, 3071).astype(np.int16)
    figures: dict[str, Any] = {
        "spacing": [float(step) for step in spacing],
        "accepted": list(accepted),
    }
    kept: dict[str, Array] = {
        "volume": clipped,
        "decided": decided[part].astype(np.uint8),
        "sure": sure,
    }
    if anatomy is not None:
        kept["anatomy"] = anatomy[part] != 0
    return kept, figures


def course(network: Any, lessons: Sequence[Lesson], device: str) -> Course:
    """Patches round decided nodes, turned and degraded as in training."""
    from inference.training import Plan
    from plugins.lymph_nodes.loss import loss_of

    plan = Plan(steps=STEPS, rate=RATE, weight_decay=1e-3, warm_up=8, ema=0.97)
    return Course(_batches(lessons, network.config), loss_of, plan)


def score(network: Any, lesson: Lesson, device: str) -> float:
    """Mean over the decided nodes: Dice of an accepted one, the share gone of a rejected one."""
    from inference.metrics import confusion
    from plugins.lymph_nodes.predict import Search, search

    volume, decided, spacing = _parts(lesson)
    anatomy = lesson.arrays.get("anatomy")
    what = Search(volume, spacing, Box.whole(volume.shape), anatomy, device)
    found, marks = search(network, what) >= THRESHOLD, []
    if anatomy is not None:
        found &= ~anatomy
    for number in np.unique(decided[decided > 0]):
        node = decided == number
        near = Box.of(node).grown([int(SURE_MM / step) for step in spacing], node.shape).slices  # type: ignore[union-attr]
        if number in lesson.figures["accepted"]:
            known = lesson.arrays["sure"][near] & ((decided[near] == 0) | node[near])
            marks.append(confusion(found[near] & known, node[near] & known).dice)
        else:
            marks.append(1 - float(found[node].mean()))
    return float(np.mean(marks))


def _parts(lesson: Lesson) -> tuple[Array, Array, tuple[float, float, float]]:
    z, y, x = (float(step) for step in lesson.figures["spacing"])
    return lesson.arrays["volume"], lesson.arrays["decided"], (z, y, x)


def _batches(lessons: Sequence[Lesson], config: Any) -> Callable[[int], Mapping[str, Any]]:
    import torch

    from plugins.lymph_nodes.cases import Case
    from plugins.lymph_nodes.data import NAMES, Patch, view

    patch = Patch(SIZES[config.kind], config.spacing)

    def case(lesson: Lesson) -> Case:
        volume, decided, spacing = _parts(lesson)
        nothing, nodes = np.zeros(1), np.isin(decided, lesson.figures["accepted"])
        sure = lesson.arrays["sure"]
        return Case(
            lesson.key, volume, spacing, nothing, nothing, sure, nothing, 0.0, 0.0, nodes,
            lesson.arrays.get("anatomy"),
        )  # fmt: skip

    made = [case(lesson) for lesson in lessons]
    places = [np.argwhere(lesson.arrays["decided"]) for lesson in lessons]

    def at(step: int) -> Mapping[str, Any]:
        rng = np.random.default_rng((0, step))
        chosen = int(rng.integers(len(made)))
        one, place = made[chosen], rng.choice(places[chosen])
        z, y, x = place + rng.normal(0, SHIFT_MM, 3) / one.spacing
        centre = float(z), float(y), float(x)
        nodes, volume = np.asarray(one.nodes), one.volume.astype(np.float32)
        drawn = view(rng, one, patch, volume, nodes, None, centre)
        return {name: torch.from_numpy(drawn[name][None]) for name in NAMES}

    return at


LEARNING = Learning("lymph_nodes", "Agreement with the decided nodes", course, score)
