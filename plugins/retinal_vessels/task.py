"""Retinal vessels for the worker and the command line: numpy in, numpy out."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from inference import loading
from inference.errors import UserError
from inference.tasks import Setting, Task
from plugins.retinal_vessels.export import pixel_spacing, write
from plugins.retinal_vessels.findings import findings
from plugins.retinal_vessels.scale import most_pixels
from plugins.retinal_vessels.threshold import VESSEL, vessels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.series import Array, Series
    from inference.weights import WeightsInfo
    from inference.worker import JobContext
    from plugins.retinal_vessels.quantities import Measurement
    from plugins.retinal_vessels.zones import Disc, Mark, Vessel

NAME = "retinal_vessels"
TILE = 1408
"""Edge of the part of an image that the network sees at once, px."""
BYTES_A_PIXEL = {"fast": 900, "large": 2600}
"""Memory that the network takes for every pixel that it sees (`python -m tests.benchmarks
retinal_vessels`, on a processor without bfloat16: one that has it needs less)."""
BYTES_AT_LEAST = 350_000_000


@dataclass(frozen=True, slots=True)
class Measured:
    """What `measure` found, and in which field of view (y, x)."""

    rows: tuple[Measurement, ...]
    vessels: tuple[Vessel, ...]
    field_of_view: Array


def segment(
    context: JobContext,
    image: Array,
    model: str = "fast",
    threshold: float = 0.5,
    smallest: int = 0,
    spacing: float | None = None,
    measured: bool = True,
) -> dict[str, Any]:
    """Vessels of an image (y, x) or (y, x, 3); `spacing` in mm a pixel, `smallest` island in px.

    `measured` false leaves the measurements to a call of `measure`. Raises UserError.
    """
    from plugins.retinal_vessels.predict import predict

    if not 0 <= threshold <= 1:
        raise UserError(f"A threshold of {threshold} is not possible: give one from 0 to 1.")
    if measured:
        warm_up(context)

    from inference.interrupt import interruptible
    from inference.memory import Footprint, with_fallback

    network, info = _quick_network(context, model)

    def attempt(footprint: Footprint) -> Any:
        with interruptible(network, context.check):
            return predict(network, image, footprint.device, footprint.tile, report, model)

    def report(done: int, total: int) -> None:
        context.progress(done, total, "Finding vessels")

    def tell(note: str) -> None:
        context.progress(0, 0, note)

    first = Footprint(context.device, TILE)
    found = with_fallback(attempt, first, tell, context.models.clear)
    result = {
        "probability": found.probability,
        "field_of_view": found.field_of_view,
        "labels": vessels(found.probability, threshold, smallest),
        "warning": found.warning,
        "model": info.identity,
        "device": context.device,
    }
    if measured:
        mask = result["labels"] == VESSEL
        result["measurements"] = measure(context, mask, found.field_of_view, spacing=spacing).rows
    return result


def _quick_network(context: JobContext, model: str) -> tuple[Any, WeightsInfo]:
    """The network, its batch norms folded and its activations where their inputs lie."""
    network, info = loading.network(context, NAME, model)
    return context.models.get((NAME, "quick", info.sha256), lambda: _quick(network)), info


def _quick(network: Any) -> Any:
    """Nothing in this network looks again at what a ReLU was given, so that it may be replaced."""
    from torch.nn import ReLU

    from inference.folding import folded
    from plugins.retinal_vessels.model import IN_ORDER

    quick = folded(network, IN_ORDER)
    for module in quick.modules():
        if isinstance(module, ReLU):
            module.inplace = True
    return quick


def measure(
    context: JobContext,
    mask: Array,
    field_of_view: Array | None = None,
    image: Array | None = None,
    spacing: float | None = None,
    disc: Disc | None = None,
    marks: Sequence[Mark] = (),
) -> Measured:
    """Measure a vessel mask (y, x); finds the field of view in `image` if it is not given."""
    from plugins.retinal_vessels import measure as measuring

    context.progress(0, 0, "Measuring")
    if field_of_view is None and image is not None:
        from plugins.retinal_vessels.prepare import find_field_of_view

        field_of_view = find_field_of_view(image)
    found = measuring.measure(mask, field_of_view, spacing, disc, marks)
    seen = np.ones(mask.shape, bool) if field_of_view is None else np.array(field_of_view)
    return Measured(found.rows, found.vessels, seen)


def explain(context: JobContext, image: Array, region: Array, model: str = "fast") -> Array:
    """What in the image drove the vessels of `region` (y, x): FullGrad, float32 (y, x), 0 to 1."""
    from inference.interrupt import interruptible
    from plugins.retinal_vessels.predict import explain

    network, _ = loading.network(context, NAME, model)
    context.progress(0, 0, "Explaining")
    with interruptible(network, context.check):
        heat: Array = explain(network, image, region, context.device)
    return heat


def warm_up(context: JobContext) -> None:
    """Load what the first measurement needs, beside the jobs that come next."""
    measuring = "plugins.retinal_vessels.measure"
    Thread(target=import_module, args=(measuring,), name="warm up", daemon=True).start()


def _suits(series: Series) -> bool:
    return series.kind == "image"


def _request(
    series: Series, settings: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, Any]]:
    return {"image": series.canonical()}, {**settings, "spacing": pixel_spacing(series)}


def _estimate_bytes(series: Series, settings: Mapping[str, Any]) -> int:
    y, x = series.spatial_shape
    seen = most_pixels(y, x) * BYTES_A_PIXEL[settings["model"]]
    return BYTES_AT_LEAST + seen + 20 * y * x


TASK = Task(
    name=NAME,
    title="Retinal vessels",
    summary="Finds the vessels of a fundus photograph, to correct and to measure.",
    version="1",
    entry="plugins.retinal_vessels.task:segment",
    suits=_suits,
    settings=(
        Setting("model", "Model", "fast", str, ("fast", "large"),
                "fast: a second on any computer; large: hardly better, for graphics cards"),
        Setting("threshold", "Threshold", 0.5, float,
                help="probability from which a pixel is a vessel, 0 to 1"),
        Setting("smallest", "Smallest island", 0, int,
                help="separate pieces of fewer pixels are dropped"),
    ),
    request=_request,
    write=write,
    estimate_bytes=_estimate_bytes,
    widget="plugins.retinal_vessels.widget:RetinalVesselsWidget",
    made_for="image",
    findings=findings,
)  # fmt: skip
