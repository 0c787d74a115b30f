"""Frames between those of a run, for the worker and the command line: numpy in, numpy out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from inference import loading
from inference.errors import UserError
from inference.tasks import Setting, Task
from plugins.dsa_interpolation.export import write
from plugins.dsa_interpolation.prepare import DOUBTED, MOST, Gap, Scale, Trust, gaps, reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.series import Acquisition, Array, Series
    from inference.worker import JobContext
    from plugins.dsa_interpolation.predict import Made

NAME = "dsa_interpolation"
EDGE = 1024
"""Longer frames have their motion found at a fraction of their size, px."""
BYTES_A_PIXEL = {"fast": 1200, "published": 6000}
"""Memory that the network takes for every pixel that it sees."""
BYTES_AT_LEAST = 500_000_000
FRAME_MS = 100.0
"""Between frames that state no times."""


def interpolate(
    context: JobContext,
    run: Array,
    times: Sequence[float] | None = None,
    frames: int = 1,
    wanted: Sequence[float] = (),
    model: str = "fast",
) -> dict[str, Any]:
    """A run (t, y, x) and `times`, ms, with `frames` between each two, or just those `wanted`, ms.

    Hands over each gap's frames as they are done: {"gap", "gaps", "frames" (k, y, x), "times",
    "confidence"}, which belong between the run's frames `gap` and `gap + 1`. Raises UserError.
    """
    known = [FRAME_MS * i for i in range(len(run))] if times is None else list(times)
    planned = gaps(known, frames, wanted)
    network, info = loading.network(context, NAME, model)
    trust = Trust.read(info.details)
    scale = Scale.of(run)
    made: dict[int, tuple[Array, list[float]]] = {}
    doubts: dict[int, str] = {}
    for done, gap in enumerate(planned):
        context.progress(done, len(planned), "Making frames")
        pair = run[gap.index], run[gap.index + 1]
        found = _fill(context, network, pair, gap, scale)
        sure = [trust.confidence(one.signs) for one in found]
        made[gap.index] = np.stack([one.frame for one in found]), sure
        if min(sure) < DOUBTED:
            doubts[gap.index] = reason(*(scale.forward(frame) for frame in pair))
        context.partial(
            {"gap": gap.index, "gaps": len(planned), "frames": made[gap.index][0],
             "times": gap.times, "confidence": tuple(sure)}
        )  # fmt: skip
    context.progress(len(planned), len(planned), "Making frames")
    woven = weave(run, known, planned, made)
    doubted = [i for i, sure in enumerate(woven["confidence"]) if sure < DOUBTED]
    return woven | {
        "flags": {"doubted": doubted, "reasons": {str(gap): why for gap, why in doubts.items()}},
        "model": info.identity,
        "device": context.device,
        "warning": _warning(doubted, doubts),
    }


def weave(
    run: Array,
    times: Sequence[float],
    planned: Sequence[Gap],
    made: Mapping[int, tuple[Array, Sequence[float]]],
) -> dict[str, Any]:
    """The run with the frames made so far: "frames", "times", "synthetic", "confidence"."""
    extra = {gap.index: gap.times for gap in planned if gap.index in made}
    frames: list[Array] = []
    when: list[float] = []
    sure: list[float] = []
    synthetic: list[bool] = []
    for index, frame in enumerate(run):
        inner, confidence = made.get(index, (frame[:0], ()))
        frames += [frame, *inner]
        when += [times[index], *extra.get(index, ())]
        sure += [1.0, *confidence]
        synthetic += [False, *(True for _ in confidence)]
    return {"frames": np.stack(frames), "times": when, "synthetic": synthetic, "confidence": sure}


def _fill(
    context: JobContext, network: Any, pair: tuple[Array, Array], gap: Gap, scale: Scale
) -> list[Made]:
    from inference.interrupt import interruptible
    from inference.memory import Footprint, with_fallback
    from plugins.dsa_interpolation.predict import between

    def attempt(footprint: Footprint) -> list[Made]:
        with interruptible(network, context.check):
            found = between(network, pair, gap.shares, scale, footprint.device, footprint.tile)
            return list(found)

    def tell(note: str) -> None:
        context.progress(0, 0, note)

    return with_fallback(attempt, Footprint(context.device, EDGE), tell, context.models.clear)


def _warning(doubted: Sequence[int], reasons: Mapping[int, str]) -> str | None:
    if not doubted:
        return None
    why = " and ".join(sorted(set(reasons.values())))
    if len(doubted) == 1:
        return f"1 new frame is doubtful: {why}. It is marked."
    return f"{len(doubted)} new frames are doubtful: {why}. They are marked."


def _suits(series: Series) -> bool:
    return series.kind == "run"


def _request(
    series: Series, settings: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, Any]]:
    taken = taken_frames(series)
    run = series.canonical()[taken]
    if series.rgb:
        run = np.asarray(np.rint(run.mean(-1)), run.dtype)
    if settings["source"] == "subtracted":
        run = subtracted(run, series.acquisition)
    return {"run": run}, {
        "times": None if series.frame_times is None else known_times(series),
        "frames": settings["frames"],
        "wanted": wanted_times(settings["times"]),
        "model": settings["model"],
    }


def known_times(series: Series) -> list[float]:
    """When the frames that no model made were taken, ms; evenly where the run does not say."""
    taken, times = taken_frames(series), series.frame_times
    return [FRAME_MS * i for i in range(len(taken))] if times is None else [times[i] for i in taken]


def taken_frames(series: Series) -> list[int]:
    """Frames that no model made."""
    marks = series.synthetic or (False,) * len(series.voxels)
    return [index for index, made in enumerate(marks) if not made]


def wanted_times(text: str) -> list[float]:
    """Times written as "120, 250.5", ms; raises UserError."""
    try:
        return [float(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise UserError(
            f"{text} are no times: give milliseconds from the first frame, such as 120, 250.5."
        ) from error


def subtracted(run: Array, acquisition: Acquisition | None) -> Array:
    """The run without its mask's anatomy, as 16 bit; one that is subtracted as it is."""
    from plugins.dsa_interpolation.subtraction import Subtractor
    from plugins.dsa_interpolation.suggestion import completed, suggested

    known = completed(run, acquisition)
    if known is not None and known.subtracted:
        return run
    return stored_density(Subtractor(run, known, suggested(run, known)).stack())


def stored_density(density: Array) -> Array:
    """Log densities as 16 bit: 32768 + 16384 a unit."""
    return np.asarray(np.clip(np.rint(32768 + 16384 * density), 0, 65535), np.uint16)


def _estimate_bytes(series: Series, settings: Mapping[str, Any]) -> int:
    t, y, x = series.spatial_shape
    seen = min(y, EDGE) * min(x, EDGE) * BYTES_A_PIXEL[settings["model"]]
    run = t * y * x * series.voxels.itemsize * (settings["frames"] + 1)
    return int(BYTES_AT_LEAST + seen + 2 * run)


TASK = Task(
    name=NAME,
    title="DSA",
    summary="Subtracts an angiography run, measures its flow and makes frames between its frames.",
    version="1",
    entry="plugins.dsa_interpolation.task:interpolate",
    suits=_suits,
    settings=(
        Setting("model", "Model", "fast", str, ("fast", "published"),
                "fast: seconds on any computer; published: the network's full width, if installed"),
        Setting("frames", "Frames between", 1, int,
                help=f"new frames between each two taken ones, 1 to {MOST}"),
        Setting("times", "Times", "", str,
                help="make frames at just these times instead, ms from the first: 120, 250.5"),
        Setting("source", "From", "raw", str, ("raw", "subtracted"),
                "raw: the frames as stored; subtracted: without the mask's anatomy"),
    ),
    request=_request,
    write=write,
    estimate_bytes=_estimate_bytes,
    widget="plugins.dsa_interpolation.widget:DsaWidget",
    made_for="run",
)  # fmt: skip
