"""Clicks for the worker and the command line: numpy in, numpy out.

`segment` answers a prompt on one slice, `follow` takes its outline through the slices beside it;
the window asks for these. `outline` does both for a whole series from a file of prompts.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference import loading, measured
from inference.box import Box
from inference.errors import UserError
from inference.measured import Findings, Measured, Quantity
from inference.tasks import Setting, Task
from inference.writing import Segment
from plugins.click_segmentation.prompts import Prompt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.series import Array, Series
    from inference.worker import JobContext

NAME = "click_segmentation"
OBJECT, COLOR = "Object", "#2ca02c"
SIZES = {"fast": 192, "large": 256}
"""Longer side of what the network sees at once, px."""

BYTES_AT_LEAST = 700_000_000
"""Of the worker with a network and its crops, whatever the size of the image."""


def segment(  # noqa: PLR0913  one argument for each thing that a request holds
    context: JobContext,
    image: Array,
    prompts: Sequence[Mapping[str, Any]],
    previous: Array | None = None,
    spacing: Sequence[float] = (1.0, 1.0),
    locked: Array | None = None,
    fresh: int | None = None,
    beside: Array | None = None,
    model: str = "fast",
) -> dict[str, Any]:
    """Outline one slice (down, right[, 3]); `prompts` in its pixels, `spacing` in mm.

    `previous` is the mask before, `locked` what must not become the object, and the newest `fresh`
    prompts are those that `previous` does not answer yet (one, or all where it is empty); `beside`
    is the mask in the nearest slice. Returns
    "mask", uint8, of the "box" ((start), (stop)) that holds the object before and after; and
    "score", the Dice that the network expects. Raises UserError.
    """
    said = [Prompt.from_json(entry, 2) for entry in prompts]
    outliner, info = _outliner(context, model)
    found = outliner.outline(image, said, previous, spacing, locked, fresh, beside)
    before = np.zeros_like(found.mask) if previous is None else previous != 0
    box = Box.of(found.mask | before) or Box((0, 0), (0, 0))
    return _answer(found.mask, box) | {
        "score": found.score, "model": info, "device": context.device
    }  # fmt: skip


def follow(  # noqa: PLR0913  one argument for each thing that a request holds
    context: JobContext,
    slab: Array,
    previous: Array,
    seed_index: int,
    direction: int,
    spacing: Sequence[float] = (1.0, 1.0),
    prompts: Sequence[Mapping[str, Any]] = (),
    before: Array | None = None,
    far: Array | None = None,
    far_index: int = 0,
    model: str = "fast",
) -> dict[str, Any]:
    """Follow an object through a slab (n, down, right), whose first slice is beside the seed.

    `previous` is its mask on the seed slice, `before` that slice's image if it is at hand.
    `far` is its mask on a slice `far_index` to which it goes on, if that is known. `direction` is
    1 or -1; `prompts` in pixels of their slice, each with its "index". Hands over
    {"index", "mask", "box", "score"} for each slice; returns why it stopped: "ended" or "slab".
    """
    from plugins.click_segmentation.follow import Far
    from plugins.click_segmentation.follow import follow as steps

    said: dict[int, list[Prompt]] = {}
    for entry in prompts:
        number = (int(entry["index"]) - seed_index) * direction - 1
        said.setdefault(number, []).append(Prompt.from_json(entry, 2))
    outliner, info = _outliner(context, model)
    last, reason = seed_index, ""
    goal = None if far is None else Far(far, abs(far_index - seed_index))
    found = steps(outliner, slab, spacing, previous, said, before, goal)
    for number, step in enumerate(found, start=1):
        context.progress(number, len(slab), "Following")
        if step.end:
            reason = step.end
            break
        last = seed_index + direction * number
        box = Box.of(step.mask) or Box((0, 0), (0, 0))
        context.partial({"index": last, "score": step.score, **_answer(step.mask, box)})
    return {
        "stopped": "ended" if reason else "slab", "reason": reason, "last": last,
        "model": info, "device": context.device,
    }  # fmt: skip


def outline(
    context: JobContext,
    image: Array,
    prompts: Sequence[Mapping[str, Any]],
    spacing: Sequence[float],
    follow: bool = True,
    model: str = "fast",
) -> dict[str, Any]:
    """ "labels" (0/1, as the image) of the object of which all prompts speak. Raises UserError."""
    from plugins.click_segmentation.volume import outline_plane, outline_volume

    outliner, info = _outliner(context, model)
    said = [Prompt.from_json(entry, len(spacing)) for entry in prompts]
    if len(spacing) == 2:
        mask = outline_plane(outliner, image, said, spacing)
    else:
        mask = outline_volume(outliner, image, said, spacing, follow, context.progress)
    warning = None if mask.any() else "Nothing was found at these clicks."
    return {
        "labels": mask.astype(np.uint8), "prompts": len(said), "warning": warning,
        "model": info, "device": context.device,
    }  # fmt: skip


def _answer(mask: Array, box: Box) -> dict[str, Any]:
    return {"mask": mask[box.slices].astype(np.uint8), "box": (box.start, box.stop)}


def _outliner(context: JobContext, name: str) -> tuple[Any, dict[str, str]]:
    """The network ready to outline, and what identifies it; raises UserError."""
    from plugins.click_segmentation.predict import Encodings, Outliner, ready

    device = context.device
    network, info = loading.network(context, NAME, name)
    key = (NAME, info.sha256, device, "encodings")
    encodings = context.models.get(key, Encodings)
    return Outliner(ready(network, device), device, SIZES[name], encodings), info.identity


def _suits(series: Series) -> bool:
    return not (series.rgb and series.kind == "volume")


def _request(
    series: Series, settings: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, Any]]:
    prompts = read_prompts(settings["clicks"], series.spatial_shape)
    return {"image": series.canonical()}, {
        "prompts": [_canonical(prompt, series).to_json() for prompt in prompts],
        "spacing": tuple(float(step) for step in series.scale),
        "follow": settings["follow"],
        "model": settings["model"],
    }


def _canonical(prompt: Prompt, series: Series) -> Prompt:
    """A prompt in voxels of the file, whose axes may be turned, in those of `canonical()`."""
    if series.kind != "volume":
        return prompt
    turn = np.linalg.solve(series.canonical_geometry.affine, series.geometry.affine)
    points = np.array(prompt.points) @ turn[:3, :3].T + turn[:3, 3]
    axis = int(np.abs(turn[:3, prompt.axis or 0]).argmax())
    return replace(prompt, points=tuple(tuple(map(float, p)) for p in points.round(4)), axis=axis)


def read_prompts(file: str, shape: Sequence[int]) -> list[Prompt]:
    """The prompts of a clicks file, each inside an image of this shape; raises UserError."""
    if not file:
        raise UserError("Clicks are needed: give a file of them with --set clicks=FILE.json.")
    path = Path(file)
    try:
        entries = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path.name} could not be read: check its name and folder.") from error
    except ValueError as error:
        raise UserError(f"{path.name} is no JSON file of clicks: write a list of them.") from error
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path.name} holds no clicks: write a list of them.")
    prompts = [Prompt.from_json(entry, len(shape)) for entry in entries]
    for prompt in prompts:
        for point in prompt.points:
            if not all(-0.5 <= place < n - 0.5 for place, n in zip(point, shape, strict=True)):
                raise UserError(
                    f"The place {list(point)} of {path.name} lies outside the image, which has "
                    f"{' × '.join(map(str, shape))} voxels: give voxels in the order of its axes."
                )
    return prompts


def _write(series: Series, result: Mapping[str, Any], stem: Path) -> dict[str, Any]:
    """`stem`_mask.nii.gz on the grid of the input, for a picture `stem`_mask.png too."""
    from inference.writing import write_labels, write_png

    mask = result["labels"] > 0
    stored = series.from_canonical(mask)
    segments = (Segment(1, OBJECT, COLOR),)
    labels = np.ascontiguousarray(stored).astype(np.uint8)
    write_labels(stem.with_name(f"{stem.name}_mask.nii.gz"), labels, series, segments)
    if series.kind == "image":
        write_png(stem.with_name(f"{stem.name}_mask.png"), stored)
    return _measured(series, mask) | {"prompts": result["prompts"]}


def _findings(series: Series, result: Mapping[str, Any]) -> Findings:
    """The object under coded names."""
    figures = _measured(series, result["labels"] > 0)
    level, unit = measured.level(series.modality, series.unit)
    coded = {
        "volume_ml": (measured.VOLUME, "ml", None),
        "mean": (level, unit, measured.MEAN),
        "deviation": (level, unit, measured.STANDARD_DEVIATION),
        "voxels": (measured.VOXELS, "1", None),
    }
    found = [
        Quantity(name, float(figures[key]), ucum, how)
        for key, (name, ucum, how) in coded.items()
        if key in figures
    ]
    thing = Measured(OBJECT, tuple(found), label=1)
    return Findings((Segment(1, OBJECT, COLOR),), (thing,))


def _measured(series: Series, mask: Array) -> dict[str, Any]:
    values = series.canonical()[mask]
    found: dict[str, Any] = {"voxels": int(mask.sum())}
    if series.kind == "volume" and series.geometry.known:
        found["volume_ml"] = round(found["voxels"] * float(np.prod(series.scale)) / 1000, 4)
    if values.size and not series.rgb:
        found |= {"mean": float(values.mean()), "deviation": float(values.std())}
    return found


def _estimate_bytes(series: Series, settings: Mapping[str, Any]) -> int:
    return BYTES_AT_LEAST + 3 * int(np.prod(series.spatial_shape))


TASK = Task(
    name=NAME,
    title="Clicks",
    summary="Outlines what is clicked, in a slice and through the volume; clicks correct it.",
    version="1",
    entry="plugins.click_segmentation.task:outline",
    suits=_suits,
    settings=(
        Setting("model", "Model", "fast", str, ("fast", "large"),
                "fast: a moment on any computer; large: for a graphics card, if installed"),
        Setting("clicks", "Clicks", "", str,
                help='file of clicks: [{"position": [z, y, x], "positive": true}, …] in voxels'),
        Setting("follow", "Through the volume", True, bool,
                help="follow the object from the clicked slices to the others"),
    ),
    request=_request,
    write=_write,
    estimate_bytes=_estimate_bytes,
    widget="plugins.click_segmentation.widget:ClicksWidget",
    findings=_findings,
)  # fmt: skip
