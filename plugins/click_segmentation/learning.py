"""How clicks are learned from finished outlines; no torch until the worker asks for it.

A case holds slices round its objects, numbered: `image_0` (down, right[, 3]), `mask_0` and
`beside_0`, the object in that slice and in the one beside it; and the `spacing` of each.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.box import Box
from inference.learning import Course, Learning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from inference.corrections import Lesson
    from inference.series import Array

    Shown = tuple[Array, Array, Array, tuple[float, float]]

STEPS, RATE = 120, 3e-4
BATCH, SIZE = 4, 128
SLICES, OBJECTS = 8, 12
"""Kept of an object, and of a case, at most."""
LEAST = 30
"""px of an object in a slice that is kept."""
AROUND = 1.5
"""So many times its own size is kept round an object, on each side."""


def arrays(
    image: Array, labels: Array, objects: Sequence[int], spacing: Sequence[float]
) -> tuple[dict[str, Array], dict[str, Any]]:
    """What is kept of a document: axial slices of a volume, or a picture, and their spacing."""
    if labels.ndim == 2:
        image, labels, spacing = image[None], labels[None], (1.0, *spacing)
    found: dict[str, Array] = {}
    count = 0
    for number in objects[:OBJECTS]:
        for index in _slices(labels == number):
            beside = index + 1 if index + 1 < len(labels) else index - 1
            here = labels[index] == number
            near = (labels[beside] == number) if 0 <= beside < len(labels) else ~here & here
            box = Box.of(here)
            if box is None:
                continue
            margin = [int(AROUND * max(box.shape))] * 2
            part = box.grown(margin, here.shape).slices
            found |= {
                f"image_{count}": image[index][part], f"mask_{count}": here[part],
                f"beside_{count}": near[part],
            }  # fmt: skip
            count += 1
    return found, {"spacing": [[float(spacing[-2]), float(spacing[-1])]] * count}


def _slices(mask: Array) -> list[int]:
    """Evenly spread ones that show enough of an object."""
    shown = np.flatnonzero(mask.sum((1, 2)) >= LEAST)
    places = (np.arange(min(SLICES, len(shown))) + 0.5) / min(SLICES, max(len(shown), 1))
    return [int(index) for index in shown[(places * len(shown)).astype(int)]]


def course(network: Any, lessons: Sequence[Lesson], device: str) -> Course:
    """Conversations on crops round the objects, as in training."""
    from inference.training import Plan
    from plugins.click_segmentation.lessons import loss_of

    plan = Plan(steps=STEPS, rate=RATE, weight_decay=0.02, warm_up=10, ema=0.97)
    return Course(_batches([one for each in lessons for one in _shown(each)]), loss_of, plan)


def score(network: Any, lesson: Lesson, device: str) -> float:
    """Mean Dice of the slices after one click in the middle of the object."""
    from inference.metrics import confusion
    from plugins.click_segmentation.predict import Encodings, Outliner, ready
    from plugins.click_segmentation.task import SIZES
    from plugins.click_segmentation.zoom import middle

    outliner = Outliner(ready(deepcopy(network), device), device, SIZES["fast"], Encodings())
    found = [
        confusion(outliner.outline(image, [middle(mask)], None, spacing).mask, mask).dice
        for image, mask, _, spacing in _shown(lesson)
    ]
    return float(np.mean(found))


def _shown(lesson: Lesson) -> Iterator[Shown]:
    for number, (down, right) in enumerate(lesson.figures["spacing"]):
        names = (f"image_{number}", f"mask_{number}", f"beside_{number}")
        image, mask, beside = (lesson.arrays[name] for name in names)
        yield image, mask, beside, (float(down), float(right))


def _batches(shown: Sequence[Shown]) -> Callable[[int], Mapping[str, Any]]:
    import torch

    from plugins.click_segmentation.prepare import as_grey, normalise
    from plugins.click_segmentation.samples.framing import frame_round

    def one(rng: np.random.Generator) -> tuple[Array, Array, Array]:
        image, mask, beside, spacing = shown[int(rng.integers(len(shown)))]
        frame = frame_round(mask, spacing, SIZE, rng)
        target, near = frame.mask(mask), frame.mask(beside)
        seen = normalise(frame.picture(as_grey(image)))
        return seen, target.astype(np.uint8), near.astype(np.uint8)

    def at(step: int) -> Mapping[str, Any]:
        rng = np.random.default_rng((0, step))
        images, targets, neighbours = zip(*(one(rng) for _ in range(BATCH)), strict=True)
        made = {"image": images, "target": targets, "neighbour": neighbours}
        return {name: torch.from_numpy(np.stack(values)) for name, values in made.items()}

    return at


LEARNING = Learning("click_segmentation", "Dice after one click", course, score)
