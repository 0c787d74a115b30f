"""Mediastinal lymph nodes for the worker and the command line: numpy in, numpy out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import UserError
from inference.tasks import Setting, Task
from plugins.lymph_nodes.export import write
from plugins.lymph_nodes.findings import findings
from plugins.lymph_nodes.prepare import THRESHOLD, doubts, is_tilted, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.series import Array, Geometry, Series
    from inference.weights import WeightsInfo
    from inference.worker import JobContext
    from plugins.lymph_nodes.landmarks import Landmarks
    from plugins.lymph_nodes.measure import Node
    from plugins.lymph_nodes.model import NodeNet
    from plugins.lymph_nodes.predict import Search

NAME = "lymph_nodes"
DEFAULT = "slab"
NETWORKS = {"slab": ("slab",), "full": ("full",), "ensemble": ("slab", "full")}
BYTES_AT_LEAST = 1_500_000_000
BYTES_A_VOXEL = 14
"""Of the volume, for its copies and maps beside the networks."""
UNTRAINED = (
    "No network for lymph nodes is installed: train one with python -m plugins.lymph_nodes.train "
    "and enter it with python -m inference.publish."
)


def segment(  # noqa: PLR0913  one argument for each setting
    context: JobContext,
    volume: Array,
    spacing: Sequence[float],
    anatomy: Array | None = None,
    names: Mapping[int, str] | None = None,
    model: str = DEFAULT,
    combine: str = "max",
    threshold: float = THRESHOLD,
    smallest: float = 0.0,
    tilted: bool = False,
    modality: str = "CT",
    measured: bool = True,
) -> dict[str, Any]:
    """Nodes of a chest CT (z, y, x), HU, `spacing` mm; `anatomy`: labels where no node can be.

    `names` of its values tell stations apart; `measured`: the file tells the spacing. Hands over
    {"nodes": […]} as nodes are found; the last answer replaces them. Raises UserError.
    """
    from plugins.lymph_nodes import landmarks, measure, regions
    from plugins.lymph_nodes.stations import suggest

    refuse(volume, spacing, modality, measured=measured)
    if not 0 < threshold < 1:
        raise UserError(f"A threshold of {threshold} is not possible: give one between 0 and 1.")
    models = installed(model, with_anatomy=anatomy is not None)
    context.progress(0, 0, "Finding the lungs")
    where = regions.find(volume, spacing)
    box = where.mediastinum
    found = _search(context, models, volume, spacing, box, anatomy, combine, threshold)
    found = regions.within(found, where.mask(volume.shape)[box.slices], threshold)
    if anatomy is not None:
        found[anatomy[box.slices] != 0] = 0
    context.progress(0, 0, "Measuring")
    part, nodes = measure.at_threshold(
        found, volume[box.slices], spacing, threshold, smallest, box.start
    )
    labels = np.zeros(volume.shape, np.uint8)
    labels[box.slices] = part
    marks = landmarks.find(volume, spacing, where.lungs)
    if anatomy is not None and names:
        marks = replace(marks, structures=landmarks.labelled(anatomy, names))
    warnings = [*doubts(spacing, tilted), *([where.warning] if where.warning else [])]
    return {
        "labels": labels,
        "probability": found.astype(np.float16),
        "box": (box.start, box.stop),
        "nodes": [
            node.plain() | {"station": suggest(node.centroid, marks).station} for node in nodes
        ],
        "landmarks": marks,
        "warning": " ".join(warnings) or None,
        "models": [info.identity for info in models],
        "device": context.device,
    }


def survey(context: JobContext, volume: Array, spacing: Sequence[float]) -> Landmarks:
    """What stations are told by, without a search."""
    from plugins.lymph_nodes import landmarks, regions

    context.progress(0, 0, "Finding the airway")
    return landmarks.find(volume, spacing, regions.find(volume, spacing).lungs)


def compare(
    context: JobContext,
    now: Array,
    before: Array,
    geometries: tuple[Geometry, Geometry],
    places: tuple[Sequence[Sequence[float]], Sequence[Sequence[float]]],
    short_axes: tuple[Sequence[float], Sequence[float]],
) -> list[tuple[int, int]]:
    """Pairs (now, before) of nodes of two CTs (z, y, x) of a patient; places in voxels of each."""
    from plugins.lymph_nodes import earlier

    def report(done: int, total: int) -> None:
        context.progress(done, total, "Laying the studies over each other")

    report(0, 1)
    there = earlier.register(now, geometries[0], before, geometries[1], report)
    context.progress(0, 0, "Matching nodes")
    ours, theirs = (
        geometry.to_patient(np.reshape(each, (-1, 3)))
        for geometry, each in zip(geometries, places, strict=True)
    )
    return earlier.matched(there(ours), theirs, *short_axes)


def installed(model: str, *, with_anatomy: bool) -> list[WeightsInfo]:
    """The networks of a choice, trained with anatomy if that is known; raises UserError."""
    from inference import weights

    present = {info.name: info for info in weights.describe() if info.plugin == NAME}
    chosen, missing = among(present, model, with_anatomy=with_anatomy)
    if not present:
        raise UserError(UNTRAINED)
    if missing:
        single = [info.name.removesuffix("_priors") for info in present.values()]
        raise UserError(
            f"The network {' and '.join(missing)} is not installed: choose of "
            f"{', '.join(dict.fromkeys(single))}."
        )
    return chosen


def among(
    present: Mapping[str, WeightsInfo], model: str, *, with_anatomy: bool
) -> tuple[list[WeightsInfo], list[str]]:
    """Of the networks that there are, by name, those of a choice; and those that are missing."""
    chosen, missing = [], []
    for name in NETWORKS[model]:
        kinds = sorted((name, f"{name}_priors"), reverse=with_anatomy)
        found = [present[kind] for kind in kinds if kind in present]
        chosen += found[:1]
        missing += [] if found else [name]
    return chosen, missing


def _search(
    context: JobContext,
    models: Sequence[WeightsInfo],
    volume: Array,
    spacing: Sequence[float],
    box: Any,
    anatomy: Array | None,
    how: str,
    threshold: float,
) -> Array:
    """The ensemble's probability over the box, float32."""
    from inference import loading
    from inference.memory import Footprint, with_fallback
    from plugins.lymph_nodes.predict import EDGE, Search, combine

    def tell(note: str) -> None:
        context.progress(0, 0, note)

    maps = []
    for info in models:
        network, _ = loading.network(context, NAME, info.name)

        def attempt(footprint: Footprint, network: NodeNet = network) -> Array:
            size = (float(spacing[0]), float(spacing[1]), float(spacing[2]))
            what = Search(volume, size, box, anatomy, footprint.device, footprint.tile)
            return _one(context, network, what, threshold)

        first = Footprint(context.device, EDGE)
        maps.append(with_fallback(attempt, first, tell, context.models.clear))
    return combine(maps, how)


def _one(context: JobContext, network: NodeNet, what: Search, threshold: float) -> Array:
    """One network's probability, handing over nodes that are complete."""
    from inference.interrupt import interruptible
    from plugins.lymph_nodes.partial import complete
    from plugins.lymph_nodes.predict import search

    kind = {"slab": "Searching slab by slab", "full": "Searching the whole chest"}
    note = kind[network.config.kind]
    grid = what.grid(network)

    def report(done: int, total: int) -> None:
        context.progress(done, total, note)

    def finished(found: Array, start: int, stop: int) -> None:
        nodes: list[Node] = complete(found, start, stop, grid, threshold)
        if nodes:
            context.partial({"nodes": [node.plain() for node in nodes]})

    with interruptible(network, context.check):
        return search(network, what, report, finished)


def _suits(series: Series) -> bool:
    return series.kind == "volume" and not series.rgb


def _request(
    series: Series, settings: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, Any]]:
    volume = series.canonical()
    chosen = {name: value for name, value in settings.items() if name != "anatomy"}
    arrays = {"volume": volume}
    if settings["anatomy"]:
        path = Path(settings["anatomy"])
        arrays["anatomy"] = read_anatomy(path, volume.shape, series.canonical_geometry)
    geometry = series.canonical_geometry
    about = {
        "tilted": is_tilted(geometry.affine), "modality": series.modality,
        "measured": geometry.known,
    }  # fmt: skip
    return arrays, {**chosen, **about, "spacing": geometry.spacing}


def read_anatomy(path: Path, shape: tuple[int, ...], grid: Geometry) -> Array:
    """A mask of known structures, uint8, over the grid of the CT; raises UserError."""
    from inference.label_files import lies_on
    from inference.reading import read

    found = read(path)[0]
    if not lies_on(found, grid, shape):
        raise UserError(f"{path.name} has another grid than the CT: resample it to the CT first.")
    return np.asarray(found.canonical() != 0, np.uint8)


def _estimate_bytes(series: Series, settings: Mapping[str, Any]) -> int:
    return BYTES_AT_LEAST + BYTES_A_VOXEL * int(np.prod(series.spatial_shape))


TASK = Task(
    name=NAME,
    title="Lymph nodes",
    summary="Finds, outlines and measures lymph nodes of the mediastinum in a chest CT.",
    version="1",
    entry="plugins.lymph_nodes.task:segment",
    suits=_suits,
    settings=(
        Setting("model", "Model", DEFAULT, str, tuple(NETWORKS),
                "slab: fine, in slabs; full: the chest at once; ensemble: both"),
        Setting("combine", "Ensemble by", "max", str, ("max", "mean"),
                "max: finds more; mean: fewer false finds"),
        Setting("threshold", "Threshold", THRESHOLD, float,
                help="probability from which a voxel belongs to a node, 0 to 1"),
        Setting("smallest", "Smallest short axis", 0.0, float,
                help="nodes with a shorter short axis are left out, mm"),
        Setting("anatomy", "Known anatomy", "", str,
                help="file with a mask of what is no node: oesophagus, vessels, heart"),
    ),
    request=_request,
    write=write,
    estimate_bytes=_estimate_bytes,
    findings=findings,
    widget="plugins.lymph_nodes.widget:LymphNodesWidget",
)  # fmt: skip
