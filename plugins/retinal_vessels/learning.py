"""How vessels are learned from corrected photographs; no torch until the worker asks for it.

A case holds `image` (y, x) or (y, x, 3) as it was read, and `vessels`, bool (y, x).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference.learning import Course, Learning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference.corrections import Lesson

STEPS, RATE = 40, 2e-3
BATCH, SIZE = 4, 96
THRESHOLD = 0.5


def course(network: Any, lessons: Sequence[Lesson], device: str) -> Course:
    """Crops of the photographs, as in training; the network is left as it is."""
    from inference.training import Plan
    from plugins.retinal_vessels.data import Crops, planes
    from plugins.retinal_vessels.loss import loss_of

    loaded = [planes(lesson.arrays["image"], lesson.arrays["vessels"]) for lesson in lessons]
    plan = Plan(steps=STEPS, rate=RATE, warm_up=10, ema=0.97)
    return Course(Crops(loaded, BATCH, SIZE, 0, device), loss_of, plan)


def score(network: Any, lesson: Lesson, device: str) -> float:
    """Dice inside the field of view at the usual threshold."""
    from inference.metrics import confusion
    from plugins.retinal_vessels.predict import predict

    found = predict(network, lesson.arrays["image"], device)
    inside = found.field_of_view
    drawn = lesson.arrays["vessels"]
    return float(confusion((found.probability >= THRESHOLD)[inside], drawn[inside]).dice)


LEARNING = Learning("retinal_vessels", "Dice of the vessels", course, score)
