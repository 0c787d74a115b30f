"""Fine-tuning on the user's corrections: a copy of a network learns, both are compared.

A task contributes a `Learning` (a command `….learning` in its napari.yaml) that says how a kept
case becomes samples, and how a network is scored on one. Everything else is here: which cases are
learned from and which are set aside, the run, which goes on where it was interrupted, the card.
Nothing is put in force: the user compares and chooses.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from inference import own_models, registry, weights
from inference.corrections import Corrections
from inference.durable import replacing
from inference.errors import UserError
from inference.own_models import Card
from inference.resources import data_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from inference.corrections import Entry, Lesson
    from inference.training import Plan
    from inference.weights import WeightsInfo
    from inference.worker import JobContext

    Batch = Mapping[str, Tensor]

CHECKPOINT_MINUTES = 0.1
SEED = 0


@dataclass(frozen=True, slots=True)
class Course:
    """What a network is shown, step by step, and how it is corrected."""

    batch_at: Callable[[int], Batch]
    loss_of: Callable[[nn.Module, Batch], Tensor]
    plan: Plan


@dataclass(frozen=True, slots=True)
class Learning:
    """How a task learns; its functions run in the worker and import torch when they are called."""

    task: str
    measure: str  # what `score` gives, such as "Dice of the vessels"; higher is better
    course: Callable[[Any, Sequence[Lesson], str], Course]
    """(network, cases to learn from, device)"""
    score: Callable[[Any, Lesson, str], float]
    """(network, a case set aside, device): 0 to 1"""


def missing(entries: Sequence[Entry]) -> str:
    """What has to be kept before anything can be learned, as a sentence; "" if it is enough."""
    if not any(one.aside for one in entries):
        patients = len({one.patient for one in entries})
        return f"Keep cases of 3 patients or more: {patients} so far."
    return ""


def fine_tune(context: JobContext, plugin: str, name: str) -> dict[str, Any]:
    """Fine-tune a copy of the version in force of a task's network and keep it beside the others.

    Goes on where the same run was interrupted. Returns the card, as `own_models.Card`; raises
    UserError.
    """
    began = time.monotonic()
    kept = Corrections(plugin)
    entries = kept.entries()
    if sentence := missing(entries):
        raise UserError(sentence)
    taught = [kept.read(one.key) for one in entries if not one.aside]
    parent, learning = weights.find(plugin, name), registry.learnings()[plugin]
    run = data_folder() / "learning" / plugin / name
    _begin(run, {"parent": parent.sha256, "cases": [lesson.key for lesson in taught]})
    network = _train(context, learning, parent, taught, run)
    aside = [kept.read(one.key) for one in entries if one.aside]
    before = _scores(context, learning, _built(parent), aside, "Checking the current model")
    after = _scores(context, learning, network, aside, "Checking the new model")
    card = Card(
        "", "", parent.version, parent.sha256, _now(), len(taught), learning.measure,
        before, after, round(time.monotonic() - began, 1),
    )  # fmt: skip
    bundled = next(one for one in weights.bundled() if (one.plugin, one.name) == (plugin, name))
    made = own_models.add(bundled, network.state_dict(), card)
    shutil.rmtree(run, ignore_errors=True)
    return next(asdict(one) for one in own_models.cards(bundled) if one.version == made.version)


def _begin(run: Path, about: dict[str, Any]) -> None:
    """Make the run's folder; what another run left there goes."""
    path = run / "run.json"
    try:
        same = json.loads(path.read_text("utf-8")) == about
    except (OSError, ValueError):
        same = False
    if not same:
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            part.write_text(json.dumps(about), "utf-8")


def _train(
    context: JobContext,
    learning: Learning,
    parent: WeightsInfo,
    lessons: Sequence[Lesson],
    run: Path,
) -> Any:
    """The copy, having learned."""
    import torch

    from inference import training
    from inference.adamw import AdamW

    context.progress(0, 0, "Preparing the cases")
    network = _built(parent)
    course = learning.course(network, lessons, context.device)
    plan = replace(course.plan, checkpoint_minutes=CHECKPOINT_MINUTES)
    note = f"Learning from {len(lessons)} cases"

    def batch_at(step: int) -> Batch:
        context.progress(step, plan.steps, note)
        return course.batch_at(step)

    torch.manual_seed(SEED)
    training.train(
        network, batch_at, course.loss_of, plan, run,
        device=context.device, resume=True, optimiser=AdamW,
    )  # fmt: skip
    state, _ = training.read_weights(run / "model.safetensors")
    network.load_state_dict(state)
    return network.eval()


def _built(info: WeightsInfo) -> Any:
    network = registry.load(f"plugins.{info.plugin}.model:build")(info.details["network"])
    network.load_state_dict(weights.read(info))
    return network.eval()


def _scores(
    context: JobContext, learning: Learning, network: Any, lessons: Sequence[Lesson], note: str
) -> tuple[float, ...]:
    found = []
    for number, lesson in enumerate(lessons):
        context.progress(number, len(lessons), note)
        found.append(round(learning.score(network, lesson, context.device), 4))
    return tuple(found)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
