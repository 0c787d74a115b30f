"""A task's network, loaded once and kept by the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference import registry, weights

if TYPE_CHECKING:
    from inference.weights import WeightsInfo
    from inference.worker import JobContext


def network(context: JobContext, task: str, name: str) -> tuple[Any, WeightsInfo]:
    """The bundled network `name` of a task, ready to run, and its entry; raises UserError.

    It is made by `build(sizes)` in the task's model.py, with the sizes that the entry states.
    """
    info = weights.find(task, name)
    return context.models.get((task, name, info.sha256), lambda: _load(context, info)), info


def _load(context: JobContext, info: WeightsInfo) -> Any:
    context.progress(0, 0, "Loading the model")
    state, details = weights.load(info.plugin, info.name)
    made = registry.load(f"plugins.{info.plugin}.model:build")(details["network"])
    made.load_state_dict(state)
    return made.eval()
